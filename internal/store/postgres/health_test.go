package postgres

import (
	"io"
	"io/fs"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"greenlane/internal/store"
	"greenlane/internal/store/pgtest"
)

// examine opens the health of a database. Whoever asks closes it, or the test's end.
func examine(t *testing.T, dsn string) *Health {
	t.Helper()
	h, err := Examine(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func schemaOf(t *testing.T, h *Health) store.SchemaHealth {
	t.Helper()
	s, err := h.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.Compared = 0
	return s
}

// newest is the version of the schema that this program knows: migrations are
// numbered without gaps.
func newest(t *testing.T) int64 {
	t.Helper()
	names, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil || len(names) == 0 {
		t.Fatal("no migrations", err)
	}
	return int64(len(names))
}

// TestSchemaHealth damages a schema in every way that is named, and mends it by the
// statements that are given.
func TestSchemaHealth(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	dsn := server.Database(t)
	db := open(t, dsn)
	mustAdd(t, db, 2)
	h := examine(t, dsn)
	sound := store.SchemaHealth{Have: newest(t), Known: newest(t)}
	for name, test := range map[string]struct {
		damage []string
		want   store.SchemaHealth
		mend   []string
	}{
		"an index": {[]string{"DROP INDEX subjects_by_kind"}, store.SchemaHealth{Missing: []string{"index subjects_by_kind"},
			Repairs: []string{"CREATE INDEX subjects_by_kind ON subjects USING btree (account, kind, id);"}}, nil},
		"an index of all parts": {[]string{"DROP INDEX events_by_account"}, store.SchemaHealth{Missing: []string{"index events_by_account"},
			Repairs: []string{`CREATE INDEX events_by_account ON events USING btree (account, "position");`}}, nil},
		"a rule": {[]string{"ALTER TABLE cursors DROP CONSTRAINT cursors_pkey"}, store.SchemaHealth{
			Missing: []string{"constraint cursors_pkey of cursors"}, Repairs: []string{"ALTER TABLE cursors ADD CONSTRAINT cursors_pkey PRIMARY KEY (owner);"}}, nil},
		"an index of the parts that are to come": {[]string{"DROP INDEX events_by_account", "CREATE INDEX events_by_account ON ONLY events (account, position)"},
			store.SchemaHealth{Invalid: []string{"index events_by_account (invalid)"},
				Repairs: []string{"DROP INDEX events_by_account;", `CREATE INDEX events_by_account ON events USING btree (account, "position");`}}, nil},
		"another index": {[]string{"DROP INDEX answers_by_age", "CREATE INDEX answers_by_age ON answers (status)", "CREATE INDEX mine ON answers (status)"},
			store.SchemaHealth{Other: []string{"index answers_by_age", "index mine"}},
			[]string{"DROP INDEX answers_by_age, mine", "CREATE INDEX answers_by_age ON answers (stored)"}},
	} {
		for _, statement := range test.damage {
			execute(t, db, statement)
		}
		test.want.Have, test.want.Known = newest(t), newest(t)
		if diff := cmp.Diff(test.want, schemaOf(t, h)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		for _, statement := range append(test.mend, test.want.Repairs...) {
			execute(t, db, statement)
		}
	}
	execute(t, db, "ALTER TABLE subjects SET (fillfactor = 80)")
	execute(t, db, "CREATE TABLE theirs (a int)")
	if diff := cmp.Diff(sound, schemaOf(t, h)); diff != "" {
		t.Errorf("mended (-want +got):\n%s", diff)
	}
	execute(t, db, "DROP TABLE replays")
	execute(t, db, "ALTER TABLE endpoints DROP COLUMN reason")
	execute(t, db, "ALTER TABLE blobs SET UNLOGGED")
	execute(t, db, "ALTER TABLE attempts DETACH PARTITION attempts_p1")
	sound.Missing = []string{"column reason of endpoints", "table replays"}
	sound.Invalid = []string{"table attempts_p1 (not attached)", "table blobs (unlogged)"}
	if diff := cmp.Diff(sound, schemaOf(t, h)); diff != "" {
		t.Errorf("damaged for good (-want +got):\n%s", diff)
	}
}

// TestInvalidIndex leaves an index invalid as an interrupted build does.
func TestInvalidIndex(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Start(t).Database(t)
	db := open(t, dsn)
	mustAdd(t, db, 2)
	execute(t, db, "UPDATE subjects SET consignment = 1")
	execute(t, db, "INSERT INTO subjects SELECT id + 1000, account, consignment, version, updated, kind, clearance, state, recent FROM subjects")
	_, err := db.writer.Exec(t.Context(), "CREATE UNIQUE INDEX CONCURRENTLY subjects_one ON subjects (consignment)", pgx.QueryExecModeSimpleProtocol)
	if err == nil {
		t.Fatal("the index was built")
	}
	s := schemaOf(t, examine(t, dsn))
	if !slices.Equal(s.Invalid, []string{"index subjects_one (invalid)"}) || !slices.Equal(s.Repairs, []string{"DROP INDEX subjects_one;"}) {
		t.Errorf("schema %+v", s)
	}
}

// TestSchemaElsewhere: tables may be in another schema of the database.
func TestSchemaElsewhere(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Start(t).Database(t)
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), `CREATE SCHEMA "odd one"`); err != nil {
		t.Fatal(err)
	}
	dsn += "&search_path=%22odd%20one%22"
	db := open(t, dsn)
	h := examine(t, dsn)
	if diff := cmp.Diff(store.SchemaHealth{Have: newest(t), Known: newest(t)}, schemaOf(t, h)); diff != "" {
		t.Errorf("elsewhere (-want +got):\n%s", diff)
	}
	execute(t, db, "DROP INDEX events_by_account")
	if s := schemaOf(t, h); !slices.Equal(s.Missing, []string{"index events_by_account"}) {
		t.Errorf("schema %+v", s)
	}
}

// TestOtherVersions: nothing is compared with what another version makes, and
// looking changes nothing.
func TestOtherVersions(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	empty := server.Database(t)
	if diff := cmp.Diff(store.SchemaHealth{Known: newest(t)}, schemaOf(t, examine(t, empty))); diff != "" {
		t.Errorf("empty (-want +got):\n%s", diff)
	}
	if _, err := examine(t, empty).Ends(t.Context()); err == nil || !hasCode(err, codeUndefinedTable) {
		t.Errorf("the ends of no log: %v", err)
	}
	newer := server.Database(t)
	execute(t, open(t, newer), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (4711, true)")
	if diff := cmp.Diff(store.SchemaHealth{Have: 4711, Known: newest(t)}, schemaOf(t, examine(t, newer))); diff != "" {
		t.Errorf("newer (-want +got):\n%s", diff)
	}
}

// TestPartsHealth tells the parts of both tables, and a log that lost some.
func TestPartsHealth(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Start(t).Database(t)
	db := openSmall(t, dsn, 10)
	mustAdd(t, db, 25)
	h := examine(t, dsn)
	ends, err := h.Ends(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var events []store.Part
	for _, p := range ends.Parts {
		if p.Table == "events" {
			events = append(events, p)
		}
	}
	want := []store.Part{{Table: "events", First: 0, Last: 9}, {Table: "events", First: 10, Last: 19}, {Table: "events", First: 20, Last: 29}, {Table: "events", First: 30, Last: 39}}
	if diff := cmp.Diff(want, events); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
	execute(t, db, "ALTER TABLE events DETACH PARTITION events_p0")
	execute(t, db, "DELETE FROM events WHERE position = 25")
	if ends, err = h.Ends(t.Context()); err != nil || ends.First != 10 || ends.Last != 24 || ends.Early != 15 || ends.Late != 15 || ends.LastHash != [32]byte{} {
		t.Errorf("ends %+v, error %v", ends, err)
	}
}

// TestServerHealth asks a server about settings, rights and its clock.
func TestServerHealth(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	dsn := server.Database(t) + "&statement_timeout=3s"
	h := examine(t, dsn)
	ahead := func() time.Time { return time.Now().Add(-7 * time.Second) }
	host, err := h.Host(t.Context(), ahead)
	if err != nil {
		t.Fatal(err)
	}
	s := host.Server
	if s.Skew < 6*time.Second || s.Skew > 8*time.Second || s.Blur <= 0 || s.Blur > time.Second {
		t.Errorf("skew %v, give or take %v", s.Skew, s.Blur)
	}
	for name, want := range map[string]string{"fsync": "off", "full_page_writes": "off", "synchronous_standby_names": "",
		"statement_timeout": "3000", "lock_timeout": "10000", "idle_session_timeout": "0"} {
		if s.Settings[name] != want {
			t.Errorf("%s is %q, want %q", name, s.Settings[name], want)
		}
	}
	if s.Number < 150000 || !strings.HasPrefix(s.Version, "1") || s.Encoding != "UTF8" || s.Standby || s.ReadOnly || s.Role != "greenlane" || s.Pooled || s.Switched {
		t.Errorf("server %+v", s)
	}
	c := s.Connections
	if c.Most != 297 || c.Used < 1 || c.Used > 297 || c.OfDatabase != -1 || c.OfRole != -1 || c.DatabaseUsed < 1 || c.RoleUsed < c.DatabaseUsed {
		t.Errorf("connections %+v", c)
	}
	if len(s.Followers)+s.FollowersHidden != 0 {
		t.Errorf("followers %+v, hidden %d", s.Followers, s.FollowersHidden)
	}
}

// TestReadOnlyRole: a role that only reads by default can't be a hub's.
func TestReadOnlyRole(t *testing.T) {
	t.Parallel()
	server := pgtest.StartOwn(t, pgtest.Options{})
	dsn := server.Database(t)
	server.Execute(t, "ALTER ROLE greenlane SET default_transaction_read_only = on")
	server.Execute(t, "ALTER ROLE greenlane CONNECTION LIMIT 5")
	host, err := examine(t, dsn).Host(t.Context(), time.Now)
	if err != nil || !host.Server.ReadOnly || host.Server.Connections.OfRole != 5 || host.Server.Settings["fsync"] != "on" {
		t.Errorf("host %+v, error %v", host.Server, err)
	}
}

// TestPooler looks through what stands between a hub and its server in either mode.
func TestPooler(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Start(t).Database(t)
	for session, want := range map[bool][2]bool{true: {true, false}, false: {true, true}} {
		h := examine(t, pool(t, dsn, session))
		host, err := h.Host(t.Context(), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]bool{host.Server.Pooled, host.Server.Switched}; got != want {
			t.Errorf("by session %v: pooled and switched are %v, want %v", session, got, want)
		}
		h.Close()
	}
}

// pooler gives its clients sessions of a server: each its own, or whichever is free
// at the beginning of a transaction. Like PgBouncer it answers a client's start by
// itself, with a key of its own, and gives out first what came back last.
type pooler struct {
	session bool
	mu      sync.Mutex
	free    []*pgconn.HijackedConn
}

// pool starts a pooler for a database and returns how to connect to it.
func pool(t *testing.T, dsn string, session bool) string {
	t.Helper()
	p := &pooler{session: session}
	for range 4 {
		conn, err := pgconn.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		hijacked, err := conn.Hijack()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { hijacked.Conn.Close() })
		p.free = append(p.free, hijacked)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var clients sync.WaitGroup
	clients.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			clients.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		clients.Wait()
	})
	return "postgres://greenlane@" + l.Addr().String() + "/any?sslmode=disable"
}

func (p *pooler) take() *pgconn.HijackedConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	return last
}

