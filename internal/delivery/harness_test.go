package delivery_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/hub"
	"greenlane/internal/store"
	"greenlane/internal/store/teststore"
)

// receiver records what arrives and answers as it is told.
type receiver struct {
	*httptest.Server
	mu  sync.Mutex
	got []arrival
	// dead are processes, by the User-Agent they send, that nothing comes from
	// any more.
	dead map[string]bool
	// answer decides the status, 200 by default; count is how often the event
	// has arrived, with this time.
	answer func(a arrival, count int) int
	// header goes out with each answer.
	header http.Header
	// opened is the subject of the first request that ever came.
	opened string
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
	r := &receiver{news: make(chan struct{}, 1), dead: map[string]bool{}}
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
	if r.opened == "" {
		r.opened = a.subject
	}
	answer := r.answer
	count := 1
	for _, before := range r.got {
		if before.id == a.id {
			count++
		}
	}
	for name, values := range r.header {
		w.Header()[name] = values
	}
	r.mu.Unlock()
	if answer != nil {
		a.status = answer(a, count)
	}
	r.mu.Lock()
	if !r.dead[req.UserAgent()] {
		r.got = append(r.got, a)
	}
	r.mu.Unlock()
	select {
	case r.news <- struct{}{}:
	default:
	}
	w.WriteHeader(a.status)
}

// bury forgets whatever comes from a process from now on.
func (r *receiver) bury(agent string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dead[agent] = true
}

func (r *receiver) arrivals() []arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// first returns the subject of the first request, before it is answered.
func (r *receiver) first() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.opened
}

// of returns what arrived about a subject.
func (r *receiver) of(subject string) []arrival {
	return slices.DeleteFunc(r.arrivals(), func(a arrival) bool { return a.subject != subject })
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
	limit := time.After(2 * time.Minute)
	for !done() {
		select {
		case <-r.news:
		case <-time.After(5 * time.Millisecond):
		case <-limit:
			t.Fatalf("gave up waiting for %s; %d arrivals", what, len(r.arrivals()))
		}
	}
}

// watch is a clock that a test moves.
type watch struct {
	mu  sync.Mutex
	now time.Time
}

// newWatch returns a watch that stands at the moment the OpenTrack seed's
// example was sent.
func newWatch() *watch { return &watch{now: time.Date(2025, 7, 19, 17, 0, 0, 654e6, time.UTC)} }

