package delivery_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/hub"
	"greenlane/internal/store"
	"greenlane/internal/store/storetest"
	"greenlane/internal/store/teststore"
)

// mortal is a hub with its engine in a process that may die under them.
type mortal struct {
	hub    *hub.Hub
	engine *delivery.Engine
	// stop ends both as a process does that is asked to; die as one that is
	// not.
	stop, die func()
}

// live starts hub and engine on a store, as a process of that name.
func live(t *testing.T, s store.Store, rec *receiver, name string, prepare func(*delivery.Engine)) (*mortal, error) {
	t.Helper()
	h, err := hub.Open(t.Context(), s, hub.Options{Random: rand.Reader})
	if err != nil {
		return nil, err
	}
	sender := delivery.NewSender(guard(t, "127.0.0.0/8"), greenlane.SystemClock, name)
	engine := delivery.New(h, delivery.Options{Sender: sender, Chance: func() float64 { return 0.5 }})
	prepare(engine)
	hubCtx, stopHub := context.WithCancel(context.Background())
	engineCtx, stopEngine := context.WithCancel(context.Background())
	hubEnded, engineEnded := make(chan struct{}), make(chan struct{})
	go func() { defer close(hubEnded); h.Run(hubCtx) }()
	go func() { defer close(engineEnded); engine.Run(engineCtx) }()
	t.Cleanup(func() { <-engineEnded; sender.Close() })
	return &mortal{
		hub: h, engine: engine,
		stop: func() {
			stopEngine()
			<-engineEnded
			stopHub()
			<-hubEnded
			s.Close()
		},
		die: func() {
			// From here on nothing it sends counts and nothing reaches the disk;
			// nobody waits for what is left of the engine to find that out.
			rec.bury("Greenlane/" + name)
			stopHub()
			<-hubEnded
			stopEngine()
			s.Close()
		},
	}, nil
}

// life is how an endpoint of the scenario is set and what its receiver does.
type life struct {
	set func(*delivery.Settings)
	// refuses decides which arrivals fail.
	refuses func(a arrival, count int) bool
	// once: each arrival settles its event. The first subject's are not answered
	// before others have come, so that the cursor can't pass what is settled.
	once bool
	// wants says what the filter means.
	wants func(position int64) bool
	// joined: the shipments turn out to be of one consignment, one after the other.
	joined bool
	// replayed: at the end all of it is sent again.
	replayed bool
	// down is how many arrivals fail before the receiver comes up. Without it
	// breakers stay closed: some events are never acknowledged.
	down int
}

func (l life) prepare(e *delivery.Engine) {
	if l.down == 0 {
		unbroken(e)
		return
	}
	e.SetBreaker(3, 2*time.Millisecond, 8*time.Millisecond)
}

// lives are one that retries until everything is acknowledged, one that gives up
// at once what fails, while the cursor can't pass it, one that retries what its
// filter lets through, one ordered by consignment, one that is sent all of it again,
// and one whose receiver is down at first, so that its
// breaker opens, half opens and closes.
func lives() map[string]life {
	third := func(a arrival) bool { return a.subject[len(a.subject)-1]%3 == 0 }
	return map[string]life{
		"retry": {
			set: func(s *delivery.Settings) {
				s.Schedule = delivery.Schedule{Waits: []time.Duration{0, 2 * time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 5 * time.Millisecond}}
			},
			refuses: func(a arrival, count int) bool { return third(a) && count <= 2 },
		},
		"skip": {
			set: func(s *delivery.Settings) {
				s.Schedule, s.OnExhausted = delivery.Schedule{Waits: []time.Duration{0}}, delivery.SkipOver
			},
			refuses: func(a arrival, count int) bool { return a.position%2 == 0 },
			once:    true,
		},
		"filter": {
			set: func(s *delivery.Settings) {
				s.Filter = `event.position % 2 == 0`
				s.Schedule = delivery.Schedule{Waits: []time.Duration{0, 2 * time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 5 * time.Millisecond}}
			},
			refuses: func(a arrival, count int) bool { return third(a) && count <= 2 },
			wants:   func(position int64) bool { return position%2 == 0 },
		},
		"joined": {
			set: func(s *delivery.Settings) {
				s.Ordering = delivery.OrderConsignment
				s.Schedule = delivery.Schedule{Waits: []time.Duration{0, 2 * time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 5 * time.Millisecond}}
			},
			refuses: func(a arrival, count int) bool { return third(a) && count <= 2 },
			joined:  true,
		},
		"replay": {
			set: func(s *delivery.Settings) {
				s.Schedule = delivery.Schedule{Waits: []time.Duration{0, 2 * time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 5 * time.Millisecond}}
			},
			refuses:  func(a arrival, count int) bool { return third(a) && (count <= 1 || count == 3) },
			replayed: true,
		},
		"down": {
			set: func(s *delivery.Settings) {
				s.Schedule = delivery.Schedule{Waits: []time.Duration{0, 2 * time.Millisecond, 2 * time.Millisecond, 2 * time.Millisecond, time.Millisecond}}
			},
			refuses: func(a arrival, count int) bool { return third(a) && count == 4 },
			down:    9,
		},
	}
}

