package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/store"
	"greenlane/internal/store/sqlite"
)

// Files in the data folder.
const (
	databaseFile = "greenlane.db"
	lockFile     = "greenlane.lock"
	keyFile      = "admin.key"
	// outboxFolder has the e-mails of a hub without a mail server.
	outboxFolder = "outbox"
)

// folder is a data folder that this process alone writes to.
type folder struct {
	path string
	lock *os.File
}

// openFolder makes the folder if need be and locks it.
func openFolder(path string) (*folder, error) {
	f, err := lockFolder(path)
	switch {
	case errors.Is(err, errFolderTaken):
		return nil, fmt.Errorf("--data: another hub runs on %s; stop it, or give this one another folder", path)
	case err != nil:
		return nil, fmt.Errorf("--data: %w", err)
	}
	return f, nil
}

// errFolderTaken says that another process has a folder's lock.
var errFolderTaken = errors.New("another hub runs on it")

// lockFolder makes the folder if need be and locks it. The lock is the kernel's, so
// it ends with the process however that ends.
func lockFolder(path string) (*folder, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("the folder can't be made: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the folder can't be used: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errFolderTaken
		}
		return nil, fmt.Errorf("%s can't be locked: %w", path, err)
	}
	return &folder{path: path, lock: lock}, nil
}

func (f *folder) close() error { return f.lock.Close() }

func (f *folder) file(name string) string { return filepath.Join(f.path, name) }

// database opens the folder's database.
func (f *folder) database(ctx context.Context) (*sqlite.DB, error) {
	if err := makeFile(f.file(databaseFile)); err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	return sqlite.Open(ctx, f.file(databaseFile))
}

// makeFile makes a database file if there is none. It holds secrets: whatever the
// folder's mode, only its owner may read a new one, and SQLite gives the files
// beside it the same mode.
func makeFile(path string) error {
	file, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("the database can't be opened: %w", err)
	}
	return file.Close()
}

// firstAccount makes the first account and its key, if there is none yet. The
// key is in its file before it is valid: should the program stop in between,
// the next start makes another and replaces the file. Of several hubs that start on
// one empty database one makes them; the others know it by the conflict.
func (f *folder) firstAccount(ctx context.Context, h *hub.Hub) error {
	if len(h.Accounts()) > 0 {
		return nil
	}
	token, err := greenlane.NewToken(rand.Reader)
	if err != nil {
		return err
	}
	if err := writeSecret(f.file(keyFile), token); err != nil {
		return err
	}
	number, err := h.Store().Reserve(ctx, store.SubjectNumbers, 1)
	if err != nil {
		return err
	}
	var chance [4]byte
	if _, err := rand.Read(chance[:]); err != nil {
		return err
	}
	now := h.Now()
	account := &greenlane.Account{Number: number, Domain: "localhost", Gateway: greenlane.GatewayOutbox, CreatedAt: now}
	key := &greenlane.Key{
		ID: greenlane.NewID(now, number, binary.BigEndian.Uint32(chance[:])), Account: number, Name: "admin", Role: greenlane.RoleHub,
		Digest: greenlane.TokenDigest(token), CreatedAt: now, DefaultOrigin: greenlane.OriginOperator,
	}
	_, err = h.Do(ctx, hub.Unit{
		Account: number, Source: greenlane.Source{Client: "greenlane", Origin: greenlane.OriginOperator},
		Commands: []greenlane.Command{
			greenlane.RecordAccount{Number: number, Type: greenlane.EventAccountCreated, Body: greenlane.AccountChanged{
				Data: greenlane.AccountData{Domain: account.Domain, Gateway: account.Gateway}}},
			greenlane.RecordAccount{Number: number, Type: greenlane.EventKeyCreated, Body: greenlane.KeyChanged{
				Data: greenlane.KeyData{KeyID: key.ID.Text(greenlane.KeyPrefix), Name: key.Name, Role: key.Role}}},
		},
		Rows: hub.Rows{Accounts: []*greenlane.Account{account}, Keys: []*greenlane.Key{key}},
	})
	if greenlane.KindOf(err) == greenlane.Conflict && len(h.Accounts()) > 0 {
		return os.Remove(f.file(keyFile))
	}
	return err
}

// writeSecret replaces a file that only its owner may read, so that at any time
// the old or the new content is there.
func writeSecret(path, secret string) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(secret + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	// The name, too, must outlive a power cut: the account is recorded next.
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// readKey returns the key in a data folder, empty when there is none.
func readKey(dir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, keyFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(b)), err
}

// keyHint says where the first account's key is, if it was made here.
func (f *folder) keyHint() string {
	if _, err := os.Stat(f.file(keyFile)); err != nil {
		return ""
	}
	return " (key in " + f.file(keyFile) + ")"
}
