package delivery

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/store"
	"greenlane/internal/store/teststore"
)

// pipes is a listener whose connections stay in memory, so that a test's time
// can stand still while something is on its way.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

// bubble is a hub, its engine and receivers in simulated time.
type bubble struct {
	t      *testing.T
	hub    *hub.Hub
	engine *Engine
	store  store.Store
	dir    string
	pipes  *pipes
	server *http.Server

	mu sync.Mutex
	// status answers by the host that is called; got is what came to it.
	status map[string]int
	got    map[string][]sent
	// delay is how long any answer takes.
	delay time.Duration
	// stop ends hub and engine; die as a process does that is not asked to, so
	// that what is not recorded yet is forgotten.
	stop, die func()
}

// sent is one request as it came.
type sent struct {
	at       time.Time
	position int64
	kind     string
	status   int
	replay   string
}

// simulate runs a test in simulated time.
func simulate(t *testing.T, f func(*bubble)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{t: t, dir: dir, pipes: newPipes(), status: map[string]int{}, got: map[string][]sent{}}
		b.server = &http.Server{Handler: b}
		served := make(chan struct{})
		go func() { defer close(served); b.server.Serve(b.pipes) }()
		b.start()
		f(b)
		b.stop()
		b.server.Close()
		<-served
	})
}

// start starts hub and engine on the database, as a new process.
func (b *bubble) start() {
	s := teststore.OpenFile(b.t, b.dir)
	h, err := hub.Open(b.t.Context(), s, hub.Options{Random: rand.Reader})
	if err != nil {
		b.t.Fatal(err)
	}
	guard, err := NewGuard(nil)
	if err != nil {
		b.t.Fatal(err)
	}
	sender := NewSender(guard, greenlane.SystemClock, "test")
	sender.transport.DialContext = b.pipes.dial
	e := New(h, Options{Sender: sender, Chance: func() float64 { return 0.5 }})
	ctx, stopHub := context.WithCancel(context.Background())
	engineCtx, stopEngine := context.WithCancel(context.Background())
	hubEnded, engineEnded := make(chan struct{}), make(chan struct{})
	go func() { defer close(hubEnded); h.Run(ctx) }()
	go func() { defer close(engineEnded); e.Run(engineCtx) }()
	b.hub, b.engine, b.store = h, e, s
	b.stop = func() {
		stopEngine()
		<-engineEnded
		stopHub()
		<-hubEnded
		sender.Close()
		s.Close()
	}
	b.die = func() {
		stopHub()
		<-hubEnded
		b.stop()
	}
	if h.Account(1) == nil {
		if _, err := s.Reserve(b.t.Context(), store.SubjectNumbers, 1); err != nil {
			b.t.Fatal(err)
		}
		b.do(hub.Unit{Account: 1, Commands: []greenlane.Command{greenlane.RecordAccount{
			Number: 1, Type: greenlane.EventAccountCreated, Body: greenlane.AccountChanged{}}},
			Rows: hub.Rows{Accounts: []*greenlane.Account{{Number: 1, Domain: "example.com"}}}})
	}
}

func (b *bubble) do(u hub.Unit) {
	b.t.Helper()
	if _, err := b.hub.Do(b.t.Context(), u); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bubble) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	b.mu.Lock()
	delay := b.delay
	b.mu.Unlock()
	time.Sleep(delay)
	b.mu.Lock()
	defer b.mu.Unlock()
	status := b.status[req.Host]
	if status == 0 {
		status = http.StatusOK
	}
	position, _ := strconv.ParseInt(req.Header.Get("Greenlane-Position"), 10, 64)
	b.got[req.Host] = append(b.got[req.Host], sent{time.Now(), position, req.Header.Get("Greenlane-Event-Type"), status, req.Header.Get("Greenlane-Replay")})
	w.WriteHeader(status)
}

// answer sets what a host answers.
func (b *bubble) answer(host string, status int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status[host] = status
}

// arrived returns what came to a host.
func (b *bubble) arrived(host string) []sent {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]sent{}, b.got[host]...)
}

// endpoint creates an endpoint for CBP's activities at a host.
func (b *bubble) endpoint(host string, set func(*Settings)) int64 {
	b.t.Helper()
	s := Settings{URL: "http://" + host + "/", Events: []string{string(greenlane.EventEntryStatus)}}
	if set != nil {
		set(&s)
	}
	row := &store.Endpoint{Secrets: []store.Secret{{Text: "secret of ours"}}}
	if _, err := b.engine.Create(b.t.Context(), Request{Account: 1}, row, s.WithDefaults(), b.hub.Head(), 1); err != nil {
		b.t.Fatal(err)
	}
	return row.Number
}

// record makes an event of each of some shipments' entries.
func (b *bubble) record(shipments, n int) {
	b.t.Helper()
	var commands []greenlane.Command
	for s := range shipments {
		key := greenlane.ShipmentKey{Number: fmt.Sprint("SHIP", s)}
		commands = append(commands, greenlane.TrackShipment{Key: key}, greenlane.RecordActivities{
			Shipment: key, Activities: []greenlane.NewActivity{{
				Date: time.Date(1999, 7, 1, 0, n, 0, 0, time.UTC), Code: "1M", Message: fmt.Sprint("note ", n)}}})
	}
	b.do(hub.Unit{Account: 1, Commands: commands})
}

