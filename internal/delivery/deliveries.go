package delivery

import (
	"context"
	"crypto/sha256"
	"net/http"
	"slices"
	"time"

	"greenlane"
	"greenlane/internal/filter"
	"greenlane/internal/store"
)

// Status is how an endpoint is doing.
type Status struct {
	// ID is the endpoint's public identifier.
	ID string
	// Cursor is the position up to which everything is settled or waits behind
	// an open lane; Lag is how many events of the log lie beyond it.
	Cursor, Lag int64
	// Unsettled are events above the cursor that matched and are not settled.
	Unsettled int
	InFlight  int
	OpenLanes int
	Parked    int
	// Waiting are lanes whose head could be sent, no other having to go first, and
	// waits for a free place, for the endpoint's rate, or for the end of a
	// maintenance window or an outage.
	Waiting int
	// Oldest is when the oldest event was recorded that is in work and not
	// delivered, zero when there is none. Parked lanes do not count: they wait for a
	// person. What was not read from the log yet is younger than what was.
	Oldest time.Time
	// Stalled: a bound was reached, and nothing more is read until lanes settle;
	// or what was sent can't be recorded, and nothing more is sent until it can; or
	// its cursor is beyond the end of the log.
	Stalled bool
	// FilterErrors are events that the present filter failed on since the hub
	// started or the endpoint was changed. They are delivered.
	FilterErrors int64
	Breaker      BreakerStatus
	// Maintenance is when the windows that hold end, zero when none does.
	Maintenance time.Time
}

// Statuses returns the status of each endpoint of an account, by number.
func (e *Engine) Statuses(ctx context.Context, account int64) (map[int64]Status, error) {
	out := map[int64]Status{}
	err := e.ask(ctx, func(reply func(error)) {
		for number, ep := range e.endpoints {
			if ep.row.Account == account || account == 0 {
				out[number] = ep.status()
			}
		}
		reply(nil)
	})
	return out, err
}

// Recorded returns the status of an endpoint as far as it was recorded: where
// another process serves it, and that one can't be asked. Its cursor may be behind.
func (e *Engine) Recorded(ctx context.Context, row *store.Endpoint) (Status, error) {
	cursor, err := e.store.Cursor(ctx, cursorOwner(row.Number))
	if err != nil {
		return Status{}, err
	}
	s := Status{ID: row.EndpointID(), Cursor: cursor, Lag: max(0, e.hub.Head()-cursor)}
	lanes, err := e.store.Lanes(ctx, row.Number)
	if err != nil {
		return Status{}, err
	}
	for _, l := range lanes {
		s.OpenLanes++
		if l.State == store.LaneParked {
			s.Parked++
		}
	}
	broken, err := e.store.Breaker(ctx, row.Number)
	if err != nil {
		return Status{}, err
	}
	b := breaker{endpoint: &endpoint{row: row}, row: store.Breaker{State: store.BreakerClosed}}
	if broken != nil {
		b.row = *broken
	}
	s.Breaker = b.status()
	return s, nil
}

func (ep *endpoint) status() Status {
	ep.advance()
	s := Status{
		ID: ep.row.EndpointID(), Cursor: ep.passed, Lag: max(0, ep.engine.hub.Head()-ep.passed), InFlight: ep.inflight, OpenLanes: ep.open,
		Stalled: ep.full() || ep.refused || ep.astray, FilterErrors: ep.latest.failures.Load(), Breaker: ep.breaker.status(),
	}
	if ep.inMaintenance() {
		s.Maintenance = ep.maintenance.until
	}
	for _, it := range ep.window {
		if !it.settled {
			s.Unsettled++
		}
	}
	for _, l := range ep.lanes {
		switch l.state {
		case laneParked:
			s.Parked++
			continue
		case laneReady:
			if l.held == nil {
				s.Waiting++
			}
		}
		if at := l.since(); !at.IsZero() && (s.Oldest.IsZero() || at.Before(s.Oldest)) {
			s.Oldest = at
		}
	}
	return s
}

// since returns when the lane's head was recorded or, where that is not in memory,
// when the lane was opened for it; zero without a head.
func (l *lane) since() time.Time {
	switch {
	case l.head == nil || l.state == laneLoading:
		return time.Time{}
	case l.head.event != nil:
		return l.head.event.RecordedAt
	case l.row != nil:
		return l.row.OpenedAt
	}
	return time.Time{}
}

