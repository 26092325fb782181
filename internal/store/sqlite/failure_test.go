package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"modernc.org/sqlite"

	"greenlane"
	"greenlane/internal/store"
	"greenlane/internal/store/backend"
	"greenlane/internal/store/storetest"
)

// limitPages sets how many pages the writer may use; the limit is the
// connection's own.
func limitPages(t *testing.T, db *DB, pages int) {
	t.Helper()
	db.mu.Lock()
	defer db.mu.Unlock()
	if _, err := db.conn.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
		t.Fatal(err)
	}
}

// TestFull fills the database up to a limit of pages.
func TestFull(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "greenlane.db")
	db := open(t, path)
	var position int64
	for round := range 3 {
		var pages int
		if err := db.reader.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&pages); err != nil {
			t.Fatal(err)
		}
		limitPages(t, db, pages+20)
		var err error
		for err = add(db, 3, 5000); err == nil; err = add(db, 3, 5000) {
			position += 3
		}
		if greenlane.CodeOf(err) != "storage_full" {
			t.Fatalf("error %v, want storage_full", err)
		}
		storetest.WantUnavailable(t, err)
		wantHead(t, db, position)
		limitPages(t, db, 1<<30)
		if err := add(db, round+1, 5000); err != nil {
			t.Fatalf("append after space came back: %v", err)
		}
		position += int64(round + 1)
	}
	db.Close()
	wantHead(t, open(t, path), position)
}

// TestStuckTransaction: whatever left the connection inside a transaction, the
// next write but one works.
func TestStuckTransaction(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "greenlane.db"))
	if err := add(db, 1, 10); err != nil {
		t.Fatal(err)
	}
	for _, left := range []string{"BEGIN", "BEGIN IMMEDIATE", "BEGIN; UPDATE head SET position = 77"} {
		if _, err := db.conn.ExecContext(t.Context(), left); err != nil {
			t.Fatal(err)
		}
		if err := add(db, 1, 10); err == nil {
			t.Fatal("wrote inside another transaction")
		}
		wantHead(t, db, 1)
	}
	if err := add(db, 1, 10); err != nil {
		t.Fatal(err)
	}
	wantHead(t, db, 2)
}

// replace puts another statement in the place of a prepared one, to be used
// until it is put back or the connection is given up.
func replace(t *testing.T, db *DB, statement, by string) {
	t.Helper()
	db.mu.Lock()
	defer db.mu.Unlock()
	s, err := db.conn.PrepareContext(context.Background(), by)
	if err != nil {
		t.Fatal(err)
	}
	if old := db.statements[statement]; old != nil {
		old.Close()
	}
	db.statements[statement] = s
}

const failing = "INSERT INTO head VALUES (2, 0, x'', 0, 0, 0)"

// TestFailedCommit breaks COMMIT and ROLLBACK in every way and looks whether
// memory and file agree, and whether the next write works.
func TestFailedCommit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fail func(t *testing.T, db *DB)
		// stored is whether the write was committed in spite of the error.
		stored bool
	}{
		"rolled back by SQLite": {fail: func(t *testing.T, db *DB) {
			err := db.conn.Raw(func(c any) error {
				c.(sqlite.HookRegisterer).RegisterCommitHook(func() int32 { return 1 })
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}},
		"still open":                   {fail: func(t *testing.T, db *DB) { replace(t, db, commitStatement, failing) }},
		"committed all the same":       {func(t *testing.T, db *DB) { replace(t, db, commitStatement, "COMMIT; "+failing) }, true},
		"rollback fails, too":          {fail: func(t *testing.T, db *DB) { breakBoth(t, db, failing) }},
		"rollback fails after success": {func(t *testing.T, db *DB) { breakBoth(t, db, "COMMIT; "+failing) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "greenlane.db")
			db := open(t, path)
			if err := add(db, 1, 10); err != nil {
				t.Fatal(err)
			}
			test.fail(t, db)
			w, err := newWrite(db, 2, 10)
			if err != nil {
				t.Fatal(err)
			}
			w.Events[1].Type = "type.of_the_failed_write"
			storetest.WantUnavailable(t, db.Append(t.Context(), w))
			replace(t, db, commitStatement, commitStatement)
			position := int64(1)
			if test.stored {
				position = 3
			}
			wantHead(t, db, position)
			for range 2 {
				if w, err = newWrite(db, 1, 10); err != nil {
					t.Fatal(err)
				}
				w.Events[0].Type = "type.of_the_failed_write"
				if err := db.Append(t.Context(), w); err != nil {
					t.Fatalf("append after a failed commit: %v", err)
				}
				position++
				wantHead(t, db, position)
				db.Close()
				db = open(t, path)
			}
		})
	}
}

