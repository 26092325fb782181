package hub

import (
	"context"
	"fmt"
	"strconv"

	"greenlane"
	"greenlane/internal/store"
)

// scout looks up in one go the references by which units will ask for their
// subjects, as far as memory does not tell.
type scout struct {
	batch   *batch
	account int64
	missing []store.AccountReference
}

// Find implements [greenlane.Neighbours] for the commands' targets.
func (s *scout) Find(ref greenlane.Reference) []greenlane.Subject {
	key := store.AccountReference{Account: s.account, Reference: ref}
	if found, ok := s.batch.refs[key]; ok {
		return found
	}
	if found, ok := s.batch.hub.refs.get(key); ok {
		s.batch.referred[key] = len(found)
		return found
	}
	s.missing = append(s.missing, key)
	s.batch.refs[key] = nil
	return nil
}

// State implements [greenlane.Neighbours]; a scout does not look that far.
func (*scout) State(greenlane.Subject) greenlane.State { return nil }

// look collects what a unit's commands ask for. What is wrong with one, deciding
// tells.
func (s *scout) look(u *Unit) {
	defer func() { _ = recover() }()
	s.account = u.Account
	for _, c := range u.Commands {
		_, _ = c.Target(s)
		if m, ok := c.(greenlane.Mentioner); ok {
			for _, ref := range m.Mentions() {
				s.Find(ref)
			}
		}
	}
}

// lookAhead fills the batch's references for what its units' commands begin
// with. It changes nothing but the number of queries.
func (b *batch) lookAhead(jobs []*job) error {
	s := &scout{batch: b}
	for _, j := range jobs {
		s.look(&j.unit)
	}
	if len(s.missing) == 0 {
		return nil
	}
	found, err := b.hub.store.Find(context.Background(), s.missing)
	if err != nil {
		return b.fail(err)
	}
	for i, key := range s.missing {
		b.refs[key], b.referred[key] = found[i], len(found[i])
	}
	return nil
}

// key puts a reference into the unit's account.
func (b *batch) key(ref greenlane.Reference) store.AccountReference {
	return store.AccountReference{Account: b.pending.job.unit.Account, Reference: ref}
}

// Find implements [greenlane.Neighbours].
func (b *batch) Find(ref greenlane.Reference) []greenlane.Subject {
	key := b.key(ref)
	if s, ok := b.pending.refs[key]; ok {
		return s
	}
	if s, ok := b.refs[key]; ok {
		return s
	}
	if s, ok := b.hub.refs.get(key); ok {
		b.referred[key] = len(s)
		return s
	}
	if b.failed != nil || b.ours(ref) {
		return nil
	}
	found, err := b.hub.store.Find(context.Background(), []store.AccountReference{key})
	if err != nil {
		b.failed = err
		return nil
	}
	b.referred[key] = len(found[0])
	if len(found[0]) == 0 {
		// Absence is kept for this batch only: the reference may appear at
		// another node.
		b.refs[key] = nil
		return nil
	}
	b.hub.refs.put(key, found[0])
	return found[0]
}

// ours reports whether a reference names a shipment that this batch makes: nobody
// else can have it yet.
func (b *batch) ours(ref greenlane.Reference) bool {
	if ref.Kind != greenlane.RefShipment {
		return false
	}
	number, err := strconv.ParseInt(ref.Value, 10, 64)
	return err == nil && b.made[number]
}

// State implements [greenlane.Neighbours].
func (b *batch) State(s greenlane.Subject) greenlane.State {
	r := b.record(s)
	if r == nil {
		return nil
	}
	return r.state
}

// record returns a subject as the unit sees it, nil when the account has none.
func (b *batch) record(s greenlane.Subject) *record {
	if s.Number < 1 || s.Number > greenlane.MaxNumber {
		return nil
	}
	if r, ok := b.pending.subjects[s]; ok {
		return r
	}
	r, ok := b.subjects[s]
	if !ok {
		if r, ok = b.hub.subjects.get(s); !ok {
			r = b.load(s)
		}
		b.look(s, r)
	}
	if r == nil || r.row.Account != b.pending.job.unit.Account {
		return nil
	}
	return r
}

// look notes a subject as it was found, nil for one that does not exist.
func (b *batch) look(s greenlane.Subject, r *record) {
	switch {
	case b.failed != nil:
	case r == nil:
		b.read[s] = store.Expectation{Subject: s}
	default:
		b.read[s] = store.Expectation{Subject: s, Version: r.row.Version, Consignment: r.row.Consignment}
	}
}

func (b *batch) load(s greenlane.Subject) *record {
	if b.failed != nil {
		return nil
	}
	rows, err := b.hub.store.Load(context.Background(), []greenlane.Subject{s})
	if err != nil {
		b.failed = err
		return nil
	}
	if rows[0] == nil {
		return nil
	}
	state, err := greenlane.DecodeState(s.Kind, rows[0].State)
	if err != nil {
		b.failed = fmt.Errorf("subject %s: %w", s, err)
		return nil
	}
	r := &record{row: rows[0], state: state}
	if len(rows[0].State) > maxKeptState {
		b.subjects[s] = r
		return r
	}
	b.hub.subjects.put(s, r)
	return r
}