// DeliveryState is how far a delivery has come.
type DeliveryState string

// The states of a delivery.
const (
	DeliveryWaiting   DeliveryState = "waiting"
	DeliverySending   DeliveryState = "sending"
	DeliveryRetrying  DeliveryState = "retrying"
	DeliveryParked    DeliveryState = "parked"
	DeliveryDelivered DeliveryState = "delivered"
	DeliverySkipped   DeliveryState = "skipped"
	// DeliveryDiscarded: somebody gave up all that waited in its lane.
	DeliveryDiscarded DeliveryState = "discarded"
)

// DeliveryStates returns all states, for validation.
func DeliveryStates() []DeliveryState {
	return []DeliveryState{DeliveryWaiting, DeliverySending, DeliveryRetrying, DeliveryParked, DeliveryDelivered, DeliverySkipped, DeliveryDiscarded}
}

// Delivery is one event on its way to one endpoint.
type Delivery struct {
	Event      *greenlane.Event
	Endpoint   int64
	Generation int
	State      DeliveryState
	// Attempts made in this generation but for probes, and how many the schedule
	// has.
	Attempts, Schedule int
	// DueAt is when the next attempt is due, zero when none is planned.
	DueAt time.Time
	// Reason says why it is parked, skipped or retried.
	Reason string
	// Last is the latest attempt, nil when there was none or it has expired.
	Last *store.Attempt
	// Expired: it was settled so long ago that its attempts are not kept any more.
	Expired bool
}

// ID returns the delivery's public identifier.
func (d *Delivery) ID() string {
	return greenlane.DeliveryID(d.Endpoint, d.Event.Position, d.Generation)
}

// view is an endpoint as the loop sees it at one moment.
type view struct {
	terms
	row     *store.Endpoint
	account *greenlane.Account
	// recorded is the cursor on disk: what was acknowledged up to there is.
	recorded int64
	lanes    map[int64][]laneView
	// heads are the heads of the open lanes of first sendings, by their keys.
	heads map[int64]int64
	skips skipIndex
	// first is the first position in memory that is not settled, read how far the
	// log was looked at.
	first, read int64
	breaker     store.BreakerState
}

type laneView struct {
	generation, attempts, probes, revision int
	state                                  laneState
	gaveUp                                 bool
	dueAt                                  time.Time
	reason                                 string
}

func (e *Engine) view(ctx context.Context, account, number int64) (*view, error) {
	var v *view
	err := e.ask(ctx, func(reply func(error)) {
		ep, err := e.find(ctx, account, number)
		if err != nil {
			reply(err)
			return
		}
		v = ep.snapshot()
		reply(nil)
	})
	if err != nil {
		return nil, err // the loop may be about to make it still
	}
	return v, nil
}

func (ep *endpoint) snapshot() *view {
	v := &view{
		terms: ep.terms, row: ep.row, account: ep.engine.hub.Account(ep.row.Account), recorded: ep.recorded,
		lanes: map[int64][]laneView{}, heads: map[int64]int64{}, skips: ep.skips.clone(),
		first: ep.firstOpen(), read: ep.reached(), breaker: ep.breaker.row.State,
	}
	for _, way := range ep.ways() {
		way.show(v)
	}
	return v
}

// show puts the open lanes into a view.
func (ep *endpoint) show(v *view) {
	for _, l := range ep.lanes {
		if l.head == nil {
			continue
		}
		lv := laneView{generation: l.generation, attempts: l.attempts, probes: l.probes, revision: l.head.revision, state: l.state, gaveUp: l.gaveUp, dueAt: l.dueAt}
		if l.row != nil {
			lv.reason = l.row.Reason
		}
		if l.row != nil && l.generation == 1 && ep.live == nil {
			v.heads[l.key] = l.head.position
		}
		v.lanes[l.head.position] = append(v.lanes[l.head.position], lv)
	}
}

// wants reports whether the settings that hold for an event want it.
func (v *view) wants(ctx context.Context, ev *greenlane.Event) bool {
	t, ok := v.typed(ev)
	if ok && t.Filter != "" {
		ok, _ = t.passes(ctx, filter.NewInput(ev, v.account))
	}
	return ok
}

