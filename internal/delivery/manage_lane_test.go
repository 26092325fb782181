package delivery_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/hub"
)

// stuck is an endpoint whose first subject's head fails, with events behind it
// and another subject that goes on.
type stuck struct {
	*rig
	rec    *receiver
	number int64
	// all are the events of the first subject, in order.
	all []*greenlane.Event
}

func newStuck(t *testing.T, dir string, clock greenlane.Clock) *stuck {
	t.Helper()
	s := &stuck{rig: startAt(t, dir, clock), rec: newReceiver(t)}
	var subject string
	s.rec.answer = func(a arrival, _ int) int {
		if a.subject == s.rec.first() && len(s.rec.of(a.subject)) == 0 {
			return 500
		}
		return 200
	}
	s.number = s.endpoint(t, s.rec.URL, entryEvents)
	subject = s.record(t, "STUCK", 0)
	s.quiet(t, s.rec, s.number)
	for n := range 3 {
		s.record(t, "STUCK", n+1)
		s.record(t, "OTHER", n)
	}
	s.quiet(t, s.rec, s.number)
	for _, e := range s.logged(t, greenlane.EventEntryStatus) {
		if e.Subject.String() == subject {
			s.all = append(s.all, e)
		}
	}
	return s
}

// arrived are the positions of the stuck subject's acknowledged events, in order.
func (s *stuck) arrived() (positions []int64) {
	for _, a := range s.rec.of(s.all[0].Subject.String()) {
		if a.status == 200 {
			positions = append(positions, a.position)
		}
	}
	return positions
}

func (s *stuck) positions(from, to int) (positions []int64) {
	for _, e := range s.all[from:to] {
		positions = append(positions, e.Position)
	}
	return positions
}

func (s *stuck) states(t *testing.T) (states []delivery.DeliveryState) {
	t.Helper()
	for _, e := range s.all {
		d, _, err := s.engine.Delivery(t.Context(), 1, s.number, e.Position, 1)
		if err != nil {
			t.Fatal(err)
		}
		states = append(states, d.State)
	}
	return states
}

// manual is one of the engine's three commands for a lane.
type manual func(context.Context, delivery.Request, int64, int, string) (*hub.Outcome, error)

func (s *stuck) refused(t *testing.T, do manual, position int64, generation int, code string) {
	t.Helper()
	head := s.hub.Head()
	if _, err := do(t.Context(), by(s.number), position, generation, "why"); greenlane.CodeOf(err) != code {
		t.Errorf("%v, want %s", err, code)
	}
	if s.hub.Head() != head {
		t.Error("what was refused left an event")
	}
}

func (s *stuck) done(t *testing.T, do manual, position int64) *greenlane.Event {
	t.Helper()
	o, err := do(t.Context(), by(s.number), position, 1, "why")
	if err != nil {
		t.Fatal(err)
	}
	return o.Events[0]
}

// TestPark: a parked lane waits, however much time passes and however often the
// hub starts; a retry lets it go on.
func TestPark(t *testing.T) {
	t.Parallel()
	dir, clock := t.TempDir(), newWatch()
	s := newStuck(t, dir, clock.time)
	s.refused(t, s.engine.Park, s.all[1].Position, 1, "not_head")
	s.refused(t, s.engine.Park, s.all[0].Position, 2, "not_found")
	s.refused(t, s.engine.Park, 1<<40, 1, "not_found")
	if e := s.done(t, s.engine.Park, s.all[0].Position); e.Type != greenlane.EventLaneParked {
		t.Errorf("%s", e.Type)
	}
	s.refused(t, s.engine.Park, s.all[0].Position, 1, "already_parked")
	clock.move(48 * time.Hour)
	s.quiet(t, s.rec, s.number)
	if got := s.arrived(); len(got) != 0 {
		t.Fatalf("a parked lane sent %v", got)
	}
	s.stop()
	s.rig = startAt(t, dir, clock.time)
	clock.move(48 * time.Hour)
	if st := s.quiet(t, s.rec, s.number); st.Parked != 1 || len(s.arrived()) != 0 {
		t.Fatalf("after a start: %+v, sent %v", st, s.arrived())
	}
	if _, err := s.engine.Retry(t.Context(), by(s.number), s.all[0].Position, "mended"); err != nil {
		t.Fatal(err)
	}
	s.rig.done(t, s.rec, s.number)
	if got, want := s.arrived(), s.positions(0, 4); !slices.Equal(got, want) {
		t.Errorf("arrived %v, want %v", got, want)
	}
	s.refused(t, s.engine.Park, s.all[0].Position, 1, "settled")
}

