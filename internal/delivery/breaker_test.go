package delivery_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/store"
)

// unbroken keeps breakers closed, whatever fails.
func unbroken(e *delivery.Engine) { e.SetBreaker(1<<20, time.Hour, time.Hour) }

// down makes a receiver answer with a status, 200 until a test says otherwise.
func down(rec *receiver) (answer func(status int)) {
	statuses := make(chan int, 1)
	statuses <- 200
	rec.answer = func(arrival, int) int {
		status := <-statuses
		statuses <- status
		return status
	}
	return func(status int) { <-statuses; statuses <- status }
}

// open breaks an endpoint with ten subjects, whose events fail at once.
func (r *rig) open(t *testing.T, rec *receiver, number int64) {
	t.Helper()
	for n := range 10 {
		r.record(t, fmt.Sprint("BROKEN", n), 0)
	}
	rec.until(t, "the breaker to open", func() bool { return r.status(t, number).Breaker.State != delivery.BreakerClosed })
	rec.until(t, "the others to end", func() bool { return r.status(t, number).InFlight == 0 })
	r.recorded(t, number)
}

// step moves the clock and waits until the engine has done what came to be due.
func (r *rig) step(t *testing.T, rec *receiver, clock *watch, number int64, d time.Duration) delivery.Status {
	t.Helper()
	clock.move(d)
	var s delivery.Status
	rec.until(t, "the engine to rest", func() bool {
		for range 3 {
			if s = r.status(t, number); s.InFlight > 0 {
				return false
			}
		}
		return true
	})
	r.recorded(t, number)
	return s
}

// TestBreaker follows an endpoint whose receiver goes away and comes back: ten
// failures open its breaker, probes come after 30 s, 1, 2, 4, 8 and then 10
// minutes, no schedule runs meanwhile, and one success lets everything through.
func TestBreaker(t *testing.T) {
	t.Parallel()
	clock := newWatch()
	r, rec := startAt(t, t.TempDir(), clock.time), newReceiver(t)
	answer := down(rec)
	number := r.endpoint(t, rec.URL, entryEvents)
	answer(503)
	opened := clock.time()
	r.open(t, rec, number)
	first := rec.arrivals()
	if len(first) != 10 {
		t.Fatalf("%d arrivals before it opened", len(first))
	}
	want := delivery.BreakerStatus{State: delivery.BreakerOpen, Since: opened, Failures: 10, Failing: opened,
		Next: opened.Add(30 * time.Second), Reason: "10 failures in a row, the last: answered 503 Service Unavailable"}
	if diff := cmp.Diff(want, r.status(t, number).Breaker); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	r.record(t, "LATER", 0)
	r.record(t, "BROKEN0", 1)
	for n, wait := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 10 * time.Minute, 10 * time.Minute} {
		r.step(t, rec, clock, number, wait-time.Microsecond)
		if got := len(rec.arrivals()); got != 10+n {
			t.Fatalf("%d arrivals before probe %d", got, n+1)
		}
		s := r.step(t, rec, clock, number, time.Microsecond)
		if got := len(rec.arrivals()); got != 11+n || s.Breaker.Probes != n+1 || s.Breaker.State != delivery.BreakerOpen {
			t.Fatalf("%d arrivals after probe %d: %+v", got, n+1, s.Breaker)
		}
	}
	answer(200)
	s := r.step(t, rec, clock, number, 10*time.Minute)
	r.done(t, rec, number)
	if s.Breaker.State != delivery.BreakerClosed || s.Breaker.Failures != 0 || !s.Breaker.Since.Equal(clock.time()) {
		t.Errorf("%+v", s.Breaker)
	}
	inOrder(t, rec.arrivals())
	if n := len(rec.acknowledged()); n != 12 {
		t.Errorf("%d events were acknowledged", n)
	}
	r.sawBreaker(t, number)
}

