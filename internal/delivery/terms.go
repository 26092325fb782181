package delivery

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"greenlane"
	"greenlane/internal/filter"
	"greenlane/internal/store"
)

// term is a revision of an endpoint's settings, ready to judge events by. It may
// be used from any goroutine, but for what the loop owns.
type term struct {
	*Settings
	number int
	// compiled returns the filter, made when an event is first judged by it: most
	// revisions are not asked any more.
	compiled func() (*filter.Filter, error)
	// windows are those of maintenance, urgent the types that are sent nevertheless.
	windows []*window
	urgent  map[greenlane.EventType]bool
	// failures counts the events that the filter failed on.
	failures atomic.Int64

	// Owned by the loop: how many of the latest evaluations took long, and whether
	// the loop leaves them to others because of that.
	judged, slow int
	dear         bool
}

// The loop judges events itself as long as that costs it little. Filters of
// which many evaluations take longer than slowFilter are left to goroutines.
const (
	slowFilter = 100 * time.Microsecond
	slowWindow = 64
	slowMost   = 16
)

func newTerm(r *store.Revision) (*term, error) {
	s, err := ReadSettings(r)
	if err != nil {
		return nil, fmt.Errorf("revision %d: %w", r.Number, err)
	}
	return termOf(s, r.Number)
}

// termOf makes settings ready to judge by, as the revision of a number.
func termOf(s *Settings, number int) (*term, error) {
	t := &term{Settings: s, number: number}
	var err error
	if t.windows, err = parseWindows(t.Maintenance); err != nil {
		return nil, fmt.Errorf("revision %d: %w", number, err)
	}
	urgent := Settings{Events: t.UrgentTypes}
	t.urgent = setOf(urgent.Types())
	text := t.Filter
	t.compiled = sync.OnceValues(func() (*filter.Filter, error) { return filter.Compile(text) })
	return t, nil
}

// passes reports whether the filter lets an event through, and if it can't tell,
// why. Then it does: who gets an event too many can see that, who misses one can
// not.
func (t *term) passes(ctx context.Context, in *filter.Input) (bool, error) {
	f, err := t.compiled()
	if err != nil {
		return true, err
	}
	ok, err := f.Matches(ctx, in)
	return ok || err != nil, err
}

// spent takes in how long the loop was held up by an evaluation. The garbage
// collector makes some of any filter take long, hence the share.
func (t *term) spent(d, slow time.Duration) {
	t.judged++
	if d > slow {
		t.slow++
	}
	if t.slow >= slowMost {
		t.dear = true
	} else if t.judged >= slowWindow {
		t.judged, t.slow = 0, 0
	}
}

// terms are an endpoint's revisions, each valid from a position. They are
// replaced as a whole, never changed.
type terms struct {
	// history has them oldest first, byNumber ready to judge by.
	history  []*store.Revision
	byNumber map[int]*term
	// latest is the newest, and wants what types it takes.
	latest *term
	wants  map[greenlane.EventType]bool
	// joins: some of them keep consignments in order.
	joins bool
	// narrow is what a replay takes of all that, nil for an endpoint.
	narrow *narrowing
}

func newTerms(history []*store.Revision) (terms, error) {
	ts := terms{byNumber: map[int]*term{}}
	if len(history) == 0 {
		return ts, fmt.Errorf("it has no settings")
	}
	for _, r := range history {
		t, err := newTerm(r)
		if err != nil {
			return ts, err
		}
		ts.add(r, t)
	}
	ts.wants = setOf(ts.latest.Types())
	return ts, nil
}

// add puts a revision at the end of terms that are being made.
func (ts *terms) add(r *store.Revision, t *term) {
	ts.history = append(ts.history, r)
	ts.byNumber[r.Number], ts.latest = t, t
	ts.joins = ts.joins || t.Ordering == OrderConsignment
}

func setOf(types []greenlane.EventType) map[greenlane.EventType]bool {
	set := map[greenlane.EventType]bool{}
	for _, t := range types {
		set[t] = true
	}
	return set
}

// and returns the terms with one more revision. What the earlier ones found out
// is kept.
func (ts *terms) and(r *store.Revision) (terms, error) {
	t, err := newTerm(r)
	if err != nil {
		return terms{}, err
	}
	more := terms{history: slices.Clip(ts.history), byNumber: maps.Clone(ts.byNumber), joins: ts.joins, narrow: ts.narrow}
	more.add(r, t)
	more.wants = setOf(t.Types())
	return more, nil
}

