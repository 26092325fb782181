package delivery

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"greenlane"
	"greenlane/internal/filter"
	"greenlane/internal/hub"
	"greenlane/internal/store"
)

// Bounds per endpoint.
const (
	// maxUnsettled is how many events above the cursor may be unsettled. At the
	// bound the endpoint stops reading; nothing is dropped.
	maxUnsettled = 1024
	// maxLanes is how many lanes may be open. At the bound the cursor stops.
	maxLanes = 10_000
	// slowAfter is when an attempt that still runs gets a lane row, so that it
	// does not hold up the cursor.
	slowAfter = 2 * time.Second
	// idleStride is how far an endpoint without deliveries may go before its
	// cursor is recorded.
	idleStride = 4096
)

// Limits of the loop.
const (
	routeAtOnce = 1024
	readAtOnce  = 512
	// judgeAtOnce is how many events the loop judges for an endpoint that has a
	// filter and is behind.
	judgeAtOnce = 128
	// scanAtOnce is how many events of other types one read may pass over.
	scanAtOnce = 50_000
	// shutdownLimit is how long attempts in flight may take to end.
	shutdownLimit = 10 * time.Second
	// flushPause is how long to wait before a failed commit is tried again; it
	// doubles up to flushPauseMax.
	flushPause    = 250 * time.Millisecond
	flushPauseMax = 5 * time.Second
)

// Options are what an engine needs beside the hub.
type Options struct {
	Sender *Sender
	// Clock tells the time; the system's.
	Clock greenlane.Clock
	// Chance returns a number from 0 to 1, to spread retries.
	Chance func() float64
	// Log gets each failure once; discarded. At level debug it gets each
	// acknowledgement, too.
	Log *slog.Logger
	// Shared: other processes deliver, too. This one serves what [Engine.Serve] is
	// called for; otherwise it serves every endpoint.
	Shared bool
	// Watch is told of each attempt at a delivery that ended, by the loop, which it
	// must not hold up; nobody.
	Watch func(*AttemptReport)
}

// Engine delivers. Run owns its state; the other methods may be called from any
// goroutine while Run runs.
type Engine struct {
	hub    *hub.Hub
	store  store.Store
	sender *Sender
	clock  greenlane.Clock
	chance func() float64
	log    *slog.Logger
	shared bool
	watch  func(*AttemptReport)

	// inbox brings work to the loop: ends of attempts, reads and commits, and
	// what callers ask for.
	inbox chan func()
	// ended is closed when the loop has returned.
	ended chan struct{}

	// Owned by the loop. slots are the parts of the endpoints that it serves, nil
	// where another process does, and leaving those it is about to let go.
	slots     [Slots]*slot
	leaving   []*slot
	endpoints map[int64]*endpoint
	// made are endpoints that are being created, by number, from before they are
	// recorded until the loop has them.
	made map[int64]*store.Endpoint
	// routes lists the endpoints that want a type of event of an account.
	routes map[route][]*endpoint
	// wants are sets of types that endpoints share, by their patterns.
	wants map[string]map[greenlane.EventType]bool
	// turns are all endpoints, of which turn was asked last whether its cursor should
	// be recorded, and swept is how many events were handed out since.
	turns       []*endpoint
	turn, swept int
	// apart are endpoints that keep up with the log by reading it for themselves,
	// because the loop has no time for their filters.
	apart map[*endpoint]bool
	// judging is the event that filters were asked about last.
	judging *filter.Input
	// position is how far the log has been handed out to attached endpoints.
	position int64
	due      dueHeap
	touched  map[*endpoint]bool
	share    share
	stopping bool
	// sending is canceled when attempts in flight must end.
	sending context.Context
	workers sync.WaitGroup

	// maxLanes is how many lanes an endpoint may have open.
	maxLanes int
	// slowFilter is how long an evaluation of a filter may hold up the loop.
	slowFilter time.Duration
	// patience is when breakers open.
	patience patience

	metrics Metrics
}

