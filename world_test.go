package greenlane_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"greenlane"
)

// world runs commands against states in memory, as the hub does against a store.
// It keeps the states as they were folded and refolds each event from its stored
// form beside, so that a difference between the two fails at once.
type world struct {
	t      rapid.TB
	now    time.Time
	states map[greenlane.Subject]greenlane.State
	refs   map[greenlane.Reference][]greenlane.Subject
	log    []*greenlane.Event
	next   int64
	env    greenlane.Env
}

func newWorld(t rapid.TB) *world {
	return &world{
		t: t, now: time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC),
		states: map[greenlane.Subject]greenlane.State{}, refs: map[greenlane.Reference][]greenlane.Subject{},
	}
}

func (w *world) Find(r greenlane.Reference) []greenlane.Subject { return w.refs[r] }

func (w *world) State(s greenlane.Subject) greenlane.State { return w.states[s] }

// do decides a command, applies its events and those that follow. A refusal is
// always an error that may be shown to the caller.
func (w *world) do(c greenlane.Command) ([]*greenlane.Event, error) {
	w.t.Helper()
	events, err := w.run(c, 0)
	var public *greenlane.Error
	if err != nil && (!errors.As(err, &public) || public.Kind == greenlane.Internal) {
		w.t.Fatalf("%T was refused with an internal error: %v", c, err)
	}
	return events, err
}

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
	before := w.encode(state)
	drafts, err := state.Decide(env, c)
	if after := w.encode(state); after != before {
		w.t.Fatalf("deciding %T changed the state:\nbefore %s\nafter  %s", c, before, after)
	}
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
	}
	for _, follow := range greenlane.Follow(env, events, w.states[self]) {
		more, err := w.run(follow, depth+1)
		if err != nil {
			w.t.Fatalf("command %T that follows from %T: %v", follow, c, err)
		}
		events = append(events, more...)
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
	before := w.encode(state)
	typed := w.apply(state, e)
	if after := w.encode(state); after != before {
		w.t.Fatalf("applying %s changed the state it was applied to:\nbefore %s\nafter  %s", e.Type, before, after)
	}
	if a, b := w.encode(typed), w.encode(w.apply(state, w.stored(e))); a != b {
		w.t.Fatalf("event %s folds differently from its stored form:\ntyped  %s\nstored %s", e.Type, a, b)
	}
	kept, err := greenlane.DecodeState(self.Kind, []byte(w.encode(typed)))
	if err != nil {
		w.t.Fatal(err)
	}
	if a, b := w.encode(typed), w.encode(kept); a != b {
		w.t.Fatalf("state of %s changes when stored:\nbefore %s\nafter  %s", self, a, b)
	}
	w.states[self] = typed
	for _, r := range typed.References() {
		w.index(r, self)
	}
	w.log = append(w.log, e)
	return e
}

// stored returns an event as it comes back from a store: without its body, and
// with times that went through microseconds.
func (w *world) stored(e *greenlane.Event) *greenlane.Event {
	back := *e
	back.Body = nil
	back.OccurredAt = greenlane.FromUnixMicro(greenlane.UnixMicro(e.OccurredAt))
	if err := back.Decode(); err != nil {
		w.t.Fatal(err)
	}
	return &back
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
	w.t.Helper()
	b, err := greenlane.EncodeState(s)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(b)
}

func (w *world) index(r greenlane.Reference, s greenlane.Subject) {
	if !slices.Contains(w.refs[r], s) {
		w.refs[r] = append(w.refs[r], s)
	}
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

// refused runs a command that the rules must refuse with a code.
func (w *world) refused(c greenlane.Command, code string) *greenlane.Error {
	w.t.Helper()
	log := len(w.log)
	_, err := w.do(c)
	var e *greenlane.Error
	if !errors.As(err, &e) || e.Code != code {
		w.t.Fatalf("%T: got %v, want %s", c, err, code)
	}
	if len(w.log) != log {
		w.t.Fatalf("%T was refused and recorded %v", c, types(w.log[log:]))
	}
	return e
}

// refold folds the whole log anew, from the stored form of its events, and
// holds that every state comes out as it is, byte for byte.
func (w *world) refold() {
	w.t.Helper()
	folded := map[greenlane.Subject]greenlane.State{}
	for _, e := range w.log {
		state := folded[e.Subject]
		if state == nil {
			state = greenlane.NewState(e.Subject.Kind)
		}
		folded[e.Subject] = w.apply(state, w.stored(e))
	}
	if len(folded) != len(w.states) {
		w.t.Fatalf("the log tells of %d subjects, there are %d", len(folded), len(w.states))
	}
	for s, state := range w.states {
		if is, want := w.encode(state), w.encode(folded[s]); is != want {
			w.t.Fatalf("%s is not what its events add up to:\nis     %s\nfolded %s", s, is, want)
		}
	}
}

func (w *world) declaration(number int64) *greenlane.Declaration {
	w.t.Helper()
	d, ok := w.states[greenlane.Subject{Kind: greenlane.KindDeclaration, Number: number}].(*greenlane.Declaration)
	if !ok {
		w.t.Fatalf("there is no declaration %d", number)
	}
	return d
}

func (w *world) shipment(number int64) *greenlane.Shipment {
	w.t.Helper()
	s, ok := w.states[greenlane.Subject{Kind: greenlane.KindShipment, Number: number}].(*greenlane.Shipment)
	if !ok {
		w.t.Fatalf("there is no shipment %d", number)
	}
	return s
}

// of returns the log's events of one subject.
func (w *world) of(s greenlane.Subject) []*greenlane.Event {
	var own []*greenlane.Event
	for _, e := range w.log {
		if e.Subject == s {
			own = append(own, e)
		}
	}
	return own
}

func types(events []*greenlane.Event) []string {
	names := []string{}
	for _, e := range events {
		names = append(names, string(e.Type))
	}
	return names
}

// only returns the one event of a type.
func only(t testing.TB, events []*greenlane.Event, want greenlane.EventType) *greenlane.Event {
	t.Helper()
	var found *greenlane.Event
	for _, e := range events {
		if e.Type != want {
			continue
		}
		if found != nil {
			t.Fatalf("%s was recorded twice", want)
		}
		found = e
	}
	if found == nil {
		t.Fatalf("no %s among %v", want, types(events))
	}
	return found
}
