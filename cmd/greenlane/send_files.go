package main

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxMembers is how many members of one archive are read.
const maxMembers = 1_000_000

// message is one customs message that the command line names.
type message struct {
	// name is the file's path. A member of an archive has the archive's in front,
	// archive.zip!path/in/it.
	name string
	// read returns its bytes, at most one more than the hub takes.
	read func() ([]byte, error)
	// err, if set, is why there is nothing to read.
	err error
}

// notSent is why something is left out that is there.
type notSent string

func (n notSent) Error() string { return string(n) }

// Why messages are left out.
const (
	nestedArchive = notSent("it is an archive inside an archive; unpack the outer one first")
	noFile        = notSent("it is no file with content, but a link, a pipe or a device")
	linkOut       = notSent("it is a link that leads out of the folder; name what it points to, to send that")
	restOfIt      = notSent("what is left of it")
	zipOnPipe     = notSent("a zip archive can't be read from a pipe; give the file itself")
	encrypted     = notSent("it is encrypted; unpack it first")
	unknownMethod = notSent("it is compressed in a way that is not read here; unpack it first")
)

var (
	errTooLarge    = errors.New("it is larger than the hub takes, which is 1 MiB")
	errEmptyFolder = errors.New("the folder holds no files; hidden ones, whose names begin with a dot, are left out")
	errNoMembers   = errors.New("the archive holds no files; hidden ones, whose names begin with a dot, are left out")
	errTooMany     = errors.New("the archive holds too many files")
)

// finder finds the messages in files, folders and archives, one after another.
type finder struct {
	stdin io.Reader
	// visit takes a message; it can be read until visit returns. False ends the
	// reading: what follows is only named.
	visit func(message) bool
	// found is how many messages are known of so far.
	found int64
	// most is how many members of one archive are read.
	most int
	over bool
}

// find visits all that the arguments name, in their order: a folder's files in
// the order of their names, an archive's as it holds them.
func (f *finder) find(arguments []string) {
	f.found = int64(len(arguments))
	for _, name := range arguments {
		f.argument(name)
	}
}

func (f *finder) give(m message) {
	if !f.visit(m) {
		f.over = true
	}
}

func (f *finder) fail(name string, err error) { f.give(message{name: name, err: err}) }

func (f *finder) argument(name string) {
	if f.over {
		f.give(message{name: name})
		return
	}
	if name == "-" {
		f.file(name, f.stdin)
		return
	}
	file, err := os.Open(name)
	if err != nil {
		f.fail(name, err)
		return
	}
	defer file.Close()
	switch info, err := file.Stat(); {
	case err != nil:
		f.fail(name, err)
	case info.IsDir():
		f.folder(name)
	default:
		f.file(name, file)
	}
}

// folder visits the files in a folder and those below it. It opens nothing
// outside, whatever links say.
func (f *finder) folder(name string) {
	root, err := os.OpenRoot(name)
	if err != nil {
		f.fail(name, err)
		return
	}
	defer root.Close()
	files := filesBelow(root)
	if len(files) == 0 {
		f.fail(name, errEmptyFolder)
		return
	}
	f.found += int64(len(files)) - 1
	for _, below := range files {
		if f.over {
			f.fail(name, restOfIt)
			return
		}
		full := filepath.Join(name, below.name)
		if below.err != nil {
			f.fail(full, below.err)
			continue
		}
		file, err := root.Open(below.name)
		if err != nil {
			f.fail(full, cannotRead(err))
			continue
		}
		f.file(full, file)
		file.Close()
	}
}

// fileBelow is a file somewhere in a folder.
type fileBelow struct {
	name string
	// err, if set, is why it can't be read.
	err error
}

func filesBelow(root *os.Root) []fileBelow {
	var files []fileBelow
	// What can't be entered is one of the files found; the walk itself never fails.
	_ = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case name != "." && strings.HasPrefix(path.Base(name), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
		case err != nil:
			files = append(files, fileBelow{name, cannotRead(err)})
		case entry.IsDir():
		case entry.Type()&fs.ModeSymlink != 0:
			if wrong, isFile := followed(root, name); isFile {
				files = append(files, fileBelow{name, wrong})
			}
		case !entry.Type().IsRegular():
			files = append(files, fileBelow{name, noFile})
		default:
			files = append(files, fileBelow{name, nil})
		}
		return nil
	})
	return files
}