func (w *watch) time() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *watch) move(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// rig is a hub with its engine on one database.
type rig struct {
	hub    *hub.Hub
	engine *delivery.Engine
	store  store.Store
	stop   func()
}

// start starts hub and engine on the database in dir.
func start(t testing.TB, dir string) *rig {
	t.Helper()
	return startAt(t, dir, greenlane.SystemClock)
}

// startAt starts hub and engine; deliveries go by the clock.
func startAt(t testing.TB, dir string, clock greenlane.Clock, prepare ...func(*delivery.Engine)) *rig {
	t.Helper()
	s := teststore.Open(t, dir)
	return startOn(t, s, clock, prepare...)
}

// startOn starts hub and engine on a store; prepare sees the engine first.
func startOn(t testing.TB, s store.Store, clock greenlane.Clock, prepare ...func(*delivery.Engine)) *rig {
	t.Helper()
	return startLogged(t, s, clock, nil, prepare...)
}

// startLogged starts hub and engine; what the engine has to tell goes to log.
func startLogged(t testing.TB, s store.Store, clock greenlane.Clock, log *slog.Logger, prepare ...func(*delivery.Engine)) *rig {
	t.Helper()
	h, err := hub.Open(t.Context(), s, hub.Options{Random: rand.Reader, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	sender := delivery.NewSender(guard(t, "127.0.0.0/8"), clock, "test")
	engine := delivery.New(h, delivery.Options{Sender: sender, Clock: clock, Chance: func() float64 { return 0.5 }, Log: log})
	for _, f := range prepare {
		f(engine)
	}
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
	r.account(t)
	return r
}

// hooked is a store that shows calls to a test first, which may hold them up or
// refuse them.
type hooked struct {
	store.Store
	// commit sees each commit, read each read for an endpoint that catches up,
	// behind each search for what waits in a lane.
	commit       hook[*store.Write]
	read, behind hook[context.Context]
}

// hook is what a test does with a call. Nothing at first.
type hook[T any] struct{ f atomic.Pointer[func(T) error] }

func (h *hook[T]) set(f func(T) error) { h.f.Store(&f) }

func (h *hook[T]) run(v T) error {
	if f := h.f.Load(); f != nil && *f != nil {
		return (*f)(v)
	}
	return nil
}

// hold makes calls wait until release is closed. began gets one token for each
// that does.
func (h *hook[T]) hold() (began <-chan struct{}, release chan struct{}) {
	begin, release := make(chan struct{}, 100), make(chan struct{})
	h.set(func(T) error {
		begin <- struct{}{}
		<-release
		return nil
	})
	return begin, release
}

func (s *hooked) Append(ctx context.Context, w *store.Write) error {
	if err := s.commit.run(w); err != nil {
		return err
	}
	return s.Store.Append(ctx, w)
}

func (s *hooked) Events(ctx context.Context, q store.EventQuery) (store.EventPage, error) {
	// Only the engine bounds how many events it looks at.
	if q.Scan > 0 {
		if err := s.read.run(ctx); err != nil {
			return store.EventPage{}, err
		}
	}
	return s.Store.Events(ctx, q)
}

func (s *hooked) Positions(ctx context.Context, of greenlane.Subject, after int64, limit int) ([]int64, error) {
	if err := s.behind.run(ctx); err != nil {
		return nil, err
	}
	return s.Store.Positions(ctx, of, after, limit)
}

// startHooked starts hub and engine on the database in dir, with hooks.
func startHooked(t testing.TB, dir string, clock greenlane.Clock) (*rig, *hooked) {
	t.Helper()
	inner := teststore.Open(t, dir)
	s := &hooked{Store: inner}
	return startOn(t, s, clock), s
}

// account makes account 1 on a new database.
func (r *rig) account(t testing.TB) {
	t.Helper()
	if r.hub.Account(1) != nil {
		return
	}
	if _, err := r.store.Reserve(t.Context(), store.SubjectNumbers, 1); err != nil {
		t.Fatal(err)
	}
	r.do(t, greenlane.RecordAccount{Number: 1, Type: greenlane.EventAccountCreated, Body: greenlane.AccountChanged{}})
}

func guard(t testing.TB, allowed ...string) *delivery.Guard {
	t.Helper()
	g, err := delivery.NewGuard(allowed)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// do records commands of account 1. The first to come makes the account.
func (r *rig) do(t testing.TB, commands ...greenlane.Command) *hub.Outcome {
	t.Helper()
	u := hub.Unit{Account: 1, Commands: commands}
	if r.hub.Account(1) == nil {
		u.Rows.Accounts = []*greenlane.Account{account()}
	}
	o, err := r.hub.Do(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

const secret = "a secret of the test"

// endpoint creates an endpoint and returns its number.
func (r *rig) endpoint(t testing.TB, url string, set func(*delivery.Settings)) int64 {
	t.Helper()
	s := delivery.Settings{URL: url}
	if set != nil {
		set(&s)
	}
	return r.create(t, s, &store.Endpoint{Secrets: []store.Secret{{Text: secret}}})
}

func (r *rig) create(t testing.TB, s delivery.Settings, row *store.Endpoint) int64 {
	t.Helper()
	if _, err := r.engine.Create(t.Context(), delivery.Request{Account: 1}, row, s.WithDefaults(), r.hub.Head(), 1); err != nil {
		t.Fatal(err)
	}
	return row.Number
}

// record makes an event of a shipment's entry and returns the entry.
func (r *rig) record(t testing.TB, shipment string, n int) string {
	t.Helper()
	return r.activity(t, shipment, n, "1M")
}

// activity records one of CBP's activities. 1H holds, 1I ends the hold: both
// change the clearance, which is an event of its own.
func (r *rig) activity(t testing.TB, shipment string, n int, code string) string {
	t.Helper()
	key := greenlane.ShipmentKey{Number: shipment}
	o := r.do(t, greenlane.TrackShipment{Key: key}, greenlane.RecordActivities{
		Shipment: key, Activities: []greenlane.NewActivity{{
			Date: time.Date(2025, 7, 1, 0, n, 0, 0, time.UTC), Code: code, Message: fmt.Sprint("note ", n)}},
	})
	return o.Decisions[1].Subject.String()
}

// entryEvents wants CBP's activities and nothing else.
func entryEvents(s *delivery.Settings) { s.Events = []string{string(greenlane.EventEntryStatus)} }

// entries wants the same, and tries again at once.
func entries(s *delivery.Settings) {
	entryEvents(s)
	s.Schedule = delivery.Schedule{Waits: []time.Duration{0, time.Millisecond, time.Millisecond, time.Millisecond}}
}

// by makes a request about an endpoint.
func by(endpoint int64) delivery.Request {
	return delivery.Request{Account: 1, Endpoint: endpoint, By: "test"}
}

// status returns how an endpoint is doing. It wakes the engine.
func (r *rig) status(t testing.TB, endpoint int64) delivery.Status {
	t.Helper()
	statuses, err := r.engine.Statuses(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return statuses[endpoint]
}

// quiet waits until the engine has nothing to do for an endpoint at present and
// has recorded that, and returns how it is doing. What waits for a time or a
// person still waits, and the engine may still look for what comes behind an
// event that was tried again.
func (r *rig) quiet(t testing.TB, rec *receiver, endpoint int64) delivery.Status {
	t.Helper()
	var s delivery.Status
	rec.until(t, "the engine to be quiet", func() bool {
		// The engine looks at what is due after it has answered, and may answer
		// twice before it does; the third answer says what that came to.
		for range 3 {
			s = r.status(t, endpoint)
			if s.InFlight > 0 || s.Unsettled > 0 || s.Cursor != r.hub.Head() {
				return false
			}
		}
		return true
	})
	r.recorded(t, endpoint)
	return s
}

// done waits until an endpoint has all it is to get.
func (r *rig) done(t testing.TB, rec *receiver, endpoint int64) {
	t.Helper()
	rec.until(t, "all lanes to close", func() bool { return r.quiet(t, rec, endpoint).OpenLanes == 0 })
}

// recorded waits until what the engine knows of an endpoint is on disk: a
// change, even one that is refused, waits for that.
func (r *rig) recorded(t testing.TB, endpoint int64) {
	t.Helper()
	if _, err := r.engine.Retry(t.Context(), by(endpoint), -1, ""); err == nil {
		t.Fatal("an event that does not exist was sent")
	}
}

// deliveries lists an endpoint's deliveries in a state, oldest event first.
func (r *rig) deliveries(t testing.TB, endpoint int64, state delivery.DeliveryState) []*delivery.Delivery {
	t.Helper()
	list, _, err := r.engine.Deliveries(t.Context(), delivery.DeliveryQuery{Account: 1, Endpoint: endpoint, State: state, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(list)
	return list
}

// attempts returns the attempts of one delivery.
func (r *rig) attempts(t testing.TB, endpoint, position int64, generation int) []delivery.AttemptDetail {
	t.Helper()
	_, attempts, err := r.engine.Delivery(t.Context(), 1, endpoint, position, generation)
	if err != nil {
		t.Fatal(err)
	}
	return attempts
}

// logged returns the events of a type, oldest first.
func (r *rig) logged(t testing.TB, types ...greenlane.EventType) []*greenlane.Event {
	t.Helper()
	page, err := r.store.Events(t.Context(), store.EventQuery{Account: 1, Types: types, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return page.Events
}

// inOrder holds that each subject's events arrived in order of first arrival,
// and that none arrived while one that came before it was not acknowledged.
func inOrder(t testing.TB, got []arrival) {
	t.Helper()
	last, open := map[string]int64{}, map[string]int64{}
	seen := map[string]bool{}
	for _, a := range got {
		if before := open[a.subject]; before != 0 && before < a.position {
			t.Errorf("%s: position %d arrived while %d was not acknowledged", a.subject, a.position, before)
		}
		open[a.subject] = a.position
		if a.status < 300 {
			delete(open, a.subject)
		}
		if seen[a.id] {
			continue
		}
		seen[a.id] = true
		if a.position < last[a.subject] {
			t.Errorf("%s: position %d arrived after %d", a.subject, a.position, last[a.subject])
		}
		last[a.subject] = a.position
	}
}
