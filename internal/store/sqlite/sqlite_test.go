package sqlite

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"greenlane"
	"greenlane/internal/store"
	"greenlane/internal/store/backend"
	"greenlane/internal/store/storetest"
)

var update = flag.Bool("update", false, "write schema.sql instead of comparing with it")

// TestConformance starts each test from a copy of one new database: migrating a
// file takes longer than most of them.
func TestConformance(t *testing.T) {
	t.Parallel()
	fresh := filepath.Join(t.TempDir(), "fresh.db")
	open(t, fresh).Close()
	empty, err := os.ReadFile(fresh)
	if err != nil {
		t.Fatal(err)
	}
	opener := func(t *testing.T, dir string) store.Store {
		path := filepath.Join(dir, "greenlane.db")
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			if err := os.WriteFile(path, empty, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return open(t, path)
	}
	storetest.Run(t, opener)
	t.Run("health", func(t *testing.T) {
		storetest.RunHealth(t, opener, func(t *testing.T, dir string) store.Health {
			h, err := Examine(t.Context(), filepath.Join(dir, "greenlane.db"))
			if err != nil {
				t.Fatal(err)
			}
			return h
		})
	})
}

// open opens a database for as long as the test lasts.
func open(t testing.TB, path string) *DB {
	t.Helper()
	db, err := Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

var midsummer = storetest.Midsummer

func newWrite(db *DB, n, size int) (*store.Write, error) { return storetest.NewWrite(db, n, size) }

func add(db *DB, n, size int) error { return storetest.Add(db, n, size) }

func audit(db *DB) (store.Head, error) { return storetest.Audit(db) }

// wantHead audits the database and compares the position of its head.
func wantHead(t *testing.T, db *DB, position int64) {
	t.Helper()
	head, err := audit(db)
	if err != nil {
		t.Fatal(err)
	}
	if head.Position != position {
		t.Fatalf("the head is %d, want %d", head.Position, position)
	}
}

func TestOpenPaths(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"plain", "with space", "50%41?mode=memory#x", "ümläut&'quote'", "a:b+c;d"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), name)
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, name+".db")
			db := open(t, path)
			if err := add(db, 1, 10); err != nil {
				t.Fatal(err)
			}
			db.Close()
			wantHead(t, open(t, path), 1)
			files, err := os.ReadDir(dir)
			if err != nil || files[0].Name() != name+".db" {
				t.Fatalf("the folder contains %v, error %v", files, err)
			}
		})
	}
}

// TestConnections asks every connection for what it must have been opened with.
func TestConnections(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "greenlane.db"))
	conns := []*sql.Conn{db.conn}
	for range readers {
		c, err := db.reader.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns = append(conns, c)
	}
	for i, c := range conns {
		want := map[string]string{
			"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000", "page_size": "8192",
			"query_only": strconv.Itoa(min(i, 1)), "wal_autocheckpoint": "16000",
		}
		for pragma, value := range want {
			var got string
			if err := c.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != value {
				t.Errorf("connection %d: %s is %q, want %q, error %v", i, pragma, got, value, err)
			}
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(t *testing.T, path string)
		want    string
	}{
		"newer schema": {func(t *testing.T, path string) {
			db := open(t, path)
			_, err := db.conn.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (4711, 1)")
			if err != nil {
				t.Fatal(err)
			}
			db.Close()
		}, "its schema is version 4711 and this program knows 8: use the newer program"},
		"no database": {func(t *testing.T, path string) {
			if err := os.WriteFile(path, bytes.Repeat([]byte("not a database\n"), 1000), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "file is not a database"},
		"no file": {func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "storage is not available"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "greenlane.db")
			test.prepare(t, path)
			_, err := Open(t.Context(), path)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
				t.Fatalf("error %v, want one with %q and the path", err, test.want)
			}
		})
	}
}

// TestInspect: looking changes no schema, neither an older nor a newer one.
func TestInspect(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		"UPDATE goose_db_version SET version_id = 0":                                    "there are no tables of a hub in it",
		"INSERT INTO goose_db_version (version_id, is_applied) VALUES (4711, 1)":        "use the newer program",
		"INSERT INTO goose_db_version (version_id, is_applied) SELECT 1, 1 WHERE 1 = 0": "",
	} {
		path := filepath.Join(t.TempDir(), "greenlane.db")
		db := open(t, path)
		if _, err := db.conn.ExecContext(t.Context(), version); err != nil {
			t.Fatal(err)
		}
		db.Close()
		inspected, err := Inspect(t.Context(), path)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("after %q: %v, want %q", version, err, want)
		}
		if err == nil {
			inspected.Close()
		}
	}
}