func breakBoth(t *testing.T, db *DB, commit string) {
	t.Helper()
	replace(t, db, commitStatement, commit)
	replace(t, db, rollbackStatement, failing)
}

// TestUnknownOutcome: a commit fails and the file is out of reach afterwards.
// Until it is back nobody is told a head that may be wrong.
func TestUnknownOutcome(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "greenlane.db"))
	if err := add(db, 1, 10); err != nil {
		t.Fatal(err)
	}
	breakBoth(t, db, "COMMIT; "+failing)
	away, err := sql.Open("sqlite", dsn(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	defer away.Close()
	back := db.writer
	db.writer = away
	storetest.WantUnavailable(t, add(db, 1, 10))
	_, err = db.Head(t.Context())
	storetest.WantUnavailable(t, err)
	_, err = db.Events(t.Context(), store.EventQuery{Limit: 10})
	storetest.WantUnavailable(t, err)
	storetest.WantUnavailable(t, add(db, 1, 10))
	db.writer = back
	wantHead(t, db, 2)
	if err := add(db, 1, 10); err != nil {
		t.Fatal(err)
	}
	wantHead(t, db, 3)
}

// TestForgettingFails: what was not forgotten is not counted.
func TestForgettingFails(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "greenlane.db"))
	w := &store.Write{Base: -1}
	for i := range backend.ForgetPage + 1 {
		w.Answers = append(w.Answers, &store.Answer{Account: 1, Key: [32]byte{byte(i), byte(i >> 8)}, StoredAt: midsummer})
	}
	if err := db.Append(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	replace(t, db, commitStatement, failing)
	n, err := db.ForgetAnswers(t.Context(), midsummer.AddDate(1, 0, 0))
	storetest.WantUnavailable(t, err)
	if n != 0 {
		t.Errorf("forgot %d answers in a transaction that failed", n)
	}
	replace(t, db, commitStatement, commitStatement)
	n, err = db.ForgetAnswers(t.Context(), midsummer.AddDate(1, 0, 0))
	if err != nil || n != backend.ForgetPage+1 {
		t.Errorf("forgot %d answers, error %v", n, err)
	}
}

// TestDamage writes over the file, page by page, and over the values in it.
func TestDamage(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "greenlane.db")
	db := open(t, path)
	for range 5 {
		if err := add(db, 10, 500); err != nil {
			t.Fatal(err)
		}
	}
	db.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const page = 8192
	noticed := 0
	for n := 1; n < len(whole)/page; n++ {
		damaged := slices.Clone(whole)
		copy(damaged[n*page:], slices.Repeat([]byte{0xA5}, page))
		at := filepath.Join(t.TempDir(), "damaged.db")
		if err := os.WriteFile(at, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := Open(t.Context(), at)
		if err != nil {
			continue // no further than this
		}
		if _, err = audit(db); err == nil {
			err = add(db, 1, 10)
		}
		if err != nil && !errors.Is(err, store.ErrBroken) {
			t.Errorf("page %d: error %v, want ErrBroken", n+1, err)
		}
		if err != nil {
			noticed++ // the others hold what neither reads nor changes
		}
		db.Close()
	}
	if noticed < 5 {
		t.Errorf("the damage of only %d pages was noticed", noticed)
	}
}

func TestDamagedValues(t *testing.T) {
	t.Parallel()
	for _, statement := range []string{
		"UPDATE events SET refs = '[[1]]'",
		"UPDATE event_types SET number = 99",
		"UPDATE subjects SET recent = x'80'",
		"UPDATE keys SET digest = x'00'",
		"UPDATE endpoints SET secrets = '{'",
	} {
		t.Run(statement, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "greenlane.db")
			db := open(t, path)
			storetest.ToDamage(t, db)
			for _, s := range []string{"PRAGMA foreign_keys = 0", statement} {
				if _, err := db.conn.ExecContext(t.Context(), s); err != nil {
					t.Fatal(err)
				}
			}
			db.Close()
			db = open(t, path)
			storetest.WantBroken(t, db)
		})
	}
}

func TestNonsense(t *testing.T) {
	t.Parallel()
	storetest.Nonsense(t, open(t, filepath.Join(t.TempDir(), "greenlane.db")))
}
