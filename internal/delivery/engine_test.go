package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/hub"
	"greenlane/internal/store"
	"greenlane/internal/store/storetest"
	"greenlane/internal/store/teststore"
)

func TestDeliversInOrder(t *testing.T) {
	t.Parallel()
	r, rec := start(t, t.TempDir()), newReceiver(t)
	r.endpoint(t, rec.URL, entries)
	for n := range 20 {
		for s := range 10 {
			r.record(t, fmt.Sprint("SHIP", s), n)
		}
	}
	rec.until(t, "200 events", func() bool { return len(rec.acknowledged()) == 200 })
	inOrder(t, rec.arrivals())
	if n := len(rec.arrivals()); n != 200 {
		t.Errorf("%d arrivals for 200 events", n)
	}
}

func TestRestartBetweenAttempts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, rec := start(t, dir), newReceiver(t)
	rec.answer = failOn(1, 503)
	r.endpoint(t, rec.URL, func(s *delivery.Settings) {
		entries(s)
		s.Schedule = delivery.Schedule{Waits: []time.Duration{0, 200 * time.Millisecond, time.Second}}
	})
	for n := range 4 {
		r.record(t, "A", n)
		r.record(t, "B", n)
	}
	rec.until(t, "a first failure of each lane", func() bool { return len(rec.arrivals()) >= 2 })
	r.stop()
	r = start(t, dir)
	rec.until(t, "8 events", func() bool { return len(rec.acknowledged()) == 8 })
	inOrder(t, rec.arrivals())
	report, err := hub.Verify(t.Context(), r.store, nil)
	if err != nil || !report.OK() {
		t.Errorf("verify: %v %+v", err, report)
	}
}

// TestConcurrency holds that an endpoint has as many attempts at once as it
// allows and no more, and that one that does not answer delays no other.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	r, slow, quick := startAt(t, t.TempDir(), newWatch().time), newReceiver(t), newReceiver(t)
	release := make(chan struct{})
	var running, most atomic.Int64
	slow.answer = func(arrival, int) int {
		most.Store(max(most.Load(), running.Add(1)))
		<-release
		running.Add(-1)
		return 200
	}
	number := r.endpoint(t, slow.URL, func(s *delivery.Settings) { entries(s); s.Concurrency = 3 })
	other := r.endpoint(t, quick.URL, entries)
	for n := range 8 {
		r.record(t, fmt.Sprint("SHIP", n), 0)
	}
	quick.until(t, "the other endpoint's events", func() bool { return len(quick.acknowledged()) == 8 })
	r.quiet(t, quick, other)
	slow.until(t, "three attempts", func() bool { return running.Load() == 3 })
	if s := r.status(t, number); s.InFlight != 3 || s.Unsettled != 8 {
		t.Errorf("%+v", s)
	}
	close(release)
	r.quiet(t, slow, number)
	if n := len(slow.acknowledged()); n != 8 || most.Load() != 3 {
		t.Errorf("%d events, %d at once", n, most.Load())
	}
}

// TestSlowAttempt holds that attempts that take long do not hold up the cursor:
// a row speaks for the subject, which a restart would find, and moves on with it.
func TestSlowAttempt(t *testing.T) {
	t.Parallel()
	clock := newWatch()
	r, rec := startAt(t, t.TempDir(), clock.time), newReceiver(t)
	release := make(chan struct{})
	var begun atomic.Int64
	rec.answer = func(a arrival, _ int) int {
		if a.subject == rec.first() {
			begun.Add(1)
			<-release
		}
		return 200
	}
	number := r.endpoint(t, rec.URL, entries)
	r.record(t, "A", 0)
	rec.until(t, "the attempt", func() bool { return rec.first() != "" })
	subject := r.record(t, "A", 1)
	r.record(t, "B", 0)
	rec.until(t, "the other subject", func() bool { return len(rec.arrivals()) == 1 })
	all := r.positions(t, greenlane.EventEntryStatus)
	clock.move(2*time.Second - time.Microsecond)
	r.status(t, number)
	if s := r.status(t, number); s.OpenLanes != 0 || s.Cursor >= all[0] {
		t.Errorf("before the time: %+v", s)
	}
	clock.move(time.Microsecond)
	for i, p := range all[:2] {
		rec.until(t, "the cursor to pass", func() bool {
			return r.status(t, number).Cursor == r.hub.Head() && begun.Load() == int64(i+1)
		})
		r.recorded(t, number)
		lanes, err := r.store.Lanes(t.Context(), number)
		if err != nil || len(lanes) != 1 || lanes[0].Head != p || greenlane.SubjectFromKey(lanes[0].Key).String() != subject {
			t.Fatalf("lanes %+v, %v", lanes[0], err)
		}
		if cursor, err := r.store.Cursor(t.Context(), fmt.Sprint("endpoint/", number)); err != nil || cursor < p {
			t.Errorf("the cursor is recorded at %d, %v", cursor, err)
		}
		release <- struct{}{}
	}
	rec.until(t, "all events", func() bool { return len(rec.acknowledged()) == 3 })
	r.done(t, rec, number)
	if len(rec.arrivals()) != 3 {
		t.Errorf("arrived %v", said(rec.arrivals()))
	}
	inOrder(t, rec.arrivals())
}

