package sqlite

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane/internal/store"
	"greenlane/internal/store/storetest"
)

func examine(t *testing.T, path string) *Health {
	t.Helper()
	h, err := Examine(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// damaged makes a database with events, closes it, and runs statements behind its
// back.
func damaged(t *testing.T, events int, statements ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "greenlane.db")
	db := open(t, path)
	if err := add(db, events, 10); err != nil {
		t.Fatal(err)
	}
	for _, statement := range statements {
		if _, err := db.conn.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSchemaHealth damages a schema in every way that is named.
func TestSchemaHealth(t *testing.T) {
	t.Parallel()
	fresh := examine(t, damaged(t, 1))
	sound, err := fresh.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		damage string
		want   store.SchemaHealth
	}{
		"an index": {"DROP INDEX subjects_by_kind", store.SchemaHealth{Missing: []string{"index subjects_by_kind"},
			Repairs: []string{"CREATE INDEX subjects_by_kind ON subjects (account, kind, id);"}}},
		"a table": {"DROP TABLE answers", store.SchemaHealth{Missing: []string{"table answers"}}},
		"another index": {"DROP INDEX answers_by_age; CREATE INDEX answers_by_age ON answers (status); CREATE INDEX mine ON answers (body)",
			store.SchemaHealth{Other: []string{"index answers_by_age", "index mine"}}},
		"a column":       {"ALTER TABLE endpoints ADD COLUMN colour TEXT", store.SchemaHealth{Other: []string{"table endpoints"}}},
		"somebody's own": {"CREATE TABLE theirs (a TEXT)", store.SchemaHealth{}},
		"newer":          {"INSERT INTO goose_db_version (version_id, is_applied) VALUES (4711, 1)", store.SchemaHealth{Have: 4711}},
		"no hub's":       {"DROP TABLE goose_db_version", store.SchemaHealth{Have: -1}},
	} {
		h := examine(t, damaged(t, 1, strings.Split(test.damage, "; ")...))
		got, err := h.Schema(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		test.want.Known = sound.Known
		switch test.want.Have {
		case 0:
			test.want.Have, test.want.Compared = sound.Known, sound.Compared
		case -1:
			test.want.Have = 0
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestRepair: the statement that is given makes the index that was missing.
func TestRepair(t *testing.T) {
	t.Parallel()
	const drop, create = "DROP INDEX messages_open", "CREATE INDEX messages_open ON messages (account, state, number) WHERE state <> 'applied';"
	s, err := examine(t, damaged(t, 1, drop)).Schema(t.Context())
	if err != nil || len(s.Repairs) != 1 || s.Repairs[0] != create {
		t.Fatalf("schema %+v, error %v", s, err)
	}
	if s, err = examine(t, damaged(t, 1, drop, create)).Schema(t.Context()); err != nil || len(s.Missing)+len(s.Other) > 0 {
		t.Errorf("repaired: %+v, error %v", s, err)
	}
}

// TestEndsOfDamagedLog takes events out at either end, and puts the head of an
// older copy over the log.
func TestEndsOfDamagedLog(t *testing.T) {
	t.Parallel()
	for statement, want := range map[string]store.LogEnds{
		"DELETE FROM events WHERE position = 1":              {Head: store.Head{Position: 20}, First: 2, Last: 20, Early: 19, Late: 19},
		"DELETE FROM events WHERE position = 7":              {Head: store.Head{Position: 20}, First: 1, Last: 20, Early: 19, Late: 19},
		"DELETE FROM events WHERE position > 18":             {Head: store.Head{Position: 20}, First: 1, Last: 18, Early: 18, Late: 18},
		"UPDATE head SET position = 12, hash = zeroblob(32)": {Head: store.Head{Position: 12}, First: 1, Last: 20, Early: 12, Late: 12},
	} {
		got, err := examine(t, damaged(t, 20, statement)).Ends(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !got.Head.RecordedAt.Equal(storetest.Midsummer) {
			t.Errorf("%s: recorded %v", statement, got.Head.RecordedAt)
		}
		got.Head.Hash, got.Head.RecordedAt, got.LastHash = [32]byte{}, time.Time{}, [32]byte{}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", statement, diff)
		}
	}
}

// TestMissingTable: what can be looked at is, and the rest says what it lacks.
func TestMissingTable(t *testing.T) {
	t.Parallel()
	h := examine(t, damaged(t, 1, "DROP TABLE lanes"))
	if _, err := h.Destinations(t.Context()); err == nil || !strings.Contains(err.Error(), "no such table: lanes") {
		t.Errorf("destinations without lanes: %v", err)
	}
	if ends, err := h.Ends(t.Context()); err != nil || ends.Last != 1 {
		t.Errorf("ends %+v, error %v", ends, err)
	}
}

// TestExamineChangesNothing: nothing can be written, and a file in another journal
// mode stays in it, which is told.
func TestExamineChangesNothing(t *testing.T) {
	t.Parallel()
	path := damaged(t, 1)
	// The mode changes only while nobody else has the file open.
	only, err := sql.Open("sqlite", path)
	if err == nil {
		_, err = only.ExecContext(t.Context(), "PRAGMA journal_mode = DELETE")
		err = errors.Join(err, only.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h := examine(t, path)
	host, err := h.Host(t.Context(), time.Now)
	if err != nil || host.File.Journal != "delete" || host.File.Size != int64(len(before)) {
		t.Errorf("host %+v, error %v", host.File, err)
	}
	if _, err := h.db.reader.ExecContext(t.Context(), "DELETE FROM events"); err == nil {
		t.Error("an examination has written")
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the file has changed, error %v", err)
	}
}

func TestExamineRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := Examine(t.Context(), filepath.Join(dir, "none.db")); err == nil {
		t.Error("examined no file")
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
		t.Errorf("looking made %v, error %v", files, err)
	}
	path := filepath.Join(dir, "text.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("not a database\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Examine(t.Context(), path); err == nil || !strings.Contains(err.Error(), "file is not a database") {
		t.Errorf("examined a text: %v", err)
	}
}

// TestPagesDamaged overwrites a page in the middle of the file.
func TestPagesDamaged(t *testing.T) {
	t.Parallel()
	path := damaged(t, 2000)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	const page = 8192
	if _, err := f.WriteAt([]byte(strings.Repeat("\xaa", page)), info.Size()/page/2*page); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	wrong, checked, err := examine(t, path).Pages(t.Context())
	if err == nil && len(wrong) == 0 || !checked {
		t.Errorf("found %q, checked %v, error %v", wrong, checked, err)
	}
}
