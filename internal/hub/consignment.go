package hub

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"greenlane"
	"greenlane/internal/store"
)

// join indexes the references an event brought and joins the subject with those
// that share one of them.
//
// A subject's first event puts it straight into the consignment it finds. That
// two consignments with a life of their own turn out to be one is an event.
func (b *batch) join(r *record, before []greenlane.Reference, e *greenlane.Event) error {
	for _, ref := range e.References {
		if ref.IsZero() || slices.Contains(before, ref) {
			continue
		}
		others := b.Find(ref)
		b.index(ref, r.row.Subject, others)
		if !ref.Kind.Joins() {
			continue
		}
		if ref.Kind == greenlane.RefShipment {
			number, err := strconv.ParseInt(ref.Value, 10, 64)
			if err != nil {
				return fmt.Errorf("reference %s: %w", ref, err)
			}
			others = append([]greenlane.Subject{{Kind: greenlane.KindShipment, Number: number}}, others...)
		}
		for _, other := range others {
			if err := b.joinOne(r, other, ref, e); err != nil {
				return err
			}
		}
	}
	return b.failed
}

// index records that a subject has a reference.
func (b *batch) index(ref greenlane.Reference, s greenlane.Subject, have []greenlane.Subject) {
	if slices.Contains(have, s) {
		return
	}
	key := b.key(ref)
	subjects := append(slices.Clip(have), s)
	slices.SortFunc(subjects, greenlane.Subject.Compare)
	b.pending.refs[key] = subjects
	b.pending.newRefs = append(b.pending.newRefs, store.SubjectReference{AccountReference: key, Subject: s})
}

func (b *batch) joinOne(r *record, other greenlane.Subject, ref greenlane.Reference, e *greenlane.Event) error {
	o := b.record(other)
	if o == nil || other == r.row.Subject || o.row.Consignment == r.row.Consignment {
		return b.failed
	}
	if ref.Kind == greenlane.RefContainer && b.now.Sub(o.row.UpdatedAt) > greenlane.ContainerWindow &&
		!o.row.UpdatedAt.IsZero() {
		return nil
	}
	if r.row.Version == 1 && r.row.Consignment == r.row.Subject.Number {
		r.row.Consignment = o.row.Consignment
		return nil
	}
	return b.merge(r, o, ref, e)
}

// merge makes one consignment of two; the older survives.
func (b *batch) merge(r, o *record, ref greenlane.Reference, e *greenlane.Event) error {
	into, from := r.row.Consignment, o.row.Consignment
	if e.Consignment == 0 {
		// The event that joins them is the last of the consignment it came in.
		e.Consignment = into
	}
	if from < into {
		into, from = from, into
	}
	leaving, err := b.members(from)
	if err != nil {
		return err
	}
	staying, err := b.members(into)
	if err != nil {
		return err
	}
	total := len(leaving) + len(staying)
	if total <= greenlane.MaxConsignment {
		for _, s := range leaving {
			b.move(s, into)
		}
	}
	_, err = b.run(greenlane.MergeConsignments{From: from, Into: into, Reference: ref, Members: total}, greenlane.FollowDepth)
	return err
}

// members returns the subjects of a consignment as the unit sees them.
func (b *batch) members(consignment int64) ([]greenlane.Subject, error) {
	stored, err := b.hub.store.Members(context.Background(), consignment)
	if err != nil {
		return nil, b.fail(err)
	}
	b.gathered[consignment] = len(stored)
	set := map[greenlane.Subject]bool{}
	for _, s := range stored {
		set[s] = true
	}
	for _, view := range []map[greenlane.Subject]*record{b.subjects, b.pending.subjects} {
		for s, r := range view {
			set[s] = r.row.Consignment == consignment
		}
	}
	var out []greenlane.Subject
	for s, in := range set {
		if in {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, greenlane.Subject.Compare)
	return out, nil
}

// move gives a subject another consignment.
func (b *batch) move(s greenlane.Subject, consignment int64) {
	r := b.record(s)
	if r == nil {
		return
	}
	if _, own := b.pending.subjects[s]; own {
		// The row at hand is this unit's own copy.
		r.row.Consignment, r.row.Reindexed = consignment, true
	} else {
		row := *r.row
		row.Consignment, row.Reindexed = consignment, true
		b.pending.subjects[s] = &record{row: &row, state: r.state, added: r.added}
	}
	b.pending.moves[s] = consignment
}

// own returns the unit's events of a subject from the given one on. A merger of
// consignments can stand between them.
func (b *batch) own(first int, self greenlane.Subject) []*greenlane.Event {
	var own []*greenlane.Event
	for _, e := range b.pending.events[first:] {
		if e.Subject == self {
			own = append(own, e)
		}
	}
	return own
}
