package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"greenlane"
	"greenlane/internal/store"
	"greenlane/internal/store/pgtest"
	"greenlane/internal/store/storetest"
)

// TestNodes: several nodes append to one database at once, one of them slow while
// it has the head. Positions have no gap, and who follows the log never passes
// over one.
func TestNodes(t *testing.T) {
	t.Parallel()
	const nodes, writes, events = 3, 30, 2
	dsn := pgtest.Start(t).Database(t)
	all := make([]*DB, nodes)
	for i := range all {
		all[i] = open(t, dsn)
	}
	reader := open(t, dsn)
	errs := make([]error, nodes)
	var wg sync.WaitGroup
	for i, db := range all {
		wg.Go(func() {
			for n := range writes {
				w, err := storetest.NewWrite(db, events, 10)
				if err != nil {
					errs[i] = err
					return
				}
				// Types that the other nodes have not heard of.
				w.Events[0].Type = greenlane.EventType(fmt.Sprintf("type.%d_of_%d", n%7, n%nodes))
				if i == 0 {
					seal := w.Seal
					w.Seal = func(head store.Head) error { time.Sleep(3 * time.Millisecond); return seal(head) }
				}
				if errs[i] = db.Append(context.Background(), w); errs[i] != nil {
					return
				}
			}
		})
	}
	done := make(chan error, 1)
	go func() {
		wg.Wait()
		done <- errors.Join(errs...)
	}()
	var seen int64
	for seen < nodes*writes*events {
		head, err := reader.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		page, err := reader.Events(t.Context(), store.EventQuery{After: seen, Limit: 7})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			if e.Position != seen+1 {
				t.Fatalf("after position %d came %d", seen, e.Position)
			}
			seen++
		}
		if seen < head.Position && !page.More {
			t.Fatalf("the head was %d and the log ended at %d", head.Position, seen)
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
		default:
		}
	}
	wantHead(t, reader, nodes*writes*events)
}

// TestRivalNodes: of nodes that decided upon the same version, one is accepted,
// also when the others' idea of the head is old.
func TestRivalNodes(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Start(t).Database(t)
	nodes := []*DB{open(t, dsn), open(t, dsn), open(t, dsn)}
	first, err := storetest.NewWrite(nodes[0], 1, 10)
	if err != nil {
		t.Fatal(err)
	}
	if err := nodes[0].Append(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	s := first.Subjects[0].Subject
	for round := int64(1); round <= 10; round++ {
		errs := make([]error, len(nodes))
		var wg sync.WaitGroup
		for i, db := range nodes {
			w, err := storetest.NewWrite(db, 1, 10)
			if err != nil {
				t.Fatal(err)
			}
			// All know the head as it is, and rely on it alone or beside a version.
			w.Base = round
			if i == 0 {
				w.Expect = []store.Expectation{{Subject: s, Version: round}}
			}
			w.Events[0].Subject, w.Events[0].Version = s, round+1
			row := w.Subjects[0]
			row.Subject, row.Was, row.Version = s, round, round+1
			wg.Go(func() { errs[i] = db.Append(context.Background(), w) })
		}
		wg.Wait()
		accepted := 0
		for _, err := range errs {
			if err == nil {
				accepted++
			} else if !errors.Is(err, store.ErrMoved) {
				t.Fatal(err)
			}
		}
		if accepted != 1 {
			t.Fatalf("%d of the rivals were accepted", accepted)
		}
	}
	wantHead(t, nodes[1], 11)
}

// TestRoundTrips: a node alone commits in one round trip, and one of several in two
// once it has learned of the others.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	var w wire
	dsn := pgtest.Start(t).Database(t)
	other := open(t, dsn)
	db := open(t, w.through(t, dsn))
	trips := func() int64 {
		t.Helper()
		write, err := storetest.NewWrite(db, 3, 100)
		if err != nil {
			t.Fatal(err)
		}
		write.Attempts = []*store.Attempt{{Endpoint: 1, Position: 1, Generation: 1, Number: 1}}
		write.Cursors = []store.Cursor{{Owner: "dispatcher", Position: 1}}
		before := w.turns.Load()
		if err := db.Append(t.Context(), write); err != nil {
			t.Fatal(err)
		}
		return w.turns.Load() - before
	}
	for range 3 { // both ways have had their statements prepared
		trips()
		mustAdd(t, other, 1)
	}
	for _, test := range []struct {
		others int
		want   int64
	}{{1, 2}, {1, 2}, {0, 2}, {0, 1}, {0, 1}} {
		if test.others > 0 {
			mustAdd(t, other, test.others)
		}
		if got := trips(); got != test.want {
			t.Errorf("a write after %d of another node took %d round trips, want %d", test.others, got, test.want)
		}
	}
}

