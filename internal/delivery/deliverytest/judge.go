package deliverytest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"testing"
)

// complaints is how many of one endpoint's faults are printed.
const complaints = 10

// trial is the judgement of one endpoint.
type trial struct {
	*Chaos
	t        testing.TB
	n        int
	arrivals []Arrival
	events   []Event
	// wanted are the events by position.
	wanted map[int64]Event
	// acknowledged are the positions the receiver acknowledged, unsure those it
	// acknowledged with an answer that may not have come through.
	acknowledged, unsure map[int64]bool
	// states are what the hub says of what it did not deliver.
	states map[int64]string
	// single and lanes are what the log says was given up, alone or with what
	// waited behind it.
	single map[sent]bool
	lanes  map[lane][]GivenUp
	faults int
}

// sent is an event in a generation.
type sent struct {
	position   int64
	generation int
}

// Judge holds what came against what the hub says, once it has nothing left to do.
func (c *Chaos) Judge(t testing.TB) {
	t.Helper()
	events, given, err := c.Hub.Log(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != c.Subjects*c.Events {
		t.Errorf("the log has %d events of %d", len(events), c.Subjects*c.Events)
	}
	wanted := map[int64]Event{}
	for _, e := range events {
		wanted[e.Position] = e
	}
	byHand := int64(0)
	for _, g := range given {
		if g.ByHand {
			byHand++
		}
	}
	if asked := c.decided[2].Load() + c.decided[3].Load(); byHand < asked {
		t.Errorf("%d times something was given up by hand, and the log has %d records of it", asked, byHand)
	}
	for _, w := range c.Receiver.wrong {
		t.Error(w)
	}
	again := 0
	for n := range c.Endpoints {
		tr := &trial{Chaos: c, t: t, n: n, arrivals: c.Receiver.Arrivals(n), events: events, wanted: wanted,
			acknowledged: map[int64]bool{}, unsure: map[int64]bool{}, states: map[int64]string{}, single: map[sent]bool{}, lanes: map[lane][]GivenUp{}}
		tr.collect(given)
		tr.reconcile()
		tr.complete()
		tr.recorded()
		if !c.unordered(n) {
			tr.order(1, true)
		}
		tr.replays()
		again += tr.duplicates()
		if tr.faults > complaints {
			t.Errorf("endpoint %d: %d faults in all", n, tr.faults)
		}
	}
	t.Logf("%d events were acknowledged again, all of them because a process died", again)
}

func (tr *trial) fault(format string, args ...any) {
	tr.t.Helper()
	if tr.faults++; tr.faults <= complaints {
		tr.t.Errorf("endpoint %d: %s", tr.n, fmt.Sprintf(format, args...))
	}
}

// collect gathers what the receiver knows, and what the log says was given up.
func (tr *trial) collect(given []GivenUp) {
	for _, g := range given {
		if g.Endpoint != tr.n {
			continue
		}
		for _, generation := range []int{0, g.Generation} {
			tr.single[sent{g.Position, generation}] = true
			if g.Through > 0 {
				l := lane{g.Subject, generation}
				tr.lanes[l] = append(tr.lanes[l], g)
			}
		}
	}
	for _, a := range tr.arrivals {
		switch a.Verdict {
		case Acknowledged:
			tr.acknowledged[a.Position] = true
		case Uncertain:
			tr.unsure[a.Position] = true
		case Pending:
			tr.fault("position %d is not answered", a.Position)
		}
		if _, ok := tr.wanted[a.Position]; !ok {
			tr.fault("position %d came, which is no event it may get", a.Position)
		}
	}
}

// reconcile holds that the hub's digest is that of the receiver's own list. An
// event that was given up although the receiver has it must be one whose answer
// or record was lost.
func (tr *trial) reconcile() {
	var matched, delivered int
	for from := int64(1); from != 0; {
		r, err := tr.Hub.Reconcile(tr.t.Context(), tr.n, from, 0)
		if err != nil {
			tr.t.Fatalf("endpoint %d: %v", tr.n, err)
		}
		matched, delivered = matched+r.Matched, delivered+r.Delivered
		if r.Waiting+r.Parked > 0 {
			tr.fault("%d wait and %d are parked", r.Waiting, r.Parked)
		}
		tr.open(from, r)
		if own := tr.digest(from, r.To); own != r.Digest {
			tr.fault("the hub's digest of %d to %d, %d delivered, is not the receiver's; it acknowledged %d", from, r.To, r.Delivered, len(tr.acknowledged))
			tr.differences(from, r.To)
		}
		from = r.Next
	}
	tr.expect(matched)
	if delivered+len(tr.states) != matched {
		tr.fault("%d match, %d are delivered and %d given up", matched, delivered, len(tr.states))
	}
}

// open lists what was not delivered, page by page.
func (tr *trial) open(from int64, r *Reconciled) {
	for missing := r.Matched - r.Delivered; ; {
		last := from
		for position, state := range r.Open {
			tr.states[position] = state
			last = max(last, position)
		}
		missing -= len(r.Open)
		if missing <= 0 || len(r.Open) == 0 {
			return
		}
		var err error
		to := r.To
		if r, err = tr.Hub.Reconcile(tr.t.Context(), tr.n, last+1, to); err != nil {
			tr.t.Fatalf("endpoint %d: %v", tr.n, err)
		}
		from = last + 1
	}
}

// has reports whether, by the receiver's list, an event should be delivered. What
// it acknowledged and the hub gave up does not count: whether that may be is
// judged for each.
func (tr *trial) has(position int64) bool {
	return (tr.acknowledged[position] || tr.unsure[position]) && tr.states[position] == "" &&
		(tr.surely(position) || !tr.mayBeForgotten(position) || tr.claimed(position))
}

// claimed reports whether the hub says that an event was delivered.
func (tr *trial) claimed(position int64) bool {
	r, err := tr.Hub.Reconcile(tr.t.Context(), tr.n, position, position)
	if err != nil {
		tr.t.Fatalf("endpoint %d: %v", tr.n, err)
	}
	return r.Delivered == 1
}

// mayBeForgotten reports whether what came of an event was on no disk when a process
// died, and nothing came since. If it was the one that had sent it, a filter that was
// changed after that may not want it; another goes on and records it.
func (tr *trial) mayBeForgotten(position int64) bool {
	if tr.Recorded == nil {
		return false
	}
	if _, ok := tr.Recorded(tr.n, 0, position); ok {
		return false
	}
	for _, a := range tr.arrivals {
		if a.Position == position && a.Era == int(tr.killed.Load()) {
			return false
		}
	}
	return true
}

func (tr *trial) digest(from, to int64) string {
	h := sha256.New()
	for _, e := range tr.events {
		if e.Position >= from && e.Position <= to && tr.has(e.Position) {
			io.WriteString(h, e.ID+"\n")
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// differences names positions where the lists may differ: what nobody gave up and
// the receiver does not have.
func (tr *trial) differences(from, to int64) {
	for _, e := range tr.events {
		if e.Position >= from && e.Position <= to && tr.surely(e.Position) && !tr.has(e.Position) && tr.states[e.Position] == "" {
			tr.fault("position %d is said to be delivered, and never was acknowledged: %v", e.Position, tr.story(e.Position))
		}
	}
}

// story tells what came of an event.
func (tr *trial) story(position int64) (list []string) {
	for i, a := range tr.arrivals {
		if a.Position == position {
			list = append(list, fmt.Sprintf("arrival %d: generation %d, attempt %d, era %d: %s", i, a.Generation, a.Attempt, a.Era,
				[...]string{"pending", "acknowledged", "refused", "uncertain", "lost"}[a.Verdict]))
		}
	}
	return list
}

// surely reports whether the endpoint wanted an event whatever its filter was.
func (tr *trial) surely(position int64) bool {
	switch {
	case tr.even(tr.n):
		return position%2 == 0
	case tr.fickle(tr.n):
		return position%2 == 0 && position%3 != 0
	}
	return true
}

// expect holds how many events the hub says the endpoint wanted against those
// that it must have wanted.
func (tr *trial) expect(matched int) {
	sure := 0
	for _, e := range tr.events {
		if tr.surely(e.Position) {
			sure++
		}
	}
	if matched < sure || matched > sure && !tr.fickle(tr.n) {
		tr.fault("the hub says %d events matched, of %d that do", matched, sure)
	}
}

// complete holds that each event it wanted came, or was given up.
func (tr *trial) complete() {
	for _, e := range tr.events {
		if tr.surely(e.Position) && !tr.has(e.Position) && tr.states[e.Position] == "" {
			tr.fault("position %d, %s, never came: %v", e.Position, e.Subject, tr.story(e.Position))
		}
	}
}

// gaveUp reports whether the log says that an event was given up in a generation,
// or for 0 in any.
func (tr *trial) gaveUp(position int64, generation int) bool {
	if tr.single[sent{position, generation}] {
		return true
	}
	for _, g := range tr.lanes[lane{tr.wanted[position].Subject, generation}] {
		if g.Position <= position && position <= g.Through {
			return true
		}
	}
	return false
}

// recorded holds that all that is given up has its record in the log, and that
// what the receiver acknowledged was given up only where the hub may not know it.
func (tr *trial) recorded() {
	for position, state := range tr.states {
		if !tr.gaveUp(position, 0) || state != "skipped" && state != "discarded" {
			tr.fault("position %d is %s, and the log does not say so: %v", position, state, tr.story(position))
		}
		if tr.acknowledged[position] && !tr.mayBeUnknown(position) {
			tr.fault("position %d is %s, and was acknowledged: %v", position, state, tr.story(position))
		}
	}
}

// mayBeUnknown reports whether the record of an event's acknowledgement may have
// been lost with a process.
func (tr *trial) mayBeUnknown(position int64) bool {
	if tr.Recorded == nil {
		return false
	}
	if _, ok := tr.Recorded(tr.n, 0, position); ok {
		return false
	}
	for _, a := range tr.arrivals {
		if a.Position == position && a.Verdict == Acknowledged && a.Era == int(tr.killed.Load()) {
			return false
		}
	}
	return true
}

// order holds that within each subject, in a generation, no event comes before an
// earlier one is done with; that events come in order as long as a process lives,
// and first come in order over all; and that, if it was not ended before, what came
// last is the newest.
func (tr *trial) order(generation int, whole bool) {
	type course struct {
		last  Arrival
		first int64
	}
	courses := map[string]*course{}
	seen := map[int64]bool{}
	for i, a := range tr.arrivals {
		if a.Generation != generation {
			continue
		}
		l := courses[a.Subject]
		if l == nil {
			l = &course{}
			courses[a.Subject] = l
		}
		if a.Overlap {
			tr.fault("%s: arrival %d of generation %d is position %d, and %d of its lane was not answered: %v; %v", a.Subject, i, generation,
				a.Position, l.last.Position, tr.story(l.last.Position), tr.story(a.Position))
		}
		if l.last.Era == a.Era && a.Position < l.last.Position {
			tr.fault("%s: arrival %d is position %d, after %d", a.Subject, i, a.Position, l.last.Position)
		}
		if p := l.last; p.Position != 0 && p.Position < a.Position && p.Era == a.Era && !tr.doneWith(p) {
			tr.fault("%s: arrival %d is position %d, although %d was not acknowledged", a.Subject, i, a.Position, p.Position)
		}
		if !seen[a.Position] {
			if a.Position < l.first && !tr.fickle(tr.n) {
				tr.fault("%s: position %d first came after %d", a.Subject, a.Position, l.first)
			}
			seen[a.Position], l.first = true, max(l.first, a.Position)
		}
		l.last = a
	}
	for subject, l := range courses {
		if whole && l.last.Position != l.first && !tr.gaveUp(l.first, generation) {
			tr.fault("%s: what came last of generation %d is position %d, and not the newest, %d", subject, generation, l.last.Position, l.first)
		}
	}
}

// doneWith reports whether an event may be behind its lane after an arrival: it
// was acknowledged, as far as the sender may know, or given up, be it by a process
// that used up its schedule and died before it had recorded that.
func (tr *trial) doneWith(a Arrival) bool {
	return a.Verdict == Acknowledged || a.Verdict == Uncertain || tr.gaveUp(a.Position, a.Generation) ||
		tr.skips(tr.n) && a.Era < int(tr.killed.Load())
}

// replays holds that each replay of the endpoint came in order, behind the endpoint
// itself, and whole if it says so.
func (tr *trial) replays() {
	list, err := tr.Hub.Replays(tr.t.Context(), tr.n)
	if err != nil {
		tr.t.Fatalf("endpoint %d: %v", tr.n, err)
	}
	for _, r := range list {
		completed := r.State == "completed"
		if !completed && r.State != "canceled" {
			tr.fault("replay %d is %s", r.Generation, r.State)
		}
		if !tr.unordered(tr.n) {
			tr.order(r.Generation, completed)
		}
		done := tr.behind(r)
		for _, e := range tr.events {
			if completed && r.From <= e.Position && e.Position <= r.To && tr.surely(e.Position) && !done[e.Position] && !tr.gaveUp(e.Position, r.Generation) {
				tr.fault("position %d, %s, never came in replay %d of %d to %d: %v", e.Position, e.Subject, r.Generation, r.From, r.To, tr.story(e.Position))
			}
		}
	}
}

// behind holds that a replay brings nothing that the endpoint has not got itself.
// It returns what the replay brought.
func (tr *trial) behind(r Replay) map[int64]bool {
	itself, done := map[int64]bool{}, map[int64]bool{}
	for i, a := range tr.arrivals {
		well := a.Verdict == Acknowledged || a.Verdict == Uncertain
		switch a.Generation {
		case 1:
			itself[a.Position] = itself[a.Position] || tr.doneWith(a)
		case r.Generation:
			done[a.Position] = done[a.Position] || well
			if a.Position < r.From || a.Position > r.To {
				tr.fault("arrival %d of replay %d of %d to %d is position %d", i, r.Generation, r.From, r.To, a.Position)
			}
			if !itself[a.Position] && !tr.gaveUp(a.Position, 1) {
				tr.fault("arrival %d of replay %d is position %d, which the endpoint had not got: %v", i, r.Generation, a.Position, tr.story(a.Position))
			}
		}
	}
	return done
}

// duplicates holds that what was acknowledged comes again in a generation only
// where a process died before it had recorded that. It counts them.
func (tr *trial) duplicates() (again int) {
	first := map[sent]Arrival{}
	for i, a := range tr.arrivals {
		key := sent{a.Position, a.Generation}
		before, ok := first[key]
		if !ok {
			if a.Verdict == Acknowledged {
				first[key] = a
			}
			continue
		}
		again++
		if before.Era == a.Era {
			tr.fault("arrival %d is position %d, which the same process had acknowledged: %v", i, a.Position, tr.story(a.Position))
		} else if era, ok := tr.Recorded(tr.n, a.Generation, a.Position); ok && era < a.Era {
			tr.fault("arrival %d is position %d, whose acknowledgement was on disk: %v", i, a.Position, tr.story(a.Position))
		}
	}
	return again
}