// sawBreaker checks what TestBreaker leaves: two events, and a probe that used up
// no attempt.
func (r *rig) sawBreaker(t *testing.T, number int64) {
	t.Helper()
	events := r.logged(t, greenlane.EventBreakerOpened, greenlane.EventBreakerClosed)
	if len(events) != 2 {
		t.Fatalf("%d events", len(events))
	}
	for _, e := range events {
		if err := e.Decode(); err != nil {
			t.Fatal(err)
		}
	}
	opened, closed := events[0].Body.(greenlane.BreakerChanged).Data, events[1].Body.(greenlane.BreakerChanged).Data
	if opened.Failures != 10 || opened.Probes != 0 || closed.Failures != 17 || closed.Probes != 8-1 || closed.Reason == "" ||
		!closed.OpenedAt.Equal(opened.OpenedAt.Time) || !closed.FailingSince.Equal(opened.FailingSince.Time) {
		t.Errorf("opened %+v\nclosed %+v", opened, closed)
	}
	probes := 0
	for _, d := range r.deliveries(t, number, delivery.DeliveryDelivered) {
		used := 0
		for n, a := range r.attempts(t, number, d.Event.Position, 1) {
			if a.Number != n+1 || !a.Exact {
				t.Errorf("position %d, attempt %d is %+v", d.Event.Position, n+1, a.Attempt)
			}
			if a.Probe {
				probes++
			} else {
				used++
			}
		}
		if d.Attempts != used {
			t.Errorf("position %d: %d attempts made, of its schedule %d", d.Event.Position, d.Attempts, used)
		}
	}
	if probes != 8 {
		t.Errorf("%d probes are recorded", probes)
	}
}

// TestBreakerByShare mixes successes in, so that no ten failures come in a row.
func TestBreakerByShare(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		good int // each good-th attempt succeeds
		gap  time.Duration
		open bool
	}{"four of five": {5, 0, true}, "three of four": {4, 0, false}, "over an hour": {5, 2 * time.Minute, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := newWatch()
			r, rec := startAt(t, t.TempDir(), clock.time), newReceiver(t)
			rec.answer = func(a arrival, _ int) int {
				if strings.HasSuffix(string(a.body), "GOOD") {
					return 200
				}
				return 200 + 300*min(1, (len(rec.arrivals())+1)%tt.good)
			}
			number := r.endpoint(t, rec.URL, func(s *delivery.Settings) { entryEvents(s); s.Concurrency = 1 })
			n := 0
			for ; n < 40 && r.status(t, number).Breaker.State == delivery.BreakerClosed; n++ {
				r.record(t, fmt.Sprint("S", n), 0)
				rec.until(t, "the event to be tried", func() bool {
					s := r.status(t, number)
					return s.InFlight == 0 && s.Unsettled == 0 && s.Cursor == r.hub.Head() || s.Breaker.State == delivery.BreakerOpen
				})
				clock.move(tt.gap)
			}
			s := r.status(t, number).Breaker
			if opened := s.State == delivery.BreakerOpen; opened != tt.open || opened && !strings.HasPrefix(s.Reason, "17 of 21 attempts within 5m0s failed") && !strings.HasPrefix(s.Reason, "16 of 20") {
				t.Errorf("after %d events: %+v", n, s)
			}
		})
	}
}

// TestPoisonDoesNotKeepABreakerOpen has a receiver that refuses some events for
// their own sake: an event that was never tried gets its turn as a probe.
func TestPoisonDoesNotKeepABreakerOpen(t *testing.T) {
	t.Parallel()
	clock := newWatch()
	r, rec := startAt(t, t.TempDir(), clock.time), newReceiver(t)
	number := r.endpoint(t, rec.URL, entryEvents)
	var good atomic.Pointer[string]
	rec.answer = func(a arrival, _ int) int {
		if fine := good.Load(); fine != nil && a.subject == *fine {
			return 200
		}
		return 422
	}
	r.open(t, rec, number)
	fine := r.record(t, "FINE", 0)
	good.Store(&fine)
	for range 12 {
		if r.step(t, rec, clock, number, 10*time.Minute).Breaker.State == delivery.BreakerClosed {
			break
		}
	}
	if n := len(rec.of(fine)); n != 1 {
		t.Errorf("the good event came %d times", n)
	}
}

// TestBreakerOutlivesTheProcess stops the engine while the breaker is open: the
// next one keeps to the probe's time, and numbers go on.
func TestBreakerOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	dir, clock := t.TempDir(), newWatch()
	r, rec := startAt(t, dir, clock.time), newReceiver(t)
	answer := down(rec)
	number := r.endpoint(t, rec.URL, entryEvents)
	answer(500)
	r.open(t, rec, number)
	for n, wait := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute} {
		before := r.status(t, number).Breaker
		r.stop()
		r = startAt(t, dir, clock.time)
		if diff := cmp.Diff(before, r.status(t, number).Breaker); diff != "" {
			t.Errorf("after start %d (-want +got):\n%s", n+1, diff)
		}
		r.step(t, rec, clock, number, wait-time.Microsecond)
		if got := len(rec.arrivals()); got != 10+n {
			t.Fatalf("%d arrivals before probe %d", got, n+1)
		}
		r.step(t, rec, clock, number, time.Microsecond)
	}
	answer(200)
	r.step(t, rec, clock, number, 4*time.Minute)
	r.done(t, rec, number)
	for _, a := range rec.arrivals() {
		for n, at := range r.attempts(t, number, a.position, 1) {
			if at.Number != n+1 || at.Probes > n+1 {
				t.Errorf("position %d: attempt %d is %+v", a.position, n+1, at.Attempt)
			}
		}
	}
}

