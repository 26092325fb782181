// Package teststore opens a store for the tests of packages that work with any:
// SQLite, or PostgreSQL when the variable GREENLANE_TEST_STORE says postgres.
package teststore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"greenlane/internal/store"
	"greenlane/internal/store/pgtest"
	"greenlane/internal/store/postgres"
	"greenlane/internal/store/sqlite"
)

// emptyDatabase is a database file after its migrations, which every store begins
// with: run for each, they would be a quarter of all that some tests do.
var emptyDatabase = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "greenlane-empty-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "greenlane.db")
	s, err := sqlite.Open(context.Background(), path)
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// OpenFile opens an SQLite store whatever is asked for. Tests in a bubble of
// synctest need it: their time stands still while they wait for a server.
func OpenFile(t testing.TB, dir string) store.Store {
	t.Helper()
	path := filepath.Join(dir, "greenlane.db")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		empty, err := emptyDatabase()
		if err == nil {
			err = os.WriteFile(path, empty, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	db, err := sqlite.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// onPostgres reports which store is asked for.
func onPostgres(t testing.TB) bool {
	t.Helper()
	switch kind := os.Getenv("GREENLANE_TEST_STORE"); kind {
	case "", "sqlite":
		return false
	case "postgres":
		return true
	default:
		t.Fatalf("GREENLANE_TEST_STORE is %q, and must be sqlite or postgres", kind)
		return false
	}
}

// dsn names the PostgreSQL database that belongs to a folder.
func dsn(t testing.TB, dir string) string {
	t.Helper()
	name := sha256.Sum256([]byte(dir))
	return pgtest.Start(t).Named(t, "test_"+hex.EncodeToString(name[:12]))
}

// Open opens the store that belongs to the folder, creating it when there is none.
// Opened again after Close, it has the same content until the test that opened it
// first ends. A failure ends the test.
func Open(t testing.TB, dir string) store.Store {
	t.Helper()
	if !onPostgres(t) {
		return OpenFile(t, dir)
	}
	db, err := postgres.Open(context.Background(), dsn(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	return db
}