func (p *pooler) put(c *pgconn.HijackedConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, c)
}

// serve serves a client until it leaves.
func (p *pooler) serve(conn net.Conn) {
	defer conn.Close()
	client := pgproto3.NewBackend(conn, conn)
	if _, err := client.ReceiveStartupMessage(); err != nil {
		return
	}
	server := p.take()
	defer func() {
		if server != nil {
			p.put(server)
		}
	}()
	client.Send(&pgproto3.AuthenticationOk{})
	for name, value := range server.ParameterStatuses {
		client.Send(&pgproto3.ParameterStatus{Name: name, Value: value})
	}
	client.Send(&pgproto3.BackendKeyData{ProcessID: 7, SecretKey: []byte{1, 2, 3, 4}})
	client.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	for client.Flush() == nil {
		if !p.session && server != nil {
			p.put(server)
			server = nil
		}
		if err := p.transaction(client, &server); err != nil {
			return
		}
	}
}

// transaction passes on what a client says until it is in no transaction.
func (p *pooler) transaction(client *pgproto3.Backend, server **pgconn.HijackedConn) error {
	for {
		said, err := client.Receive()
		if _, ends := said.(*pgproto3.Terminate); err != nil || ends {
			return io.EOF
		}
		if *server == nil {
			*server = p.take()
		}
		to := (*server).Frontend
		to.Send(said)
		switch said.(type) {
		case *pgproto3.Query, *pgproto3.Sync:
		default:
			continue
		}
		if err := to.Flush(); err != nil {
			return err
		}
		for ready := false; !ready; {
			answer, err := to.Receive()
			if err != nil {
				return err
			}
			client.Send(answer)
			if z, ok := answer.(*pgproto3.ReadyForQuery); ok {
				if ready = true; z.TxStatus == 'I' {
					return nil
				}
			}
		}
		if err := client.Flush(); err != nil {
			return err
		}
	}
}