// bulk records an event for each of many subjects at once.
func (r *rig) bulk(t testing.TB, subjects, n int) {
	t.Helper()
	var commands []greenlane.Command
	for i := range subjects {
		key := greenlane.ShipmentKey{Number: fmt.Sprint("BULK", i)}
		commands = append(commands, greenlane.TrackShipment{Key: key}, greenlane.RecordActivities{
			Shipment: key, Activities: []greenlane.NewActivity{{
				Date: time.Date(2025, 7, 1, 0, n, 0, 0, time.UTC), Code: "1M", Message: fmt.Sprint("note ", n)}}})
	}
	r.do(t, commands...)
}

// TestBacklog gives an endpoint more than it may have unsettled at once, first
// while nothing is answered, then while it is disabled and the hub restarts, so
// that all has to be read from the store. Everything arrives once, in order.
func TestBacklog(t *testing.T) {
	t.Parallel()
	dir, clock := t.TempDir(), newWatch()
	r, rec := startAt(t, dir, clock.time), newReceiver(t)
	release := make(chan struct{})
	rec.answer = func(arrival, int) int { <-release; return 200 }
	number := r.endpoint(t, rec.URL, entries)
	const subjects, bound = 600, 1024
	r.bulk(t, subjects, 0)
	r.bulk(t, subjects, 1)
	rec.until(t, "the endpoint to stall", func() bool { return r.status(t, number).Stalled })
	if s := r.status(t, number); s.Unsettled != bound || s.InFlight != delivery.DefaultConcurrency {
		t.Errorf("stalled: %+v", s)
	}
	close(release)
	rec.until(t, "the backlog", func() bool { return len(rec.arrivals()) == 2*subjects })
	if s := r.quiet(t, rec, number); s.Stalled || s.Lag != 0 {
		t.Errorf("caught up: %+v", s)
	}
	if _, err := r.engine.Disable(t.Context(), by(number), ""); err != nil {
		t.Fatal(err)
	}
	r.bulk(t, subjects, 2)
	r.bulk(t, subjects, 3)
	r.stop()
	r = startAt(t, dir, clock.time)
	if _, err := r.engine.Enable(t.Context(), by(number), 0, ""); err != nil {
		t.Fatal(err)
	}
	rec.until(t, "what it missed", func() bool { return len(rec.arrivals()) >= 4*subjects })
	r.quiet(t, rec, number)
	if n := len(rec.arrivals()); n != 4*subjects || len(rec.acknowledged()) != n {
		t.Errorf("%d arrivals", n)
	}
	inOrder(t, rec.arrivals())
}

// TestWithoutOrder holds that a failing event of an endpoint that wants no order
// holds back nothing, and that each comes back after a restart.
func TestWithoutOrder(t *testing.T) {
	t.Parallel()
	dir, clock := t.TempDir(), newWatch()
	r, rec := startAt(t, dir, clock.time), newReceiver(t)
	rec.answer = func(a arrival, count int) int {
		if a.position%2 == 0 && count == 1 {
			return 500
		}
		return 200
	}
	number := r.endpoint(t, rec.URL, func(s *delivery.Settings) {
		s.Events, s.Ordering = []string{string(greenlane.EventEntryStatus)}, delivery.OrderNone
	})
	for n := range 5 {
		r.record(t, "A", n)
	}
	all := r.positions(t, greenlane.EventEntryStatus)
	even := slices.DeleteFunc(slices.Clone(all), func(p int64) bool { return p%2 != 0 })
	if s := r.quiet(t, rec, number); len(rec.arrivals()) != 5 || s.OpenLanes != len(even) || len(even) == 0 {
		t.Errorf("%+v, arrived %v", s, said(rec.arrivals()))
	}
	r.stop()
	r = startAt(t, dir, clock.time)
	clock.move(5 * time.Second)
	r.status(t, number)
	rec.until(t, "all events", func() bool { return len(rec.acknowledged()) == 5 })
	r.done(t, rec, number)
	if len(rec.arrivals()) != 5+len(even) {
		t.Errorf("arrived %v", said(rec.arrivals()))
	}
}