// delivery judges one event. It returns nil when the endpoint does not want it.
// Once the context has ended, it means nothing.
func (v *view) delivery(ctx context.Context, ev *greenlane.Event, last *store.Attempt) *Delivery {
	if last == nil && (ev.Position <= v.history[0].From || !v.wants(ctx, ev)) {
		return nil
	}
	s := v.at(ev.Position)
	d := &Delivery{Event: ev, Endpoint: v.row.Number, Generation: 1, State: DeliveryWaiting, Last: last, Schedule: s.Schedule.Attempts()}
	if last != nil {
		d.Generation, d.Attempts = last.Generation, last.Used()
		if last.Done {
			d.State = DeliveryDelivered
		}
		d.Reason = last.Error
	}
	open := false
	for _, l := range v.lanes[ev.Position] {
		if l.generation >= d.Generation {
			d.inLane(l)
			open = true
		}
	}
	switch {
	case !open && d.State == DeliveryWaiting:
		v.outOfLane(d)
	case d.State == DeliverySkipped:
		v.givenUp(d)
	}
	return d
}

// outOfLane judges an event that is not being tried, and of whose latest attempts
// none succeeded or is kept. What a skip does not speak for, and the cursor has
// passed, was acknowledged: nothing else is at or below a cursor but what waits
// behind an open lane's head.
func (v *view) outOfLane(d *Delivery) {
	if v.givenUp(d) || d.Generation == 1 && !v.past(d.Event) {
		return
	}
	if d.Generation > 1 {
		// It was sent again, and that was given up: a sending has a lane until it ends.
		d.State = DeliverySkipped
		return
	}
	d.State, d.Reason = DeliveryDelivered, ""
	d.Expired = d.Last == nil
}

// givenUp says of a delivery what the record says that gave it up, if there is one.
func (v *view) givenUp(d *Delivery) bool {
	skip := v.skips.of(d.Event)
	if skip == nil {
		return false
	}
	d.State, d.Reason = DeliverySkipped, skip.Reason
	if skip.Kind == store.SkipLane {
		d.State = DeliveryDiscarded
	}
	return true
}

// past reports whether the cursor is beyond an event, on disk, and the event does
// not wait in an open lane.
func (v *view) past(ev *greenlane.Event) bool {
	head, open := v.heads[v.keyOf(ev)]
	return ev.Position <= v.recorded && (!open || ev.Position < head)
}

func (d *Delivery) inLane(l laneView) {
	d.Generation, d.Attempts, d.Reason = l.generation, l.attempts, l.reason
	switch l.state {
	case laneSending:
		d.State = DeliverySending
	case laneWaiting:
		d.State, d.DueAt = DeliveryRetrying, l.dueAt
	case laneParked:
		d.State = DeliveryParked
	case laneReady:
		d.State = DeliveryWaiting
		if l.attempts+l.probes > 0 {
			d.State, d.DueAt = DeliveryRetrying, l.dueAt
		}
	case laneLoading:
		d.State = DeliveryDelivered
		if l.gaveUp {
			d.State = DeliverySkipped
		}
	}
}

// DeliveryQuery selects deliveries of an endpoint, newest event first.
type DeliveryQuery struct {
	Account, Endpoint int64
	// State limits to one; empty means all.
	State DeliveryState
	// Before is an exclusive upper bound on the position; 0 means none.
	Before int64
	Limit  int
}

// deliveryScan is how many events one listing looks at. One that found nothing by
// then looks on for emptyScan: few readers expect an empty page to be followed by
// others.
const (
	deliveryScan = 5000
	emptyScan    = 200 * time.Millisecond
)

