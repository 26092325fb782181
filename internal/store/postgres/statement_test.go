package postgres

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"greenlane"
	"greenlane/internal/store"
	"greenlane/internal/store/backend"
	"greenlane/internal/store/pgtest"
	"greenlane/internal/store/storetest"
)

// everything appends two writes that have, together, rows for every table.
func everything(t *testing.T, db *DB) {
	t.Helper()
	now := storetest.Midsummer
	w, err := storetest.NewWrite(db, 2, 10)
	if err != nil {
		t.Fatal(err)
	}
	s := w.Subjects[0].Subject
	ref := store.AccountReference{Account: 1, Reference: greenlane.Reference{Kind: greenlane.RefUCR, Value: "UCR-1"}}
	again := func(w *store.Write) {
		absent := store.AccountReference{Account: 1, Reference: greenlane.Reference{Kind: greenlane.RefUCR, Value: "UCR-2"}}
		w.Referred, w.Gathered = []store.ReferenceCount{{AccountReference: absent}}, []store.MemberCount{{Consignment: 99}}
		w.References = []store.SubjectReference{{AccountReference: ref, Subject: s}}
		w.Moves = []store.Move{{Subject: s, Consignment: 1}}
		w.Waiting, w.Arrived = []store.WaitingReference{{AccountReference: ref, Message: 1}}, []int64{2}
		w.Messages = []*greenlane.Message{{Number: 1, Account: 1, ReceivedAt: now}}
		w.Attempts = []*store.Attempt{{Endpoint: 1, Position: 1, Generation: 1, Number: 1, SentAt: now}}
		w.Expired = []store.AttemptID{{Position: 2, Endpoint: 1, Generation: 1, Number: 1}}
		w.Lanes, w.Settled = []*store.Lane{{LaneID: store.LaneID{Endpoint: 1, Key: 1, Generation: 1}}}, []store.LaneID{{Endpoint: 2}}
		w.Cursors = []store.Cursor{{Owner: "dispatcher", Position: 1}}
		w.Tallies = []*store.Tally{{Endpoint: 1, Hour: now}}
		w.Breakers, w.Replays = []*store.Breaker{{Endpoint: 1}}, []*store.Replay{{Endpoint: 1, Generation: 2}}
		w.Blobs = []*store.Blob{{Account: 1}}
		w.Accounts, w.Endpoints = []*greenlane.Account{{Number: 1, Domain: "a.example"}}, []*store.Endpoint{{Number: 1}}
		w.Keys, w.Skips = []*greenlane.Key{{Account: 1}}, []*store.Skip{{Endpoint: 1}}
		w.Secrets = []*store.OwnedSecrets{{Account: 1, Owner: "a", Secrets: []store.Secret{{}}}, {Account: 1, Owner: "b"}}
	}
	again(w)
	w.Answers, w.Chunks = []*store.Answer{{Account: 1}}, []store.PositionChunk{{Subject: s, Positions: []int64{1}}}
	w.Revisions = []*store.Revision{{Endpoint: 1, Number: 1}}
	if err := db.Append(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	next, err := storetest.NewWrite(db, 1, 10)
	if err != nil {
		t.Fatal(err)
	}
	again(next)
	next.Expect = []store.Expectation{{Subject: s, Version: 2}}
	next.Events[0].Subject, next.Events[0].Version = s, 3
	row := next.Subjects[0]
	row.Subject, row.Was, row.Version = s, 2, 3
	if err := db.Append(t.Context(), next); err != nil {
		t.Fatal(err)
	}
}

// readEverything calls what reads, in each form it has.
func readEverything(t *testing.T, db *DB) {
	t.Helper()
	ctx := t.Context()
	drop := func(_ any, err error) error { return err }
	refs := []store.AccountReference{{Account: 1}}
	errs := []error{
		drop(db.EventsAt(ctx, []int64{1})), drop(db.PositionAt(ctx, storetest.Midsummer)), drop(db.Load(ctx, []greenlane.Subject{{Number: 1}})),
		drop(db.Find(ctx, refs)), drop(db.Members(ctx, 1)), drop(db.Positions(ctx, greenlane.Subject{Number: 1}, 0, 10)),
		db.EachSubject(ctx, func(*store.SubjectRow) error { return nil }),
		drop(db.List(ctx, store.SubjectQuery{Account: 1, Limit: 5})),
		drop(db.List(ctx, store.SubjectQuery{Account: 1, Clearance: greenlane.ClearanceHeld, Limit: 5})),
		drop(db.Message(ctx, 1, 1)), drop(db.MessagesByDigest(ctx, make([]store.AccountDigest, 2))), drop(db.WaitingFor(ctx, refs)),
		drop(db.ListMessages(ctx, 1, 0, "", 5)), drop(db.ListMessages(ctx, 1, 0, greenlane.MessageUnmatched, 5)),
		drop(db.Answers(ctx, make([]store.AccountDigest, 2))), drop(db.AllAccounts(ctx)), drop(db.AllKeys(ctx)), drop(db.AllEndpoints(ctx)),
		drop(db.Revisions(ctx, 1)), drop(db.Lanes(ctx, 1)), drop(db.Cursor(ctx, "a")), drop(db.Acknowledged(ctx, 1, 1, 0, 9)),
		drop(db.Attempts(ctx, 1, 1, 1)), drop(db.LatestAttempts(ctx, 1, []int64{1})),
		drop(db.OldAttempts(ctx, store.OldAttemptQuery{Last: 9, Scan: 5})), drop(db.Tallies(ctx, 1, storetest.Midsummer, storetest.Midsummer)),
		drop(db.Breaker(ctx, 1)), drop(db.Replays(ctx, 1)), drop(db.Skips(ctx, 1)), drop(db.Blob(ctx, 1, [32]byte{})),
		drop(db.Secrets(ctx, 1, "a")), drop(db.ForgetAnswers(ctx, storetest.Midsummer)), drop(db.ForgetTallies(ctx, storetest.Midsummer)),
	}
	for _, types := range [][]greenlane.EventType{nil, {greenlane.EventEntryStatus}} {
		for _, desc := range []bool{false, true} {
			for account := range int64(2) {
				errs = append(errs, drop(db.Events(ctx, store.EventQuery{Account: account, Types: types, Desc: desc, Limit: 5, Scan: 9})))
			}
		}
	}
	lease, err := db.Claim(ctx, "a", "b", time.Minute)
	errs = append(errs, err, drop(db.Claim(ctx, "a", "c", time.Minute)), drop(db.Leases(ctx)), db.Release(ctx, lease.Held))
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// plan is a statement that a connection has prepared, and how the server runs it
// without knowing its parameters.
type plan struct{ statement, text string }

// plans returns those of a pool of one connection.
func plans(t *testing.T, pool *pgxpool.Pool) (all []plan) {
	t.Helper()
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(t.Context(), "SET plan_cache_mode = force_generic_plan"); err != nil {
		t.Fatal(err)
	}
	type prepared struct {
		Name, Statement string
		Parameters      int
	}
	rows, err := conn.Query(t.Context(), `SELECT name, statement, coalesce(array_length(parameter_types, 1), 0)
  FROM pg_prepared_statements
  WHERE statement ~ '^(SELECT|WITH|INSERT|UPDATE|DELETE)' AND statement !~ 'pg_'`)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[prepared])
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		execute := "EXPLAIN (COSTS off) EXECUTE " + pgx.Identifier{p.Name}.Sanitize()
		if p.Parameters > 0 {
			execute += "(" + strings.Repeat("NULL, ", p.Parameters-1) + "NULL)"
		}
		rows, err := conn.Query(t.Context(), execute, pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatalf("%s: %v", p.Statement, err)
		}
		all = append(all, plan{p.Statement, strings.Join(lines, "\n")})
	}
	return all
}

