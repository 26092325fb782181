package postgres

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"greenlane"
	"greenlane/internal/store"
	"greenlane/internal/store/pgtest"
	"greenlane/internal/store/storetest"
)

func TestClassify(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"08006": "storage_unavailable", "53300": "storage_unavailable", "57P01": "storage_unavailable", "57014": "storage_unavailable",
		"25006": "storage_unavailable", "55P03": "storage_unavailable", "40001": "storage_unavailable", "40P01": "storage_unavailable",
		"53100": "storage_full", "XX001": "broken", "XX002": "broken", "23505": "duplicate", "42601": "", "XX000": "", "": "",
	} {
		err := classify(&pgconn.PgError{Code: code})
		got := greenlane.CodeOf(err)
		switch {
		case errors.Is(err, store.ErrBroken):
			got = "broken"
		case errors.Is(err, store.ErrDuplicate):
			got = "duplicate"
		case greenlane.KindOf(err) != greenlane.Unavailable:
			got = ""
		}
		if got != want {
			t.Errorf("%s is %q, want %q", code, got, want)
		}
	}
}

// holdHead keeps the lock of the head until the returned function is called.
func holdHead(t *testing.T, db *DB) (release func()) {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), db.writer.Config().ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "BEGIN; SELECT 1 FROM head FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	return func() { conn.Close(context.Background()) }
}

// waiting counts the sessions of a database that wait for a lock.
const waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

// waitForLock waits until a session of the database waits for a lock.
func waitForLock(t *testing.T, db *DB) {
	t.Helper()
	for n := 0; n == 0; time.Sleep(time.Millisecond) {
		if err := db.reader.QueryRow(t.Context(), waiting).Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
}

const terminateWaiting = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE datname = current_database() AND wait_event_type = 'Lock'`

// TestTerminatedAppend: the server ends the session of a write that waits.
func TestTerminatedAppend(t *testing.T) {
	t.Parallel()
	db := openNew(t)
	mustAdd(t, db, 1)
	release := holdHead(t, db)
	done := make(chan error)
	go func() { done <- storetest.Add(db, 2, 10) }()
	waitForLock(t, db)
	execute(t, db, terminateWaiting)
	storetest.WantUnavailable(t, <-done)
	release()
	wantHead(t, db, 1)
	mustAdd(t, db, 3)
	wantHead(t, db, 4)
}

// TestLockedHead: a writer gives up waiting for one that does not end.
func TestLockedHead(t *testing.T) {
	t.Parallel()
	db := open(t, pgtest.Start(t).Database(t)+"&lock_timeout=50ms")
	mustAdd(t, db, 1)
	release := holdHead(t, db)
	storetest.WantUnavailable(t, storetest.Add(db, 1, 10))
	release()
	mustAdd(t, db, 1)
	wantHead(t, db, 2)
}

// TestIdleHolder: a node that stops in the middle of a transaction does not keep
// the head for ever.
func TestIdleHolder(t *testing.T) {
	t.Parallel()
	db := open(t, pgtest.Start(t).Database(t)+"&idle_in_transaction_session_timeout=100ms")
	mustAdd(t, db, 1)
	defer holdHead(t, db)()
	mustAdd(t, db, 1)
	wantHead(t, db, 2)
}

// TestKilledSessions ends sessions at any moment, again and again. A write that
// failed is there or not, as the head says, and never in part.
func TestKilledSessions(t *testing.T) {
	t.Parallel()
	db := openNew(t)
	mustAdd(t, db, 1)
	killer, err := pgx.ConnectConfig(t.Context(), db.writer.Config().ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer killer.Close(context.Background())
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(rand.IntN(6000)) * time.Microsecond):
			}
			_, err := killer.Exec(context.Background(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid()`)
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	position, failed := int64(1), 0
	for failed < 20 {
		err := storetest.Add(db, 2, 10)
		if err == nil {
			position += 2
			continue
		}
		storetest.WantUnavailable(t, err)
		failed++
		head, err := db.Head(t.Context())
		for ; err != nil; head, err = db.Head(t.Context()) {
			storetest.WantUnavailable(t, err)
		}
		if head.Position != position && head.Position != position+2 {
			t.Fatalf("after an unknown outcome the head is %d, it was %d", head.Position, position)
		}
		position = head.Position
	}
	close(stop)
	wg.Wait()
	_, _ = db.Head(t.Context()) // whose session may have ended
	_ = db.maintain(t.Context())
	wantHead(t, db, position)
}

