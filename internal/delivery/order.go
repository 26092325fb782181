package delivery

import (
	"context"
	"fmt"
	"slices"

	"greenlane"
	"greenlane/internal/store"
)

// merge says that a consignment became part of another: beyond the position it
// has no events.
type merge struct{ from, at int64 }

// maxMerges is how many merges an endpoint keeps before it looks which of them
// still matter.
const maxMerges = 1024

func consignmentKey(number int64) int64 {
	return greenlane.Subject{Kind: greenlane.KindConsignment, Number: number}.Key()
}

// keyOf returns the lane of an event: its subject, its consignment as of when it
// was recorded, or itself where order does not matter.
func (ts *terms) keyOf(ev *greenlane.Event) int64 {
	switch ts.at(ev.Position).Ordering {
	case OrderNone:
		return -ev.Position
	case OrderConsignment:
		return consignmentKey(ev.Consignment)
	}
	return ev.Subject.Key()
}

// kin returns the keys of the lanes in which something may wait that must arrive
// before an event: that of its subject, of its consignment, and of those that
// became part of it before. Which of them there are depends on how the endpoint
// was ordered when they were opened.
func (ep *endpoint) kin(ev *greenlane.Event) []int64 {
	keys := []int64{ev.Subject.Key(), consignmentKey(ev.Consignment)}
	for i := 1; i < len(keys); i++ {
		for _, m := range ep.merges[keys[i]] {
			if m.at < ev.Position {
				keys = append(keys, consignmentKey(m.from))
			}
		}
	}
	return keys
}

// holder returns the lane that must go on before this one's head may be sent, nil
// when there is none. It always has an earlier head, so lanes never wait for each
// other in a circle.
func (l *lane) holder() *lane {
	ep := l.endpoint
	if l.head.event == nil {
		return nil
	}
	if ep.live != nil {
		if other := ep.live.before(l.head.event); other != nil {
			return other
		}
	}
	if !ep.joins || l.key < 0 {
		return nil
	}
	for _, key := range ep.kin(l.head.event) {
		other := ep.lanes[laneKey{key, l.generation}]
		if other != nil && other != l && other.head != nil && other.head.position < l.head.position {
			return other
		}
	}
	return nil
}

// before returns the endpoint's open lane that has not come past an event yet, nil
// when there is none: a replay must not overtake it.
func (ep *endpoint) before(ev *greenlane.Event) *lane {
	for _, key := range append(ep.kin(ev), -ev.Position) {
		l := ep.lanes[laneKey{key, 1}]
		if l != nil && l.head != nil && l.head.position <= ev.Position {
			return l
		}
	}
	return nil
}

// hold makes another lane wait until this one has gone on. What is urgent takes
// with it what it waits for.
func (l *lane) hold(other *lane) {
	other.held = l
	if !slices.Contains(l.holding, other) {
		l.holding = append(l.holding, other)
	}
	if other.urgent >= other.head.position {
		l.hasten(other.head.position)
	}
	l.endpoint.engine.touch(l.endpoint)
}

// release lets the lanes that waited for this one look again.
func (l *lane) release() {
	holding := l.holding
	l.holding = nil
	for _, other := range holding {
		if other.held != l {
			continue
		}
		other.held = nil
		if other.state == laneReady {
			other.ready()
		}
	}
}

// waits reports whether another lane must go on first.
func (l *lane) waits() bool { return l.state == laneReady && l.held != nil }

// behindParked reports whether a person must do something about another lane before
// this one goes on.
func (l *lane) behindParked() bool {
	for l.waits() {
		l = l.held
		if l.state == laneParked {
			return true
		}
	}
	return false
}

// waitsFor says in words what keeps a lane from being sent.
func (l *lane) waitsFor() string { return "waits for " + laneName(l.held.key) }

// note takes in that two consignments became one. Events are looked at in the
// order of the log, so it is known before anything that comes after it.
func (ep *endpoint) note(ev *greenlane.Event) {
	if !ep.joins || ev.Account != ep.row.Account {
		return
	}
	from, into, ok := greenlane.MergeOf(ev)
	if !ok {
		return
	}
	key := consignmentKey(into)
	m := merge{from, ev.Position}
	if slices.Contains(ep.merges[key], m) {
		return
	}
	if ep.merges == nil {
		ep.merges = map[int64][]merge{}
	}
	if len(ep.merges) >= maxMerges {
		ep.forgetMerges()
	}
	ep.merges[key] = append(ep.merges[key], m)
}

