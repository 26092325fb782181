package delivery

import (
	"context"
	"errors"
	"slices"
	"time"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/store"
)

const (
	// sweepFirst is how long after the start attempts are first looked at, and
	// sweepPause how often after that.
	sweepFirst = 5 * time.Minute
	sweepPause = time.Hour
	// sweepScan is how many attempts one read looks at, sweepAtOnce how many one
	// transaction removes.
	sweepScan   = 1000
	sweepAtOnce = 250
	// sweepRest is how many times as long as a transaction took is waited after it:
	// others have at least so much of the time.
	sweepRest = 4
	// talliesKept is how long what hours add up to is kept.
	talliesKept = MostReported + 24*time.Hour
)

// Keeper removes attempts that are older than they are kept, and tallies that are
// too old for any report.
//
// What matters still is never removed, however old: the record of an
// acknowledgement beyond the cursor of the endpoint or of a replay, which the
// engine reads after a crash; attempts of what is in an open lane; and what alone
// tells that an event arrived, because a record says that it was skipped, or
// because only a replay wanted it. That all else at or below a cursor arrived
// follows from the cursor, so that removing its attempts changes no delivery's
// state.
type Keeper struct {
	engine *Engine
	keep   time.Duration
}

// NewKeeper makes a keeper that keeps attempts for a while, for ever if that is
// zero. It starts nothing.
func NewKeeper(e *Engine, keep time.Duration) *Keeper { return &Keeper{e, keep} }

// Run sweeps every hour until ctx ends. Failures are logged, and the next sweep
// begins where they left it. The engine must run meanwhile; the error is nil.
func (k *Keeper) Run(ctx context.Context) error {
	timer := time.NewTimer(sweepFirst)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		n, err := k.Sweep(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			k.engine.log.Error("old attempts were not all removed", "removed", n, "error", err)
		case n > 0:
			k.engine.log.Info("old attempts removed", "attempts", n)
		}
		timer.Reset(sweepPause)
	}
}

// Sweep removes what is too old by now and returns how many attempts that were.
// It works in small transactions, in the place in the queue of those that nobody
// waits for, and rests after each. With an error, what was removed is gone.
func (k *Keeper) Sweep(ctx context.Context) (removed int, err error) {
	e := k.engine
	now := e.clock()
	if _, err := e.store.ForgetTallies(ctx, now.Add(-talliesKept)); err != nil || k.keep == 0 {
		return 0, err
	}
	before := now.Add(-k.keep)
	// What was recorded later was sent later.
	last, err := e.store.PositionAt(ctx, before)
	q := store.OldAttemptQuery{Last: last, Before: before, Scan: sweepScan}
	for err == nil {
		var page store.OldAttemptPage
		if page, err = e.store.OldAttempts(ctx, q); err != nil {
			break
		}
		var ids []store.AttemptID
		if ids, err = e.dispensable(ctx, page.Attempts); err != nil {
			break
		}
		for some := range slices.Chunk(ids, sweepAtOnce) {
			if err = k.remove(ctx, some); err != nil {
				return removed, err
			}
			removed += len(some)
		}
		if !page.More {
			break
		}
		q.After = page.Reached
	}
	return removed, err
}