// followed tells what is wrong with a link, and whether it is to be taken for a
// file: one to a folder inside is not, for that folder's files are found anyway.
func followed(root *os.Root, name string) (wrong error, isFile bool) {
	switch info, err := root.Stat(name); {
	case errors.Is(err, fs.ErrNotExist):
		return cannotRead(err), true
	case err != nil:
		return linkOut, true
	case info.IsDir():
		return nil, false
	case !info.Mode().IsRegular():
		return noFile, true
	}
	return nil, true
}

// file visits a file, or what is in it if it is an archive. That is seen from its
// content alone.
func (f *finder) file(name string, in io.Reader) {
	r := bufio.NewReader(in)
	head, _ := r.Peek(tarBlock) // an error comes again when it is read
	switch archiveKind(head) {
	case kindZip:
		f.zip(name, in)
	case kindTar:
		f.tar(name, r)
	case kindGzip:
		f.gzip(name, r)
	default:
		f.give(message{name: name, read: func() ([]byte, error) { return readMessage(r) }})
	}
}

// gzip visits a compressed message, or the members of a compressed tar.
func (f *finder) gzip(name string, in io.Reader) {
	unzipped, err := gzip.NewReader(in)
	if err != nil {
		f.fail(name, cannotRead(err))
		return
	}
	r := bufio.NewReader(unzipped)
	if head, _ := r.Peek(tarBlock); archiveKind(head) == kindTar {
		f.tar(name, r)
		return
	}
	f.give(message{name: name, read: func() ([]byte, error) { return readMember(r) }})
}

// tar visits the members of a tar as they come. How many there are shows at its
// end only.
func (f *finder) tar(name string, in io.Reader) {
	r, given := tar.NewReader(in), 0
	f.found-- // it is no message itself
	give := func(m message) {
		given++
		f.found++
		f.give(m)
	}
	for n := 0; ; n++ {
		header, err := r.Next()
		switch {
		case errors.Is(err, io.EOF) && given > 0:
			return
		case errors.Is(err, io.EOF):
			give(message{name: name, err: errNoMembers})
			return
		case f.over:
			give(message{name: name, err: restOfIt})
			return
		case err != nil:
			give(message{name: name, err: cannotRead(err)})
			return
		case n >= f.most:
			give(message{name: name, err: f.tooMany()})
			return
		case header.Typeflag == tar.TypeDir || header.Typeflag == tar.TypeXGlobalHeader || hidden(header.Name):
			continue
		}
		m := message{name: memberName(name, header.Name), read: func() ([]byte, error) { return readMember(r) }}
		if header.Typeflag != tar.TypeReg && header.Typeflag != tar.TypeGNUSparse {
			m.err = noFile
		}
		give(m)
	}
}

// zip visits the members of a zip in the order of its directory.
func (f *finder) zip(name string, in io.Reader) {
	file, ok := in.(*os.File)
	if !ok {
		f.fail(name, zipOnPipe)
		return
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		f.fail(name, zipOnPipe)
		return
	}
	directory := &zipDirectory{in: file, most: f.most}
	r, err := zip.NewReader(directory, info.Size())
	directory.read = true
	switch {
	case errors.Is(err, errTooMany) || err == nil && len(r.File) > f.most:
		f.fail(name, f.tooMany())
		return
	case err != nil:
		f.fail(name, cannotRead(err))
		return
	}
	members := slices.DeleteFunc(r.File, func(m *zip.File) bool { return m.Mode().IsDir() || hidden(m.Name) })
	if len(members) == 0 {
		f.fail(name, errNoMembers)
		return
	}
	f.found += int64(len(members)) - 1
	for _, member := range members {
		if f.over {
			f.fail(name, restOfIt)
			return
		}
		m := message{name: memberName(name, member.Name), read: func() ([]byte, error) { return readZipped(member) }}
		if !member.Mode().IsRegular() {
			m.err = noFile
		}
		f.give(m)
	}
}