// forgetMerges drops what no open lane needs any more.
func (ep *endpoint) forgetMerges() {
	for key, list := range ep.merges {
		list = slices.DeleteFunc(list, func(m merge) bool {
			from := consignmentKey(m.from)
			return m.at <= ep.passed && ep.lanes[laneKey{from, ep.generation}] == nil && len(ep.merges[from]) == 0
		})
		if ep.merges[key] = list; len(list) == 0 {
			delete(ep.merges, key)
		}
	}
}

// mergesAmong returns those of the events with which consignments became one.
func mergesAmong(events []*greenlane.Event) []*greenlane.Event {
	var merges []*greenlane.Event
	for _, ev := range events {
		if ev.Type == greenlane.EventConsignmentMerged {
			merges = append(merges, ev)
		}
	}
	return merges
}

// recall reads, at start, what lanes that were reopened need to know whom they
// wait for: their heads, and which consignments became part of which.
func (ep *endpoint) recall(ctx context.Context) error {
	if !ep.joins && ep.live == nil {
		return nil
	}
	heads := map[int64]*lane{}
	var positions []int64
	for _, l := range ep.lanes {
		if l.head != nil && (l.key > 0 || ep.live != nil) {
			heads[l.head.position] = l
			positions = append(positions, l.head.position)
		}
	}
	looked := map[int64]bool{}
	for some := range slices.Chunk(positions, readAtOnce) {
		events, err := ep.engine.store.EventsAt(ctx, some)
		if err != nil {
			return err
		}
		for _, ev := range events {
			heads[ev.Position].head.event = ev
		}
		if !ep.joins {
			continue
		}
		rows, err := ep.engine.store.Load(ctx, subjectsOf(events))
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := ep.recallMerges(ctx, row, looked); err != nil {
				return err
			}
		}
	}
	return nil
}

func subjectsOf(events []*greenlane.Event) []greenlane.Subject {
	out := make([]greenlane.Subject, len(events))
	for i, ev := range events {
		out[i] = ev.Subject
	}
	return out
}

// recallMerges takes in how the consignment a subject belongs to now came
// together.
func (ep *endpoint) recallMerges(ctx context.Context, row *store.SubjectRow, looked map[int64]bool) error {
	if row == nil {
		return nil
	}
	for next := []int64{row.Consignment}; len(next) > 0; next = next[1:] {
		if looked[next[0]] {
			continue
		}
		looked[next[0]] = true
		positions, err := ep.engine.store.Positions(ctx, greenlane.SubjectFromKey(consignmentKey(next[0])), 0, greenlane.MaxConsignment)
		if err != nil {
			return err
		}
		events, err := ep.engine.store.EventsAt(ctx, positions)
		if err != nil {
			return err
		}
		for _, ev := range events {
			ep.note(ev)
			if from, _, ok := greenlane.MergeOf(ev); ok {
				next = append(next, from)
			}
		}
	}
	return nil
}

// laneEvents returns positions beyond one at which events of a lane may be, those
// of its subject or of the subjects of its consignment, at most readAtOnce. head
// is the lane's present head, by which the consignment is found: it may have
// become part of another.
func (e *Engine) laneEvents(ctx context.Context, key, head, after int64) ([]int64, error) {
	s := greenlane.SubjectFromKey(key)
	if s.Kind != greenlane.KindConsignment {
		return e.store.Positions(ctx, s, after, readAtOnce)
	}
	events, err := e.store.EventsAt(ctx, []int64{head})
	if err != nil || len(events) == 0 {
		return nil, err
	}
	rows, err := e.store.Load(ctx, []greenlane.Subject{events[0].Subject})
	if err != nil {
		return nil, err
	}
	if rows[0] == nil {
		return nil, fmt.Errorf("the store has no row of %s", events[0].Subject)
	}
	members, err := e.store.Members(ctx, rows[0].Consignment)
	if err != nil {
		return nil, err
	}
	var all []int64
	for _, m := range members {
		list, err := e.store.Positions(ctx, m, after, readAtOnce)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	slices.Sort(all)
	return all[:min(len(all), readAtOnce)], nil
}