// TestParkKeepsProbes: attempts at a parked delivery are numbered on after a start,
// probes among them, so that none takes another's place.
func TestParkKeepsProbes(t *testing.T) {
	t.Parallel()
	dir, clock := t.TempDir(), newWatch()
	r, rec := startAt(t, dir, clock.time), newReceiver(t)
	answer := down(rec)
	number := r.endpoint(t, rec.URL, entryEvents)
	answer(500)
	r.open(t, rec, number)
	r.step(t, rec, clock, number, 30*time.Second)
	probed := rec.arrivals()[10].position
	if _, err := r.engine.Park(t.Context(), by(number), probed, 1, "why"); err != nil {
		t.Fatal(err)
	}
	r.stop()
	r = startAt(t, dir, clock.time)
	if _, err := r.engine.Retry(t.Context(), by(number), probed, ""); err != nil {
		t.Fatal(err)
	}
	r.step(t, rec, clock, number, 0)
	var numbers []int
	for _, a := range r.attempts(t, number, probed, 1) {
		numbers = append(numbers, a.Number)
	}
	if !slices.Equal(numbers, []int{1, 2, 3}) {
		t.Errorf("attempts %v are recorded of the three that were made", numbers)
	}
}

// TestSkip: one delivery is given up, the head or one behind it, and the lane
// goes on; the same after the process ended right after the record.
func TestSkip(t *testing.T) {
	t.Parallel()
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			t.Parallel()
			dir, clock := t.TempDir(), newWatch()
			s := newStuck(t, dir, clock.time)
			s.done(t, s.engine.Skip, s.all[2].Position)
			if e := s.done(t, s.engine.Skip, s.all[0].Position); e.Type != greenlane.EventLaneSkipped {
				t.Errorf("%s", e.Type)
			}
			if restart {
				s.stop()
				s.rig = startAt(t, dir, clock.time)
			}
			s.rig.done(t, s.rec, s.number)
			if got, want := s.arrived(), []int64{s.all[1].Position, s.all[3].Position}; !slices.Equal(got, want) {
				t.Errorf("arrived %v, want %v", got, want)
			}
			want := []delivery.DeliveryState{delivery.DeliverySkipped, delivery.DeliveryDelivered, delivery.DeliverySkipped, delivery.DeliveryDelivered}
			if got := s.states(t); !slices.Equal(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
			s.refused(t, s.engine.Skip, s.all[0].Position, 1, "settled")
			s.refused(t, s.engine.Skip, s.all[1].Position, 1, "settled")
		})
	}
}