// rest lets time pass until all is still, after a pause.
func (b *bubble) rest(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (b *bubble) statusOf(endpoint int64) Status {
	b.t.Helper()
	statuses, err := b.engine.Statuses(b.t.Context(), 1)
	if err != nil {
		b.t.Fatal(err)
	}
	return statuses[endpoint]
}

// lanes counts an endpoint's rows.
func (b *bubble) lanes(endpoint int64) int {
	b.t.Helper()
	lanes, err := b.store.Lanes(b.t.Context(), endpoint)
	if err != nil {
		b.t.Fatal(err)
	}
	return len(lanes)
}

// attempts counts the rows of attempts at an endpoint's events.
func (b *bubble) attempts(endpoint int64) (all, probes int) {
	b.t.Helper()
	for position := range b.hub.Head() {
		list, err := b.store.Attempts(b.t.Context(), endpoint, position+1, 0)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, a := range list {
			if all++; a.Probe {
				probes++
			}
		}
	}
	return all, probes
}

// TestADayDown holds what an outage costs: an endpoint that is down for a day
// leaves the same rows whether ten events or thirty came every ten minutes.
// Its cursor stands still but for what waits behind a head that failed, and a
// restart amid it changes nothing; another endpoint gets all. When the receiver is back, everything comes, in order.
func TestADayDown(t *testing.T) {
	t.Parallel()
	rows := map[int][3]int{}
	for _, subjects := range []int{10, 30} {
		simulate(t, func(b *bubble) {
			b.answer("down.example", 503)
			down, up := b.endpoint("down.example", nil), b.endpoint("up.example", nil)
			b.rest(time.Second)
			b.record(subjects, 0)
			b.rest(time.Second)
			stood := b.statusOf(down)
			if stood.Breaker.State != BreakerOpen {
				b.t.Fatalf("%+v", stood)
			}
			const steps = 144
			for n := range steps {
				b.rest(10 * time.Minute)
				b.record(subjects, n+1)
				if n == steps/2 {
					b.rest(time.Second)
					b.stop()
					b.start()
				}
			}
			b.rest(time.Second)
			s := b.statusOf(down)
			if s.Breaker.State != BreakerOpen || s.Unsettled > maxUnsettled || subjects > 10 && s.Lag < b.hub.Head()*9/10 {
				b.t.Errorf("stood at %+v, then %+v", stood, s)
			}
			all, probes := b.attempts(down)
			rows[subjects] = [3]int{b.lanes(down), all, probes}
			if want := subjects * (steps + 1); len(b.arrived("up.example")) != want || b.statusOf(up).OpenLanes != 0 {
				b.t.Errorf("%d of %d events came to the other endpoint", len(b.arrived("up.example")), want)
			}
			b.answer("down.example", 200)
			b.rest(time.Hour)
			b.complete("down.example", down, subjects*(steps+1))
		})
	}
	t.Logf("rows of lanes, attempts, probes by subjects: %v", rows)
	few, many := rows[10], rows[30]
	// Each round of probes tries one event more, with a row of its own.
	if many[0] > few[0]+20 || many[1] > few[1]+20 || few[2] < 140 {
		t.Errorf("rows of lanes, attempts and probes by number of subjects: %v", rows)
	}
}

// complete holds that all events came and were acknowledged, in order, and that
// nothing is left behind.
func (b *bubble) complete(host string, endpoint int64, want int) {
	b.t.Helper()
	acknowledged := map[int64]bool{}
	for _, a := range b.arrived(host) {
		if a.status < 300 {
			acknowledged[a.position] = true
		}
	}
	s := b.statusOf(endpoint)
	if len(acknowledged) != want || s.OpenLanes != 0 || s.Unsettled != 0 || s.Breaker.State != BreakerClosed || b.lanes(endpoint) != 0 {
		b.t.Errorf("%d of %d events were acknowledged: %+v", len(acknowledged), want, s)
	}
	report, err := hub.Verify(b.t.Context(), b.store, nil)
	if err != nil || !report.OK() {
		b.t.Errorf("verify: %v %+v", err, report)
	}
}

// update gives an endpoint new settings.
func (b *bubble) update(endpoint int64, set func(*Settings)) {
	b.t.Helper()
	_, err := b.engine.Update(b.t.Context(), Request{Account: 1, Endpoint: endpoint}, func(s Settings, _ *store.Endpoint) (Settings, error) {
		set(&s)
		return s, nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// TestBehindAnOpenLane has an endpoint miss more events of a lane that is open
// than it may have unsettled: it comes to what lies beyond by itself, though it
// has nothing to record on the way.
func TestBehindAnOpenLane(t *testing.T) {
	t.Parallel()
	simulate(t, func(b *bubble) {
		const host, missed = "behind.example", 1600
		number := b.endpoint(host, nil)
		r := Request{Account: 1, Endpoint: number}
		b.answer(host, 500)
		b.activity("STUCK", "1M", 0)
		b.rest(time.Second)
		if _, err := b.engine.Park(b.t.Context(), r, b.arrived(host)[0].position, 1, "why"); err != nil {
			b.t.Fatal(err)
		}
		if _, err := b.engine.Disable(b.t.Context(), r, ""); err != nil {
			b.t.Fatal(err)
		}
		var commands []greenlane.Command
		for n := range missed {
			commands = append(commands, note("STUCK", "1M", n+1))
		}
		b.do(hub.Unit{Account: 1, Commands: commands})
		b.activity("OTHER", "1M", 0)
		b.answer(host, 200)
		before := len(b.arrived(host))
		if _, err := b.engine.Enable(b.t.Context(), r, 0, ""); err != nil {
			b.t.Fatal(err)
		}
		b.rest(time.Second)
		if n := len(b.arrived(host)) - before; n != 1 {
			b.t.Errorf("%d events of the other subject came: %+v", n, b.statusOf(number))
		}
	})
}
