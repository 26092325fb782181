package hub

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"greenlane"
	"greenlane/internal/store"
)

// scout reads into memory what units will ask for, in a few queries for all of them.
// It sees the world as deciding will, but for what is missing, and looks again at who
// names something that was found. It changes nothing but the number of queries.
type scout struct {
	batch   *batch
	account int64
	// references and subjects are what is missing, sought and wanted what was missing
	// until now, if only in vain.
	references []store.AccountReference
	subjects   []greenlane.Subject
	sought     map[store.AccountReference]bool
	wanted     map[greenlane.Subject]bool
	// named are the references that the unit at hand asks for in vain.
	named []store.AccountReference
}

const (
	// scoutings is how often a scout goes: an activity asks for its bill's shipment,
	// that for its entries, and each of them is read.
	scoutings = 3
	// scoutedPerReference is of how many subjects with the same reference the scout
	// assumes that they will be looked at.
	scoutedPerReference = 16
	// scoutedAtOnce is how many subjects are read at once at most.
	scoutedAtOnce = 4096
)

// Find implements [greenlane.Neighbours]. Who is found is about to be looked at.
func (s *scout) Find(ref greenlane.Reference) []greenlane.Subject {
	key := store.AccountReference{Account: s.account, Reference: ref}
	found, ok := s.batch.hub.refs.get(key)
	if !ok {
		s.named = append(s.named, key)
		s.seek(key)
	}
	for _, subject := range found[:min(len(found), scoutedPerReference)] {
		s.State(subject)
	}
	return found
}

// seek has a reference read that is not known, and at the same time whoever has it by
// what other nodes' events said.
func (s *scout) seek(key store.AccountReference) {
	if s.sought[key] {
		return
	}
	s.sought[key] = true
	s.references = append(s.references, key)
	told, _ := s.batch.hub.told.get(key)
	for _, subject := range told {
		s.State(subject)
	}
}

// State implements [greenlane.Neighbours].
func (s *scout) State(subject greenlane.Subject) greenlane.State {
	r, ok := s.batch.hub.subjects.get(subject)
	switch {
	case ok && r.row.Account == s.account:
		return r.state
	case !ok && !s.wanted[subject] && len(s.subjects) < scoutedAtOnce && subject.Number > 0 && subject.Number <= greenlane.MaxNumber:
		s.want(subject)
	}
	return nil
}

// want has a subject read, and if it is a shipment those who belong to it, whom what
// is decided about it will ask for.
func (s *scout) want(subject greenlane.Subject) {
	s.wanted[subject] = true
	s.subjects = append(s.subjects, subject)
	if subject.Kind == greenlane.KindShipment {
		s.Find(greenlane.Ref(greenlane.RefShipment, strconv.FormatInt(subject.Number, 10)))
	}
}

// look collects what a unit's commands ask for. What is wrong with one, deciding
// tells.
func (s *scout) look(u *Unit) {
	defer func() { _ = recover() }()
	s.account = u.Account
	for _, c := range u.Commands {
		t, _ := c.Target(s)
		s.State(greenlane.Subject{Kind: t.Kind, Number: t.Number})
		for _, ref := range t.By {
			s.Find(ref)
		}
		if m, ok := c.(greenlane.Mentioner); ok {
			for _, ref := range m.Mentions() {
				s.Find(ref)
			}
		}
	}
}

// scout reads what jobs will ask for.
func (b *batch) scout(jobs []*job) error {
	s := &scout{batch: b, sought: map[store.AccountReference]bool{}, wanted: map[greenlane.Subject]bool{}}
	for range scoutings {
		var again []*job
		named := make([][]store.AccountReference, 0, len(jobs))
		for _, j := range jobs {
			s.named = nil
			if s.look(&j.unit); len(s.named) > 0 {
				again, named = append(again, j), append(named, s.named)
			}
		}
		if len(s.references)+len(s.subjects) == 0 {
			return nil
		}
		if err := s.bring(); err != nil {
			return err
		}
		jobs = jobs[:0:0]
		for i, j := range again {
			if slices.ContainsFunc(named[i], s.has) {
				jobs = append(jobs, j)
			}
		}
	}
	return nil
}

// has reports whether somebody has a reference.
func (s *scout) has(key store.AccountReference) bool {
	found, _ := s.batch.hub.refs.get(key)
	return len(found) > 0
}

// bring reads what is missing.
func (s *scout) bring() error {
	var found [][]greenlane.Subject
	var rows []*store.SubjectRow
	var notFound, notLoaded error
	var both sync.WaitGroup
	if len(s.references) > 0 {
		both.Go(func() { found, notFound = s.batch.hub.store.Find(context.Background(), s.references) })
	}
	if len(s.subjects) > 0 {
		rows, notLoaded = s.batch.hub.store.Load(context.Background(), s.subjects)
	}
	both.Wait()
	if err := cmp.Or(notFound, notLoaded); err != nil {
		return err
	}
	for i, subjects := range found {
		s.batch.hub.refs.put(s.references[i], subjects)
	}
	for i, row := range rows {
		r, err := s.batch.remember(row)
		if err != nil {
			return err
		}
		s.batch.look(s.subjects[i], r)
	}
	s.references, s.subjects = s.references[:0], s.subjects[:0]
	return nil
}

// lookAhead reads what the units of a batch begin with.
func (b *batch) lookAhead(jobs []*job) error {
	err := b.lookBack(jobs)
	if err == nil {
		err = b.scout(jobs)
	}
	if err != nil {
		return b.fail(err)
	}
	return nil
}

// lookBack reads what was recorded before under the units' idempotency keys and for
// their messages.
func (b *batch) lookBack(jobs []*job) error {
	var keys, digests []store.AccountDigest
	for _, j := range jobs {
		if j.unit.Once != nil {
			keys = append(keys, j.unit.once())
		}
		if j.unit.Message != nil {
			digests = append(digests, j.unit.digest())
		}
	}
	if len(keys) > 0 {
		answers, err := b.hub.store.Answers(context.Background(), keys)
		if err != nil {
			return err
		}
		for i, key := range keys {
			b.answers[key] = answers[i]
		}
	}
	if len(digests) > 0 {
		messages, err := b.hub.store.MessagesByDigest(context.Background(), digests)
		if err != nil {
			return err
		}
		for i, digest := range digests {
			b.messages[digest] = messages[i]
		}
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
	r, err := b.remember(rows[0])
	if err != nil {
		b.failed = err
	}
	return r
}

// remember makes a record of a row that was read, nil of none, and keeps it for who
// asks again.
func (b *batch) remember(row *store.SubjectRow) (*record, error) {
	if row == nil {
		return nil, nil
	}
	state, err := greenlane.DecodeState(row.Subject.Kind, row.State)
	if err != nil {
		return nil, fmt.Errorf("subject %s: %w", row.Subject, err)
	}
	r := &record{row: row, state: state}
	if len(row.State) > maxKeptState {
		b.subjects[row.Subject] = r
	} else {
		b.hub.subjects.put(row.Subject, r)
	}
	return r, nil
}
