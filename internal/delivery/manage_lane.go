package delivery

import (
	"cmp"
	"context"
	"slices"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/store"
)

// Park keeps a delivery, and what waits behind it, from being tried until somebody
// retries, skips or discards it. It must be the head of its lane.
func (e *Engine) Park(ctx context.Context, r Request, position int64, generation int, reason string) (*hub.Outcome, error) {
	r.position, r.generation = position, generation
	return e.change(ctx, r, func(ep *endpoint) (*plan, error) {
		l, err := ep.headed(ctx, position, generation)
		if err != nil {
			return nil, err
		}
		if l.state == laneParked {
			return nil, greenlane.Errorf(greenlane.Conflict, "already_parked", "this delivery is parked: %s", l.row.Reason)
		}
		now := e.clock()
		row := &store.Lane{
			LaneID: l.id(), Head: position, Attempts: l.attempts, Probes: l.probes, DueAt: now, State: store.LaneParked, Reason: reason,
			Revision: l.head.revision, OpenedAt: now, Urgent: l.urgent,
		}
		if l.row != nil {
			row.OpenedAt = l.row.OpenedAt
		}
		u := r.unit()
		u.Rows.Lanes = []*store.Lane{row}
		u.Commands = []greenlane.Command{l.event(greenlane.EventLaneParked, nil, reason, r.By)}
		return &plan{u, func() {
			if l.row == nil {
				ep.open++
			}
			l.take(row)
			l.state = laneParked
			e.metrics.Parked.Add(1)
		}}, nil
	})
}

// Skip gives one delivery up; its lane goes on with the next. It must not have
// been acknowledged, nor be under way.
func (e *Engine) Skip(ctx context.Context, r Request, position int64, generation int, reason string) (*hub.Outcome, error) {
	r.position, r.generation = position, generation
	return e.change(ctx, r, func(ep *endpoint) (*plan, error) {
		l, err := ep.headed(ctx, position, generation)
		if greenlane.CodeOf(err) == "not_head" {
			return ep.skipWaiting(ctx, r, position, reason)
		}
		if err != nil {
			return nil, err
		}
		u := r.unit()
		u.Commands = []greenlane.Command{l.event(greenlane.EventLaneSkipped, nil, reason, r.By)}
		end := func() { l.settle(ending{}) }
		switch {
		case ep.job != nil:
			// What a replay gives up was settled before. Should the process end before
			// the lane has gone on, it is tried once more.
		case generation > 1:
			// A sending again has a lane of its own, and its event was settled before.
			u.Rows.Settled, end = []store.LaneID{l.row.LaneID}, l.gone
		default:
			skip := ep.skip(r, position, position, l.key, store.SkipEvent, reason)
			u.Rows.Skips = []*store.Skip{skip}
			end = func() { ep.skips.add(skip); l.settle(ending{}) }
		}
		return &plan{u, func() {
			e.metrics.Skipped.Add(1)
			end()
		}}, nil
	})
}

// skipWaiting gives up an event that waits behind another.
func (ep *endpoint) skipWaiting(ctx context.Context, r Request, position int64, reason string) (*plan, error) {
	events, err := ep.engine.store.EventsAt(ctx, []int64{position})
	if err != nil {
		return nil, err
	}
	key := ep.keyOf(events[0]) // headed has found it
	skip := ep.skip(r, position, position, key, store.SkipEvent, reason)
	waiting := &lane{endpoint: ep, laneKey: laneKey{key, 1}, head: &item{position: position, event: events[0]}}
	u := r.unit()
	u.Rows.Skips = []*store.Skip{skip}
	u.Commands = []greenlane.Command{waiting.event(greenlane.EventLaneSkipped, nil, reason, r.By)}
	return &plan{u, func() {
		ep.skips.add(skip)
		ep.engine.metrics.Skipped.Add(1)
		switch l := ep.lanes[laneKey{key, 1}]; {
		case l == nil:
		case l.head != nil && l.head.position == position:
			// Its turn came while this was recorded. Nothing began meanwhile.
			l.settle(ending{})
		default:
			l.drop(position)
		}
	}}, nil
}

// Discard gives up all that waits in a delivery's lane by now, the delivery with
// it. It must be the head of its lane.
func (e *Engine) Discard(ctx context.Context, r Request, position int64, generation int, reason string) (*hub.Outcome, error) {
	r.position, r.generation = position, generation
	return e.change(ctx, r, func(ep *endpoint) (*plan, error) {
		l, err := ep.headed(ctx, position, generation)
		if err != nil {
			return nil, err
		}
		if ep.job != nil {
			return nil, greenlane.Errorf(greenlane.Conflict, "replay", "this is a replay's delivery; skip it, or cancel the replay")
		}
		if generation > 1 {
			return nil, greenlane.Errorf(greenlane.Conflict, "single_delivery", "nothing waits behind a delivery that is sent again; skip it")
		}
		last := max(position, e.position)
		skip := ep.skip(r, position, last, l.key, store.SkipLane, reason)
		event := l.event(greenlane.EventLaneDiscarded, nil, reason, r.By).(greenlane.RecordEndpoint)
		data := event.Body.(greenlane.LaneChanged)
		data.Data.Through = last
		event.Body = data
		u := r.unit()
		u.Rows.Skips = []*store.Skip{skip}
		u.Commands = []greenlane.Command{event}
		if l.row != nil {
			u.Rows.Settled = []store.LaneID{l.row.LaneID}
		}
		return &plan{u, func() {
			ep.skips.add(skip)
			e.metrics.Skipped.Add(1)
			l.emptied(last)
		}}, nil
	})
}