// receiver returns one that does as the life says, slowly only until the first
// process is dead.
func (l life) receiver(t *testing.T) (rec *receiver, dead func()) {
	rec = newReceiver(t)
	died := make(chan struct{})
	rec.answer = func(a arrival, count int) int {
		if l.once && a.subject == rec.first() {
			before := len(rec.of(a.subject)) + 1
			for enough := min(2*before, 10); len(rec.arrivals())-before+1 < enough; {
				select {
				case <-died:
					return 200
				case <-time.After(time.Millisecond):
				}
			}
		}
		if len(rec.arrivals()) < l.down || l.refuses(a, count) {
			return 500
		}
		return 200
	}
	return rec, func() { close(died) }
}

// scenario is a life of an endpoint: events of three subjects, some of which
// fail, one whose events are not wanted, and new settings in between. It goes as
// far as the process lives.
func scenario(t *testing.T, m *mortal, url string, l life) {
	do := func(u hub.Unit) bool {
		_, err := m.hub.Do(t.Context(), u)
		return err == nil
	}
	if m.hub.Account(1) == nil {
		if _, err := m.hub.Store().Reserve(t.Context(), store.SubjectNumbers, 1); err != nil {
			return
		}
		if !do(hub.Unit{Account: 1, Commands: []greenlane.Command{greenlane.RecordAccount{
			Number: 1, Type: greenlane.EventAccountCreated, Body: greenlane.AccountChanged{}}},
			Rows: hub.Rows{Accounts: []*greenlane.Account{{Number: 1, Domain: "example.com"}}}}) {
			return
		}
	}
	number, ok := crashEndpoint(t, m, url, l)
	if !ok {
		return
	}
	for n := range 6 {
		for _, shipment := range []string{"A", "B", "C"} {
			key := greenlane.ShipmentKey{Number: shipment}
			if l.joined && n >= int(shipment[0]-'A') {
				key.Containers = []string{"SYNU0000010"}
			}
			if !do(hub.Unit{Account: 1, Commands: []greenlane.Command{
				greenlane.TrackShipment{Key: key},
				greenlane.RecordActivities{Shipment: key, Activities: []greenlane.NewActivity{{
					Date: time.Date(2025, 7, 1, 0, n, 0, 0, time.UTC), Code: []string{"1M", "1H", "1I"}[n%3], Message: fmt.Sprint("note ", n)}}},
			}}) {
				return
			}
		}
		if n == 2 {
			_, err := m.engine.Update(t.Context(), delivery.Request{Account: 1, Endpoint: number},
				func(s delivery.Settings, _ *store.Endpoint) (delivery.Settings, error) {
					s.Events = []string{string(greenlane.EventEntryStatus), string(greenlane.EventClearanceChanged)}
					return s, nil
				})
			if err != nil {
				return
			}
		}
	}
	if l.replayed {
		// An error means that the process is dead.
		_, _ = m.engine.Replay(t.Context(), delivery.Request{Account: 1, Endpoint: number}, delivery.Range{First: 1, Last: m.hub.Head()}, "all again")
	}
}