// TestStorageAway holds that what was sent is recorded once storage is back, that
// it is not sent again for that, and that changes fail meanwhile.
func TestStorageAway(t *testing.T) {
	t.Parallel()
	inner := teststore.Open(t, t.TempDir())
	faulty := storetest.NewFaulty(inner)
	r, rec := startOn(t, faulty, greenlane.SystemClock), newReceiver(t)
	away := greenlane.Errorf(greenlane.Unavailable, "storage_unavailable", "storage is away")
	rec.answer = func(_ arrival, _ int) int {
		faulty.Fail(faulty.Appends()+1, storetest.Before, away)
		return 200
	}
	number := r.endpoint(t, rec.URL, entries)
	r.record(t, "A", 0)
	rec.until(t, "storage to be away", func() bool { return r.hub.Away() != nil })
	rec.until(t, "storage to be back", func() bool {
		_, err := r.engine.Disable(t.Context(), by(number), "")
		if err != nil && greenlane.KindOf(err) != greenlane.Unavailable {
			t.Fatal(err)
		}
		return err == nil
	})
	attempts := r.attempts(t, number, rec.arrivals()[0].position, 1)
	if len(attempts) != 1 || !attempts[0].Done || len(rec.arrivals()) != 1 {
		t.Errorf("%d attempts recorded, %d arrivals", len(attempts), len(rec.arrivals()))
	}
}

// TestEnableAmidARead disables and enables an endpoint while it reads on: what
// was in memory is read again, and what the read brings late passes over none of
// it.
func TestEnableAmidARead(t *testing.T) {
	t.Parallel()
	dir, clock := t.TempDir(), newWatch()
	r, rec := startAt(t, dir, clock.time), newReceiver(t)
	number := r.endpoint(t, rec.URL, entries)
	if _, err := r.engine.Disable(t.Context(), by(number), ""); err != nil {
		t.Fatal(err)
	}
	const missed = 700
	r.bulk(t, missed, 0)
	quick := r.positions(t, greenlane.EventEntryStatus)[20]
	r.stop()
	// The hub has forgotten them: the endpoint reads twice, and the second time
	// does not end while the first events are on their way.
	r, s := startHooked(t, dir, clock.time)
	began, read, answer := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var reads atomic.Int64
	s.read.set(func(context.Context) error {
		if reads.Add(1) == 2 {
			close(began)
			<-read
		}
		return nil
	})
	rec.answer = func(a arrival, _ int) int {
		if a.position > quick {
			<-answer
		}
		return 200
	}
	if _, err := r.engine.Enable(t.Context(), by(number), 0, ""); err != nil {
		t.Fatal(err)
	}
	<-began
	if _, err := r.engine.Disable(t.Context(), by(number), ""); err != nil {
		t.Fatal(err)
	}
	close(answer)
	if _, err := r.engine.Enable(t.Context(), by(number), 0, ""); err != nil {
		t.Fatal(err)
	}
	close(read)
	r.quiet(t, rec, number)
	if n := len(rec.acknowledged()); n != missed || len(rec.arrivals()) != missed {
		t.Errorf("%d events arrived, %d times, of %d", n, len(rec.arrivals()), missed)
	}
}

// TestStorageAwayWithABacklog holds that no more is sent than may have to be sent
// again while nothing can be recorded, and all of it, once, when it can.
func TestStorageAwayWithABacklog(t *testing.T) {
	t.Parallel()
	r, s := startHooked(t, t.TempDir(), newWatch().time)
	rec := newReceiver(t)
	number := r.endpoint(t, rec.URL, entries)
	if _, err := r.engine.Disable(t.Context(), by(number), ""); err != nil {
		t.Fatal(err)
	}
	const subjects, bound = 1500, 1024
	r.bulk(t, subjects, 0)
	r.bulk(t, subjects, 1)
	if _, err := r.engine.Enable(t.Context(), by(number), 0, ""); err != nil {
		t.Fatal(err)
	}
	s.commit.set(func(*store.Write) error {
		return greenlane.Errorf(greenlane.Unavailable, "storage_full", "the disk is full")
	})
	rec.until(t, "the endpoint to stand still", func() bool {
		for range 3 {
			if r.status(t, number).InFlight > 0 {
				return false
			}
		}
		return r.hub.Away() != nil && len(rec.arrivals()) > 0
	})
	if n := len(rec.arrivals()); n > bound+delivery.DefaultConcurrency {
		t.Errorf("%d were sent and are in memory alone", n)
	}
	s.commit.set(nil)
	rec.until(t, "all events", func() bool { return len(rec.arrivals()) >= 2*subjects })
	r.quiet(t, rec, number)
	if n := len(rec.arrivals()); n != 2*subjects || len(rec.acknowledged()) != n {
		t.Errorf("%d arrivals", n)
	}
	inOrder(t, rec.arrivals())
}