// Metrics counts what the engine did since it was made.
type Metrics struct {
	Delivered, Failed, Parked, Skipped atomic.Int64
	// FilterErrors counts events that a filter failed on. They are delivered.
	FilterErrors atomic.Int64
	// Probes were sent while a breaker was open; they count as delivered or
	// failed, too.
	Probes, BreakersOpened, BreakersClosed atomic.Int64
	// Attempts counts by outcome.
	Attempts [outcomes]atomic.Int64
}

type route struct {
	account int64
	t       greenlane.EventType
}

// New makes an engine. It starts nothing.
func New(h *hub.Hub, o Options) *Engine {
	if o.Clock == nil {
		o.Clock = greenlane.SystemClock
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Sender == nil || o.Chance == nil {
		panic("delivery: Options.Sender and Options.Chance are required")
	}
	e := &Engine{
		hub: h, store: h.Store(), sender: o.Sender, clock: o.Clock, chance: o.Chance, log: o.Log, shared: o.Shared, watch: o.Watch,
		inbox: make(chan func(), 1024), ended: make(chan struct{}),
		endpoints: map[int64]*endpoint{}, made: map[int64]*store.Endpoint{}, routes: map[route][]*endpoint{}, wants: map[string]map[greenlane.EventType]bool{}, touched: map[*endpoint]bool{},
		share: newShare(maxInflight), apart: map[*endpoint]bool{}, maxLanes: maxLanes, slowFilter: slowFilter,
		patience: patience{breakAfter, breakLeast, probeFirst, probeMost},
	}
	if !e.shared {
		whole := &slot{}
		for i := range e.slots {
			e.slots[i] = whole
		}
	}
	return e
}

// Metrics returns the counters.
func (e *Engine) Metrics() *Metrics { return &e.metrics }

// Run delivers until ctx ends, then lets attempts in flight finish, records
// them and returns. The hub must run until then. An error means that the
// engine's state could not be read; the process should end.
func (e *Engine) Run(ctx context.Context) error {
	defer close(e.ended)
	sending, cancel := context.WithCancel(context.Background())
	defer cancel()
	e.sending = sending
	if !e.shared {
		e.slots[0].sending = sending
	}
	if err := e.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("start delivering: %w", err)
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		head, moved := e.hub.Watch()
		if err := e.follow(ctx, head); err != nil {
			return fmt.Errorf("follow the log: %w", err)
		}
		e.pump()
		e.seeOff()
		if head > e.position {
			moved = closedChannel
		}
		timer.Reset(e.untilDue())
		select {
		case f := <-e.inbox:
			e.work(f)
		case <-moved:
		case <-timer.C:
		case <-ctx.Done():
			e.shutdown(cancel)
			return nil
		}
	}
}

var closedChannel = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// work runs f and what else is in the inbox by now.
func (e *Engine) work(f func()) {
	f()
	for range len(e.inbox) {
		(<-e.inbox)()
	}
}

// shutdown starts nothing more, waits for what is in flight and records it.
// What the limit cuts off is sent again at the next start.
func (e *Engine) shutdown(cancel context.CancelFunc) {
	e.stopping = true
	limit := time.NewTimer(shutdownLimit)
	defer limit.Stop()
	for expired := false; !expired && (e.share.all > 0 || e.unrecorded()); {
		select {
		case f := <-e.inbox:
			e.work(f)
			e.pump()
		case <-limit.C:
			expired = true
		}
	}
	cancel()
	done := make(chan struct{})
	go func() { e.workers.Wait(); close(done) }()
	for {
		select {
		case f := <-e.inbox:
			e.work(f)
		case <-done:
			return
		}
	}
}

func (e *Engine) unrecorded() bool {
	for _, ep := range e.endpoints {
		if ep.unrecorded() {
			return true
		}
	}
	return false
}

// unrecorded reports whether something of the endpoint is in memory alone.
func (ep *endpoint) unrecorded() bool {
	return slices.ContainsFunc(ep.ways(), func(way *endpoint) bool {
		return way.flushing || way.loading > 0 || !way.buffer.empty()
	})
}