// TestSkipIsNoDelivery: a head that was given up is skipped from then on, also while
// what comes behind it is looked for.
func TestSkipIsNoDelivery(t *testing.T) {
	t.Parallel()
	for name, attempts := range map[string]int{"by hand": 1, "by its schedule": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := newWatch()
			r, s := startHooked(t, t.TempDir(), clock.time)
			rec := newReceiver(t)
			failFirst(rec, attempts)
			number := r.endpoint(t, rec.URL, func(s *delivery.Settings) {
				entryEvents(s)
				s.OnExhausted, s.Schedule = delivery.SkipOver, delivery.Schedule{Waits: []time.Duration{0, time.Hour}}
			})
			for n := range 3 {
				r.record(t, "A", n)
				r.quiet(t, rec, number)
			}
			began, release := s.behind.hold()
			if attempts == 2 {
				clock.move(2 * time.Hour)
				r.status(t, number)
			} else if _, err := r.engine.Skip(t.Context(), by(number), rec.arrivals()[0].position, 1, "why"); err != nil {
				t.Fatal(err)
			}
			<-began
			if d, _, err := r.engine.Delivery(t.Context(), 1, number, rec.arrivals()[0].position, 1); err != nil || d.State != delivery.DeliverySkipped {
				t.Errorf("%v: %+v", err, d)
			}
			s.behind.set(nil)
			close(release)
			r.done(t, rec, number)
			if n := len(r.deliveries(t, number, delivery.DeliverySkipped)); n != 1 {
				t.Errorf("%d are skipped", n)
			}
		})
	}
}

// TestSkipWhoseTurnComes: a delivery that waits is given up while the one before it
// ends, and is not sent.
func TestSkipWhoseTurnComes(t *testing.T) {
	t.Parallel()
	r, s := startHooked(t, t.TempDir(), newWatch().time)
	rec := newReceiver(t)
	answer := make(chan struct{})
	rec.answer = func(arrival, int) int { <-answer; return 200 }
	number := r.endpoint(t, rec.URL, entryEvents)
	for n := range 3 {
		r.record(t, "A", n)
	}
	rec.until(t, "the first to be sent", func() bool { return rec.first() != "" })
	want := r.positions(t, greenlane.EventEntryStatus)
	began, release := s.commit.hold()
	done := make(chan error, 1)
	go func() {
		_, err := r.engine.Skip(t.Context(), by(number), want[1], 1, "why")
		done <- err
	}()
	<-began
	close(answer)
	rec.until(t, "the first to end", func() bool { return r.status(t, number).InFlight == 0 })
	s.commit.set(nil)
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	r.done(t, rec, number)
	if got := positions(rec.arrivals()); !slices.Equal(got, []int64{want[0], want[2]}) {
		t.Errorf("arrived %v of %v", got, want)
	}
}

// TestDiscard: all that waits in a lane is given up; what comes after goes out.
func TestDiscard(t *testing.T) {
	t.Parallel()
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			t.Parallel()
			dir, clock := t.TempDir(), newWatch()
			s := newStuck(t, dir, clock.time)
			s.refused(t, s.engine.Discard, s.all[1].Position, 1, "not_head")
			e := s.done(t, s.engine.Discard, s.all[0].Position)
			if err := e.Decode(); err != nil {
				t.Fatal(err)
			}
			if data := e.Body.(greenlane.LaneChanged).Data; e.Type != greenlane.EventLaneDiscarded || data.Through < s.all[3].Position {
				t.Errorf("%s: %+v", e.Type, data)
			}
			if restart {
				s.stop()
				s.rig = startAt(t, dir, clock.time)
			}
			s.record(t, "STUCK", 9)
			s.rig.done(t, s.rec, s.number)
			all := s.logged(t, greenlane.EventEntryStatus)
			if got, want := s.arrived(), []int64{all[len(all)-1].Position}; !slices.Equal(got, want) {
				t.Errorf("arrived %v, want %v", got, want)
			}
			if got := s.states(t); !slices.Equal(got, slices.Repeat([]delivery.DeliveryState{delivery.DeliveryDiscarded}, 4)) {
				t.Errorf("%v", got)
			}
			// What was given up can still be sent, by itself.
			if _, err := s.engine.Retry(t.Context(), by(s.number), s.all[1].Position, "wanted after all"); err != nil {
				t.Fatal(err)
			}
			s.rig.done(t, s.rec, s.number)
			if got := s.arrived(); got[len(got)-1] != s.all[1].Position {
				t.Errorf("arrived %v", got)
			}
		})
	}
}