// TestRefusedRecords holds what becomes of an endpoint whose attempts the store
// refuses though it is there: it stands still, visibly, and harms no other; it
// goes on when its attempts can be recorded, and can be deleted when not.
func TestRefusedRecords(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"mended", "deleted"} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			r, s := startHooked(t, t.TempDir(), greenlane.SystemClock)
			rec, other := newReceiver(t), newReceiver(t)
			number := r.endpoint(t, rec.URL, entries)
			s.commit.set(func(w *store.Write) error {
				for _, a := range w.Attempts {
					if a.Endpoint == number {
						return errors.New("no such column")
					}
				}
				return nil
			})
			r.record(t, "A", 0)
			rec.until(t, "the endpoint to stand still", func() bool { return r.status(t, number).Stalled })
			healthy := r.endpoint(t, other.URL, entries)
			r.record(t, "A", 1)
			r.done(t, other, healthy)
			if n := len(rec.arrivals()); n != 1 || len(other.acknowledged()) != 1 {
				t.Errorf("%d arrivals, %d at the other", n, len(other.acknowledged()))
			}
			if _, err := r.engine.Rotate(t.Context(), by(number), store.Secret{Text: "another secret"}); greenlane.KindOf(err) != greenlane.Unavailable && greenlane.KindOf(err) != greenlane.Internal {
				t.Errorf("a change: %v", err)
			}
			if end == "deleted" {
				if _, err := r.engine.Delete(t.Context(), by(number)); err != nil {
					t.Error(err)
				}
				r.endpoint(t, rec.URL, entries)
				return
			}
			s.commit.set(nil)
			rec.until(t, "all events", func() bool { return len(rec.arrivals()) == 2 })
			if s := r.quiet(t, rec, number); s.Stalled {
				t.Errorf("%+v", s)
			}
			for _, a := range rec.arrivals() {
				if got := r.attempts(t, number, a.position, 1); len(got) != 1 || !got[0].Done {
					t.Errorf("%d is recorded with %d attempts", a.position, len(got))
				}
			}
		})
	}
}

// TestOpenLanesBound lets every event fail: the endpoint stops at the bound, and
// goes on as lanes are settled.
func TestOpenLanesBound(t *testing.T) {
	t.Parallel()
	dir, clock := t.TempDir(), newWatch()
	r, rec := startAt(t, dir, clock.time, unbroken), newReceiver(t)
	rec.answer = failOn(1, 500)
	const bound, subjects = 20, 50
	if err := r.engine.LimitLanes(t.Context(), bound); err != nil {
		t.Fatal(err)
	}
	number := r.endpoint(t, rec.URL, entryEvents)
	r.bulk(t, subjects, 0)
	r.bulk(t, 1, 1)
	last := r.hub.Head()
	for tried := bound; tried > 0; tried = min(bound, subjects+1-len(rec.acknowledged())) {
		rec.until(t, "the bound", func() bool {
			s := r.status(t, number)
			if s.OpenLanes > bound {
				t.Fatalf("%+v", s)
			}
			return s.OpenLanes == tried && s.InFlight == 0
		})
		r.recorded(t, number)
		if s := r.status(t, number); s.Stalled != (tried == bound) || s.Stalled && s.Cursor >= last {
			t.Errorf("with %d lanes open: %+v", tried, s)
		}
		before := len(rec.acknowledged())
		clock.move(5 * time.Second)
		r.status(t, number)
		rec.until(t, "lanes to be settled", func() bool { return len(rec.acknowledged()) >= before+min(tried, bound) })
	}
	r.done(t, rec, number)
	if n := len(rec.acknowledged()); n != subjects+1 {
		t.Errorf("%d events arrived", n)
	}
	inOrder(t, rec.arrivals())
}

