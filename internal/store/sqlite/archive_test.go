package sqlite

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"greenlane/internal/store"
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
	storetest.RunArchive(t, storetest.Archivist{
		Open:      func(t *testing.T, dir string) store.Store { return open(t, file(dir)) },
		Restoring: func(t *testing.T, dir string) storetest.Backend { return openRestoring(t, file(dir)) },
		Others: []func(*testing.T, string) (storetest.Backend, error){
			func(t *testing.T, dir string) (storetest.Backend, error) { return Open(t.Context(), file(dir)) },
			func(t *testing.T, dir string) (storetest.Backend, error) { return Inspect(t.Context(), file(dir)) },
		},
	})
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

// TestRestoringStrangers: a file of another program is refused and left as it is, by
// who reads and by who fills; one whose schema was not finished is gone on with.
func TestRestoringStrangers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notes.db")
	execute := func(statement string) {
		t.Helper()
		db, err := sql.Open("sqlite", "file:"+path)
		if err == nil {
			_, err = db.ExecContext(t.Context(), statement)
			err = errors.Join(err, db.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	execute("CREATE TABLE notes (a TEXT)")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Inspect(t.Context(), path)
	if err == nil || !strings.Contains(err.Error(), "there are no tables of a hub in it") {
		t.Errorf("reading: error %v", err)
	}
	_, err = OpenRestoring(t.Context(), path)
	if err == nil || !strings.Contains(err.Error(), "it is not empty: there is notes, which is no hub's") {
		t.Errorf("filling: error %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed, error %v", err)
	}

	// Its schema was being made.
	path = filepath.Join(t.TempDir(), "half.db")
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	provider, _, _, err := versions(t.Context(), db)
	if err == nil {
		_, err = provider.UpTo(t.Context(), 3)
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	openRestoring(t, path).Close()
	execute("INSERT INTO accounts (number, domain, region, gateway, created) VALUES (1, 'localhost', '', '', 1)")
	execute("DELETE FROM goose_db_version WHERE version_id > 7")
	if _, err := OpenRestoring(t.Context(), path); err == nil || !strings.Contains(err.Error(), "its schema is version 7") {
		t.Errorf("a hub of another version: error %v", err)
	}
}
