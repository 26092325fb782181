package greenlane_test

import (
	"testing"
	"time"

	"greenlane"
)

// world runs commands against states in memory, as the hub does against a store.
type world struct {
	t      testing.TB
	now    time.Time
	states map[greenlane.Subject]greenlane.State
	refs   map[greenlane.Reference][]greenlane.Subject
	log    []*greenlane.Event
	next   int64
	env    greenlane.Env
}

func newWorld(t testing.TB) *world {
	return &world{
		t: t, now: time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC),
		states: map[greenlane.Subject]greenlane.State{}, refs: map[greenlane.Reference][]greenlane.Subject{},
	}
}

func (w *world) Find(r greenlane.Reference) []greenlane.Subject { return w.refs[r] }

func (w *world) State(s greenlane.Subject) greenlane.State { return w.states[s] }

// do decides a command, applies its events and those that follow.
func (w *world) do(c greenlane.Command) ([]*greenlane.Event, error) { return w.run(c, 0) }

func (w *world) run(c greenlane.Command, depth int) ([]*greenlane.Event, error) {
	if depth > greenlane.FollowDepth {
		w.t.Fatalf("commands follow too deep: %T", c)
	}
	self, err := w.target(c)
	if err != nil {
		return nil, err
	}
	state := w.states[self]
	if state == nil {
		state = greenlane.NewState(self.Kind)
	}
	env := &greenlane.Env{
		Neighbours: w, Now: w.now, Self: self, ReceivedAt: w.now, MessageID: "msg_test",
		Account: &greenlane.Account{Number: 1, Domain: "example.com", Region: "US"},
	}
	drafts, err := state.Decide(env, c)
	if depth == 0 {
		w.env = *env
	}
	if err != nil {
		return nil, err
	}
	var events []*greenlane.Event
	for _, d := range drafts {
		e := w.append(self, d)
		events = append(events, e)
		for _, follow := range greenlane.Follow(env, e, w.states[self]) {
			more, err := w.run(follow, depth+1)
			if err != nil {
				w.t.Fatalf("command %T that follows from %s: %v", follow, e.Type, err)
			}
			events = append(events, more...)
		}
	}
	return events, nil
}

func (w *world) target(c greenlane.Command) (greenlane.Subject, error) {
	target, err := c.Target(w)
	if err != nil {
		return greenlane.Subject{}, err
	}
	if target.Number != 0 {
		return greenlane.Subject{Kind: target.Kind, Number: target.Number}, nil
	}
	for _, ref := range target.By {
		for _, s := range w.refs[ref] {
			if s.Kind == target.Kind {
				return s, nil
			}
		}
	}
	if !target.Create {
		return greenlane.Subject{}, greenlane.Errorf(greenlane.NotFound, "not_found", "unmatched")
	}
	w.next++
	return greenlane.Subject{Kind: target.Kind, Number: w.next}, nil
}

// append applies one draft twice, from its typed body and from its stored form,
// and holds that both give the same state.
func (w *world) append(self greenlane.Subject, d greenlane.Draft) *greenlane.Event {
	w.t.Helper()
	e := &greenlane.Event{
		Position: int64(len(w.log) + 1), Type: d.Type, Subject: self, OccurredAt: greenlane.Micro(d.OccurredAt),
		Late: d.Late, Body: d.Body,
	}
	if err := e.Encode(); err != nil {
		w.t.Fatal(err)
	}
	state := w.states[self]
	if state == nil {
		state = greenlane.NewState(self.Kind)
	}
	typed := w.apply(state, e)
	stored := *e
	stored.Body = nil
	if err := stored.Decode(); err != nil {
		w.t.Fatal(err)
	}
	if a, b := w.encode(typed), w.encode(w.apply(state, &stored)); a != b {
		w.t.Fatalf("event %s folds differently from its stored form:\ntyped  %s\nstored %s", e.Type, a, b)
	}
	kept, err := greenlane.DecodeState(self.Kind, []byte(w.encode(typed)))
	if err != nil {
		w.t.Fatal(err)
	}
	if a, b := w.encode(typed), w.encode(kept); a != b {
		w.t.Fatalf("state of %s changes when stored:\nbefore %s\nafter  %s", self, a, b)
	}
	w.states[self] = kept
	for _, r := range kept.References() {
		w.index(r, self)
	}
	w.log = append(w.log, e)
	return e
}

func (w *world) apply(s greenlane.State, e *greenlane.Event) greenlane.State {
	w.t.Helper()
	next, err := s.Apply(e)
	if err != nil {
		w.t.Fatalf("apply %s: %v", e.Type, err)
	}
	return next
}

func (w *world) encode(s greenlane.State) string {
	b, err := greenlane.EncodeState(s)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(b)
}

func (w *world) index(r greenlane.Reference, s greenlane.Subject) {
	for _, have := range w.refs[r] {
		if have == s {
			return
		}
	}
	w.refs[r] = append(w.refs[r], s)
}

// must runs a command that the rules must accept.
func (w *world) must(c greenlane.Command) []*greenlane.Event {
	w.t.Helper()
	events, err := w.do(c)
	if err != nil {
		w.t.Fatalf("%T: %v", c, err)
	}
	return events
}

func types(events []*greenlane.Event) []string {
	names := []string{}
	for _, e := range events {
		names = append(names, string(e.Type))
	}
	return names
}
