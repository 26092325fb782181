package greenlane

import (
	"slices"
	"strconv"
)

// Customs names a declaration by its LRN before it has an MRN and often by its
// MRN alone afterwards. A hub that watches what another system filed may get the
// later messages first and take them for two declarations, until a message names
// both numbers.

// ContinueDeclaration marks the declaration whose messages were brought to the
// one that survives. It follows from their merger.
type ContinueDeclaration struct{ Number, By int64 }

// Target implements [Command].
func (c ContinueDeclaration) Target(Neighbours) (Target, error) { return declarationTarget(c.Number) }

// mergeable reports whether two declarations may be one: no number of one
// contradicts the other's, and at most one was made here.
func mergeable(n Neighbours, a, b Subject) bool {
	x, ok := n.State(a).(*Declaration)
	y, also := n.State(b).(*Declaration)
	return ok && also && a != b && x.ContinuedBy == 0 && y.ContinuedBy == 0 && !(x.Ours && y.Ours) &&
		agree(x.LRN, y.LRN) && agree(x.MRN, y.MRN)
}

func agree(a, b string) bool { return a == "" || b == "" || a == b }

// survivor is the one of two declarations that goes on: the one made here, else
// the older.
func survivor(n Neighbours, a, b Subject) Subject {
	if d, ok := n.State(b).(*Declaration); ok && d.Ours {
		return b
	}
	if d, ok := n.State(a).(*Declaration); ok && d.Ours || a.Number < b.Number {
		return a
	}
	return b
}

// twins returns the declarations that turn out to be this one, because a
// response names the numbers of both.
func (d *Declaration) twins(env *Env, r Response) []Subject {
	var others []Subject
	for _, ref := range []Reference{Ref(RefMRN, r.MRN), Ref(RefLRN, r.LRN)} {
		if ref.IsZero() || !agree(d.MRN, r.MRN) || !agree(d.LRN, r.LRN) {
			continue
		}
		for _, s := range env.Find(ref) {
			other, ok := env.State(s).(*Declaration)
			if ok && agree(other.MRN, r.MRN) && agree(other.LRN, r.LRN) && !slices.Contains(others, s) && mergeable(env, env.Self, s) {
				others = append(others, s)
			}
		}
	}
	return others
}

// merger drafts the event that brings what is recorded at another declaration.
func (d *Declaration) merger(env *Env, from Subject) Draft {
	other := env.State(from).(*Declaration)
	detail := DeclarationMergedDetail{LRN: other.LRN, MRN: other.MRN, Named: other.Named}
	if d.Shipment == 0 {
		detail.Shipment = other.Shipment
	}
	data := DeclarationMergedData{
		DeclarationID: env.Self.Number, LRN: Text(orElse(d.LRN, other.LRN)), MRN: Text(orElse(d.MRN, other.MRN)),
		From: from.Wire(), Responses: []string{},
	}
	for _, s := range other.Steps {
		known := func(have Step) bool { return !have.reported() && have.Response == s.Response }
		if !s.reported() && slices.ContainsFunc(d.Steps, known) {
			continue
		}
		detail.Steps = append(detail.Steps, s)
		if !s.reported() {
			data.Responses = append(data.Responses, s.Response)
		}
	}
	return Draft{Type: EventDeclarationMerged, OccurredAt: env.Now, Late: true, Body: DeclarationMerged{Data: data, Detail: detail}}
}

// merged returns d with what another declaration brought. Its facts are numbered
// anew, in their order.
func (d *Declaration) merged(x DeclarationMergedDetail) *Declaration {
	result := d.identified(x.LRN, x.MRN, x.Named)
	if result.Shipment == 0 {
		result.Shipment = x.Shipment
	}
	for _, s := range x.Steps {
		s.Seq = result.Received + 1
		result = result.withStep(s)
	}
	return result.refold()
}

func (d *Declaration) continueAs(env *Env, c ContinueDeclaration) []Draft {
	if d.ContinuedBy != 0 {
		return nil
	}
	return []Draft{{Type: EventDeclarationContinued, OccurredAt: env.Now, Body: DeclarationContinued{Data: DeclarationContinuedData{
		DeclarationID: env.Self.Number, LRN: Text(d.LRN), MRN: Text(d.MRN), ContinuedBy: Subject{KindDeclaration, c.By}.Wire(),
	}}}}
}

func (d *Declaration) continued(e *Event, data DeclarationContinuedData) (State, error) {
	by, err := strconv.ParseInt(data.ContinuedBy.ID, 10, 64)
	if err != nil {
		return nil, unknownEvent(e)
	}
	next := *d
	next.ContinuedBy = by
	return next.refold(), nil
}