// Redrive lets parked lanes go on at once, those with the oldest heads first, at
// most limit: those of a replay, or for 0 the endpoint's own. The outcome has an
// event lane.resumed for each.
func (e *Engine) Redrive(ctx context.Context, r Request, replay, limit int, reason string) (*hub.Outcome, error) {
	r.replay = replay
	return e.change(ctx, r, func(ep *endpoint) (*plan, error) {
		if err := ep.base().served(); err != nil {
			return nil, err
		}
		var parked []*lane
		for _, l := range ep.lanes {
			if l.state == laneParked {
				parked = append(parked, l)
			}
		}
		slices.SortFunc(parked, func(a, b *lane) int { return cmp.Compare(a.head.position, b.head.position) })
		parked = parked[:min(len(parked), limit)]
		if len(parked) == 0 {
			return nil, greenlane.Errorf(greenlane.Conflict, "nothing_parked", "no lane is parked")
		}
		u := r.unit()
		for _, l := range parked {
			u.Rows.Lanes = append(u.Rows.Lanes, l.dueNow())
			u.Commands = append(u.Commands, l.event(greenlane.EventLaneResumed, nil, reason, r.By))
		}
		return &plan{u, func() {
			for i, l := range parked {
				l.resume(u.Rows.Lanes[i])
			}
			ep.base().breaker.hurry(parked[0])
		}}, nil
	})
}

// dueNow returns the lane's row with its head due: who asks for it now has it now,
// also in maintenance.
func (l *lane) dueNow() *store.Lane {
	row := *l.row
	row.State, row.DueAt = store.LaneRetrying, l.endpoint.engine.clock()
	row.Urgent = max(row.Urgent, l.head.position)
	return &row
}

// resume lets a lane go on whose head somebody asked for; row is what was recorded
// of that, nil for a lane without one. Nothing began while it was.
func (l *lane) resume(row *store.Lane) {
	l.urgent = max(l.urgent, l.head.position)
	if row != nil {
		l.take(row)
	}
	l.ready()
}

func (ep *endpoint) skip(r Request, first, last, key int64, kind store.SkipKind, reason string) *store.Skip {
	return &store.Skip{
		Endpoint: ep.row.Number, First: first, Last: last, Lane: key, Kind: kind, Reason: reason, By: r.By, At: ep.engine.clock(),
	}
}

// headed returns the open lane that a delivery is the head of, if it is not under
// way. Errors say where the delivery is instead.
func (ep *endpoint) headed(ctx context.Context, position int64, generation int) (*lane, error) {
	for _, l := range ep.lanes {
		if l.head == nil || l.head.position != position || l.generation != generation {
			continue
		}
		switch l.state {
		case laneSending:
			return nil, greenlane.Errorf(greenlane.Conflict, "in_flight", "this delivery is being sent right now")
		case laneLoading, laneIdle:
			return nil, settledAlready()
		}
		return l, nil
	}
	events, err := ep.engine.store.EventsAt(ctx, []int64{position})
	if err != nil {
		return nil, err
	}
	attempts, err := ep.engine.store.Attempts(ctx, ep.row.Number, position, generation)
	if err != nil {
		return nil, err
	}
	if len(events) == 0 || generation == 1 && !ep.gets(events[0], false) || generation > 1 && len(attempts) == 0 {
		return nil, greenlane.Errorf(greenlane.NotFound, "not_found", "there is no such delivery in this account")
	}
	// What is sent again has a lane until it ends.
	if generation > 1 || ep.skipped(position, ep.keyOf(events[0])) || ep.past(events[0]) {
		return nil, settledAlready()
	}
	if slices.ContainsFunc(attempts, func(a *store.Attempt) bool { return a.Done }) {
		return nil, settledAlready()
	}
	return nil, greenlane.Errorf(greenlane.Conflict, "not_head", "this delivery waits for its turn behind another of its lane")
}

func settledAlready() error {
	return greenlane.Errorf(greenlane.Conflict, "settled", "this delivery was acknowledged or given up already")
}

// take makes a row that was recorded with a change the lane's. What became urgent
// meanwhile was buffered with the row as it had been, and is said of the new one.
func (l *lane) take(row *store.Lane) {
	l.row = row
	if row.Urgent < l.urgent {
		row := *row
		row.Urgent = l.urgent
		l.keep(&row)
	}
}

// gone forgets a lane whose row was taken away together with what decided it.
func (l *lane) gone() {
	ep := l.endpoint
	if l.row != nil {
		delete(ep.buffer.lanes, l.row.LaneID)
		l.row = nil
		ep.open--
	}
	l.advance()
	ep.engine.touch(ep)
}

// drop takes an event that was given up out of what waits in memory.
func (l *lane) drop(position int64) {
	l.queue = slices.DeleteFunc(l.queue, func(it *item) bool {
		if it.position == position {
			it.settled = true
		}
		return it.position == position
	})
	l.endpoint.engine.touch(l.endpoint)
}

// emptied ends a lane of which everything up to a position was given up.
func (l *lane) emptied(last int64) {
	l.done(ending{})
	l.queue = slices.DeleteFunc(l.queue, func(it *item) bool {
		if it.position <= last {
			it.settled = true
		}
		return it.position <= last
	})
	l.gone()
}