// TestEnableClosesTheBreaker, as does a retry that succeeds at once.
func TestEnableClosesTheBreaker(t *testing.T) {
	t.Parallel()
	clock := newWatch()
	r, rec := startAt(t, t.TempDir(), clock.time), newReceiver(t)
	answer := down(rec)
	number := r.endpoint(t, rec.URL, entryEvents)
	answer(500)
	r.open(t, rec, number)
	o, err := r.engine.Enable(t.Context(), by(number), 0, "repaired")
	if err != nil || o.Events[0].Type != greenlane.EventEndpointEnabled || o.Events[1].Type != greenlane.EventBreakerClosed {
		t.Fatalf("%v %+v", err, o)
	}
	if s := r.status(t, number).Breaker; s.State != delivery.BreakerClosed || s.Failures != 0 {
		t.Errorf("%+v", s)
	}
	// The heads wait for their second attempt.
	for s := r.status(t, number).Breaker; s.State == delivery.BreakerClosed; {
		s = r.step(t, rec, clock, number, time.Hour).Breaker
	}
	answer(200)
	if _, err := r.engine.Retry(t.Context(), by(number), rec.arrivals()[3].position, "repaired"); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		r.step(t, rec, clock, number, 5*time.Hour)
	}
	r.done(t, rec, number)
	if n := len(rec.acknowledged()); n != 10 {
		t.Errorf("%d events were acknowledged", n)
	}
}

// TestEndpointGivesUp lets an endpoint fail for days: after five without a
// success it is disabled, not earlier, and not for a burst after a quiet week.
func TestEndpointGivesUp(t *testing.T) {
	t.Parallel()
	clock := newWatch()
	r, rec := startAt(t, t.TempDir(), clock.time), newReceiver(t)
	answer := down(rec)
	number := r.endpoint(t, rec.URL, entryEvents)
	r.record(t, "FIRST", 0)
	rec.until(t, "a success", func() bool { return len(rec.acknowledged()) == 1 })
	clock.move(30 * 24 * time.Hour)
	answer(500)
	failing := clock.time()
	r.open(t, rec, number)
	for clock.time().Before(failing.Add(5*24*time.Hour - time.Hour)) {
		r.step(t, rec, clock, number, 20*time.Minute)
	}
	if n := len(r.logged(t, greenlane.EventEndpointDisabled)); n != 0 {
		t.Fatalf("it was disabled after %s", clock.time().Sub(failing))
	}
	for range 4 {
		r.step(t, rec, clock, number, 20*time.Minute)
	}
	events := r.logged(t, greenlane.EventEndpointDisabled)
	if len(events) != 1 || events[0].Decode() != nil {
		t.Fatal("it was not disabled after five days")
	}
	reason := string(events[0].Body.(greenlane.EndpointChanged).Data.Reason)
	if !strings.HasPrefix(reason, "no success since 2025-08-18T17:00:00Z: ") || !strings.HasSuffix(reason, "the last: answered 500 Internal Server Error") {
		t.Errorf("reason %q", reason)
	}
	sent := len(rec.arrivals())
	r.step(t, rec, clock, number, 24*time.Hour)
	if n := len(rec.arrivals()); n != sent {
		t.Errorf("%d more were sent to the disabled endpoint", n-sent)
	}
}

// TestGoneOnAProbe disables the endpoint as any 410 does.
func TestGoneOnAProbe(t *testing.T) {
	t.Parallel()
	clock := newWatch()
	r, rec := startAt(t, t.TempDir(), clock.time), newReceiver(t)
	answer := down(rec)
	number := r.endpoint(t, rec.URL, entryEvents)
	answer(500)
	r.open(t, rec, number)
	answer(410)
	r.step(t, rec, clock, number, 30*time.Second)
	if n := len(r.logged(t, greenlane.EventEndpointDisabled)); n != 1 {
		t.Errorf("%d events", n)
	}
	if s := r.status(t, number).Breaker; s.State != delivery.BreakerOpen || !s.Next.IsZero() {
		t.Errorf("%+v", s)
	}
}