// remove takes attempts away, and rests.
func (k *Keeper) remove(ctx context.Context, ids []store.AttemptID) error {
	begin := k.engine.clock()
	if _, err := k.engine.hub.Do(ctx, hub.Unit{Lazy: true, Rows: hub.Rows{Expired: ids}}); err != nil {
		return err
	}
	rest := time.NewTimer(sweepRest * k.engine.clock().Sub(begin))
	defer rest.Stop()
	select {
	case <-rest.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// verdict says whether an attempt may be removed.
type verdict int

const (
	verdictKeep verdict = iota
	verdictRemove
	// verdictAsk depends on the event.
	verdictAsk
	// verdictUnknown is of an endpoint the loop does not have.
	verdictUnknown
)

// dispensable returns those of the attempts that nothing depends on.
func (e *Engine) dispensable(ctx context.Context, list []store.OldAttempt) ([]store.AttemptID, error) {
	if len(list) == 0 {
		return nil, ctx.Err()
	}
	verdicts := make([]verdict, len(list))
	err := e.ask(ctx, func(reply func(error)) {
		heads := map[int64]map[int64]bool{}
		for i, a := range list {
			ep := e.endpoints[a.Endpoint]
			if ep == nil {
				verdicts[i] = verdictUnknown
				continue
			}
			if heads[a.Endpoint] == nil {
				heads[a.Endpoint] = ep.heads()
			}
			verdicts[i] = ep.dispensable(a, heads[a.Endpoint])
		}
		reply(nil)
	})
	if err != nil {
		return nil, err // the loop may be about to judge still
	}
	return e.resolve(ctx, list, verdicts)
}

// resolve settles the verdicts that the loop could not.
func (e *Engine) resolve(ctx context.Context, list []store.OldAttempt, verdicts []verdict) (_ []store.AttemptID, err error) {
	if slices.Contains(verdicts, verdictUnknown) {
		err = e.ofDeleted(ctx, list, verdicts)
	}
	if slices.Contains(verdicts, verdictAsk) && err == nil {
		err = e.byEvents(ctx, list, verdicts)
	}
	var ids []store.AttemptID
	for i, a := range list {
		if verdicts[i] == verdictRemove {
			ids = append(ids, a.AttemptID)
		}
	}
	return ids, err
}

// heads are the positions that are tried in lanes, replays' among them.
func (ep *endpoint) heads() map[int64]bool {
	out := map[int64]bool{}
	for _, way := range ep.ways() {
		for _, l := range way.lanes {
			if l.head != nil {
				out[l.head.position] = true
			}
		}
	}
	return out
}

// dispensable judges an attempt by what the loop knows. The cursor never goes
// back, and no lane opens below it but for sending again what was settled.
func (ep *endpoint) dispensable(a store.OldAttempt, heads map[int64]bool) verdict {
	way := ep.wayOf(store.LaneID{Generation: a.Generation})
	switch {
	case a.Position > ep.recorded || a.Position > way.recorded || heads[a.Position]:
		return verdictKeep
	case !a.Done && a.Generation == 1:
		// It tells of no arrival.
		return verdictRemove
	case ep.skips.find(a.Position, 0) != nil:
		return verdictKeep
	case len(ep.skips.lanes) > 0 || a.Generation > 1:
		return verdictAsk
	}
	return verdictRemove
}

// ofDeleted lets go of the attempts of endpoints that are no more.
func (e *Engine) ofDeleted(ctx context.Context, list []store.OldAttempt, verdicts []verdict) error {
	rows, err := e.store.AllEndpoints(ctx)
	if err != nil {
		return err
	}
	living := map[int64]bool{}
	for _, row := range rows {
		living[row.Number] = true
	}
	for i, a := range list {
		if verdicts[i] == verdictUnknown && !living[a.Endpoint] {
			verdicts[i] = verdictRemove
		}
	}
	return nil
}

// byEvents settles what depends on the events: whether a record skips one depends
// on its lane, and a replay may have sent what the endpoint did not want.
func (e *Engine) byEvents(ctx context.Context, list []store.OldAttempt, verdicts []verdict) error {
	var positions []int64
	views := map[int64]*view{}
	for i, a := range list {
		if verdicts[i] == verdictAsk {
			positions = append(positions, a.Position)
			views[a.Endpoint] = nil
		}
	}
	events, err := e.store.EventsAt(ctx, slices.Compact(positions))
	if err != nil {
		return err
	}
	at := map[int64]*greenlane.Event{}
	for _, ev := range events {
		at[ev.Position] = ev
	}
	err = e.ask(ctx, func(reply func(error)) {
		for number := range views {
			if ep := e.endpoints[number]; ep != nil {
				views[number] = ep.snapshot()
			}
		}
		reply(nil)
	})
	if err != nil {
		return err
	}
	for i, a := range list {
		ev, v := at[a.Position], views[a.Endpoint]
		if verdicts[i] == verdictAsk && ev != nil && v != nil && v.settles(ctx, ev) {
			verdicts[i] = verdictRemove
		}
	}
	return nil
}

// settles reports whether that an event was settled follows from the cursor: the
// endpoint's settings wanted it, and no record skips it.
func (v *view) settles(ctx context.Context, ev *greenlane.Event) bool {
	return v.skips.of(ev) == nil && v.wants(ctx, ev) && ctx.Err() == nil
}

// past reports whether the cursor is beyond an event and the event does not wait
// in an open lane: it was settled, whether its attempts are kept or not.
func (ep *endpoint) past(ev *greenlane.Event) bool {
	l := ep.lanes[laneKey{ep.keyOf(ev), 1}]
	return ev.Position <= ep.passed && (l == nil || l.row == nil || l.head == nil || ev.Position < l.head.position)
}

// former returns the generation that an event was sent in last, 1 at least, and
// whether attempts tell that it was sent. Where they have expired it is the highest
// that was given to any.
func (ep *endpoint) former(ctx context.Context, position int64) (generation int, tried bool, err error) {
	attempts, err := ep.engine.store.Attempts(ctx, ep.row.Number, position, 0)
	if err != nil {
		return 0, false, err
	}
	if len(attempts) > 0 {
		return attempts[len(attempts)-1].Generation, true, nil
	}
	events, err := ep.engine.store.EventsAt(ctx, []int64{position})
	if err != nil || len(events) == 0 || ep.skips.of(events[0]) != nil || !ep.past(events[0]) {
		return 1, false, err
	}
	return max(1, ep.row.Generation), false, nil
}

// CheckKept returns an error unless attempts may be kept so long: an hour at
// least, or zero for ever.
func CheckKept(keep time.Duration) error {
	if keep != 0 && keep < time.Hour {
		return errors.New("attempts are kept for an hour at least")
	}
	return nil
}
