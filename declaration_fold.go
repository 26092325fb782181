package greenlane

import (
	"fmt"
	"slices"
	"time"
)

// passage is one status on a declaration's way, and when it began.
type passage struct {
	status DeclarationStatus
	on     time.Time
	// ended: callers can't leave it, because customs invalidated the declaration
	// or it was canceled. Only a later response of customs leads on.
	ended bool
}

// folder walks a declaration's steps in the order that decides and keeps what
// they add up to. It is the whole of the declaration rules for customs'
// messages; the table of transitions binds callers only.
type folder struct {
	kind      DeclarationType
	prelodged bool
	// asked: we asked customs to invalidate it.
	asked bool

	path []passage
	// before is the passage a detention interrupted, to return to when lifted.
	before   passage
	holds    []Hold
	ended    []Hold
	released bool
	// partial: only a part of the goods is released.
	partial  bool
	finalTax bool
	// granted: the last decision on a request was a yes.
	granted bool

	clearedAt, completedAt, invalidatedAt time.Time
	reason                                string

	clears      Clearance
	clearsSince time.Time
}

// fold derives status, holds and clearance from the steps.
//
// An authority's response is applied from any status. Registration,
// presentation and acceptance never move a declaration back; a rejection
// changes the status only before acceptance; a final tax notice that comes
// before the release is kept and shown after it.
func (d *Declaration) fold() *folder {
	f := &folder{
		kind: d.Content.Type, prelodged: d.Content.Prelodges(), asked: !d.CancelAskedAt.IsZero(),
		path:   []passage{{status: StatusNew, on: d.CreatedAt}},
		clears: ClearancePending, clearsSince: d.CreatedAt,
	}
	for i := range d.Steps {
		s := &d.Steps[i]
		if s.reported() {
			f.report(s)
		} else {
			f.respond(s)
		}
		if c := f.standing().clearance(); c != f.clears {
			f.clears, f.clearsSince = c, s.On
		}
	}
	return f
}

func (f *folder) now() *passage { return &f.path[len(f.path)-1] }

func (f *folder) status() DeclarationStatus { return f.now().status }

// set moves to a status, whatever the present one is.
func (f *folder) set(status DeclarationStatus, s *Step) {
	if f.status() == status {
		return
	}
	f.path = append(f.path, passage{status: status, on: s.On})
	switch status {
	case StatusCompleted:
		f.completedAt = s.On
	case StatusNoRelease:
		// It takes an earlier release back, and decides what was held for a
		// decision.
		f.released = false
		f.endHolds(s, func(h Hold) bool { return holdRules[h.Kind].release })
	case StatusInvalid, StatusBlocked, StatusCanceled:
		f.released = false
	}
}

// report applies what a caller reported. It was checked against the table of
// transitions when it was made; an invalidation that became known since leaves
// nothing to report on.
func (f *folder) report(s *Step) {
	if s.Closes {
		f.lift(s.Effect.Lifts, s)
		return
	}
	if f.now().ended {
		return
	}
	switch s.Reported {
	case StatusReleased:
		noticed := f.status() == StatusFinalTaxNotice
		f.release(s)
		if noticed {
			f.set(StatusReleased, s)
		}
		return
	case StatusControl:
		f.place(s, HoldControl)
	case StatusAcknowledged:
		f.endHolds(s, func(h Hold) bool { return h.Kind == HoldControl && h.By == "" })
	case StatusFinalTaxNotice:
		f.finalTax = true
	case StatusInvalid:
		if s.Ends {
			f.end(StatusInvalid, s)
		}
	case StatusCanceled:
		f.end(StatusCanceled, s)
	}
	f.set(s.Reported, s)
}

// respond applies an authority's response.
func (f *folder) respond(s *Step) {
	e := s.Effect
	if e.Granted || e.Denied {
		f.granted = e.Granted
	}
	if e.Hold != "" {
		f.place(s, e.Hold)
	}
	if e.Lifts != "" {
		f.lift(e.Lifts, s)
	}
	switch {
	case e.Rejection:
		f.reject(s)
	case e.Invalidation || e.Status == StatusCanceled:
		f.invalidate(s)
	case e.Partial:
		// The rest still waits for a release, and is what holds are on.
		f.partial = true
		f.set(StatusReleased, s)
	case e.Release || e.Status == StatusReleased:
		f.release(s)
	case e.FinalTax || e.Status == StatusFinalTaxNotice:
		f.finalTax = true
		f.settle(s)
	case e.Exit:
		f.complete(TypeExport, s)
	case e.Discharge:
		f.complete(TypeTransit, s)
	case e.Status != "":
		f.announce(e.Status, s)
	}
}

