package greenlane

import (
	"slices"
	"strconv"
)

// Consignment is the state of a consignment that others were merged into. One
// that was never merged has no events and no state of its own.
type Consignment struct {
	// Merged are the numbers of the consignments that became part of it.
	Merged []int64 `json:"merged,omitzero"`
	// Refused counts the merges that would have made it too large.
	Refused int `json:"refused,omitzero"`
}

// MaxConsignment is how many subjects a consignment may have. Two that would
// exceed it together are flagged and stay apart: such a reference is shared by
// unrelated trade.
const MaxConsignment = 1000

// ConsignmentMergedData is what consignment.merged publishes.
type ConsignmentMergedData struct {
	From      SubjectRef    `json:"from"`
	Into      SubjectRef    `json:"into"`
	Reference ReferenceData `json:"reference"`
}

// ReferenceData is a reference on the wire.
type ReferenceData struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
}

// Wire returns the reference's form on the wire.
func (r Reference) Wire() ReferenceData { return ReferenceData{Kind: r.Kind.String(), Value: r.Value} }

// Reference is the reverse of [Reference.Wire]; it reports false for a kind
// that this version does not know, or an empty value.
func (r ReferenceData) Reference() (Reference, bool) {
	kind, ok := ParseReferenceKind(r.Kind)
	if !ok {
		return Reference{}, false
	}
	ref := Ref(kind, r.Value)
	return ref, !ref.IsZero()
}

// ConsignmentMerged is the body of consignment.merged and of
// consignment.merge_refused.
type ConsignmentMerged = Content[ConsignmentMergedData, Nothing]

// The consignment event types.
const (
	EventConsignmentMerged  EventType = "consignment.merged"
	EventConsignmentRefused EventType = "consignment.merge_refused"
)

// MergeOf returns which consignment became part of which with an event; ok is
// false for an event of another type, or one that can't be read. The event is
// left as it is, so that others may read it at the same time.
func MergeOf(e *Event) (from, into int64, ok bool) {
	if e.Type != EventConsignmentMerged {
		return 0, 0, false
	}
	own := *e
	if err := own.Decode(); err != nil {
		return 0, 0, false
	}
	body, ok := own.Body.(ConsignmentMerged)
	if !ok {
		return 0, 0, false
	}
	from, err := strconv.ParseInt(body.Data.From.ID, 10, 64)
	return from, e.Subject.Number, err == nil
}

// MergeConsignments joins two consignments that turned out to share a
// reference; the older survives.
type MergeConsignments struct {
	From, Into int64
	Reference  Reference
	// Members is how many subjects both have together.
	Members int
}

// Target implements [Command].
func (c MergeConsignments) Target(Neighbours) (Target, error) {
	return Target{Kind: KindConsignment, Number: c.Into, Create: true}, nil
}

// References implements [State]: a consignment has only those of its members.
func (c *Consignment) References() []Reference { return nil }

// Clearance implements [State].
func (c *Consignment) Clearance() Clearance { return "" }

// Decide implements [State].
func (c *Consignment) Decide(env *Env, cmd Command) ([]Draft, error) {
	m, ok := cmd.(MergeConsignments)
	if !ok {
		return nil, refuse(env, cmd)
	}
	t := EventConsignmentMerged
	if m.Members > MaxConsignment {
		t = EventConsignmentRefused
	}
	return []Draft{{Type: t, OccurredAt: env.Now, Body: ConsignmentMerged{Data: ConsignmentMergedData{
		From: Subject{KindConsignment, m.From}.Wire(), Into: Subject{KindConsignment, m.Into}.Wire(),
		Reference: m.Reference.Wire(),
	}}}}, nil
}

// Apply implements [State].
func (c *Consignment) Apply(e *Event) (State, error) {
	if _, ok := e.Body.(ConsignmentMerged); !ok {
		return nil, unknownEvent(e)
	}
	next := *c
	if e.Type == EventConsignmentRefused {
		next.Refused++
		return &next, nil
	}
	from, _, ok := MergeOf(e)
	if !ok {
		return nil, unknownEvent(e)
	}
	next.Merged = append(slices.Clip(c.Merged), from)
	return &next, nil
}