// prepareLists prepares what is not kept prepared: the lists of one account.
func prepareLists(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	lists := []string{listSubjects, listSubjectsByClearance, listMessages, listOpenMessages}
	for _, query := range []string{selectEvents, selectEventPositions} {
		for _, types := range [][]greenlane.EventType{nil, {greenlane.EventEntryStatus}} {
			for _, desc := range []bool{false, true} {
				list, _ := spanStatement(backend.Span{Account: 1, Desc: desc}, query, types, 5, 0)
				lists = append(lists, list)
			}
		}
	}
	for i, list := range lists {
		if _, err := conn.Conn().Prepare(t.Context(), fmt.Sprint("list ", i), list); err != nil {
			t.Fatal(err)
		}
	}
}

// few are the tables that are read as a whole: they have few rows.
var few = regexp.MustCompile(`Seq Scan on (accounts|keys|endpoints|event_types|revisions|owned_secrets)\b`)

// TestPlans: no statement reads a table from end to end, or sorts one to find a
// page of it, whatever its parameters.
func TestPlans(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Start(t).Database(t) + "&pool_max_conns=1"
	db := open(t, dsn)
	one := db.writer.Config()
	one.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(context.Background(), one)
	if err != nil {
		t.Fatal(err)
	}
	db.writer.Close()
	db.writer = pool
	everything(t, db)
	readEverything(t, db)
	prepareLists(t, db.reader)
	all := append(plans(t, db.reader), plans(t, db.writer)...)
	if len(all) < 60 {
		t.Errorf("only %d statements were used", len(all))
	}
	for _, p := range all {
		text := few.ReplaceAllString(p.text, "")
		if strings.Contains(text, "Seq Scan") {
			t.Errorf("reads a table from end to end:\n%s\n%s", p.statement, p.text)
		}
		if strings.Contains(p.statement, "LIMIT") && strings.Contains(text, "Sort Key") && !strings.HasPrefix(p.statement, "SELECT last, positions") {
			t.Errorf("sorts to find a page:\n%s\n%s", p.statement, p.text)
		}
	}
	for statement, index := range map[string]string{
		listSubjects: "subjects_by_kind", listSubjectsByClearance: "subjects_by_clearance", selectMembers: "subjects_by_consignment",
		listMessages: "messages_by_account", listOpenMessages: "messages_open", selectMessagesByDigest: "messages_by_digest",
		deleteWaiting: "waiting_by_message", deleteAnswers: "answers_by_age", deleteTallies: "tallies_by_age",
		selectSkips: "skips_by_endpoint", selectReferenced: "subject_references_pkey", updateSubjects: "subjects_pkey",
		selectLatestAttempts: "attempts_p0_pkey", deleteAttempts: "attempts_p0_pkey", selectEventsAt: "events_p0_pkey",
	} {
		found := false
		for _, p := range all {
			found = found || p.statement == statement && regexp.MustCompile(fmt.Sprintf(`using %s\b`, index)).MatchString(p.text)
			if p.statement == statement && !strings.Contains(p.text, index) {
				t.Errorf("does not use %s:\n%s\n%s", index, p.statement, p.text)
			}
		}
		if !found {
			t.Errorf("%s is not used by, or there is no,\n%s", index, statement)
		}
	}
}

