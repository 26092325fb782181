package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"

	"greenlane/internal/store"
	"greenlane/internal/store/backend"
	"greenlane/internal/store/storetest"
)

func openRestoring(t *testing.T, path string) *DB {
	t.Helper()
	db, err := OpenRestoring(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestArchive(t *testing.T) {
	t.Parallel()
	file := func(dir string) string { return filepath.Join(dir, "greenlane.db") }
	storetest.RunArchive(t, func(t *testing.T, dir string) store.Store { return open(t, file(dir)) },
		func(t *testing.T, dir string) storetest.Backend { return openRestoring(t, file(dir)) })
}

// TestArchiveColumns: the archive has every column of every table but of those that
// are the database's own.
func TestArchiveColumns(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "greenlane.db"))
	columns := map[string][]string{}
	err := db.rows(t.Context(), `SELECT m.name, c.name
  FROM sqlite_schema m
  JOIN pragma_table_info(m.name) c
  WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\_%' ESCAPE '\'`, nil, func(rows *sql.Rows) error {
		var table, column string
		err := rows.Scan(&table, &column)
		columns[table] = append(columns[table], column)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	storetest.WantArchived(t, columns, "goose_db_version", "head", "restoration")
}

// TestUnfinished: what is being filled is opened by nobody else, and what is
// complete by everybody.
func TestUnfinished(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "greenlane.db")
	db := openRestoring(t, path)
	half := store.Restoration{Progress: "half"}
	if err := db.Restore(t.Context(), &store.Step{To: half}); err != nil {
		t.Fatal(err)
	}
	opens := map[string]func(context.Context, string) (*DB, error){"Open": Open, "Inspect": Inspect}
	for name, open := range opens {
		if _, err := open(t.Context(), path); !errors.Is(err, backend.ErrUnfinished) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if err := db.Restore(t.Context(), &store.Step{From: half, To: store.Restoration{Progress: "half", Complete: true}}); err != nil {
		t.Fatal(err)
	}
	for name, open := range opens {
		db, err := open(t.Context(), path)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		db.Close()
	}
}