// TestReconcile: what the hub says was delivered is what the receiver has, by
// count and by digest; the rest is named with its state.
func TestReconcile(t *testing.T) {
	t.Parallel()
	dir, clock := t.TempDir(), newWatch()
	s := newStuck(t, dir, clock.time)
	s.done(t, s.engine.Skip, s.all[2].Position)
	// judge compares the hub's answer with the receiver's own list.
	judge := func(want map[delivery.DeliveryState]int) {
		t.Helper()
		r, err := s.engine.Reconcile(t.Context(), 1, s.number, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		var own []string
		for position := range s.rec.acknowledged() {
			own = append(own, s.event(t, position).EventID())
		}
		slices.Sort(own) // ids sort by position
		digest := sha256.Sum256([]byte(strings.Join(own, "\n") + "\n"))
		if !maps.Equal(r.States, want) || r.Matched != 7 || r.Digest != hex.EncodeToString(digest[:]) || r.Next != 0 {
			t.Errorf("%+v, the receiver has %d", r, len(own))
		}
		open := 0
		for state, n := range want {
			if state != delivery.DeliveryDelivered {
				open += n
			}
		}
		if len(r.Open) != open {
			t.Errorf("%d are listed as open, want %d", len(r.Open), open)
		}
	}
	judge(map[delivery.DeliveryState]int{delivery.DeliveryDelivered: 3, delivery.DeliveryRetrying: 1, delivery.DeliveryWaiting: 2, delivery.DeliverySkipped: 1})
	clock.move(time.Hour)
	s.rig.done(t, s.rec, s.number)
	judge(map[delivery.DeliveryState]int{delivery.DeliveryDelivered: 6, delivery.DeliverySkipped: 1})
	r, err := s.engine.Reconcile(t.Context(), 1, s.number, s.all[0].Position, s.all[1].Position)
	if err != nil || r.From != s.all[0].Position || r.To != s.all[1].Position || r.States[delivery.DeliveryDelivered] != r.Matched {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := s.engine.Reconcile(t.Context(), 2, s.number, 0, 0); greenlane.KindOf(err) != greenlane.NotFound {
		t.Errorf("another account: %v", err)
	}
}

// TestSkipOfARepetition: a delivery that was sent again and given up does not wait,
// and the receiver still has the event, as it had while that was tried.
func TestSkipOfARepetition(t *testing.T) {
	t.Parallel()
	r, rec := startAt(t, t.TempDir(), newWatch().time), newReceiver(t)
	answer := down(rec)
	number := r.endpoint(t, rec.URL, entryEvents)
	r.record(t, "A", 0)
	r.done(t, rec, number)
	first := rec.arrivals()[0]
	digest := sha256.Sum256([]byte(first.id + "\n"))
	has := func(state delivery.DeliveryState, generation int) {
		t.Helper()
		if list := r.deliveries(t, number, ""); len(list) != 1 || list[0].State != state || list[0].Generation != generation {
			t.Errorf("%+v, want one that is %s", list[0], state)
		}
		got, err := r.engine.Reconcile(t.Context(), 1, number, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got.States[delivery.DeliveryDelivered] != 1 || got.Matched != 1 || got.Digest != hex.EncodeToString(digest[:]) || len(got.Open) != 0 {
			t.Errorf("%+v", got)
		}
	}
	answer(500)
	if _, err := r.engine.Retry(t.Context(), by(number), first.position, ""); err != nil {
		t.Fatal(err)
	}
	r.quiet(t, rec, number)
	has(delivery.DeliveryRetrying, 2)
	if _, err := r.engine.Skip(t.Context(), by(number), first.position, 2, "they have it"); err != nil {
		t.Fatal(err)
	}
	// The receiver has it, whatever became of the repetition.
	has(delivery.DeliveryDelivered, 1)
}

func (s *stuck) event(t *testing.T, position int64) *greenlane.Event {
	t.Helper()
	events, err := s.store.EventsAt(t.Context(), []int64{position})
	if err != nil || len(events) != 1 {
		t.Fatalf("%v, %v", events, err)
	}
	return events[0]
}
