package delivery_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/hub"
	"greenlane/internal/node"
	"greenlane/internal/store"
	"greenlane/internal/store/teststore"
)

// serving is a slot under a lease, until it ends.
type serving struct {
	t     *testing.T
	end   context.CancelCauseFunc
	ended chan error
}

func (r *rig) serve(t *testing.T, slot int, name string) *serving {
	t.Helper()
	l, err := r.store.Claim(t.Context(), "slot", name, time.Hour)
	if err != nil || l.Holder != name {
		t.Fatalf("claimed %+v: %v", l, err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	s := &serving{t: t, end: cancel, ended: make(chan error, 1)}
	go func() { s.ended <- r.engine.Serve(ctx, slot, node.Lease{Held: l.Held}) }()
	t.Cleanup(func() { cancel(node.ErrLost) })
	return s
}

// stop ends the lease for a reason, waits until nothing is done any more, and gives
// the lease back.
func (s *serving) stop(r *rig, cause error) {
	s.t.Helper()
	s.end(cause)
	if err := <-s.ended; err != nil {
		s.t.Errorf("serving ended with %v", err)
	}
	all, err := r.store.Leases(s.t.Context())
	if err == nil {
		err = r.store.Release(s.t.Context(), all[0].Held)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestServe: what is not served stands still and says so; what is handed over was
// recorded before; what was lost is sent again by the next.
func TestServe(t *testing.T) {
	t.Parallel()
	r := startAt(t, t.TempDir(), greenlane.SystemClock, func(e *delivery.Engine) { e.Share() })
	rec := newReceiver(t)
	var gate atomic.Pointer[chan struct{}]
	held := make(chan struct{}, 10)
	rec.answer = func(arrival, int) int {
		if hold := gate.Load(); hold != nil {
			held <- struct{}{}
			<-*hold
		}
		return http.StatusOK
	}
	number := r.endpoint(t, rec.URL, entries)
	slot := delivery.SlotOf(number)
	rename := func() error {
		_, err := r.engine.Update(t.Context(), delivery.Request{Account: 1, Endpoint: number}, func(s delivery.Settings, _ *store.Endpoint) (delivery.Settings, error) {
			s.Name = "other"
			return s, nil
		})
		return err
	}
	r.record(t, "S-1", 1)
	if err := rename(); greenlane.CodeOf(err) != "moving" {
		t.Errorf("changed by one that does not serve it: %v", err)
	}
	first := r.serve(t, slot, "first")
	for rename() != nil {
		<-time.After(time.Millisecond)
	}
	r.quiet(t, rec, number)

	hold := make(chan struct{})
	gate.Store(&hold)
	r.record(t, "S-1", 2)
	<-held
	gate.Store(nil)
	time.AfterFunc(50*time.Millisecond, func() { close(hold) })
	first.stop(r, nil)
	if err := rename(); greenlane.CodeOf(err) != "moving" {
		t.Errorf("changed after it was handed over: %v", err)
	}
	second := r.serve(t, slot, "second")
	r.record(t, "S-1", 3)
	for rename() != nil {
		<-time.After(time.Millisecond)
	}
	r.quiet(t, rec, number)
	if n := len(rec.arrivals()); n != 3 {
		t.Errorf("%d arrived, not 3: what was handed over came again, or is missing", n)
	}

	lost := make(chan struct{})
	gate.Store(&lost)
	r.record(t, "S-1", 4)
	<-held
	gate.Store(nil)
	second.stop(r, node.ErrLost)
	close(lost)
	third := r.serve(t, slot, "third")
	for rename() != nil {
		<-time.After(time.Millisecond)
	}
	r.quiet(t, rec, number)
	// What was broken off is written down by the receiver whenever it comes to it.
	rec.until(t, "what was lost in flight, which is sent again", func() bool { return len(rec.arrivals()) >= 5 })
	if n := len(rec.arrivals()); n != 5 {
		t.Errorf("%d arrived, not 5: what was lost in flight is sent again, once", n)
	}
	third.stop(r, nil)
}

// slowList is a store that lists endpoints when it is allowed to, whatever becomes of
// who asked.
type slowList struct {
	store.Store
	began, release chan struct{}
}

func (s *slowList) AllEndpoints(ctx context.Context) ([]*store.Endpoint, error) {
	s.began <- struct{}{}
	<-s.release
	return s.Store.AllEndpoints(context.WithoutCancel(ctx))
}

// TestEndWhileLoading: a lease that ends while its endpoints are loaded leaves
// nothing behind.
func TestEndWhileLoading(t *testing.T) {
	t.Parallel()
	s := &slowList{teststore.Open(t, t.TempDir()), make(chan struct{}, 100), make(chan struct{})}
	r := startOn(t, s, greenlane.SystemClock, func(e *delivery.Engine) { e.Share() })
	number := r.endpoint(t, newReceiver(t).URL, entries)
	serving := r.serve(t, delivery.SlotOf(number), "r")
	<-s.began
	serving.end(node.ErrLost)
	close(s.release)
	if err := <-serving.ended; err != nil {
		t.Error(err)
	}
	if _, known := statusOf(t, r, number); known {
		t.Error("it is served still")
	}
}

// TestURLElsewhere: the URL of an endpoint that this node does not serve is taken.
func TestURLElsewhere(t *testing.T) {
	t.Parallel()
	r := startAt(t, t.TempDir(), greenlane.SystemClock, func(e *delivery.Engine) { e.Share() })
	url := newReceiver(t).URL
	here, there := r.endpoint(t, url+"/0", entries), int64(0)
	for n := 1; there == 0 || delivery.SlotOf(there) == delivery.SlotOf(here); n++ {
		there = r.endpoint(t, fmt.Sprintf("%s/%d", url, n), entries)
	}
	rows, err := r.store.AllEndpoints(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	taken := rows[slices.IndexFunc(rows, func(row *store.Endpoint) bool { return row.Number == there })].URL
	serving := r.serve(t, delivery.SlotOf(here), "r")
	move := func() error {
		_, err := r.engine.Update(t.Context(), by(here), func(s delivery.Settings, _ *store.Endpoint) (delivery.Settings, error) {
			s.URL = taken
			return s, nil
		})
		return err
	}
	for err = move(); greenlane.CodeOf(err) == "moving"; err = move() {
		<-time.After(time.Millisecond)
	}
	if greenlane.CodeOf(err) != "url_taken" || !strings.Contains(err.Error(), taken) {
		t.Errorf("its URL is refused with %v", err)
	}
	serving.stop(r, nil)
}

// TestBehind: an endpoint that another node made just now, with a cursor that this
// one's knowledge of the log does not reach, is served like any other.
func TestBehind(t *testing.T) {
	t.Parallel()
	inner := teststore.Open(t, t.TempDir())
	s := &hooked{Store: inner}
	r := startOn(t, s, greenlane.SystemClock, func(e *delivery.Engine) { e.Share() })
	other := startOn(t, struct{ store.Store }{inner}, greenlane.SystemClock, func(e *delivery.Engine) { e.Share() })
	rec := newReceiver(t)
	first := r.endpoint(t, newReceiver(t).URL, entries)
	serving := r.serve(t, delivery.SlotOf(first), "r")
	for known := false; !known; _, known = statusOf(t, r, first) {
		<-time.After(time.Millisecond)
	}
	began, release := s.commit.hold()
	go r.hub.Do(context.WithoutCancel(t.Context()), hub.Unit{Account: 1, Commands: []greenlane.Command{greenlane.TrackShipment{Key: greenlane.ShipmentKey{Number: "S-0"}}}})
	<-began // from here on the node takes in nothing
	number := int64(0)
	for delivery.SlotOf(number) != delivery.SlotOf(first) || number == 0 {
		other.record(t, "S-1", 1)
		number = other.endpoint(t, fmt.Sprintf("%s/%d", rec.URL, number), entries)
	}
	if _, _, err := r.engine.Deliveries(t.Context(), delivery.DeliveryQuery{Account: 1, Endpoint: number, Limit: 1}); err != nil {
		t.Fatal(err)
	}
	if status, known := statusOf(t, r, number); !known || status.Stalled {
		t.Errorf("known %v: %+v", known, status)
	}
	s.commit.set(nil)
	close(release)
	other.record(t, "S-1", 2)
	rec.until(t, "the event", func() bool { return len(rec.arrivals()) == 1 })
	serving.stop(r, nil)
}

// statusOf returns how an endpoint is doing, if the engine has it.
func statusOf(t *testing.T, r *rig, number int64) (delivery.Status, bool) {
	t.Helper()
	all, err := r.engine.Statuses(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	s, ok := all[number]
	return s, ok
}

// TestAstray: an endpoint whose cursor is beyond the end of the log stands still.
func TestAstray(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rec := newReceiver(t)
	r := start(t, dir)
	number := r.endpoint(t, rec.URL, entries)
	r.record(t, "S-1", 1)
	r.quiet(t, rec, number)
	_, err := r.hub.Do(t.Context(), hub.Unit{Account: 1, Rows: hub.Rows{Cursors: []store.Cursor{{Owner: "endpoint/" + strconv.FormatInt(number, 10), Position: 1 << 40}}}})
	if err != nil {
		t.Fatal(err)
	}
	r.stop()
	r = startOn(t, teststore.Open(t, dir), greenlane.SystemClock)
	r.record(t, "S-1", 2)
	if s := r.status(t, number); !s.Stalled || s.InFlight > 0 || len(rec.arrivals()) != 1 {
		t.Errorf("%+v, %d arrived", s, len(rec.arrivals()))
	}
}

// TestSpare: an endpoint that can't be loaded does not keep the others of its part.
func TestSpare(t *testing.T) {
	t.Parallel()
	r := startAt(t, t.TempDir(), greenlane.SystemClock, func(e *delivery.Engine) { e.Share() })
	rec := newReceiver(t)
	broken := r.endpoint(t, rec.URL+"/broken", entries)
	well := broken
	for n := 0; well == broken || delivery.SlotOf(well) != delivery.SlotOf(broken); n++ {
		well = r.endpoint(t, fmt.Sprintf("%s/%d", rec.URL, n), entries)
	}
	_, err := r.hub.Do(t.Context(), hub.Unit{Account: 1, Rows: hub.Rows{Revisions: []*store.Revision{
		{Endpoint: broken, Number: 2, Settings: []byte("{"), MadeAt: time.Unix(1, 0)}}}})
	if err != nil {
		t.Fatal(err)
	}
	serving := r.serve(t, delivery.SlotOf(broken), "r")
	r.record(t, "S-1", 1)
	rec.until(t, "the event", func() bool { return len(rec.arrivals()) == 1 })
	if _, known := statusOf(t, r, broken); known {
		t.Error("the broken one is served")
	}
	serving.stop(r, nil)
}

// listed counts how often a store lists all endpoints.
type listed struct {
	store.Store
	times atomic.Int64
}

func (l *listed) AllEndpoints(ctx context.Context) ([]*store.Endpoint, error) {
	l.times.Add(1)
	return l.Store.AllEndpoints(ctx)
}

// TestUnknown: asking for endpoints that do not exist is not dear.
func TestUnknown(t *testing.T) {
	t.Parallel()
	s := &listed{Store: teststore.Open(t, t.TempDir())}
	r := startOn(t, s, greenlane.SystemClock, func(e *delivery.Engine) { e.Share() })
	number := r.endpoint(t, newReceiver(t).URL, entries)
	serving := r.serve(t, delivery.SlotOf(number), "r")
	for known := false; !known; _, known = statusOf(t, r, number) {
		<-time.After(time.Millisecond)
	}
	if _, err := r.engine.Delete(t.Context(), by(number)); err != nil {
		t.Fatal(err)
	}
	unknown := number + 1
	for delivery.SlotOf(unknown) != delivery.SlotOf(number) {
		unknown++
	}
	before := s.times.Load()
	for _, request := range []delivery.Request{by(number), by(unknown), {Account: 2, Endpoint: number}} {
		if _, err := r.engine.Delete(t.Context(), request); greenlane.KindOf(err) != greenlane.NotFound {
			t.Errorf("%+v: %v", request, err)
		}
	}
	if n := s.times.Load() - before; n != 0 {
		t.Errorf("all endpoints were listed %d times", n)
	}
	serving.stop(r, nil)
}