// TestUpgrade: a database of the first schema keeps what it has and gets what it
// lacks.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "greenlane.db")
	old, err := openWith(t.Context(), path, func(ctx context.Context, db *sql.DB) error {
		provider, _, _, err := versions(ctx, db)
		if err == nil {
			_, err = provider.UpTo(ctx, 1)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = old.conn.ExecContext(t.Context(), `INSERT INTO attempts
  VALUES (2, 5, 1, 1, 1, 1000, 2000, 503, 'busy', x'01', CAST('Retry-After: 5' || char(10) AS BLOB), CAST('busy' AS BLOB), 0)`)
	if err := errors.Join(err, add(old, 3, 10), old.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Inspect(t.Context(), path); err == nil || !strings.Contains(err.Error(), "its schema is version 1") {
		t.Errorf("inspected the old schema: %v", err)
	}
	db := open(t, path)
	wantHead(t, db, 3)
	blob := &store.Blob{Account: 1, Digest: sha256.Sum256([]byte("new")), Bytes: []byte("new")}
	if err := db.Append(t.Context(), &store.Write{Base: -1, Blobs: []*store.Blob{blob}}); err != nil {
		t.Fatal(err)
	}
	if got, err := db.Blob(t.Context(), 1, blob.Digest); err != nil || string(got) != "new" {
		t.Errorf("blob %q, error %v", got, err)
	}
	attempts, err := db.Attempts(t.Context(), 5, 2, 1)
	if err != nil || len(attempts) != 1 || string(attempts[0].Headers) != "Retry-After: 5\n" || string(attempts[0].Body) != "busy" {
		t.Errorf("attempts of the old schema: %+v, error %v", attempts, err)
	}
}

// TestSchema shows what a change of the migrations does to the schema: run it
// with -update and look at the difference.
func TestSchema(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "greenlane.db"))
	rows, err := db.reader.QueryContext(t.Context(), `SELECT sql
  FROM sqlite_schema
  WHERE sql IS NOT NULL AND tbl_name NOT LIKE 'sqlite\_%' ESCAPE '\' AND tbl_name <> 'goose_db_version'
  ORDER BY tbl_name, type DESC, name`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var b strings.Builder
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		b.WriteString("\n" + text + ";\n")
	}
	storetest.WantSchema(t, b.String(), *update)
}

// TestCloseWaits closes the database in the middle of a read.
func TestCloseWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := open(t, filepath.Join(t.TempDir(), "greenlane.db"))
		for range subjectPage + 1 {
			if err := add(db, 1, 10); err != nil {
				t.Fatal(err)
			}
		}
		reading, goOn, read, closed := make(chan int), make(chan int), make(chan error), make(chan error)
		rows := 0
		go func() {
			read <- db.EachSubject(t.Context(), func(*store.SubjectRow) error {
				if rows++; rows == 1 {
					close(reading)
					<-goOn
				}
				return nil
			})
		}()
		<-reading
		go func() { closed <- db.Close() }()
		synctest.Wait()
		select {
		case err := <-closed:
			t.Errorf("closed during a read, error %v", err)
		default:
		}
		if _, err := db.Cursor(t.Context(), "dispatcher"); !errors.Is(err, backend.ErrClosed) {
			t.Errorf("a read after Close was called: error %v", err)
		}
		close(goOn)
		if err := <-read; err != nil || rows != subjectPage+1 {
			t.Errorf("read %d rows, error %v", rows, err)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Errorf("closed again: %v", err)
		}
		if err := add(db, 1, 10); !errors.Is(err, backend.ErrClosed) {
			t.Errorf("a write after Close: error %v", err)
		}
		if _, err := db.Head(t.Context()); !errors.Is(err, backend.ErrClosed) {
			t.Errorf("the head after Close: error %v", err)
		}
	})
}

// TestRunCheckpoints: what was written, with events or without, is in the
// database file soon after.
func TestRunCheckpoints(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "greenlane.db")
		db := open(t, path)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- db.Run(ctx) }()
		for _, owner := range []string{"reaction/first", "reaction/second"} {
			w := &store.Write{Base: -1, Cursors: []store.Cursor{{Owner: owner, Position: 1}}}
			if err := db.Append(t.Context(), w); err != nil {
				t.Fatal(err)
			}
			if fileContains(t, path, owner) {
				t.Errorf("%s is in the file before the checkpoint", owner)
			}
			time.Sleep(checkpointPause)
			synctest.Wait()
			if !fileContains(t, path, owner) {
				t.Errorf("%s is not in the file after the checkpoint", owner)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func fileContains(t *testing.T, path, text string) bool {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(b, []byte(text))
}

// TestReferencesInSQL: SQLite's own functions read what is stored.
func TestReferencesInSQL(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "greenlane.db"))
	refs := []greenlane.Reference{{Kind: 5, Value: "plain"}, {Kind: 255, Value: "\"\\\n\x01é📦"}, {Kind: 1, Value: ""}}
	for i, r := range refs {
		var kind int64
		var value string
		err := db.reader.QueryRowContext(t.Context(), "SELECT json_extract(?1, ?2), json_extract(?1, ?3)",
			backend.EncodeReferences(refs), "$["+string(rune('0'+i))+"][0]", "$["+string(rune('0'+i))+"][1]").Scan(&kind, &value)
		if err != nil || kind != int64(r.Kind) || value != r.Value {
			t.Errorf("read %d %q for %d %q, error %v", kind, value, r.Kind, r.Value, err)
		}
	}
}