// TestSmallAccount: the lists of an account with few rows do not walk past those of
// the others, however often they are asked for.
func TestSmallAccount(t *testing.T) {
	t.Parallel()
	const large, small, rows = 7, 8, 20_000
	db := open(t, pgtest.Start(t).Database(t)+"&pool_max_conns=1")
	everything(t, db)
	for _, more := range []string{
		`INSERT INTO events SELECT (jsonb_populate_record(e, jsonb_build_object('position', g, 'account', $1::bigint))).*
  FROM events e, generate_series($2::bigint, $3) AS g WHERE position = 1`,
		`INSERT INTO messages SELECT (jsonb_populate_record(m, jsonb_build_object('number', g, 'account', $1::bigint, 'state', 'applied',
    'digest', '\x' || lpad(to_hex(g), 64, '0')))).*
  FROM messages m, generate_series($2::bigint, $3) AS g WHERE number = 1`,
		`INSERT INTO subjects SELECT (jsonb_populate_record(s, jsonb_build_object('id', g, 'account', $1::bigint, 'kind', 5))).*
  FROM subjects s, generate_series($2::bigint, $3) AS g WHERE id = (SELECT min(id) FROM subjects)`,
	} {
		execute(t, db, more, large, 1000, 1000+rows)
		execute(t, db, more, small, 1001+rows, 1003+rows)
		execute(t, db, more, large, 1004+rows, 1003+2*rows)
	}
	execute(t, db, "ANALYZE")
	const walked = "SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes WHERE indexrelname IN ('events_p0_pkey', 'messages_pkey', 'subjects_pkey')"
	before := counted(t, db, walked)
	for range 12 { // a plan for any account is considered after some that were for one
		for _, desc := range []bool{false, true} {
			page, err := db.Events(t.Context(), store.EventQuery{Account: small, Desc: desc, Limit: 10})
			if err != nil || len(page.Events) != 3 {
				t.Fatalf("%d events, error %v", len(page.Events), err)
			}
		}
		messages, err := db.ListMessages(t.Context(), small, 0, "", 10)
		if err != nil || len(messages) != 3 {
			t.Fatalf("%d messages, error %v", len(messages), err)
		}
		subjects, err := db.List(t.Context(), store.SubjectQuery{Account: small, Kind: 5, Limit: 10})
		if err != nil || len(subjects) != 3 {
			t.Fatalf("%d subjects, error %v", len(subjects), err)
		}
	}
	if n := counted(t, db, walked) - before; n > rows/10 {
		t.Errorf("%d rows were looked at to find three", n)
	}
}

// counted asks for a number of the server's statistics, to which the readers' connection
// has added what it did.
func counted(t *testing.T, db *DB, query string) (n int64) {
	t.Helper()
	if _, err := db.reader.Exec(t.Context(), "SELECT pg_stat_force_next_flush()"); err != nil {
		t.Fatal(err)
	}
	if err := db.writer.QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
