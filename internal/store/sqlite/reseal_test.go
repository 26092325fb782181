package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/store"
)

// oldSecret was replaced before anything was sealed. It is longer than what
// replaces it, so that its end stays in the page.
var oldSecret = "replaced long ago: " + strings.Repeat("o", 2000) + " end of what was replaced"

// withTraces is a database in which an old secret can still be found.
func withTraces(t *testing.T, path string) *DB {
	t.Helper()
	db := open(t, path)
	for _, text := range []string{oldSecret, "new"} {
		w := &store.Write{Base: -1, Secrets: []*store.OwnedSecrets{{Account: 1, Owner: "warehouse/1", Secrets: []store.Secret{{Text: text}}}}}
		if err := db.Append(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	if !traces(t, path) {
		t.Fatal("there is no trace to scrub")
	}
	return db
}

// traces reports whether any of the database's files tells the old secret.
func traces(t *testing.T, path string) bool {
	t.Helper()
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("end of what was replaced")) {
			return true
		}
	}
	return false
}

func scrub(c store.Confidential) (store.Confidential, error) {
	return store.Confidential{Secrets: c.Secrets, Scrub: true}, nil
}

func nothing(store.Confidential) (store.Confidential, error) { return store.Confidential{}, nil }

// due reads whether there is something left to scrub.
func due(t *testing.T, db *DB) int {
	t.Helper()
	var n int
	if err := db.reader.QueryRowContext(t.Context(), selectScrub).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestScrub(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "greenlane.db")
	db := withTraces(t, path)
	if err := add(db, 5, 100); err != nil {
		t.Fatal(err)
	}
	if err := db.Reseal(t.Context(), scrub); err != nil {
		t.Fatal(err)
	}
	if traces(t, path) || due(t, db) != 0 {
		t.Error("the old secret is still there")
	}
	wantHead(t, db, 5)
	if err := add(db, 5, 100); err != nil {
		t.Fatal(err)
	}
	wantHead(t, db, 10)
}

// TestScrubGoesOn: a process that ended after it had rewritten the rows, and
// before it scrubbed the file, leaves that to the next.
func TestScrubGoesOn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "greenlane.db")
	db := withTraces(t, path)
	// What the transaction leaves on disk, with nothing after it.
	if err := db.transact(func() (store.Head, error) {
		return *db.head.Load(), db.writeConfidential(store.Confidential{Scrub: true})
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, path)
	if !traces(t, path) || due(t, db) != 1 {
		t.Fatal("there is nothing left to do")
	}
	if err := db.Reseal(t.Context(), nothing); err != nil {
		t.Fatal(err)
	}
	if traces(t, path) || due(t, db) != 0 {
		t.Error("the old secret is still there")
	}
}

// TestScrubWaitsForReaders: as long as somebody reads the file as it was, it is
// not clean, and says so.
func TestScrubWaitsForReaders(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "greenlane.db")
	db := withTraces(t, path)
	if _, err := db.conn.ExecContext(t.Context(), "PRAGMA busy_timeout = 0"); err != nil {
		t.Fatal(err)
	}
	reader, err := db.reader.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if _, err := reader.ExecContext(t.Context(), "BEGIN; SELECT count(*) FROM owned_secrets"); err != nil {
		t.Fatal(err)
	}
	if err := db.Reseal(t.Context(), scrub); greenlane.KindOf(err) != greenlane.Unavailable {
		t.Errorf("beside a reader: %v", err)
	}
	if _, err := reader.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if due(t, db) != 1 {
		t.Error("it counts as done")
	}
	if err := db.Reseal(t.Context(), nothing); err != nil {
		t.Fatal(err)
	}
	if traces(t, path) || due(t, db) != 0 {
		t.Error("the old secret is still there")
	}
}

// TestUpgradeOfHeaders: the values of headers leave the settings of before, and
// nothing else of them changes.
func TestUpgradeOfHeaders(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "greenlane.db")
	old, err := openWith(t.Context(), path, func(ctx context.Context, db *sql.DB) error {
		provider, _, _, err := versions(ctx, db)
		if err == nil {
			_, err = provider.UpTo(ctx, 4)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = old.conn.ExecContext(t.Context(), `INSERT INTO endpoints VALUES (1, x'00', 1, 'u', 'enabled', '', '[]', '', 0, 0);
INSERT INTO revisions VALUES
  (1, 1, 0, '{"url":"u","headers":{"X-A":"Bearer \"1\" é","X-B":"2"},"concurrency":10}', 0),
  (1, 2, 5, '{"url":"u","retrySchedule":["5s"],"rateLimit":0.5}', 0)`)
	if err := errors.Join(err, old.Close()); err != nil {
		t.Fatal(err)
	}
	got, err := open(t, path).Revisions(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	epoch := greenlane.FromUnixMicro(0)
	want := []*store.Revision{
		{Endpoint: 1, Number: 1, Settings: []byte(`{"url":"u","concurrency":10}`), Confidential: []byte(`{"headers":{"X-A":"Bearer \"1\" é","X-B":"2"}}`), MadeAt: epoch},
		{Endpoint: 1, Number: 2, From: 5, Settings: []byte(`{"url":"u","retrySchedule":["5s"],"rateLimit":0.5}`), MadeAt: epoch},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
