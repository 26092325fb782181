package sqlite

import (
	"database/sql"
	"path/filepath"
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
