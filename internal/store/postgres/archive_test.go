package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/jackc/pgx/v5"

	"greenlane/internal/store"
	"greenlane/internal/store/pgtest"
	"greenlane/internal/store/storetest"
)

// openRestoring opens a database with small parts.
func openRestoring(t *testing.T, dsn string) *DB {
	t.Helper()
	db, err := OpenRestoring(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	db.partSize = 100
	t.Cleanup(func() { db.Close() })
	return db
}

func TestArchive(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	dsn := func(t *testing.T, dir string) string {
		sum := sha256.Sum256([]byte(dir))
		return server.Named(t, "archive_"+hex.EncodeToString(sum[:12]))
	}
	storetest.RunArchive(t, storetest.Archivist{
		Open:      func(t *testing.T, dir string) store.Store { return openSmall(t, dsn(t, dir), 100) },
		Restoring: func(t *testing.T, dir string) storetest.Backend { return openRestoring(t, dsn(t, dir)) },
		Others: []func(*testing.T, string) (storetest.Backend, error){
			func(t *testing.T, dir string) (storetest.Backend, error) { return Open(t.Context(), dsn(t, dir)) },
			func(t *testing.T, dir string) (storetest.Backend, error) { return Inspect(t.Context(), dsn(t, dir)) },
		},
	})
}

// TestArchiveColumns: the archive has every column of every table but of those that
// are the database's own.
func TestArchiveColumns(t *testing.T) {
	t.Parallel()
	db := openNew(t)
	columns := map[string][]string{}
	err := db.rows(t.Context(), `SELECT c.relname, a.attname
  FROM pg_class c
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace`, nil, func(rows pgx.Rows) error {
		var table, column string
		err := rows.Scan(&table, &column)
		columns[table] = append(columns[table], column)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	storetest.WantArchived(t, columns, "goose_db_version", "head", "leases", "numbers", "restoration")
}