// TestStopAmidALookBehind stops the engine when an event was acknowledged and
// what waits behind it is being looked for: it is recorded, and not sent again.
func TestStopAmidALookBehind(t *testing.T) {
	t.Parallel()
	dir, clock := t.TempDir(), newWatch()
	r, s := startHooked(t, dir, clock.time)
	rec := newReceiver(t)
	failFirst(rec, 1)
	number := r.endpoint(t, rec.URL, entryEvents)
	r.record(t, "A", 0)
	r.quiet(t, rec, number)
	r.record(t, "A", 1)
	r.quiet(t, rec, number)
	began := make(chan struct{})
	s.behind.set(func(ctx context.Context) error {
		close(began)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
			return nil
		}
	})
	clock.move(5 * time.Second)
	r.status(t, number)
	<-began
	r.stop()
	r = startAt(t, dir, clock.time)
	r.status(t, number)
	rec.until(t, "what waited", func() bool { return len(rec.acknowledged()) == 2 })
	r.done(t, rec, number)
	all := r.positions(t, greenlane.EventEntryStatus)
	if got, want := positions(rec.arrivals()), []int64{all[0], all[0], all[1]}; !slices.Equal(got, want) {
		t.Errorf("arrived %v, want %v", got, want)
	}
}

// TestFarBehind has more events behind a head than are read at once, none of
// which the endpoint wants but the last: it is found, and the head's end is
// recorded together with the lane's move to it.
func TestFarBehind(t *testing.T) {
	t.Parallel()
	clock := newWatch()
	r, s := startHooked(t, t.TempDir(), clock.time)
	rec := newReceiver(t)
	rec.answer = func(_ arrival, count int) int { return []int{500, 200}[min(count, 2)-1] }
	number := r.endpoint(t, rec.URL, func(s *delivery.Settings) { s.Events = []string{string(greenlane.EventClearanceChanged)} })
	subject := r.activity(t, "A", 0, "1H")
	r.quiet(t, rec, number)
	var commands []greenlane.Command
	for n := range 600 {
		commands = append(commands, greenlane.RecordActivities{
			Shipment: greenlane.ShipmentKey{Number: "A"}, Activities: []greenlane.NewActivity{{
				Date: time.Date(2025, 7, 2, 0, n, 0, 0, time.UTC), Code: "1M", Message: fmt.Sprint("note ", n)}}})
	}
	r.do(t, commands...)
	r.activity(t, "A", 2000, "1I")
	r.quiet(t, rec, number)
	s.commit.set(func(w *store.Write) error {
		for _, a := range w.Attempts {
			if a.Done && len(w.Lanes)+len(w.Settled) == 0 {
				t.Errorf("the end of %d is recorded without its lane's", a.Position)
			}
		}
		return nil
	})
	rec.until(t, "two attempts at each", func() bool {
		clock.move(10 * time.Second)
		r.status(t, number)
		return len(rec.of(subject)) == 4
	})
	r.done(t, rec, number)
	inOrder(t, rec.arrivals())
	if got := rec.of(subject); len(got) != 4 || got[3].status != 200 || got[3].position < got[0].position+600 {
		t.Errorf("arrived %v", said(got))
	}
}

func BenchmarkEndToEnd(b *testing.B) {
	r := start(b, b.TempDir())
	var count sync.WaitGroup
	count.Add(b.N)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		io.Copy(io.Discard, req.Body)
		w.WriteHeader(204)
		if req.Header.Get("Greenlane-Event-Type") == string(greenlane.EventEntryStatus) {
			count.Done()
		}
	}))
	b.Cleanup(server.Close)
	r.endpoint(b, server.URL, entryEvents)
	b.ResetTimer()
	var wg sync.WaitGroup
	next := make(chan int, 64)
	for range 64 {
		wg.Go(func() {
			for i := range next {
				r.record(b, fmt.Sprintf("MEDU%07d", i/6), i%6)
			}
		})
	}
	for i := range b.N {
		next <- i
	}
	close(next)
	wg.Wait()
	count.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// TestMay: nothing begins while another process may have taken over.
func TestMay(t *testing.T) {
	t.Parallel()
	var may atomic.Bool
	rec := newReceiver(t)
	r := startAt(t, t.TempDir(), greenlane.SystemClock, func(e *delivery.Engine) { e.Allow(may.Load) })
	number := r.endpoint(t, rec.URL, entries)
	r.record(t, "S-1", 1)
	for range 20 {
		if s := r.status(t, number); s.InFlight > 0 {
			t.Fatalf("%+v", s)
		}
	}
	if n := len(rec.arrivals()); n != 0 {
		t.Fatalf("%d arrived", n)
	}
	may.Store(true)
	r.record(t, "S-1", 2)
	r.quiet(t, rec, number)
	if n := len(rec.arrivals()); n != 2 {
		t.Errorf("%d arrived, not 2", n)
	}
}