// announce applies a plain status.
func (f *folder) announce(status DeclarationStatus, s *Step) {
	if status == StatusRegistered && f.prelodged {
		// A pre-lodged declaration is registered before its goods arrive.
		status = StatusPrelodged
	}
	if status.progress() <= StatusAcknowledged.progress() && status != StatusInvalid && status != StatusBlocked {
		if f.now().ended || status.progress() <= f.status().progress() {
			return
		}
	}
	f.set(status, s)
}

// reject applies the refusal of one of the declarant's messages.
func (f *folder) reject(s *Step) {
	if f.status().progress() >= StatusAcknowledged.progress() || f.now().ended || s.Effect.Stands {
		return
	}
	switch s.Effect.Status {
	case StatusCanceled:
		f.end(StatusCanceled, s)
	case StatusBlocked:
		f.set(StatusBlocked, s)
	default:
		f.set(StatusInvalid, s)
	}
}

// invalidate ends the declaration. Customs sends the same message whether the
// trader asked for it or the system did it; only what came before tells.
func (f *folder) invalidate(s *Step) {
	status := s.Effect.Status
	if status == "" {
		status = StatusInvalid
		if f.asked || f.granted {
			status = StatusCanceled
		}
	}
	f.end(status, s)
}

// end moves to canceled or invalid for good and keeps why. Told again, the
// first time and reason stand.
func (f *folder) end(status DeclarationStatus, s *Step) {
	if f.status() == status && f.now().ended {
		return
	}
	f.set(status, s)
	f.now().ended = true
	f.reason = s.Text
	if status == StatusInvalid {
		f.invalidatedAt = s.On
	}
}

// release lets the goods go and ends every hold that a release ends.
func (f *folder) release(s *Step) {
	f.endHolds(s, func(h Hold) bool { return holdRules[h.Kind].release })
	if !f.interrupted() {
		f.before = passage{}
	}
	again := f.released
	f.released, f.partial = true, false
	if f.clearedAt.IsZero() {
		f.clearedAt = s.On
	}
	if cur := f.status(); again && (cur == StatusFinalTaxNotice || cur == StatusCompleted) {
		// Customs releases in two steps (goods, then procedure); the second
		// does not undo what followed the first.
		return
	}
	f.set(StatusReleased, s)
	f.settle(s)
}

// settle moves on from a release once the final tax is known. While customs has
// the goods under control again, the notice waits for the next release.
func (f *folder) settle(s *Step) {
	if !f.released || !f.finalTax || f.status() != StatusReleased && f.status() != StatusFinalTaxNotice {
		return
	}
	f.set(StatusFinalTaxNotice, s)
	if f.kind == TypeImport {
		f.set(StatusCompleted, s)
	}
}

// complete ends a declaration of the given kind. A declaration that nobody told
// us the kind of takes it from the message.
func (f *folder) complete(kind DeclarationType, s *Step) {
	if f.kind == "" {
		f.kind = kind
	}
	if f.kind == kind {
		f.set(StatusCompleted, s)
	}
}

// place opens a hold. A second one of the same kind from the same authority is
// a reminder of the first.
func (f *folder) place(s *Step, kind HoldKind) {
	for _, h := range f.holds {
		if h.Kind == kind && h.By == s.By {
			return
		}
	}
	rule := holdRules[kind]
	if rule.removal && f.before.status == "" {
		f.before = *f.now()
	}
	f.holds = append(f.holds, Hold{
		ID: fmt.Sprintf("%s-%d", kind, s.Seq), Kind: kind, Code: s.Type, By: s.By, Scope: ScopeDeclaration,
		Reason: s.Text, PlacedAt: s.On, EndedBy: rule.endWords(), Final: !rule.release && !rule.removal,
		Fact: s.Seq, Message: s.Message,
	})
}