func (f *finder) tooMany() error {
	return fmt.Errorf("%w: at most %d are read", errTooMany, f.most)
}

// zipDirectory reads a zip and, as long as its directory is being read, stops
// where that is longer than one of the members it may have: a made-up directory
// would fill the memory.
type zipDirectory struct {
	in   io.ReaderAt
	most int
	// read: the directory has been read.
	read bool

	next    int64
	tail    []byte
	entries int
	bytes   int64
}

// The end of a zip is read more than once to find the directory.
const (
	spareEntries   = 5_000
	bytesOfAnEntry = 256
)

// ReadAt implements [io.ReaderAt].
func (d *zipDirectory) ReadAt(p []byte, offset int64) (int, error) {
	n, err := d.in.ReadAt(p, offset)
	if d.read {
		return n, err
	}
	if offset != d.next {
		d.tail = nil
	}
	// An entry's mark may lie across two reads.
	seen := append(d.tail, p[:n]...)
	d.entries += bytes.Count(seen, zipEntry)
	d.tail = bytes.Clone(seen[max(0, len(seen)-len(zipEntry)+1):])
	d.next, d.bytes = offset+int64(n), d.bytes+int64(n)
	if most := d.most + spareEntries; d.entries > most || d.bytes > int64(most)*bytesOfAnEntry {
		return 0, errTooMany
	}
	return n, err
}

// readZipped returns the content of a zip's member.
func readZipped(m *zip.File) ([]byte, error) {
	// Bit 0 of the flags (APPNOTE.TXT, 4.4.4).
	if m.Flags&1 != 0 {
		return nil, encrypted
	}
	r, err := m.Open()
	if errors.Is(err, zip.ErrAlgorithm) {
		return nil, unknownMethod
	}
	if err != nil {
		return nil, cannotRead(err)
	}
	defer r.Close()
	return readMember(r)
}

// readMember returns a member's content if it is one message.
func readMember(in io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(in, maxMessage+1))
	switch {
	case err != nil:
		return nil, cannotRead(err)
	case archiveKind(raw) != noArchive:
		return nil, nestedArchive
	case len(raw) > maxMessage:
		return nil, errTooLarge
	}
	return raw, nil
}

// cannotRead says why something can't be read, without the names and calls
// inside the error.
func cannotRead(err error) error {
	var file *fs.PathError
	switch {
	case errors.As(err, &file):
		err = file.Err
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("it breaks off before its end")
	}
	return fmt.Errorf("it can't be read: %w", err)
}

type kindOfArchive int

const (
	noArchive kindOfArchive = iota
	kindZip
	kindTar
	kindGzip
)

// tarBlock is the length of a tar's header.
const tarBlock = 512

// The marks of a zip's entry in its directory, of its first member, and of the
// end of one without members.
var zipEntry, zipStart, zipEmpty = []byte("PK\x01\x02"), []byte("PK\x03\x04"), []byte("PK\x05\x06")

// archiveKind tells from the first bytes of a file what it is. A tar shows in the
// checksum of its first header.
func archiveKind(head []byte) kindOfArchive {
	switch {
	case bytes.HasPrefix(head, zipStart) || bytes.HasPrefix(head, zipEmpty):
		return kindZip
	case bytes.HasPrefix(head, []byte("\x1f\x8b\x08")):
		return kindGzip
	case len(head) < tarBlock:
		return noArchive
	}
	_, err := tar.NewReader(bytes.NewReader(head[:tarBlock])).Next()
	if err == nil || errors.Is(err, io.ErrUnexpectedEOF) { // a long name follows
		return kindTar
	}
	return noArchive
}

// hidden reports whether a name in an archive, or a folder on its way, begins
// with a dot.
func hidden(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") && part != "." && part != ".." {
			return true
		}
	}
	return false
}

func memberName(archive, member string) string {
	return archive + "!" + strings.TrimPrefix(member, "./")
}

// printable puts a name into a table: names in archives are whatever somebody
// wrote there, and must not steer a terminal.
func printable(name string) string { return clip(harmless(name), 200) }

// harmless writes what could steer a terminal as escapes.
func harmless(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }) {
		text = strconv.Quote(text)
		text = text[1 : len(text)-1]
	}
	return text
}
