package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"
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

// TestRestoringStrangers: a database with something of another program, or that
// can't keep every text, is refused and left as it is; one whose schema was not
// finished is gone on with.
func TestRestoringStrangers(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	refused := func(dsn, want string) {
		t.Helper()
		if _, err := OpenRestoring(t.Context(), dsn); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	execute := func(dsn, statement string) (rows int64) {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		tag, err := conn.Exec(t.Context(), statement)
		if err != nil {
			t.Fatal(err)
		}
		return tag.RowsAffected()
	}
	shop := server.Database(t)
	execute(shop, "CREATE TABLE shop (a integer)")
	refused(shop, "it is not empty: there is shop, which is no hub's")
	if n := execute(shop, "SELECT FROM pg_class WHERE relname LIKE 'goose%'"); n != 0 {
		t.Error("tables were made in it")
	}
	elsewhere := server.Database(t)
	execute(elsewhere, "CREATE SCHEMA theirs CREATE TABLE events (a integer)")
	openRestoring(t, elsewhere)

	half := server.Database(t)
	config, err := pgx.ParseConfig(half)
	if err != nil {
		t.Fatal(err)
	}
	if err := migrateTo(t.Context(), config, 1); err != nil {
		t.Fatal(err)
	}
	openRestoring(t, half)
	execute(half, "DELETE FROM goose_db_version WHERE version_id > 1; INSERT INTO accounts VALUES (1, 'localhost', '', '', now())")
	refused(half, "its schema is version 1")

	latin := server.Database(t)
	name := "latin_" + config.Database
	server.Execute(t, "CREATE DATABASE "+name+" OWNER "+config.User+" ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
	t.Cleanup(func() { server.Execute(t, "DROP DATABASE "+name+" WITH (FORCE)") })
	u, err := url.Parse(latin)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	refused(u.String(), "its encoding is LATIN1")
	if _, err := Open(t.Context(), u.String()); err == nil || !strings.Contains(err.Error(), "its encoding is LATIN1") {
		t.Errorf("a hub is made there: %v", err)
	}
}