// TestProbeObeysRetryAfter puts the next probe off for as long as the receiver
// asks.
func TestProbeObeysRetryAfter(t *testing.T) {
	t.Parallel()
	clock := newWatch()
	r, rec := startAt(t, t.TempDir(), clock.time), newReceiver(t)
	answer := down(rec)
	rec.header = map[string][]string{"Retry-After": {"3600"}}
	number := r.endpoint(t, rec.URL, entryEvents)
	answer(503)
	r.open(t, rec, number)
	if s := r.status(t, number).Breaker; !s.Next.Equal(clock.time().Add(time.Hour)) {
		t.Errorf("%+v", s)
	}
	s := r.step(t, rec, clock, number, time.Hour)
	if !s.Breaker.Next.Equal(clock.time().Add(time.Hour)) || s.Breaker.Probes != 1 {
		t.Errorf("%+v", s.Breaker)
	}
}

// TestRedriveIsTriedAtOnce: parked lanes that are let go on are tried now, the first
// of them also while the breaker is open.
func TestRedriveIsTriedAtOnce(t *testing.T) {
	t.Parallel()
	clock := newWatch()
	r, rec := startAt(t, t.TempDir(), clock.time), newReceiver(t)
	answer := down(rec)
	number := r.endpoint(t, rec.URL, entryEvents)
	answer(500)
	r.open(t, rec, number)
	parked := positions(rec.arrivals())[3:5]
	slices.Sort(parked)
	for _, p := range parked {
		if _, err := r.engine.Park(t.Context(), by(number), p, 1, "why"); err != nil {
			t.Fatal(err)
		}
	}
	answer(200)
	if _, err := r.engine.Redrive(t.Context(), by(number), 0, 10, "mended"); err != nil {
		t.Fatal(err)
	}
	s := r.step(t, rec, clock, number, 0)
	if got := positions(rec.arrivals()[10:]); s.Breaker.State != delivery.BreakerClosed || !slices.Equal(got, parked) {
		t.Errorf("%v came, want %v: %+v", got, parked, s.Breaker)
	}
}

// TestHurryAmidAProbe: what somebody asks for while a probe is in flight is tried as
// soon as that has failed, whatever pause its receiver asked for.
func TestHurryAmidAProbe(t *testing.T) {
	t.Parallel()
	for name, hurry := range map[string]func(*rig, int64, int64) error{
		"retry": func(r *rig, number, position int64) error {
			_, err := r.engine.Retry(t.Context(), by(number), position, "mended")
			return err
		},
		"update": func(r *rig, number, _ int64) error {
			_, err := r.engine.Update(t.Context(), by(number), func(s delivery.Settings, _ *store.Endpoint) (delivery.Settings, error) {
				s.Name = "mended"
				return s, nil
			})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := newWatch()
			r, rec := startAt(t, t.TempDir(), clock.time), newReceiver(t)
			rec.header = map[string][]string{"Retry-After": {"3600"}}
			probe, mended, probed := make(chan struct{}), make(chan struct{}), make(chan int64, 20)
			mend := sync.OnceFunc(func() { close(mended) })
			t.Cleanup(mend)
			rec.answer = func(a arrival, count int) int {
				if count == 1 {
					return 503
				}
				probed <- a.position
				// What is hurried may come before the receiver is said to be mended.
				select {
				case <-mended:
					return 200
				case <-probe:
					return 503
				}
			}
			number := r.endpoint(t, rec.URL, entryEvents)
			r.open(t, rec, number)
			clock.move(time.Hour)
			rec.until(t, "the probe", func() bool { return r.status(t, number).Breaker.State == delivery.BreakerHalfOpen })
			position := rec.arrivals()[3].position
			if position == <-probed {
				position = rec.arrivals()[4].position
			}
			if err := hurry(r, number, position); err != nil {
				t.Fatal(err)
			}
			probe <- struct{}{}
			mend()
			if s := r.step(t, rec, clock, number, 0); s.Breaker.State != delivery.BreakerClosed {
				t.Errorf("%d arrivals, %+v", len(rec.arrivals()), s.Breaker)
			}
		})
	}
}
