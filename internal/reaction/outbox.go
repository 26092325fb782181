package reaction

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Outbox takes mail where no relay is set up: a folder of .eml files that any mail
// program opens. It may be used from any goroutine; the folder belongs to one
// process.
type Outbox struct {
	dir string
	// mu makes writers of one name take turns: they share a temporary file.
	mu sync.Mutex
}

// NewOutbox makes an outbox. The folder is made with the first message; the one
// above it must be there.
func NewOutbox(dir string) *Outbox { return &Outbox{dir: dir} }

// maxOutboxName leaves room for what is put before and behind a name within the
// 255 bytes of a file system.
const maxOutboxName = 200

// Send writes a message as name.eml, or returns a [SendError]. When it returns nil
// the file is on disk whole and outlives a power cut; until then it is not there
// under this name, or with its former content. Writing it again leaves one file.
func (o *Outbox) Send(ctx context.Context, name string, raw []byte) error {
	if !fileName(name) {
		return sendErrorf("%q can't be the name of a file in the outbox", shorten(oneLine(name), maxServerText))
	}
	if err := ctx.Err(); err != nil {
		return &SendError{Message: "the hub was stopping", cause: err}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.write(name, raw); err != nil {
		return &SendError{Message: "the outbox can't be written: " + rootOf(err).Error(), cause: err}
	}
	return nil
}

// fileName reports names that stay in their folder and that every file system
// takes. One that begins with a dot would hide.
func fileName(name string) bool {
	return name != "" && len(name) <= maxOutboxName && name[0] != '.' && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '.' && r != '_' && r != '-'
	})
}

// write replaces the file. What a crash leaves behind is the temporary file, which
// the next attempt at the same name overwrites.
func (o *Outbox) write(name string, raw []byte) error {
	switch err := os.Mkdir(o.dir, 0o700); {
	case err == nil:
		if err := syncFolder(filepath.Dir(o.dir)); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrExist):
		return err
	}
	path := filepath.Join(o.dir, name+".eml")
	temporary := filepath.Join(o.dir, "."+name+".tmp")
	err := writeFile(temporary, raw)
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		// A disk that is full needs the room more than anybody the half.
		os.Remove(temporary)
		return err
	}
	// The name, too, must outlive a power cut: the message counts as sent next.
	return syncFolder(o.dir)
}

func writeFile(path string, raw []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if err == nil {
		err = f.Sync()
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	return err
}

func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