// TestInTurn: a node that others append beside waits for its turn, and nobody comes
// between what it was told and what it appends. One that does not append, or fails to,
// lets the others go on.
func TestInTurn(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Start(t).Database(t)
	db, other := open(t, dsn), open(t, dsn)
	mustAdd(t, db, 1)
	alone := false
	if err := db.InTurn(t.Context(), 0, func(head store.Head, _ []*greenlane.Event) { alone = head == store.Head{} }); err != nil || !alone {
		t.Errorf("a node alone has to wait: %v", err)
	}
	mustAdd(t, other, 1)
	mustAdd(t, db, 1) // it learns of the other
	for name, act := range map[string]func(){
		"appends":      func() { mustAdd(t, db, 1) },
		"does nothing": func() {},
		"fails": func() {
			w, err := storetest.NewWrite(db, 1, 10)
			if err != nil {
				t.Error(err)
				return
			}
			w.Base, w.Expect = -1, []store.Expectation{{Subject: w.Subjects[0].Subject, Version: 99}}
			if err := db.Append(t.Context(), w); !errors.Is(err, store.ErrMoved) {
				t.Errorf("it fails with %v", err)
			}
		},
	} {
		mustAdd(t, other, 1)
		mustAdd(t, db, 1)
		before := mustHead(t, db)
		var rival sync.WaitGroup
		ran := false
		err := db.InTurn(t.Context(), before-2, func(head store.Head, news []*greenlane.Event) {
			ran = true
			if len(news) != 2 || news[0].Position != before-1 || news[1].Position != before || news[1].Hash != head.Hash || news[1].Type == "" {
				t.Errorf("%s: %d events came with the head, the first %v", name, len(news), news)
			}
			if head.Position != before {
				t.Errorf("%s: told of the head %d, which is %d", name, head.Position, before)
			}
			rival.Go(func() { mustAdd(t, other, 1) })
			waitForLock(t, db)
			if now := mustHead(t, db); now != before {
				t.Errorf("%s: another appended in its turn: %d, was %d", name, now, before)
			}
			act()
		})
		rival.Wait()
		want := before + 1
		if name == "appends" {
			want++
		}
		if err != nil || !ran {
			t.Errorf("%s: %v, ran %v", name, err, ran)
		}
		wantHead(t, other, want)
	}
}

// TestNewsOfTheTurn: what others commit while a node waits for its turn is among the
// events that it begins with.
func TestNewsOfTheTurn(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Start(t).Database(t)
	db, other := open(t, dsn), open(t, dsn)
	mustAdd(t, db, 1)
	mustAdd(t, other, 1)
	mustAdd(t, db, 1) // both learn of each other
	mustAdd(t, other, 1)
	known := mustHead(t, db)
	var waiting sync.WaitGroup
	err := other.InTurn(t.Context(), known, func(store.Head, []*greenlane.Event) {
		waiting.Go(func() {
			err := db.InTurn(t.Context(), known, func(head store.Head, news []*greenlane.Event) {
				if head.Position != known+1 || len(news) != 1 || news[0].Position != known+1 {
					t.Errorf("the head is %d, after %d, and %d events came with it", head.Position, known, len(news))
				}
			})
			if err != nil {
				t.Error(err)
			}
		})
		waitForLock(t, other)
		mustAdd(t, other, 1)
	})
	waiting.Wait()
	if err != nil {
		t.Error(err)
	}
}

