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
			LaneID: l.id(), Head: position, Attempts: l.attempts, DueAt: now, State: store.LaneParked, Reason: reason,
			Revision: l.head.revision, OpenedAt: now,
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
			l.row, l.state = row, laneParked
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
		if ep.job != nil {
			// What the replay gives up was settled before. Should the process end before
			// the lane has gone on, it is tried once more.
			return &plan{u, func() { l.settle(ending{}) }}, nil
		}
		if generation > 1 {
			// A sending again has a lane of its own, and its event was settled before.
			u.Rows.Settled = []store.LaneID{l.row.LaneID}
			return &plan{u, func() { l.gone() }}, nil
		}
		skip := ep.skip(r, position, position, l.key, store.SkipEvent, reason)
		u.Rows.Skips = []*store.Skip{skip}
		return &plan{u, func() {
			ep.skips.add(skip)
			e.metrics.Skipped.Add(1)
			l.settle(ending{})
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
		if l := ep.lanes[laneKey{key, 1}]; l != nil {
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

// Redrive lets parked lanes go on, those with the oldest heads first, at most limit.
// The outcome has an event lane.resumed for each.
func (e *Engine) Redrive(ctx context.Context, r Request, limit int, reason string) (*hub.Outcome, error) {
	return e.change(ctx, r, func(ep *endpoint) (*plan, error) {
		var parked []*lane
		for _, l := range ep.lanes {
			if l.state == laneParked {
				parked = append(parked, l)
			}
		}
		slices.SortFunc(parked, func(a, b *lane) int { return cmp.Compare(a.head.position, b.head.position) })
		parked = parked[:min(len(parked), limit)]
		if len(parked) == 0 {
			return nil, greenlane.Errorf(greenlane.Conflict, "nothing_parked", "no lane of this endpoint is parked")
		}
		u := r.unit()
		rows := make([]*store.Lane, len(parked))
		for i, l := range parked {
			row := *l.row
			row.State, row.DueAt = store.LaneRetrying, e.clock()
			rows[i] = &row
			u.Commands = append(u.Commands, l.event(greenlane.EventLaneResumed, nil, reason, r.By))
		}
		u.Rows.Lanes = rows
		return &plan{u, func() {
			for i, l := range parked {
				if l.state == laneParked {
					l.row = rows[i]
					l.ready()
				}
			}
		}}, nil
	})
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
	if len(events) == 0 || generation != 1 || !ep.gets(events[0], false) {
		return nil, greenlane.Errorf(greenlane.NotFound, "not_found", "there is no such delivery in this account")
	}
	if ep.skipped(position, ep.keyOf(events[0])) || ep.past(events[0]) {
		return nil, settledAlready()
	}
	attempts, err := ep.engine.store.Attempts(ctx, ep.row.Number, position, 1)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(attempts, func(a *store.Attempt) bool { return a.Done }) {
		return nil, settledAlready()
	}
	return nil, greenlane.Errorf(greenlane.Conflict, "not_head", "this delivery waits for its turn behind another of its lane")
}

func settledAlready() error {
	return greenlane.Errorf(greenlane.Conflict, "settled", "this delivery was acknowledged or given up already")
}

// gone forgets a lane whose row was taken away together with what decided it.
func (l *lane) gone() {
	ep := l.endpoint
	if l.row != nil {
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