func crashEndpoint(t *testing.T, m *mortal, url string, l life) (int64, bool) {
	rows, err := m.hub.Store().AllEndpoints(t.Context())
	if err != nil {
		return 0, false
	}
	if len(rows) > 0 {
		return rows[0].Number, true
	}
	s := delivery.Settings{URL: url, Events: []string{string(greenlane.EventEntryStatus)}}
	l.set(&s)
	row := &store.Endpoint{Secrets: []store.Secret{{Text: "a secret of the test"}}}
	_, err = m.engine.Create(t.Context(), delivery.Request{Account: 1}, row, s.WithDefaults(), 0, 1)
	return row.Number, err == nil
}

// TestEveryCrashPoint lets the process die at each commit in turn, just before
// it and just after, starts it again, and lets an independent receiver judge:
// everything the endpoint wants arrives, each subject in order, and what the
// disk says agrees with the log.
func TestEveryCrashPoint(t *testing.T) {
	t.Parallel()
	for _, moment := range []storetest.Moment{storetest.Before, storetest.After} {
		for name, l := range lives() {
			t.Run([]string{"before", "after"}[moment]+"/"+name, func(t *testing.T) {
				t.Parallel()
				most := 200
				if testing.Short() {
					most = 30
				}
				for n := 1; n <= most; n += stride {
					if !crashAt(t, n, moment, l) {
						if n < 15 {
							t.Errorf("the scenario has only %d commits: nothing was tested", n)
						}
						return
					}
				}
			})
		}
	}
}

// crashAt runs the scenario with a crash at the n-th commit and then without.
// It reports whether the scenario had that many.
func crashAt(t *testing.T, n int, moment storetest.Moment, l life) bool {
	t.Helper()
	dir := t.TempDir()
	rec, dead := l.receiver(t)
	open := func() store.Store {
		s := teststore.Open(t, dir)
		return s
	}
	faulty := storetest.NewFaulty(open())
	faulty.Crash(n, moment)
	m, err := live(t, faulty, rec, "first", l.prepare)
	if err == nil {
		scenario(t, m, rec.URL, l)
		settle(t, m)
		m.die()
	} else if !errors.Is(err, storetest.ErrCrashed) {
		t.Fatal(err)
	}
	dead()
	crashed := faulty.Appends() >= n
	s := open()
	if m, err = live(t, s, rec, "second", l.prepare); err != nil {
		t.Fatal(err)
	}
	defer m.stop()
	scenario(t, m, rec.URL, l)
	judge(t, fmt.Sprintf("crash %d", n), m, s, rec, l)
	return crashed
}

// TestCrashKeepsWhatIsSettled lets the process die while one subject's event is
// on its way, and later ones of another subject are acknowledged or given up:
// the first comes again, the others do not.
func TestCrashKeepsWhatIsSettled(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"acknowledged": 200, "given up": 500} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			crashBehindASlowSubject(t, status)
		})
	}
}