// wire stands between a database's clients and its server, and can be cut at the
// server's next answer.
type wire struct {
	cut     atomic.Bool
	allCuts atomic.Int64
	// turns counts how often a client speaks after the server has.
	turns    atomic.Int64
	answered atomic.Bool
}

// through returns a connection string that leads through a wire.
func (w *wire) through(t *testing.T, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	socket := filepath.Join(q.Get("host"), ".s.PGSQL."+q.Get("port"))
	network, address := "unix", socket
	if q.Get("host") == "" {
		network, address = "tcp", u.Host
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial(network, address)
			if err != nil {
				client.Close()
				return
			}
			go w.requests(client, server)
			go w.answers(client, server)
		}
	}()
	u.Host = l.Addr().String()
	q.Del("host")
	q.Del("port")
	q.Set("sslmode", "disable")
	u.RawQuery = q.Encode()
	return u.String()
}

func (w *wire) requests(client, server net.Conn) {
	defer server.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			return
		}
		if w.answered.CompareAndSwap(true, false) {
			w.turns.Add(1)
		}
		if _, err := server.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (w *wire) answers(client, server net.Conn) {
	defer client.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := server.Read(buffer)
		if err != nil {
			return
		}
		if w.cut.CompareAndSwap(true, false) {
			w.allCuts.Add(1)
			return // and so nobody learns that it was done
		}
		w.answered.Store(true)
		if _, err := client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// TestLostAnswer: the write is committed, and the answer lost. The head tells.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	var w wire
	db := open(t, w.through(t, pgtest.Start(t).Database(t)))
	mustAdd(t, db, 1)
	write, err := storetest.NewWrite(db, 2, 10)
	if err != nil {
		t.Fatal(err)
	}
	seal := write.Seal
	write.Seal = func(head store.Head) error {
		w.cut.Store(true)
		return seal(head)
	}
	storetest.WantUnavailable(t, db.Append(t.Context(), write))
	if w.allCuts.Load() != 1 {
		t.Fatal("nothing was cut")
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		// The server may not have come to COMMIT yet.
		if head, err := db.Head(t.Context()); err != nil || head.Position == 3 || time.Now().After(deadline) {
			break
		}
	}
	wantHead(t, db, 3)
	mustAdd(t, db, 1)
	wantHead(t, db, 4)
}

// TestServerAway: a server that is down, or has become read-only, is storage that
// is away, and comes back.
func TestServerAway(t *testing.T) {
	t.Parallel()
	server := pgtest.StartOwn(t, pgtest.Options{})
	db := open(t, server.Database(t))
	mustAdd(t, db, 1)
	server.ReadOnly(t, true)
	storetest.WantUnavailable(t, storetest.Add(db, 1, 10))
	wantHead(t, db, 1)
	server.ReadOnly(t, false)
	mustAdd(t, db, 1)
	wantHead(t, db, 2)
	server.Stop(t, pgtest.Immediate)
	for range 2 {
		storetest.WantUnavailable(t, storetest.Add(db, 1, 10))
		_, err := db.Events(t.Context(), store.EventQuery{Limit: 10})
		storetest.WantUnavailable(t, err)
		_, err = db.Head(t.Context())
		storetest.WantUnavailable(t, err)
	}
	_, err := Open(t.Context(), db.writer.Config().ConnString())
	storetest.WantUnavailable(t, err)
	server.Restart(t)
	// The connections from before are given up with the first.
	mustAdd(t, db, 1)
	wantHead(t, db, 3)
}

func TestDamagedValues(t *testing.T) {
	t.Parallel()
	for _, statement := range []string{
		"UPDATE events SET refs = '[[1]]'",
		"UPDATE events SET hash = '\\x00'",
		"UPDATE event_types SET number = 99",
		"UPDATE subjects SET recent = '\\x80'",
		"UPDATE keys SET digest = '\\x00'",
		"UPDATE endpoints SET secrets = '{'",
	} {
		t.Run(strings.Fields(statement)[1]+" "+strings.Fields(statement)[3], func(t *testing.T) {
			t.Parallel()
			db := openNew(t)
			storetest.ToDamage(t, db)
			execute(t, db, statement)
			db = open(t, db.writer.Config().ConnString())
			storetest.WantBroken(t, db)
		})
	}
}