// at returns the settings that hold for a position.
func (ts *terms) at(position int64) *term { return ts.byNumber[revisionAt(ts.history, position)] }

// typed reports whether the settings that hold for an event want its type.
func (ts *terms) typed(ev *greenlane.Event) (*term, bool) {
	t := ts.at(ev.Position)
	if !ts.narrow.takes(ev) {
		return t, false
	}
	if t == ts.latest {
		return t, ts.wants[ev.Type]
	}
	return t, t.Matches(ev.Type)
}

// typesAfter returns the types that any settings want that hold beyond a
// position.
func (ts *terms) typesAfter(position int64) []greenlane.EventType {
	var types []greenlane.EventType
	for number := ts.at(position + 1).number; number <= ts.latest.number; number++ {
		types = append(types, ts.byNumber[number].Types()...)
	}
	if ts.joins {
		types = append(types, greenlane.EventConsignmentMerged)
	}
	slices.Sort(types)
	return slices.Compact(types)
}

// jury judges events by an endpoint's terms as they were when it was called,
// outside the loop.
type jury struct {
	terms
	engine  *Engine
	row     *store.Endpoint
	account *greenlane.Account
}

func (ep *endpoint) jury() *jury {
	return &jury{ep.terms, ep.engine, ep.row, ep.engine.hub.Account(ep.row.Account)}
}

// wanted returns those of the events that the endpoint wants, in place. Once the
// context has ended, they mean nothing.
func (j *jury) wanted(ctx context.Context, events []*greenlane.Event) []*greenlane.Event {
	n := 0
	for _, ev := range events {
		t, ok := j.typed(ev)
		ok = ok && j.passes(ctx, t, ev) && (j.narrow == nil || j.passes(ctx, j.narrow.term, ev))
		if ok {
			events[n] = ev
			n++
		}
	}
	clear(events[n:])
	return events[:n]
}

// passes reports whether a term's filter lets an event through.
func (j *jury) passes(ctx context.Context, t *term, ev *greenlane.Event) bool {
	if t.Filter == "" {
		return true
	}
	ok, err := t.passes(ctx, filter.NewInput(ev, j.account))
	if err != nil && ctx.Err() == nil {
		j.engine.unjudged(t, j.row, ev, err)
	}
	return ok
}

// unjudged takes in that a filter failed on an event. It is logged once for each
// revision: who wrote the filter looks at the counter.
func (e *Engine) unjudged(t *term, row *store.Endpoint, ev *greenlane.Event, err error) {
	e.metrics.FilterErrors.Add(1)
	if t.failures.Add(1) == 1 {
		e.log.Warn("an endpoint's filter failed on an event, which is delivered; further ones are only counted",
			"endpoint", row.EndpointID(), "revision", t.number, "position", ev.Position, "type", ev.Type, "error", err)
	}
}

// passes reports in the loop whether a term's filter lets an event through.
func (ep *endpoint) passes(t *term, ev *greenlane.Event) bool {
	if t.Filter == "" {
		return true
	}
	begin := time.Now()
	ok, err := t.passes(context.Background(), ep.engine.input(ev))
	t.spent(time.Since(begin), ep.engine.slowFilter)
	if err != nil {
		ep.engine.unjudged(t, ep.row, ev, err)
	}
	return ok
}

// input returns an event as filters see it. The loop comes to one event after
// the other, each for several endpoints, so the latest is kept.
func (e *Engine) input(ev *greenlane.Event) *filter.Input {
	if e.judging == nil || e.judging.Event() != ev {
		e.judging = filter.NewInput(ev, e.hub.Account(ev.Account))
	}
	return e.judging
}

// hand gives an attached endpoint an event of a type it wants, if its filter
// lets it through. An endpoint whose filter turns out to be dear reads for
// itself from then on, and holds up nobody.
func (ep *endpoint) hand(ev *greenlane.Event) {
	if ep.passes(ep.latest, ev) {
		ep.offer(ev)
	} else if ev.Position >= ep.recorded+idleStride {
		// The cursor goes on where nothing passes, or all of it would be judged
		// again after a start.
		ep.engine.touch(ep)
	}
	if ep.latest.dear && ep.attached {
		ep.detach(ev.Position)
		ep.engine.apart[ep] = true
	}
}

// outside reports whether a detached endpoint judges events outside the loop:
// where its filter is dear, or there are many.
func (ep *endpoint) outside() bool {
	return ep.latest.Filter != "" && (ep.latest.dear || ep.engine.position-ep.read > judgeAtOnce)
}
