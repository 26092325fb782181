package delivery_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/hub"
	"greenlane/internal/store"
	"greenlane/internal/store/sqlite"
)

// receiver records what arrives and answers as it is told.
type receiver struct {
	*httptest.Server
	mu  sync.Mutex
	got []arrival
	// answer decides the status, 200 by default.
	answer func(a arrival, count int) int
	news   chan struct{}
}

type arrival struct {
	id, subject, kind string
	position          int64
	attempt           int
	header            http.Header
	body              []byte
	status            int
}

func newReceiver(t testing.TB) *receiver {
	r := &receiver{news: make(chan struct{}, 1)}
	r.Server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) serve(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	position, _ := strconv.ParseInt(req.Header.Get("Greenlane-Position"), 10, 64)
	attempt, _ := strconv.Atoi(req.Header.Get("Greenlane-Attempt"))
	a := arrival{
		id: req.Header.Get("Webhook-Id"), subject: req.Header.Get("Greenlane-Subject"), position: position,
		kind: req.Header.Get("Greenlane-Event-Type"), attempt: attempt, header: req.Header, body: body, status: 200,
	}
	r.mu.Lock()
	answer := r.answer
	count := 0
	for _, before := range r.got {
		if before.id == a.id {
			count++
		}
	}
	r.mu.Unlock()
	if answer != nil {
		a.status = answer(a, count+1)
	}
	r.mu.Lock()
	r.got = append(r.got, a)
	r.mu.Unlock()
	select {
	case r.news <- struct{}{}:
	default:
	}
	w.WriteHeader(a.status)
}

func (r *receiver) arrivals() []arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// acknowledged returns the positions answered with 2xx, each once.
func (r *receiver) acknowledged() map[int64]bool {
	out := map[int64]bool{}
	for _, a := range r.arrivals() {
		if a.status < 300 {
			out[a.position] = true
		}
	}
	return out
}

// until waits for a condition on what arrived.
func (r *receiver) until(t testing.TB, what string, done func() bool) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for !done() {
		select {
		case <-r.news:
		case <-time.After(20 * time.Millisecond):
		case <-limit:
			t.Fatalf("gave up waiting for %s; %d arrivals", what, len(r.arrivals()))
		}
	}
}

// rig is a hub with its engine on one database.
type rig struct {
	hub    *hub.Hub
	engine *delivery.Engine
	store  store.Store
	stop   func()
}

func start(t testing.TB, dir string) *rig {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(dir, "greenlane.db"))
	if err != nil {
		t.Fatal(err)
	}
	return startOn(t, s)
}