// ask runs f in the loop and waits for it.
func (e *Engine) ask(ctx context.Context, f func(reply func(error))) error {
	done := make(chan error, 1)
	call := func() { f(func(err error) { done <- err }) }
	select {
	case e.inbox <- call:
	case <-e.ended:
		return greenlane.Errorf(greenlane.Unavailable, "stopping", "the hub is stopping")
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-e.ended:
		return greenlane.Errorf(greenlane.Unavailable, "stopping", "the hub is stopping")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// start follows the log from its present end, and loads every endpoint that is not
// left to others; each catches up from its own cursor.
func (e *Engine) start(ctx context.Context) error {
	e.position = e.hub.Head()
	if e.shared {
		return nil
	}
	return e.loadAll(ctx)
}

// loadAll loads the endpoints that this process serves and does not know yet.
func (e *Engine) loadAll(ctx context.Context) error {
	rows, err := e.store.AllEndpoints(ctx)
	if err != nil {
		return err
	}
	var all []*endpoint
	for _, row := range rows {
		if s := e.slots[SlotOf(row.Number)]; s == nil || s.leaving || e.endpoints[row.Number] != nil {
			continue
		}
		ep, err := e.restore(ctx, row)
		if err == nil {
			all = append(all, ep)
		} else if !e.spares(ctx, row, err) {
			return err
		}
	}
	if err := e.surveyAll(ctx, all); err != nil {
		return err
	}
	for _, ep := range all {
		if err := e.open(ctx, ep); err != nil && !e.spares(ctx, ep.row, err) {
			return err
		}
	}
	return nil
}

// spares reports whether an endpoint that could not be loaded is left out. Where
// processes share the work it is: it would end one after the other.
func (e *Engine) spares(ctx context.Context, row *store.Endpoint, err error) bool {
	if !e.shared || ctx.Err() != nil || greenlane.KindOf(err) == greenlane.Unavailable {
		return false
	}
	e.log.Error("an endpoint can't be loaded: nothing is sent to it", "endpoint", row.EndpointID(), "error", err)
	return true
}

// load takes in an endpoint that is on disk.
func (e *Engine) load(ctx context.Context, row *store.Endpoint) error {
	ep, err := e.restore(ctx, row)
	if err != nil {
		return err
	}
	return e.open(ctx, ep)
}

// restore makes the running form of an endpoint from what is on disk: its
// settings, and how far it has come.
func (e *Engine) restore(ctx context.Context, row *store.Endpoint) (*endpoint, error) {
	ep := newEndpoint(e, row)
	revisions, err := e.store.Revisions(ctx, row.Number)
	if err != nil {
		return nil, err
	}
	if ep.terms, err = newTerms(revisions); err != nil {
		return nil, fmt.Errorf("endpoint %s: %w", row.EndpointID(), err)
	}
	e.intern(&ep.terms)
	ep.recorded, err = e.store.Cursor(ctx, ep.owner())
	ep.passed = ep.recorded
	return ep, err
}

// open adds what is open beyond an endpoint's cursor, and lets it go on.
func (e *Engine) open(ctx context.Context, ep *endpoint) error {
	row := ep.row
	ep.read = ep.passed
	end, astray, err := e.hub.Beyond(ctx, ep.passed)
	if err != nil {
		return err
	}
	if ep.astray = astray; astray {
		e.log.Error("an endpoint's cursor is beyond the end of the log, whose end was lost: nothing is sent to it; delete it, and make another that begins where its receiver is",
			"endpoint", row.EndpointID(), "cursor", ep.passed, "head", end)
	}
	if err := ep.loadAcknowledged(ctx, max(e.position, e.hub.Head())); err != nil {
		return err
	}
	broken, err := e.store.Breaker(ctx, row.Number)
	if err != nil {
		return err
	}
	ep.breaker.load(broken)
	if err := ep.hourly.load(ctx, e.store, row.Number, e.clock()); err != nil {
		return fmt.Errorf("endpoint %s: %w", row.EndpointID(), err)
	}
	skips, err := e.store.Skips(ctx, row.Number)
	if err != nil {
		return err
	}
	for _, s := range skips {
		ep.skips.add(s)
		// Like what was acknowledged: the cursor may not have passed it yet.
		if s.Lane != 0 && s.First == s.Last && s.First > ep.passed {
			ep.settled[s.First] = true
		}
	}
	lanes, err := e.store.Lanes(ctx, row.Number)
	if err != nil {
		return err
	}
	if err := ep.loadReplays(ctx); err != nil {
		return fmt.Errorf("endpoint %s: %w", row.EndpointID(), err)
	}
	for _, l := range lanes {
		ep.wayOf(l.LaneID).reopen(l)
	}
	for _, way := range ep.ways() {
		if err := way.recall(ctx); err != nil {
			return err
		}
	}
	e.endpoints[row.Number] = ep
	e.route(ep)
	e.touch(ep)
	return nil
}

// loadAcknowledged takes in what was acknowledged above the cursor, up to a
// position: it is not sent again.
func (ep *endpoint) loadAcknowledged(ctx context.Context, last int64) error {
	acknowledged, err := ep.engine.store.Acknowledged(ctx, ep.row.Number, ep.generation, ep.passed, last)
	for _, p := range acknowledged {
		ep.settled[p] = true
	}
	return err
}

// maxWants is how many sets of types are kept to be shared.
const maxWants = 4096

// intern lets endpoints of the same patterns share the set of the types they take:
// it would be almost half of what an idle one keeps in memory. Only the loop calls
// it.
func (e *Engine) intern(ts *terms) {
	key := strings.Join(ts.latest.Events, " ")
	if set, ok := e.wants[key]; ok {
		ts.wants = set
		return
	}
	if len(e.wants) == maxWants {
		clear(e.wants)
	}
	e.wants[key] = ts.wants
}

// reroute rebuilds the table of who wants what.
func (e *Engine) reroute() {
	clear(e.routes)
	e.turns = e.turns[:0]
	for _, ep := range e.endpoints {
		e.route(ep)
	}
}

// route adds an endpoint to the table of who wants what.
func (e *Engine) route(ep *endpoint) {
	e.turns = append(e.turns, ep)
	for t := range ep.wants {
		key := route{ep.row.Account, t}
		e.routes[key] = append(e.routes[key], ep)
	}
}

func (e *Engine) touch(ep *endpoint) { e.touched[ep.base()] = true }

// follow hands out what came to the log's end since the last time.
func (e *Engine) follow(ctx context.Context, head int64) error {
	events, ok := e.hub.Recent(e.position, routeAtOnce)
	if !ok {
		// The end of the log has moved out of memory: everyone reads for
		// itself, and changes of endpoints may have been missed.
		for _, ep := range e.endpoints {
			ep.detach(e.position)
		}
		e.position = head
		return e.reload(ctx)
	}
	for _, ev := range events {
		for _, ep := range e.routes[route{ev.Account, ev.Type}] {
			if ep.attached {
				ep.hand(ev)
			}
		}
		if ev.Type == greenlane.EventConsignmentMerged {
			for _, ep := range e.endpoints {
				// The others come upon it when they read on.
				if ep.reached() >= e.position {
					ep.note(ev)
				}
			}
		}
		e.position = ev.Position
		if ev.Type == greenlane.EventEndpointCreated {
			// Changes of known ones are made by this loop itself.
			if err := e.appeared(ctx, ev.Subject.Number); err != nil {
				return err
			}
		}
	}
	e.sweep(len(events))
	if len(events) > 0 {
		for ep := range e.apart {
			e.touch(ep)
		}
	}
	return nil
}

// appeared loads an endpoint that was recorded, unless the loop has it, or another
// process serves it. To read all of them for one that this process made would hold
// up the others' deliveries.
func (e *Engine) appeared(ctx context.Context, number int64) error {
	row, s := e.made[number], e.slots[SlotOf(number)]
	delete(e.made, number)
	switch {
	case s == nil || s.leaving || e.endpoints[number] != nil:
		return nil
	case row == nil:
		return e.reload(ctx)
	}
	if err := e.load(ctx, row); err != nil {
		return e.tolerate(err)
	}
	return nil
}

// reload loads endpoints the loop does not know yet.
func (e *Engine) reload(ctx context.Context) error {
	if err := e.loadAll(ctx); err != nil {
		return e.tolerate(err)
	}
	return nil
}

// tolerate lets the loop live through storage that is briefly away; it looks
// again a little later.
func (e *Engine) tolerate(err error) error {
	if greenlane.KindOf(err) != greenlane.Unavailable {
		return err
	}
	e.later(flushPauseMax, func() {
		if err := e.reload(context.Background()); err != nil {
			e.log.Error("endpoints could not be read", "error", err)
		}
	})
	return nil
}

// spawn runs f outside the loop. Once sending has ended nothing more begins: the
// loop waits for what there is, and what comes back to it from there may ask for
// more. Only the loop calls it, and only the loop ends sending.
func (e *Engine) spawn(f func()) {
	if e.sending.Err() == nil {
		e.workers.Go(f)
	}
}

// later brings f to the loop after a pause, unless the engine ends before.
func (e *Engine) later(pause time.Duration, f func()) {
	e.spawn(func() {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		select {
		case <-timer.C:
			e.post(f)
		case <-e.sending.Done():
		}
	})
}

// post brings f to the loop. Its callers are goroutines the loop waits for or
// the hub's committer, which the loop never waits for, so it can't block for
// good.
func (e *Engine) post(f func()) {
	select {
	case e.inbox <- f:
	case <-e.ended:
	}
}

// pump lets every endpoint that something happened to go on.
func (e *Engine) pump() {
	e.wakeDue()
	for ep := range e.touched {
		delete(e.touched, ep)
		if !ep.gone {
			ep.pump()
		}
	}
}

// due is a lane that waits for a time or, without one, an endpoint.
type due struct {
	lane     *lane
	endpoint *endpoint
	at       time.Time
}

type dueHeap []due

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)        { *h = append(*h, x.(due)) }
func (h *dueHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// wakeDue moves lanes whose time has come to their endpoints' ready queues. A
// lane that was settled or moved meanwhile has another due time and is passed.
func (e *Engine) wakeDue() {
	now := e.clock()
	for len(e.due) > 0 && !e.due[0].at.After(now) {
		d := heap.Pop(&e.due).(due)
		if d.lane == nil || d.lane.state == laneSending {
			e.touch(d.endpoint)
		} else if d.lane.state == laneWaiting && d.lane.dueAt.Equal(d.at) {
			d.lane.ready()
		}
	}
}

func (e *Engine) wakeAt(l *lane, at time.Time) { heap.Push(&e.due, due{l, l.endpoint, at}) }

// wakeEndpoint lets an endpoint go on at a time.
func (e *Engine) wakeEndpoint(ep *endpoint, at time.Time) { heap.Push(&e.due, due{nil, ep, at}) }

func (e *Engine) untilDue() time.Duration {
	if len(e.due) == 0 {
		return time.Hour
	}
	return max(0, e.due[0].at.Sub(e.clock()))
}

// submit commits what an endpoint has gathered, under its slot's lease; done runs in
// the loop.
func (ep *endpoint) submit(u hub.Unit, done func(*hub.Outcome, error)) {
	e := ep.engine
	u.Held = ep.slot.lease.Held
	err := e.hub.Submit(u, func(o *hub.Outcome, err error) {
		e.post(func() { done(o, err) })
	})
	if err != nil {
		e.later(flushPause, func() { done(nil, err) })
	}
}

var errStopping = errors.New("delivery: stopping")