// Deliveries lists deliveries. next is the bound to go on from, 0 at the end.
// A page may be short, even empty, although there is more: rare states are far
// apart.
func (e *Engine) Deliveries(ctx context.Context, q DeliveryQuery) (list []*Delivery, next int64, err error) {
	v, err := e.view(ctx, q.Account, q.Endpoint)
	if err != nil {
		return nil, 0, err
	}
	before, until := q.Before, e.clock().Add(emptyScan)
	for looked := 0; looked < deliveryScan || len(list) == 0 && e.clock().Before(until); {
		page, err := e.store.Events(ctx, store.EventQuery{
			Account: q.Account, Before: before, After: v.history[0].From, Desc: true, Limit: 200,
		})
		if err != nil {
			return nil, 0, err
		}
		looked += len(page.Events)
		more, err := e.judge(ctx, v, page.Events)
		if err != nil {
			return nil, 0, err
		}
		for _, d := range more {
			if q.State != "" && d.State != q.State {
				continue
			}
			list = append(list, d)
			if len(list) == q.Limit {
				return list, d.Event.Position, nil
			}
		}
		if !page.More {
			return list, 0, nil
		}
		before = page.Reached
	}
	return list, before, nil
}

func (e *Engine) judge(ctx context.Context, v *view, events []*greenlane.Event) ([]*Delivery, error) {
	positions := make([]int64, len(events))
	for i, ev := range events {
		positions[i] = ev.Position
	}
	attempts, err := e.store.LatestAttempts(ctx, v.row.Number, positions)
	if err != nil {
		return nil, err
	}
	var out []*Delivery
	for i, ev := range events {
		if d := v.delivery(ctx, ev, attempts[i]); d != nil {
			out = append(out, d)
		}
	}
	return out, ctx.Err()
}

// Delivery returns one delivery with all its attempts, each with the call as it
// was made: rebuilt, and checked against the digest kept with it.
func (e *Engine) Delivery(ctx context.Context, account, endpoint, position int64, generation int) (*Delivery, []AttemptDetail, error) {
	v, err := e.view(ctx, account, endpoint)
	if err != nil {
		return nil, nil, err
	}
	events, err := e.store.EventsAt(ctx, []int64{position})
	if err != nil {
		return nil, nil, err
	}
	missing := greenlane.Errorf(greenlane.NotFound, "not_found", "there is no such delivery in this account")
	if len(events) == 0 || events[0].Account != account {
		return nil, nil, missing
	}
	attempts, err := e.store.Attempts(ctx, endpoint, position, generation)
	if err != nil {
		return nil, nil, err
	}
	var last *store.Attempt
	if len(attempts) > 0 {
		last = attempts[len(attempts)-1]
	}
	// A later generation's lane says nothing about this one.
	v.lanes[position] = slices.DeleteFunc(v.lanes[position], func(l laneView) bool { return l.generation != generation })
	d := v.delivery(ctx, events[0], last)
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if d == nil || d.Generation != generation && last == nil {
		return nil, nil, missing
	}
	details := make([]AttemptDetail, len(attempts))
	for i, a := range attempts {
		details[i] = e.detail(v, events[0], a)
	}
	return d, details, nil
}

// AttemptDetail is an attempt with the call that was made.
type AttemptDetail struct {
	*store.Attempt
	Call *Call
	// Exact reports whether the rebuilt body has the digest of what was sent.
	Exact bool
}

// detail rebuilds the call of an attempt. The signature is left out: secrets
// may have changed, and it is of no use to anybody.
func (e *Engine) detail(v *view, ev *greenlane.Event, a *store.Attempt) AttemptDetail {
	s := v.latest.Settings
	if t := v.byNumber[a.Revision]; t != nil {
		s = t.Settings
	}
	in := Sending{
		Event: ev, Account: e.hub.Account(ev.Account), Format: s.Format, Attempt: a.Number,
		Left: s.Schedule.Attempts() - a.Used(), SentAt: a.SentAt, Secrets: v.row.Secrets, EazeKey: v.row.EazeKey,
	}
	call := e.sender.Build(s, in, a.Generation)
	return AttemptDetail{Attempt: a, Call: call, Exact: sha256.Sum256(call.Body) == a.BodyDigest}
}

// masked are headers whose value gives a secret away.
var masked = []string{"Webhook-Signature", "X-Opentrack-Signature", "Eaze-Signature"}

// Masked returns the call's headers with secrets and the owner's own header
// values covered.
func (c *Call) Masked() http.Header {
	out := c.Header.Clone()
	for _, name := range slices.Concat(masked, c.own) {
		if out.Get(name) != "" {
			out.Set(name, "********")
		}
	}
	return out
}