// mustHead returns where the log ends.
func mustHead(t *testing.T, db *DB) int64 {
	t.Helper()
	head, err := db.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return head.Position
}

// TestReserveByNodes: no number is handed out by two nodes, and a node alone hands
// them out without a gap.
func TestReserveByNodes(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Start(t).Database(t)
	alone := open(t, dsn)
	next := int64(1)
	for _, n := range []int{999, 5, 5000, 1} {
		first, err := alone.Reserve(t.Context(), store.MessageNumbers, n)
		if err != nil || first != next {
			t.Fatalf("first of %d numbers is %d, want %d, error %v", n, first, next, err)
		}
		next += int64(n)
	}
	nodes := []*DB{alone, open(t, dsn), open(t, dsn)}
	var mu sync.Mutex
	var wg sync.WaitGroup
	taken := map[int64]bool{}
	for _, db := range nodes {
		wg.Go(func() {
			for n := 1; n < 2000; n += 97 {
				first, err := db.Reserve(context.Background(), store.MessageNumbers, n)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for i := first; i < first+int64(n); i++ {
					if i < next || taken[i] {
						t.Errorf("number %d was handed out twice", i)
					}
					taken[i] = true
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// parts returns the parts a table has, by name.
func parts(t *testing.T, db *DB, table string) (names []string) {
	t.Helper()
	err := db.rows(t.Context(), `SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = $1::regclass ORDER BY 1`,
		[]any{table}, func(rows pgx.Rows) error {
			var name string
			err := rows.Scan(&name)
			names = append(names, name)
			return err
		})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func wantParts(t *testing.T, db *DB, table, want string) {
	t.Helper()
	if got := fmt.Sprint(parts(t, db, table)); got != want {
		t.Errorf("the parts of %s are %s, want %s", table, got, want)
	}
}

// TestParts: parts are made ahead by whoever runs, and by a write that finds none;
// those of attempts are dropped when nothing is left in them.
func TestParts(t *testing.T) {
	t.Parallel()
	db := openSmall(t, pgtest.Start(t).Database(t), 10)
	wantParts(t, db, "events", "[events_p0 events_p1]")
	// Nobody runs: a write over several parts makes them.
	mustAdd(t, db, 35)
	wantParts(t, db, "events", "[events_p0 events_p1 events_p2 events_p3 events_p4]")
	wantHead(t, db, 35)
	attempt := func(position int64) *store.Attempt {
		return &store.Attempt{Endpoint: 1, Position: position, Generation: 1, Number: 1, SentAt: storetest.Midsummer}
	}
	w := &store.Write{Base: -1, Attempts: []*store.Attempt{attempt(5), attempt(15), attempt(88)}}
	if err := db.Append(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if err := db.maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantParts(t, db, "attempts", "[attempts_p0 attempts_p1 attempts_p3 attempts_p4 attempts_p8]")
	w = &store.Write{Base: -1, Expired: []store.AttemptID{attempt(5).ID()}}
	if err := db.Append(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if err := db.maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantParts(t, db, "attempts", "[attempts_p1 attempts_p3 attempts_p4 attempts_p8]")
	// What was sent long ago is sent again.
	w = &store.Write{Base: -1, Attempts: []*store.Attempt{attempt(5)}}
	for range 2 {
		if err := db.Append(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	got, err := db.Attempts(t.Context(), 1, 5, 0)
	if err != nil || len(got) != 1 {
		t.Errorf("attempts %v, error %v", got, err)
	}
	// Each part has what the whole has.
	for _, part := range parts(t, db, "events") {
		var indexes int
		err := db.reader.QueryRow(t.Context(), "SELECT count(*) FROM pg_indexes WHERE tablename = $1", part).Scan(&indexes)
		if err != nil || indexes != 2 {
			t.Errorf("%s has %d indexes, error %v", part, indexes, err)
		}
	}
}

// TestPartsAhead: Run makes the next part as soon as the log comes into another,
// long before its next look.
func TestPartsAhead(t *testing.T) {
	t.Parallel()
	db := openSmall(t, pgtest.Start(t).Database(t), 10)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- db.Run(ctx) }()
	mustAdd(t, db, 12)
	for len(parts(t, db, "events")) < 3 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestPartsByNodes: nodes that need the same parts at once make them once, also
// while somebody reads the log for as long as a backup does.
func TestPartsByNodes(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Start(t).Database(t)
	nodes := []*DB{openSmall(t, dsn, 10), openSmall(t, dsn, 10), openSmall(t, dsn, 10)}
	backup, err := nodes[0].reader.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = backup.Rollback(context.Background()) }()
	if _, err := backup.Exec(t.Context(), "LOCK TABLE events, attempts IN ACCESS SHARE MODE"); err != nil {
		t.Fatal(err)
	}
	errs := make([]error, len(nodes))
	var wg sync.WaitGroup
	for i, db := range nodes {
		wg.Go(func() {
			for range 10 {
				errs[i] = errors.Join(errs[i], storetest.Add(db, 7, 10))
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	wantHead(t, nodes[0], 210)
}

// TestLeaseDeadline: who waits for a lease while another holds the head goes on when
// its time is over.
func TestLeaseDeadline(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Start(t).Database(t)
	db := open(t, dsn)
	rival, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer rival.Close(context.WithoutCancel(t.Context()))
	for _, statement := range []string{"BEGIN", lockHead} {
		if _, err := rival.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if l, err := db.Claim(ctx, "duty", "me", time.Minute); err == nil {
		t.Errorf("claimed %+v", l)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	if _, err := rival.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if l, err := db.Claim(t.Context(), "duty", "me", time.Minute); err != nil || l.Holder != "me" || l.Epoch != 1 {
		t.Errorf("claimed %+v: %v", l, err)
	}
}

// TestReadPatience: a query that gets no answer ends, also for a caller that would
// wait for ever, and the next has a connection that works.
func TestReadPatience(t *testing.T) {
	t.Parallel()
	db := open(t, pgtest.Start(t).Database(t))
	db.readPatience = 100 * time.Millisecond
	begin := time.Now()
	err := db.query(context.Background(), "SELECT pg_sleep(20)", nil, func(pgx.Rows) error { return nil })
	if took := time.Since(begin); greenlane.KindOf(err) != greenlane.Unavailable || took > 10*time.Second {
		t.Errorf("after %s: %v", took, err)
	}
	wantHead(t, db, 0)
}

// TestPanicInTurn: a write that panics in its turn leaves the head to what is tried
// next in the same turn.
func TestPanicInTurn(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Start(t).Database(t)
	db, rival := open(t, dsn), open(t, dsn)
	write := func(on *DB) *store.Write {
		w, err := storetest.NewWrite(on, 1, 10)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	for _, on := range []*DB{rival, db, rival, db} { // so that db knows of a rival
		if err := on.Append(t.Context(), write(on)); err != nil {
			t.Fatal(err)
		}
	}
	begin := time.Now()
	err := db.InTurn(t.Context(), 0, func(head store.Head, news []*greenlane.Event) {
		if head.Position == 0 {
			t.Error("it has no turn")
		}
		func() {
			defer func() { _ = recover() }()
			bad := write(db)
			bad.Seal = func(store.Head) error { panic("a fault in a rule") }
			_ = db.Append(t.Context(), bad)
		}()
		if err := db.Append(t.Context(), write(db)); err != nil || time.Since(begin) > 5*time.Second {
			t.Errorf("after %s: %v", time.Since(begin), err)
		}
	})
	if err != nil {
		t.Error(err)
	}
	wantHead(t, db, 5)
}