// crashBehindASlowSubject has the first process's second subject answered with a
// status, then with 200.
func crashBehindASlowSubject(t *testing.T, status int) {
	t.Helper()
	dir, rec := t.TempDir(), newReceiver(t)
	release := make(chan struct{})
	rec.answer = func(a arrival, _ int) int {
		if a.header.Get("User-Agent") != "Greenlane/first" {
			return 200
		}
		if a.subject == rec.first() {
			<-release
		} else if len(rec.of(a.subject)) == 0 {
			return status
		}
		return 200
	}
	open := func(name string) *mortal {
		s := teststore.Open(t, dir)
		m, err := live(t, s, rec, name, unbroken)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	m := open("first")
	r := &rig{hub: m.hub, engine: m.engine, store: m.hub.Store()}
	r.account(t)
	number := r.endpoint(t, rec.URL, func(s *delivery.Settings) {
		entries(s)
		s.Schedule, s.OnExhausted = delivery.Schedule{Waits: []time.Duration{0}}, delivery.SkipOver
	})
	r.record(t, "SLOW", 0)
	rec.until(t, "the slow attempt", func() bool { return rec.first() != "" })
	other := r.record(t, "B", 0)
	r.record(t, "B", 1)
	rec.until(t, "the other subject", func() bool { return len(rec.of(other)) == 2 && r.status(t, number).InFlight == 1 })
	r.recorded(t, number)
	m.die()
	close(release)
	m = open("second")
	r = &rig{hub: m.hub, engine: m.engine, store: m.hub.Store()}
	r.quiet(t, rec, number)
	m.stop()
	if n, slow := len(rec.of(other)), len(rec.of(rec.first())); n != 2 || slow != 1 {
		t.Errorf("the slow subject had %d arrivals, the other %v", slow, said(rec.of(other)))
	}
}

// settle waits until the living process has nothing left to deliver, or is
// dead.
func settle(t *testing.T, m *mortal) {
	t.Helper()
	for range 2000 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		statuses, err := m.engine.Statuses(ctx, 1)
		cancel()
		if err != nil || m.hub.Away() != nil {
			return
		}
		busy := false
		for number, s := range statuses {
			replays, err := m.engine.Replays(t.Context(), 1, number)
			running := slices.ContainsFunc(replays, func(r *delivery.ReplayStatus) bool { return r.State == store.ReplayRunning })
			busy = busy || s.Unsettled+s.InFlight+s.OpenLanes > 0 || s.Lag > 0 || err == nil && running
		}
		if _, err := m.hub.Store().Head(t.Context()); err != nil || !busy {
			return
		}
		<-time.After(time.Millisecond)
	}
}

// judge compares what arrived with what the log and the settings say should
// have: all of it was acknowledged, or tried and given up by a record.
func judge(t *testing.T, what string, m *mortal, s store.Store, rec *receiver, l life) {
	t.Helper()
	rows, err := s.AllEndpoints(t.Context())
	if err != nil || len(rows) != 1 {
		t.Fatalf("%s: %d endpoints, %v", what, len(rows), err)
	}
	want := func() []*delivery.Delivery {
		var list []*delivery.Delivery
		for before := int64(0); ; {
			page, next, err := m.engine.Deliveries(t.Context(), delivery.DeliveryQuery{Account: 1, Endpoint: rows[0].Number, Before: before, Limit: 100})
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			list = append(list, page...)
			if next == 0 {
				break
			}
			before = next
		}
		return list
	}
	rec.until(t, what+": every wanted event", func() bool {
		acknowledged, came := rec.acknowledged(), positions(rec.arrivals())
		for _, d := range want() {
			p := d.Event.Position
			if !acknowledged[p] && !(d.State == delivery.DeliverySkipped && slices.Contains(came, p)) {
				return false
			}
		}
		return true
	})
	settle(t, m)
	if l.replayed {
		r := &rig{hub: m.hub, engine: m.engine, store: s}
		judgeReplays(t, what, r, rec, rows[0].Number)
	}
	got := slices.DeleteFunc(rec.arrivals(), func(a arrival) bool { return a.header.Get("Greenlane-Replay") != "" })
	for i := range got {
		if l.once {
			got[i].status = 200
		}
		if l.wants != nil && !l.wants(got[i].position) {
			t.Errorf("%s: position %d is not wanted", what, got[i].position)
		}
	}
	inOrderAtLast(t, what, got)
	if l.joined {
		r := &rig{hub: m.hub, engine: m.engine, store: s}
		judgeMerges(t, what, got, r.logged(t, greenlane.EventConsignmentMerged))
	}
	judgeBreaker(t, what, m, s, rows[0].Number, l)
	report, err := hub.Verify(t.Context(), s, nil)
	if err != nil || !report.OK() {
		t.Errorf("%s: verify: %v %+v", what, err, report)
	}
}

