package delivery_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/hub"
	"greenlane/internal/store"
)

// standing is what the hub says of an endpoint's deliveries.
type standing struct {
	States map[int64]delivery.DeliveryState
	Digest string
	Counts map[delivery.DeliveryState]int
}

func (r *rig) standing(t testing.TB, number int64) standing {
	t.Helper()
	s := standing{States: map[int64]delivery.DeliveryState{}}
	q := delivery.DeliveryQuery{Account: 1, Endpoint: number, Limit: 500}
	for more := true; more; more = q.Before > 0 {
		list, next, err := r.engine.Deliveries(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range list {
			s.States[d.Event.Position] = d.State
		}
		q.Before = next
	}
	rec, err := r.engine.Reconcile(t.Context(), 1, number, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	s.Digest, s.Counts = rec.Digest, rec.States
	return s
}

// kept returns an endpoint's attempts that are there, by their ids.
func (r *rig) kept(t testing.TB, number int64) map[store.AttemptID]*store.Attempt {
	t.Helper()
	out := map[store.AttemptID]*store.Attempt{}
	for p := range r.hub.Head() {
		list, err := r.store.Attempts(t.Context(), number, p+1, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range list {
			out[a.ID()] = a
		}
	}
	return out
}

func (r *rig) sweep(t testing.TB, keep time.Duration) int {
	t.Helper()
	n, err := delivery.NewKeeper(r.engine, keep).Sweep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// long is a schedule whose second attempt comes after all that a test does.
func long(s *delivery.Settings) {
	s.Schedule = delivery.Schedule{Waits: []time.Duration{0, 150 * time.Hour, time.Hour}}
}

// TestExpiryChangesNoState lets events come, fail, be skipped, discarded, parked
// and sent again, settings change, the endpoint be resumed beyond its cursor and
// the hub start again, in any order. Then the attempts expire: what the hub says
// became of each event is the same as before, also to the next process, and what
// waited is still sent, in order, and nothing else.
func TestExpiryChangesNoState(t *testing.T) {
	t.Parallel()
	walks := 10
	if testing.Short() {
		walks = 4
	}
	for seed := range walks {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := &expiryWalk{
				rec: newReceiver(t), dir: t.TempDir(), clock: newWatch(), random: rand.New(rand.NewPCG(uint64(seed), 2)), resent: map[int64]bool{},
			}
			w.walk(t)
		})
	}
}

type expiryWalk struct {
	*rig
	rec    *receiver
	dir    string
	clock  *watch
	random *rand.Rand
	fails  atomic.Bool
	number int64
	n      int
	// resent are the positions that somebody sent again.
	resent map[int64]bool
}

func (w *expiryWalk) restart(t *testing.T) {
	t.Helper()
	if w.rig != nil {
		w.stop()
	}
	w.rig = startAt(t, w.dir, w.clock.time, unbroken)
}

func (w *expiryWalk) walk(t *testing.T) {
	w.restart(t)
	w.rec.answer = func(a arrival, _ int) int {
		if w.fails.Load() && a.position%3 == 0 {
			return 500
		}
		return 200
	}
	w.number = w.endpoint(t, w.rec.URL, func(s *delivery.Settings) { entryEvents(s); long(s) })
	for range 50 {
		w.step(t)
		w.clock.move(time.Second)
	}
	var before standing
	w.rec.until(t, "nothing to be on its way", func() bool {
		w.quiet(t, w.rec, w.number)
		before = w.standing(t, w.number)
		return !slices.Contains(slices.Collect(maps.Values(before.States)), delivery.DeliverySending)
	})
	had := w.kept(t, w.number)
	w.clock.move(2 * time.Hour)
	removed := w.sweep(t, time.Hour)
	left := w.kept(t, w.number)
	if removed == 0 || len(had)-len(left) != removed {
		t.Errorf("removed %d attempts of %d, and %d are left", removed, len(had), len(left))
	}
	if again := w.sweep(t, time.Hour); again != 0 {
		t.Errorf("a second sweep removed %d", again)
	}
	for range 2 {
		if diff := cmp.Diff(before, w.standing(t, w.number)); diff != "" {
			t.Errorf("after its attempts expired (-before +after):\n%s", diff)
		}
		w.marked(t, before)
		w.restart(t)
		w.quiet(t, w.rec, w.number)
	}
	w.goOn(t, before)
}

// step is one thing that happens.
func (w *expiryWalk) step(t *testing.T) {
	switch w.random.IntN(13) {
	case 0:
		w.fails.Store(!w.fails.Load())
	case 1:
		w.update(t, w.number, func(s *delivery.Settings) {
			s.Ordering = []delivery.Ordering{delivery.OrderSubject, delivery.OrderNone, delivery.OrderConsignment}[w.random.IntN(3)]
			// Some events are not wanted for a while; a replay may send them.
			s.Events = [][]string{{string(greenlane.EventEntryStatus)}, {string(greenlane.EventEntryStatus), string(greenlane.EventClearanceChanged)}}[w.random.IntN(2)]
			s.OnExhausted = []delivery.OnExhausted{delivery.Park, delivery.SkipOver}[w.random.IntN(2)]
			if long(s); w.random.IntN(2) == 0 {
				s.Schedule = delivery.Schedule{Waits: []time.Duration{0}}
			}
		})
	case 2:
		w.restart(t)
	case 3:
		w.resume(t)
	case 4, 5:
		w.byHand(t)
	case 6:
		w.again(t)
	case 7:
		w.replayed(t)
	default:
		for range 1 + w.random.IntN(5) {
			w.activity(t, fmt.Sprint("S", w.random.IntN(3)), w.n, []string{"1M", "1H", "1I"}[w.random.IntN(3)])
			w.n++
		}
	}
	if w.random.IntN(2) == 0 {
		w.quiet(t, w.rec, w.number)
	}
}

// resume lets the endpoint miss some events, or some of those it missed.
func (w *expiryWalk) resume(t *testing.T) {
	if _, err := w.engine.Disable(t.Context(), by(w.number), ""); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		w.record(t, fmt.Sprint("S", w.random.IntN(3)), w.n)
		w.n++
	}
	from := w.hub.Head() - int64(w.random.IntN(4))
	if _, err := w.engine.Enable(t.Context(), by(w.number), from, ""); err != nil {
		t.Fatal(err)
	}
}

// any draws one of the endpoint's events.
func (w *expiryWalk) any(t *testing.T) int64 {
	all := w.positions(t, greenlane.EventEntryStatus)
	if len(all) == 0 {
		return 1
	}
	return all[w.random.IntN(len(all))]
}

// byHand does something to a delivery, which may be refused for what it is.
func (w *expiryWalk) byHand(t *testing.T) {
	do := []manual{w.engine.Park, w.engine.Skip, w.engine.Discard}[w.random.IntN(3)]
	for range 4 {
		o, err := do(t.Context(), by(w.number), w.any(t), 1+w.random.IntN(2), "why")
		if kind := greenlane.KindOf(err); err != nil && kind != greenlane.Conflict && kind != greenlane.NotFound {
			t.Fatalf("%v, %v", o, err)
		}
	}
}

// again sends something again that was settled, if it was.
func (w *expiryWalk) again(t *testing.T) {
	p := w.any(t)
	if s, ok := w.standing(t, w.number).States[p]; !ok || s != delivery.DeliveryDelivered && s != delivery.DeliverySkipped {
		return
	}
	_, err := w.engine.Retry(t.Context(), by(w.number), p, "again")
	if err != nil && greenlane.KindOf(err) != greenlane.Conflict {
		t.Fatal(err)
	}
	w.resent[p] = err == nil || w.resent[p]
}

// replayed sends a part of the log again, as far as that goes.
func (w *expiryWalk) replayed(t *testing.T) {
	if w.hub.Head() < 3 {
		return
	}
	first := 1 + w.random.Int64N(w.hub.Head()-1)
	last := min(w.hub.Head(), first+20)
	for p := first; p <= last; p++ {
		w.resent[p] = true
	}
	generation, looked := w.replay(t, w.number, delivery.Range{First: first, Last: last}), 0
	w.rec.until(t, "the replay to come to its end or nowhere", func() bool {
		looked++
		return len(w.replays(t, w.number, store.ReplayRunning)) == 0 || looked > 20
	})
	if _, err := w.engine.CancelReplay(t.Context(), by(w.number), generation, "enough"); err != nil && greenlane.KindOf(err) != greenlane.Conflict {
		t.Fatal(err)
	}
}

// marked holds that what has no attempts left says so, and nothing else.
func (w *expiryWalk) marked(t *testing.T, before standing) {
	t.Helper()
	for p, state := range before.States {
		attempts, err := w.store.Attempts(t.Context(), w.number, p, 0)
		if err != nil {
			t.Fatal(err)
		}
		d, _, err := w.engine.Delivery(t.Context(), 1, w.number, p, 1)
		if greenlane.KindOf(err) == greenlane.NotFound && len(attempts) > 0 && attempts[0].Generation > 1 {
			continue // only a replay sent it
		}
		if err != nil {
			t.Fatalf("position %d, %s, with %d attempts: %v", p, state, len(attempts), err)
		}
		if want := state == delivery.DeliveryDelivered && len(attempts) == 0; want && !d.Expired || d.Expired && d.Last != nil {
			t.Errorf("position %d is %s with %d attempts, says %s, expired %t", p, state, len(attempts), d.State, d.Expired)
		}
		if state != delivery.DeliveryDelivered && d.Expired {
			t.Errorf("position %d is %s and says that its attempts expired", p, state)
		}
	}
}

// goOn lets everything arrive that waits.
func (w *expiryWalk) goOn(t *testing.T, before standing) {
	t.Helper()
	w.fails.Store(false)
	came := len(w.rec.arrivals())
	w.clock.move(200 * time.Hour)
	w.status(t, w.number)
	for _, d := range w.deliveries(t, w.number, delivery.DeliveryParked) {
		if _, err := w.engine.Retry(t.Context(), by(w.number), d.Event.Position, ""); err != nil {
			t.Fatal(err)
		}
	}
	w.rec.until(t, "all lanes to close", func() bool {
		w.clock.move(200 * time.Hour)
		return w.status(t, w.number).OpenLanes == 0
	})
	w.rig.done(t, w.rec, w.number)
	sent := map[int64]bool{}
	for _, a := range w.rec.arrivals()[came:] {
		sent[a.position] = true
		if state := before.States[a.position]; state == delivery.DeliveryDelivered && !w.resent[a.position] {
			t.Errorf("position %d was delivered, and came again", a.position)
		}
	}
	for p, state := range w.standing(t, w.number).States {
		switch was := before.States[p]; was {
		case delivery.DeliveryDelivered, delivery.DeliverySkipped, delivery.DeliveryDiscarded:
			if state != was && !w.resent[p] {
				t.Errorf("position %d was %s and is %s", p, was, state)
			}
		default:
			if state != delivery.DeliveryDelivered || !sent[p] {
				t.Errorf("position %d was %s and is %s; sent %t", p, was, state, sent[p])
			}
		}
	}
}

// TestExpiredIsSentAgain: what arrived long ago is sent again like anything else,
// in a generation that was never used; it can't be given up by mistake.
func TestExpiredIsSentAgain(t *testing.T) {
	t.Parallel()
	dir, clock := t.TempDir(), newWatch()
	r, rec := startAt(t, dir, clock.time), newReceiver(t)
	number := r.endpoint(t, rec.URL, entryEvents)
	r.record(t, "A", 0)
	r.record(t, "A", 1)
	r.done(t, rec, number)
	all := r.positions(t, greenlane.EventEntryStatus)
	for range 2 {
		r.resend(t, number, all[0])
		r.done(t, rec, number)
	}
	clock.move(2 * time.Hour)
	if n := r.sweep(t, time.Hour); n != 4 {
		t.Fatalf("removed %d attempts", n)
	}
	for _, do := range []manual{r.engine.Skip, r.engine.Park, r.engine.Discard} {
		if _, err := do(t.Context(), by(number), all[0], 1, "why"); greenlane.CodeOf(err) != "settled" {
			t.Errorf("%v", err)
		}
	}
	if _, _, err := r.engine.Delivery(t.Context(), 1, number, all[0], 3); greenlane.KindOf(err) != greenlane.NotFound {
		t.Errorf("the third sending: %v", err)
	}
	r.resend(t, number, all[0])
	r.done(t, rec, number)
	got := rec.arrivals()
	if last := got[len(got)-1]; last.position != all[0] || last.header.Get("Greenlane-Replay") != "4" {
		t.Errorf("arrived %v with %q", last.position, last.header.Get("Greenlane-Replay"))
	}
	if d, _, err := r.engine.Delivery(t.Context(), 1, number, all[0], 4); err != nil || d.State != delivery.DeliveryDelivered || d.Expired {
		t.Errorf("%+v, %v", d, err)
	}
}

// TestExpirySparesWhatMatters: attempts are kept by their own age, and beyond the
// cursor, in open lanes and where a skip says otherwise, whatever their age. Those
// of a deleted endpoint matter to nobody.
func TestExpirySparesWhatMatters(t *testing.T) {
	t.Parallel()
	dir, clock, rec := t.TempDir(), newWatch(), newReceiver(t)
	r := startAt(t, dir, clock.time, unbroken)
	release := make(chan struct{})
	// status is what is answered, 0 for nothing until the test's end, which the
	// first to ask for it gets.
	var status atomic.Int64
	status.Store(200)
	rec.answer = func(arrival, int) int {
		if status.CompareAndSwap(0, 200) {
			<-release
		}
		return int(status.Load())
	}
	gone := r.endpoint(t, rec.URL+"/gone", func(s *delivery.Settings) { s.Events = []string{string(greenlane.EventShipmentCreated)} })
	number := r.endpoint(t, rec.URL, func(s *delivery.Settings) { entryEvents(s); long(s) })
	r.record(t, "A", 0)
	r.quiet(t, rec, number)
	r.quiet(t, rec, gone)
	status.Store(500)
	r.record(t, "A", 1)
	r.quiet(t, rec, number)
	status.Store(200)
	old := r.positions(t, greenlane.EventEntryStatus)
	failed := old[1]
	clock.move(2 * time.Hour)
	r.record(t, "B", 0)
	r.quiet(t, rec, number)
	r.quiet(t, rec, gone)
	if _, err := r.engine.Delete(t.Context(), by(gone)); err != nil {
		t.Fatal(err)
	}
	// An event that is on its way holds the cursor before one that arrived.
	status.Store(0)
	r.record(t, "C", 0)
	rec.until(t, "the slow event", func() bool { return status.Load() == 200 })
	r.record(t, "D", 0)
	rec.until(t, "the record of the event behind it", func() bool { return r.status(t, number).InFlight == 1 && len(r.kept(t, number)) == 4 })
	r.sweep(t, time.Hour)
	states := map[int64]bool{}
	for id := range r.kept(t, number) {
		states[id.Position] = true
	}
	for _, p := range old {
		if states[p] != (p == failed) {
			t.Errorf("position %d is two hours old; kept: %t", p, states[p])
		}
	}
	if n := len(r.kept(t, gone)); n != 1 {
		t.Errorf("of the deleted endpoint %d attempts are left, want the one that is new", n)
	}
	// So little that the slow event gets no lane of its own, which the cursor passes.
	clock.move(time.Second)
	cursor := r.status(t, number).Cursor
	r.sweep(t, time.Second/2)
	for id := range r.kept(t, number) {
		if id.Position <= cursor && id.Position != failed {
			t.Errorf("%+v is left, the cursor is at %d", id, cursor)
		}
	}
	acknowledged, err := r.store.Acknowledged(t.Context(), number, 1, cursor, r.hub.Head())
	if err != nil || len(acknowledged) != 1 {
		t.Errorf("acknowledged beyond the cursor: %v, %v", acknowledged, err)
	}
	if left := r.kept(t, gone); len(left) != 0 {
		t.Errorf("left of the deleted endpoint: %v", left)
	}
	close(release)
	r.quiet(t, rec, number)
}

// TestExpiryIsOff: without an age nothing is removed.
func TestExpiryIsOff(t *testing.T) {
	t.Parallel()
	clock, rec := newWatch(), newReceiver(t)
	r := startAt(t, t.TempDir(), clock.time)
	number := r.endpoint(t, rec.URL, entryEvents)
	r.record(t, "A", 0)
	r.done(t, rec, number)
	clock.move(20 * 365 * 24 * time.Hour)
	if n := r.sweep(t, 0); n != 0 || len(r.kept(t, number)) != 1 {
		t.Errorf("removed %d", n)
	}
}

// TestSweepOfMany: more than a page and a transaction take is removed all the same,
// and an end of the process in between is no harm.
func TestSweepOfMany(t *testing.T) {
	t.Parallel()
	clock, rec := newWatch(), newReceiver(t)
	r, s := startHooked(t, t.TempDir(), clock.time)
	number := r.endpoint(t, rec.URL, func(s *delivery.Settings) { entryEvents(s); s.Concurrency = 50 })
	r.bulk(t, 1200, 0)
	r.done(t, rec, number)
	clock.move(2 * time.Hour)
	commits := 0
	ctx, cancel := context.WithCancel(t.Context())
	s.commit.set(func(w *store.Write) error {
		if n := len(w.Expired); n > 0 {
			commits++
			if n > 250 {
				t.Errorf("%d attempts are removed in one transaction", n)
			}
		}
		if commits == 2 {
			cancel()
		}
		return nil
	})
	if _, err := delivery.NewKeeper(r.engine, time.Hour).Sweep(ctx); err == nil {
		t.Error("a sweep that was interrupted succeeded")
	}
	// What it asked for last may be recorded still; what comes after it is not before.
	after := hub.Unit{Lazy: true, Rows: hub.Rows{Cursors: []store.Cursor{{Owner: "test", Position: 1}}}}
	if _, err := r.hub.Do(t.Context(), after); err != nil {
		t.Fatal(err)
	}
	left := len(r.kept(t, number))
	if left == 0 || left == 1200 {
		t.Errorf("%d attempts are left", left)
	}
	if n := r.sweep(t, time.Hour); n != left || len(r.kept(t, number)) != 0 {
		t.Errorf("removed %d of %d", n, left)
	}
	if got := r.standing(t, number).Counts; !cmp.Equal(got, map[delivery.DeliveryState]int{delivery.DeliveryDelivered: 1200}) {
		t.Errorf("%v", got)
	}
}
