package postgres

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"greenlane/internal/store"
	"greenlane/internal/store/pgtest"
	"greenlane/internal/store/storetest"
)

// reseal rewrites nothing, and scrubs if it is asked to or something is left.
func reseal(t *testing.T, db *DB, scrub bool) error {
	return db.Reseal(t.Context(), func(c store.Confidential) (store.Confidential, error) {
		return store.Confidential{Scrub: scrub}, nil
	})
}

// files tells which file each table with secrets lies in.
func files(t *testing.T, db *DB) (out [3]uint32) {
	t.Helper()
	err := db.reader.QueryRow(t.Context(), `SELECT pg_relation_filenode('endpoints'), pg_relation_filenode('revisions'),
  pg_relation_filenode('owned_secrets')`).Scan(&out[0], &out[1], &out[2])
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestScrub: the tables are written anew when it is asked for, and if that fails, at
// the next call.
func TestScrub(t *testing.T) {
	t.Parallel()
	db := open(t, pgtest.Start(t).Database(t)+"&lock_timeout=50ms")
	w := &store.Write{Base: -1, Endpoints: []*store.Endpoint{{Number: 1, EazeKey: "secret", CreatedAt: storetest.Midsummer}}}
	if err := db.Append(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	before := files(t, db)
	if err := reseal(t, db, false); err != nil || files(t, db) != before {
		t.Errorf("wrote the tables anew without being asked, error %v", err)
	}
	reader, err := pgx.ConnectConfig(t.Context(), db.writer.Config().ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Exec(t.Context(), "BEGIN; SELECT 1 FROM endpoints"); err != nil {
		t.Fatal(err)
	}
	storetest.WantUnavailable(t, reseal(t, db, true))
	if err := reader.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	db.Close()
	db = open(t, db.writer.Config().ConnString())
	if err := reseal(t, db, false); err != nil {
		t.Fatal(err)
	}
	after := files(t, db)
	for i := range after {
		if after[i] == before[i] {
			t.Errorf("table %d lies in the same file as before", i)
		}
	}
	if err := reseal(t, db, false); err != nil || files(t, db) != after {
		t.Errorf("wrote the tables anew again, error %v", err)
	}
}

// TestResealAgainstWriters: no node changes a secret while others are rewritten.
func TestResealAgainstWriters(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Start(t).Database(t)
	db, other := open(t, dsn), open(t, dsn)
	put := func(db *DB, key string) error {
		return db.Append(context.Background(), &store.Write{Base: -1, Endpoints: []*store.Endpoint{{Number: 1, EazeKey: key}}})
	}
	if err := put(db, "old"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	err := db.Reseal(t.Context(), func(c store.Confidential) (store.Confidential, error) {
		go func() { done <- put(other, "rotated") }()
		waitForLock(t, db)
		c.Endpoints[0].EazeKey = "sealed " + c.Endpoints[0].EazeKey
		return c, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	all, err := db.AllEndpoints(t.Context())
	if err != nil || len(all) != 1 || all[0].EazeKey != "rotated" {
		t.Errorf("endpoints %+v, error %v", all, err)
	}
}