func startOn(t testing.TB, s store.Store) *rig {
	t.Helper()
	h, err := hub.Open(t.Context(), s, hub.Options{Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	guard, err := delivery.NewGuard([]string{"127.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	sender := delivery.NewSender(guard, greenlane.SystemClock, "test")
	engine := delivery.New(h, delivery.Options{Sender: sender, Chance: func() float64 { return 0.5 }})
	hubCtx, stopHub := context.WithCancel(context.Background())
	engineCtx, stopEngine := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- h.Run(hubCtx) }()
	engineEnded := make(chan error, 1)
	go func() { engineEnded <- engine.Run(engineCtx) }()
	r := &rig{hub: h, engine: engine, store: s}
	r.stop = sync.OnceFunc(func() {
		stopEngine()
		if err := <-engineEnded; err != nil {
			t.Errorf("engine ended with %v", err)
		}
		stopHub()
		if err := <-ended; err != nil {
			t.Errorf("hub ended with %v", err)
		}
		sender.Close()
		s.Close()
	})
	t.Cleanup(r.stop)
	if h.Account(1) == nil {
		if _, err := s.Reserve(t.Context(), store.SubjectNumbers, 1); err != nil {
			t.Fatal(err)
		}
		r.do(t, hub.Unit{Account: 1, Commands: []greenlane.Command{greenlane.RecordAccount{
			Number: 1, Type: greenlane.EventAccountCreated, Body: greenlane.AccountChanged{}}},
			Rows: hub.Rows{Accounts: []*greenlane.Account{{Number: 1, Domain: "example.com", Region: "US"}}}})
	}
	return r
}

func (r *rig) do(t testing.TB, u hub.Unit) *hub.Outcome {
	t.Helper()
	o, err := r.hub.Do(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// endpoint creates an endpoint and returns its number.
func (r *rig) endpoint(t testing.TB, url string, set func(*delivery.Settings)) int64 {
	t.Helper()
	s := delivery.Settings{URL: url}
	if set != nil {
		set(&s)
	}
	row := &store.Endpoint{Secrets: []store.Secret{{Text: "a secret of the test"}}}
	_, err := r.engine.Create(t.Context(), delivery.Request{Account: 1}, row, s.WithDefaults(), r.hub.Head(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return row.Number
}

// record makes an event of a shipment's entry.
func (r *rig) record(t testing.TB, shipment string, n int) {
	t.Helper()
	key := greenlane.ShipmentKey{Number: shipment}
	r.do(t, hub.Unit{Account: 1, Commands: []greenlane.Command{
		greenlane.TrackShipment{Key: key},
		greenlane.RecordActivities{Shipment: key, Activities: []greenlane.NewActivity{{
			Date: time.Date(2025, 7, 1, 0, n, 0, 0, time.UTC), Code: "1M", Message: fmt.Sprint("note ", n)}}},
	}})
}

func entries(s *delivery.Settings) {
	s.Events = []string{string(greenlane.EventEntryStatus)}
	s.Schedule = delivery.Schedule{Waits: []time.Duration{0, time.Millisecond, time.Millisecond, time.Millisecond}}
}

// inOrder holds that each subject's events arrived in order of first arrival.
func inOrder(t testing.TB, got []arrival) {
	t.Helper()
	last := map[string]int64{}
	seen := map[string]bool{}
	for _, a := range got {
		if a.status >= 300 || seen[a.id] {
			continue
		}
		seen[a.id] = true
		if a.position < last[a.subject] {
			t.Errorf("%s: position %d arrived after %d", a.subject, a.position, last[a.subject])
		}
		last[a.subject] = a.position
	}
}

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

func TestRetriesKeepTheLaneInOrder(t *testing.T) {
	t.Parallel()
	r, rec := start(t, t.TempDir()), newReceiver(t)
	failing := int64(0)
	rec.answer = func(a arrival, count int) int {
		rec.mu.Lock()
		defer rec.mu.Unlock()
		if failing == 0 {
			failing = a.position
		}
		if a.position == failing && count <= 2 {
			return 500
		}
		return 200
	}
	r.endpoint(t, rec.URL, func(s *delivery.Settings) {
		entries(s)
		s.Schedule = delivery.Schedule{Waits: []time.Duration{0, 100 * time.Millisecond, 100 * time.Millisecond}}
	})
	for n := range 3 {
		r.record(t, "HELD", n)
	}
	r.record(t, "OTHER", 0)
	rec.until(t, "4 events", func() bool { return len(rec.acknowledged()) == 4 })
	var attempts []int
	var order []string
	for _, a := range rec.arrivals() {
		if a.position == failing {
			attempts = append(attempts, a.attempt)
		}
		if a.status == 200 {
			order = append(order, a.subject)
		}
	}
	if !slices.Equal(attempts, []int{1, 2, 3}) {
		t.Errorf("attempts %v, want 1 2 3", attempts)
	}
	if order[0] == order[1] || order[1] != order[2] {
		t.Errorf("acknowledged in the order %v: the other subject should not have waited", order)
	}
	inOrder(t, rec.arrivals())
}

func TestRestartBetweenAttempts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, rec := start(t, dir), newReceiver(t)
	rec.answer = func(a arrival, count int) int {
		if count == 1 {
			return 503
		}
		return 200
	}
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

func TestUsedUpScheduleParks(t *testing.T) {
	t.Parallel()
	r, rec := start(t, t.TempDir()), newReceiver(t)
	var mended sync.Map
	rec.answer = func(a arrival, count int) int {
		if _, ok := mended.Load("yes"); ok {
			return 200
		}
		return 500
	}
	number := r.endpoint(t, rec.URL, entries)
	r.record(t, "A", 0)
	r.record(t, "A", 1)
	rec.until(t, "4 attempts", func() bool { return len(rec.arrivals()) == 4 })
	var head int64
	rec.until(t, "the lane to park", func() bool {
		list, _, err := r.engine.Deliveries(t.Context(), delivery.DeliveryQuery{Account: 1, Endpoint: number, State: delivery.DeliveryParked, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 1 {
			head = list[0].Event.Position
		}
		return len(list) == 1
	})
	mended.Store("yes", true)
	if _, err := r.engine.Retry(t.Context(), delivery.Request{Account: 1, Endpoint: number, By: "test"}, head, "mended"); err != nil {
		t.Fatal(err)
	}
	rec.until(t, "both events", func() bool { return len(rec.acknowledged()) == 2 })
	inOrder(t, rec.arrivals())
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
	r.endpoint(b, server.URL, func(s *delivery.Settings) { s.Events = []string{string(greenlane.EventEntryStatus)} })
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