// judgeMerges holds that what comes after the last merge was acknowledged in
// order, and after all that came before it.
func judgeMerges(t *testing.T, what string, got []arrival, merges []*greenlane.Event) {
	t.Helper()
	if len(merges) != 2 {
		t.Fatalf("%s: %d merges", what, len(merges))
	}
	merged := merges[1].Position
	seen := map[int64]bool{}
	next := int64(math.MaxInt64)
	for _, a := range slices.Backward(got) {
		if a.status >= 300 || seen[a.position] {
			continue
		}
		seen[a.position] = true
		if a.position > merged && a.position > next {
			t.Errorf("%s: position %d arrived for the last time before %d, of the same consignment since %d", what, a.position, next, merged)
		}
		next = a.position
	}
}

// judgeReplays holds that each replay that was begun came to its end and brought
// all its events, in order.
func judgeReplays(t *testing.T, what string, r *rig, rec *receiver, number int64) {
	t.Helper()
	events := r.logged(t, greenlane.EventEntryStatus, greenlane.EventClearanceChanged)
	rec.until(t, what+": replays to end", func() bool { return len(r.replays(t, number, store.ReplayRunning)) == 0 })
	for _, replay := range r.replays(t, number, store.ReplayCompleted) {
		got := slices.DeleteFunc(rec.arrivals(), func(a arrival) bool {
			return a.header.Get("Greenlane-Replay") != strconv.Itoa(replay.Generation)
		})
		inOrderAtLast(t, what, got)
		for _, ev := range events {
			if ev.Position <= replay.Last && !slices.ContainsFunc(got, func(a arrival) bool { return a.position == ev.Position && a.status == 200 }) {
				t.Errorf("%s: replay %d did not bring position %d, but %v", what, replay.Generation, ev.Position, said(got))
			}
		}
	}
	if len(r.replays(t, number, store.ReplayCompleted)) == 0 {
		t.Errorf("%s: nothing was sent again", what)
	}
}

// judgeBreaker holds that the breaker ended as its events say: closed, once for
// each time it opened, and as it is on disk.
func judgeBreaker(t *testing.T, what string, m *mortal, s store.Store, number int64, l life) {
	t.Helper()
	r := &rig{hub: m.hub, engine: m.engine, store: s}
	r.recorded(t, number)
	opened, closed := len(r.logged(t, greenlane.EventBreakerOpened)), len(r.logged(t, greenlane.EventBreakerClosed))
	if state := r.status(t, number).Breaker.State; state != delivery.BreakerClosed || opened != closed || opened > 0 && l.down == 0 {
		t.Errorf("%s: the breaker opened %d times, closed %d times and is %s", what, opened, closed, state)
	}
	row, err := s.Breaker(t.Context(), number)
	if err != nil || row == nil && opened > 0 || row != nil && row.State != store.BreakerClosed {
		t.Errorf("%s: on disk is %+v, %v", what, row, err)
	}
}

// inOrderAtLast holds the order that outlives a crash. What was acknowledged
// and not recorded comes again, and with it all of its subject that came after:
// the last arrivals are in order. So are the first of what the endpoint always
// wanted; what it wants since its settings changed may come first behind an
// event that the new process does not know was sent.
func inOrderAtLast(t *testing.T, what string, got []arrival) {
	t.Helper()
	inOrder(t, slices.DeleteFunc(slices.Clone(got), func(a arrival) bool {
		return a.kind != string(greenlane.EventEntryStatus)
	}))
	first := map[string]int64{}
	seen := map[int64]bool{}
	for _, a := range slices.Backward(got) {
		if a.status >= 300 || seen[a.position] {
			continue
		}
		seen[a.position] = true
		if after := first[a.subject]; after != 0 && a.position > after {
			t.Errorf("%s: %s: position %d arrived for the last time before %d", what, a.subject, a.position, after)
		}
		first[a.subject] = a.position
	}
}
