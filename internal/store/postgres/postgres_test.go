package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"greenlane"
	"greenlane/internal/store"
	"greenlane/internal/store/backend"
	"greenlane/internal/store/pgtest"
	"greenlane/internal/store/storetest"
)

var update = flag.Bool("update", false, "write schema.sql instead of comparing with it")

func TestConformance(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	named := func(t *testing.T, dir string) string {
		sum := sha256.Sum256([]byte(dir))
		return server.Named(t, "suite_"+hex.EncodeToString(sum[:12]))
	}
	opener := func(t *testing.T, dir string) store.Store { return open(t, named(t, dir)) }
	storetest.Run(t, opener)
	t.Run("health", func(t *testing.T) {
		storetest.RunHealth(t, opener, func(t *testing.T, dir string) store.Health { return examine(t, named(t, dir)) })
	})
}

// open opens a database for as long as the test lasts.
func open(t testing.TB, dsn string) *DB {
	t.Helper()
	return openSmall(t, dsn, partSize)
}

// openSmall is open with parts of some size.
func openSmall(t testing.TB, dsn string, partSize int64) *DB {
	t.Helper()
	db, err := openParts(context.Background(), dsn, partSize)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func openNew(t testing.TB) *DB {
	t.Helper()
	return open(t, pgtest.Start(t).Database(t))
}

// wantHead audits the database and compares the position of its head.
func wantHead(t *testing.T, db *DB, position int64) {
	t.Helper()
	head, err := storetest.Audit(db)
	if err != nil {
		t.Fatal(err)
	}
	if head.Position != position {
		t.Fatalf("the head is %d, want %d", head.Position, position)
	}
}

// mustAdd appends n events.
func mustAdd(t *testing.T, db *DB, n int) {
	t.Helper()
	if err := storetest.Add(db, n, 10); err != nil {
		t.Fatal(err)
	}
}

// execute runs a statement on a connection of the database's own.
func execute(t *testing.T, db *DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.writer.Exec(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
}

// TestConnections asks connections of both pools for what they must have been
// opened with.
func TestConnections(t *testing.T) {
	t.Parallel()
	db := open(t, pgtest.Start(t).Database(t)+"&pool_max_conns=3&lock_timeout=7s&target_session_attrs=read-write")
	if most := db.reader.Config().MaxConns; most != 3 {
		t.Errorf("%d connections read, want 3", most)
	}
	for setting, want := range map[string][2]string{
		"default_transaction_read_only": {"off", "on"}, "enable_seqscan": {"off", "off"}, "plan_cache_mode": {"force_generic_plan", "auto"}, "lock_timeout": {"7s", "7s"},
		"statement_timeout": {"1min", "1min"}, "idle_in_transaction_session_timeout": {"10s", "10s"},
		"synchronous_commit": {"on", "off"}, "default_transaction_isolation": {"read committed", "read committed"},
	} {
		var got [2]string
		err := errors.Join(db.writer.QueryRow(t.Context(), "SELECT current_setting($1)", setting).Scan(&got[0]),
			db.reader.QueryRow(t.Context(), "SELECT current_setting($1)", setting).Scan(&got[1]))
		if err != nil || got != want {
			t.Errorf("%s is %q, want %q, error %v", setting, got, want, err)
		}
	}
}

// TestOpenRefuses: whatever the error is, it has no password in it.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	newer := pgtest.Start(t).Database(t)
	execute(t, open(t, newer), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (4711, true)")
	for name, test := range map[string]struct{ dsn, want string }{
		"newer schema":   {newer, "its schema is version 4711 and this program knows 2: use the newer program"},
		"no such server": {"postgres://me:geheim@127.0.0.1:1/db", "storage is not available"},
		"bad port":       {"postgres://me:geheim@localhost:port/db", "connection string"},
		"bad setting":    {"host=localhost password=geheim sslmode=maybe", "connection string"},
		"bad pool":       {"postgres://me:geheim@localhost/db?pool_max_conns=many", "connection string"},
	} {
		_, err := Open(t.Context(), test.dsn)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: error %v, want one with %q and no password", name, err, test.want)
		}
	}
}

// TestInspect: looking changes nothing, neither an older schema nor a newer one.
func TestInspect(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	empty := server.Database(t)
	if _, err := Inspect(t.Context(), empty); err == nil || !strings.Contains(err.Error(), "there are no tables of a hub in it") {
		t.Errorf("inspected an empty database: %v", err)
	}
	conn, err := pgx.Connect(t.Context(), empty)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var tables int
	err = conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").Scan(&tables)
	if err != nil || tables != 0 {
		t.Errorf("looking made %d tables, error %v", tables, err)
	}
	db := open(t, server.Database(t))
	mustAdd(t, db, 2)
	looking, err := Inspect(t.Context(), db.writer.Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	defer looking.Close()
	wantHead(t, looking, 2)
	execute(t, db, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (4711, true)")
	if _, err := Inspect(t.Context(), db.writer.Config().ConnString()); err == nil || !strings.Contains(err.Error(), "use the newer program") {
		t.Errorf("inspected a newer schema: %v", err)
	}
}

// TestOpenAtOnce: nodes that start together migrate one database once.
func TestOpenAtOnce(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Start(t).Database(t)
	nodes := make([]*DB, 4)
	errs := make([]error, len(nodes))
	var wg sync.WaitGroup
	for i := range nodes {
		wg.Go(func() { nodes[i], errs[i] = Open(context.Background(), dsn) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, db := range nodes {
		mustAdd(t, db, 1)
		defer db.Close()
	}
	wantHead(t, nodes[0], int64(len(nodes)))
}

// TestSchema shows what a change of the migrations does to the schema: run it
// with -update and look at the difference.
func TestSchema(t *testing.T) {
	t.Parallel()
	db := openNew(t)
	var b strings.Builder
	err := db.rows(t.Context(), catalog, nil, func(rows pgx.Rows) error {
		var line string
		err := rows.Scan(&line)
		if strings.HasPrefix(line, "TABLE") {
			b.WriteByte('\n')
		}
		b.WriteString(line + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	storetest.WantSchema(t, b.String(), *update)
}

// TestCloseWaits closes the database in the middle of a read.
func TestCloseWaits(t *testing.T) {
	t.Parallel()
	db := openNew(t)
	for range subjectPage + 1 {
		mustAdd(t, db, 1)
	}
	closed := make(chan error, 1)
	rows := 0
	err := db.EachSubject(t.Context(), func(*store.SubjectRow) error {
		if rows++; rows == 1 {
			go func() { closed <- db.Close() }()
			for !db.gate.Closed() {
				time.Sleep(time.Millisecond)
			}
			if _, err := db.Cursor(t.Context(), "dispatcher"); !errors.Is(err, backend.ErrClosed) {
				t.Errorf("a read after Close was called: error %v", err)
			}
		}
		select {
		case err := <-closed:
			t.Errorf("closed during a read, error %v", err)
		default:
		}
		return nil
	})
	if err != nil || rows != subjectPage+1 {
		t.Errorf("read %d rows, error %v", rows, err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := storetest.Add(db, 1, 10); !errors.Is(err, backend.ErrClosed) {
		t.Errorf("a write after Close: error %v", err)
	}
	if _, err := db.Reserve(t.Context(), store.SubjectNumbers, numberBlock*2); !errors.Is(err, backend.ErrClosed) {
		t.Errorf("numbers after Close: error %v", err)
	}
}

func TestNonsense(t *testing.T) {
	t.Parallel()
	storetest.Nonsense(t, openNew(t))
}

// TestOddBytes: what others gave is kept whatever is in it; what the hub itself
// writes is text.
func TestOddBytes(t *testing.T) {
	t.Parallel()
	db := openNew(t)
	const odd = "MRN\x00\xff\xc3"
	ref := store.AccountReference{Account: 1, Reference: greenlane.Reference{Kind: greenlane.RefMRN, Value: odd}}
	w, err := storetest.NewWrite(db, 1, 10)
	if err != nil {
		t.Fatal(err)
	}
	w.Events[0].References = []greenlane.Reference{ref.Reference}
	w.References = []store.SubjectReference{{AccountReference: ref, Subject: w.Subjects[0].Subject}}
	w.Messages = []*greenlane.Message{{Number: 1, Account: 1, Problem: odd, ReceivedAt: storetest.Midsummer}}
	w.Waiting = []store.WaitingReference{{AccountReference: ref, Message: 1}}
	if err := db.Append(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	wantHead(t, db, 1)
	page, err := db.Events(t.Context(), store.EventQuery{Limit: 1})
	if err != nil || page.Events[0].References[0] != ref.Reference {
		t.Errorf("events %+v, error %v", page.Events, err)
	}
	found, err := db.Find(t.Context(), []store.AccountReference{ref})
	if err != nil || len(found[0]) != 1 {
		t.Errorf("found %v, error %v", found, err)
	}
	waits, err := db.WaitingFor(t.Context(), []store.AccountReference{ref})
	if err != nil || len(waits) != 1 {
		t.Errorf("waits %v, error %v", waits, err)
	}
	m, err := db.Message(t.Context(), 1, 1)
	if err != nil || m.Problem != odd {
		t.Errorf("message %+v, error %v", m, err)
	}
	w.Events[0].Source.Client, w.Subjects[0].Was = odd, 1
	if err := db.Append(t.Context(), w); err == nil || greenlane.KindOf(err) == greenlane.Unavailable {
		t.Errorf("stored what is no text, error %v", err)
	}
}