// lift ends a hold that only its removal ends, and returns to the status it
// interrupted.
func (f *folder) lift(kind HoldKind, s *Step) {
	n := len(f.holds)
	f.endHolds(s, func(h Hold) bool { return h.Kind == kind && h.By == s.By })
	if len(f.holds) == n || f.interrupted() {
		return
	}
	before := f.before
	f.before = passage{}
	if f.status() != StatusControl || before.status == "" || len(f.holds) > 0 {
		return
	}
	f.set(before.status, s)
	f.now().ended = before.ended
	f.settle(s)
}

func (f *folder) endHolds(s *Step, ends func(Hold) bool) {
	var open []Hold
	for _, h := range f.holds {
		if !ends(h) {
			open = append(open, h)
			continue
		}
		h.RemovedAt, h.RemovedBy, h.RemovedIn = s.On, orElse(s.Type, string(s.Reported)), s.Message
		if s.Closes {
			h.RemovedBy = "closed by an operator: " + s.Text
		}
		f.ended = append(f.ended, h)
	}
	f.holds = open
}

// interrupted reports whether a hold is open whose removal leads back to the
// status it interrupted.
func (f *folder) interrupted() bool {
	return slices.ContainsFunc(f.holds, func(h Hold) bool { return holdRules[h.Kind].removal })
}

// standing is the folder's view on whether the goods may move.
func (f *folder) standing() standing {
	st := standing{holds: f.holds, released: f.released, since: f.clearsSince}
	switch f.status() {
	case StatusNoRelease:
		st.refused, st.note = true, "customs does not release the goods"
	case StatusCanceled:
		st.withdrawn, st.note = true, "the declaration is canceled"
	case StatusInvalid:
		st.withdrawn = f.now().ended
		st.note = "the declaration was rejected"
		if st.withdrawn {
			st.note = "customs invalidated the declaration"
		}
	case StatusReleased:
		if f.partial {
			st.note = "partial_release: only a part of the goods is released"
		}
	}
	return st
}

// HoldHistory returns every hold the declaration had: those that ended, in the
// order in which they did, then those that are open.
func (d *Declaration) HoldHistory() []Hold {
	f := d.fold()
	return append(f.ended, f.holds...)
}

// refold returns d with everything that follows from its steps.
func (d *Declaration) refold() *Declaration {
	f := d.fold()
	last := f.now()
	d.Type = f.kind
	d.Status, d.StatusSince, d.Ended = last.status, last.on, last.ended
	d.Holds = f.holds
	d.Clears, d.ClearsSince, d.ClearsWhy = f.clears, f.clearsSince, f.standing().words()
	d.ClearedAt, d.CompletedAt, d.InvalidatedAt, d.Reason = f.clearedAt, f.completedAt, f.invalidatedAt, f.reason
	if d.ContinuedBy != 0 {
		d.Holds, d.Clears, d.ClearsWhy = nil, "", fmt.Sprintf("continued by declaration %d", d.ContinuedBy)
	}
	return d
}

// withStep returns a copy of d with one more step in its place, folded anew.
func (d *Declaration) withStep(s Step) *Declaration {
	next := *d
	at, _ := slices.BinarySearchFunc(d.Steps, s, func(have, add Step) int {
		if have.At.After(add.At) {
			return 1
		}
		return -1
	})
	next.Steps = slices.Insert(slices.Clone(d.Steps), at, s)
	next.Received = max(d.Received, s.Seq)
	return next.refold()
}

// nextStep numbers a step. A caller's report takes its place after all that is
// known: only responses have a clock of their own.
func (d *Declaration) nextStep() Step {
	s := Step{Seq: d.Received + 1}
	if n := len(d.Steps); n > 0 {
		s.At = d.Steps[n-1].At
	}
	return s
}

// isLate reports whether a response issued later than at is known already.
func (d *Declaration) isLate(at time.Time) bool {
	for i := len(d.Steps) - 1; i >= 0 && d.Steps[i].At.After(at); i-- {
		if !d.Steps[i].reported() {
			return true
		}
	}
	return false
}

// passed returns the statuses that a step at the end of the way brought, or,
// for a late step, the one it leaves the declaration in if that is another.
func (d *Declaration) passed(next *Declaration, late bool) []passage {
	was, is := d.fold().path, next.fold().path
	if !late {
		return is[len(was):]
	}
	if last := is[len(is)-1]; last.status != d.Status {
		return []passage{last}
	}
	return nil
}
