package hub

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"

	"greenlane"
	"greenlane/internal/store"
)

// Report is what [Verify] found.
type Report struct {
	Events   int64    `json:"events"`
	Subjects int64    `json:"subjects"`
	Lanes    int      `json:"lanes"`
	Head     string   `json:"headHash"`
	Problems []string `json:"problems"`
	// Hidden counts problems beyond the first hundred.
	Hidden int `json:"hiddenProblems,omitzero"`
}

// OK reports whether everything agreed.
func (r *Report) OK() bool { return len(r.Problems) == 0 }

const maxProblems = 100

func (r *Report) add(format string, args ...any) {
	if len(r.Problems) >= maxProblems {
		r.Hidden++
		return
	}
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
}

// Verify recomputes the hash chain, folds every subject from the log and
// compares it with what is stored, and checks references, consignments, cursors
// and lanes. It only reads, and may run beside a hub that writes. progress is
// called now and then with what is done and what there is to do, in events.
//
// An error means that verification itself could not be completed; differences
// are in the report.
func Verify(ctx context.Context, s store.Store, progress func(done, all int64)) (*Report, error) {
	v := verifier{store: s, merged: map[int64]int64{}, report: &Report{Problems: []string{}}, progress: progress}
	head, err := s.Head(ctx)
	if err != nil {
		return nil, err
	}
	// The chain is half of the work, folding the other half.
	v.all = 2 * head.Position
	for _, step := range []func(context.Context, store.Head) error{v.chain, v.subjects, v.deliveries} {
		if err := step(ctx, head); err != nil {
			return nil, err
		}
	}
	return v.report, nil
}

type verifier struct {
	store store.Store
	// merged says which consignment became part of which, as of mergedUpTo.
	merged     map[int64]int64
	mergedUpTo int64
	report     *Report
	progress   func(done, all int64)
	done, all  int64
}

func (v *verifier) advance(n int64) {
	v.done += n
	if v.progress != nil {
		v.progress(min(v.done, v.all), v.all)
	}
}

// chain walks the log from the beginning to the head.
func (v *verifier) chain(ctx context.Context, head store.Head) error {
	var previous [32]byte
	var last greenlane.Event
	for after := int64(0); after < head.Position; {
		page, err := v.store.Events(ctx, store.EventQuery{After: after, Before: head.Position + 1, Limit: 1000})
		if err != nil {
			return err
		}
		if len(page.Events) == 0 {
			v.report.add("the log ends at %d, the head says %d", after, head.Position)
			return nil
		}
		for _, e := range page.Events {
			v.link(&last, e, previous)
			previous, last = e.Hash, *e
			v.merge(e)
		}
		after = last.Position
		v.report.Events += int64(len(page.Events))
		v.advance(int64(len(page.Events)))
	}
	if previous != head.Hash {
		v.report.add("the last event's hash is not the head's")
	}
	v.report.Head = fmt.Sprintf("%x", head.Hash)
	return nil
}

func (v *verifier) link(last, e *greenlane.Event, previous [32]byte) {
	if e.Position != last.Position+1 {
		v.report.add("after position %d comes %d", last.Position, e.Position)
	}
	if e.RecordedAt.Before(last.RecordedAt) {
		v.report.add("event %d was recorded before the one it follows", e.Position)
	}
	if e.ID.Number() != e.Position {
		v.report.add("event %d has an id made for position %d", e.Position, e.ID.Number())
	}
	if e.ChainHash(previous) != e.Hash {
		v.report.add("event %d does not have the hash that follows from its content and predecessor", e.Position)
	}
}

// merge takes in that two consignments became one.
func (v *verifier) merge(e *greenlane.Event) {
	v.mergedUpTo = e.Position
	// One that can't be read will not fold either.
	if from, into, ok := greenlane.MergeOf(e); ok {
		v.merged[from] = into
	}
}

// consignment checks that a subject is in the consignment its last event was
// recorded in, or in what that became part of.
func (v *verifier) consignment(ctx context.Context, row *store.SubjectRow, last *greenlane.Event) error {
	if v.survivor(last.Consignment) == row.Consignment {
		return nil
	}
	// A hub in another process may have merged since the chain was read.
	for {
		page, err := v.store.Events(ctx, store.EventQuery{After: v.mergedUpTo, Limit: 1000})
		if err != nil {
			return err
		}
		if len(page.Events) == 0 {
			break
		}
		for _, e := range page.Events {
			v.merge(e)
		}
	}
	if want := v.survivor(last.Consignment); want != row.Consignment {
		v.report.add("%s is in consignment %d, its events say %d", row.Subject, row.Consignment, want)
	}
	return nil
}

func (v *verifier) survivor(consignment int64) int64 {
	for into, ok := v.merged[consignment]; ok && into != consignment; into, ok = v.merged[consignment] {
		consignment = into
	}
	return consignment
}

// A group of subjects is checked at once, until it has as many subjects or events:
// a database that is elsewhere answers one question about many of them much faster
// than many questions about one.
const (
	groupSubjects = 256
	groupEvents   = 2048
)

// member is a subject of a group, with the positions of its events.
type member struct {
	*store.SubjectRow
	positions []int64
}

// subjects folds each subject from its events.
func (v *verifier) subjects(ctx context.Context, head store.Head) error {
	var group []member
	var events, counted int64
	check := func() error {
		err := v.group(ctx, group)
		v.advance(events)
		group, events = group[:0], 0
		return err
	}
	err := v.store.EachSubject(ctx, func(row *store.SubjectRow) error {
		v.report.Subjects++
		positions, err := v.positions(ctx, row)
		if err != nil {
			return err
		}
		for _, p := range positions {
			if p <= head.Position {
				counted++
			}
		}
		group, events = append(group, member{row, positions}), events+int64(len(positions))
		if len(group) < groupSubjects && events < groupEvents {
			return nil
		}
		return check()
	})
	if err == nil {
		err = check()
	}
	if err != nil {
		return err
	}
	if counted != head.Position {
		v.report.add("the subjects name %d of the log's %d events", counted, head.Position)
	}
	return nil
}

// positions returns the positions the row speaks of: more may have come since
// it was read.
func (v *verifier) positions(ctx context.Context, row *store.SubjectRow) ([]int64, error) {
	if int64(len(row.Recent)) == row.Version {
		return row.Recent, nil
	}
	var all []int64
	for int64(len(all)) < row.Version {
		after := int64(0)
		if len(all) > 0 {
			after = all[len(all)-1]
		}
		more, err := v.store.Positions(ctx, row.Subject, after, 1000)
		if err != nil {
			return nil, err
		}
		if len(more) == 0 {
			break
		}
		all = append(all, more...)
	}
	return all[:min(int64(len(all)), row.Version)], nil
}

// group checks subjects against their events, and that they are found by all that
// they are known by.
func (v *verifier) group(ctx context.Context, group []member) error {
	var positions []int64
	for _, m := range group {
		positions = append(positions, m.positions...)
	}
	events, err := v.store.EventsAt(ctx, positions)
	if err != nil {
		return err
	}
	var keys []store.AccountReference
	var known []*store.SubjectRow // by each of the keys
	for _, m := range group {
		// Those that are not there are left out.
		n := 0
		for _, p := range m.positions {
			if n < len(events) && events[n].Position == p {
				n++
			}
		}
		state, err := v.subject(ctx, m.SubjectRow, events[:n])
		if err != nil {
			return err
		}
		if events = events[n:]; state == nil {
			continue
		}
		for _, r := range state.References() {
			keys, known = append(keys, store.AccountReference{Account: m.Account, Reference: r}), append(known, m.SubjectRow)
		}
	}
	found, err := v.store.Find(ctx, keys)
	if err != nil {
		return err
	}
	for i, key := range keys {
		if !key.Reference.IsZero() && !slices.Contains(found[i], known[i].Subject) {
			v.report.add("%s is not found by its reference %s", known[i].Subject, key.Reference)
		}
	}
	return nil
}

// subject checks a subject against its events and returns the state that they add
// up to, nil when they add up to none.
func (v *verifier) subject(ctx context.Context, row *store.SubjectRow, events []*greenlane.Event) (greenlane.State, error) {
	if int64(len(events)) != row.Version {
		v.report.add("%s has %d events, its row says %d", row.Subject, len(events), row.Version)
		return nil, nil
	}
	for i, e := range events {
		if e.Subject != row.Subject || e.Account != row.Account || e.Version != int64(i+1) {
			v.report.add("event %d is not number %d of %s in account %d", e.Position, i+1, row.Subject, row.Account)
			return nil, nil
		}
	}
	state, err := Refold(row.Subject, events)
	if err != nil {
		v.report.add("%s can't be folded: %v", row.Subject, err)
		return nil, nil
	}
	folded, err := greenlane.EncodeState(state)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(folded, row.State) {
		v.report.add("%s: the stored state is not what its events add up to", row.Subject)
	}
	if len(events) > 0 {
		if err := v.consignment(ctx, row, events[len(events)-1]); err != nil {
			return nil, err
		}
	}
	if state.Clearance() != row.Clearance {
		v.report.add("%s: the stored clearance is %q, its events say %q", row.Subject, row.Clearance, state.Clearance())
	}
	return state, v.blobs(ctx, row, state)
}

// blobs checks that the documents a subject names are kept, byte for byte.
func (v *verifier) blobs(ctx context.Context, row *store.SubjectRow, state greenlane.State) error {
	for _, digest := range greenlane.Kept(state) {
		b, err := v.store.Blob(ctx, row.Account, digest)
		if err != nil {
			return err
		}
		if sha256.Sum256(b) != digest {
			v.report.add("%s: what is kept under digest %x is not what was recorded", row.Subject, digest)
		}
	}
	return nil
}

// deliveries checks that no cursor or lane points beyond what is there.
func (v *verifier) deliveries(ctx context.Context, head store.Head) error {
	endpoints, err := v.store.AllEndpoints(ctx)
	if err != nil {
		return err
	}
	for _, e := range endpoints {
		cursor, err := v.store.Cursor(ctx, "endpoint/"+strconv.FormatInt(e.Number, 10))
		if err != nil {
			return err
		}
		if err := v.cursor(ctx, e, cursor, head); err != nil {
			return err
		}
		if err := v.lanes(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// cursor checks that a cursor is not beyond the log. A hub in another process
// may have moved on since the head was read; then the event is there.
func (v *verifier) cursor(ctx context.Context, e *store.Endpoint, cursor int64, head store.Head) error {
	if cursor <= head.Position {
		return nil
	}
	events, err := v.store.EventsAt(ctx, []int64{cursor})
	if err == nil && len(events) == 0 {
		v.report.add("endpoint %s has its cursor at %d, beyond the head at %d", e.EndpointID(), cursor, head.Position)
	}
	return err
}

func (v *verifier) lanes(ctx context.Context, e *store.Endpoint) error {
	lanes, err := v.store.Lanes(ctx, e.Number)
	if err != nil {
		return err
	}
	heads := make([]int64, len(lanes))
	for i, l := range lanes {
		heads[i] = l.Head
	}
	events, err := v.store.EventsAt(ctx, heads)
	if err != nil {
		return err
	}
	v.report.Lanes += len(lanes)
	for _, head := range heads {
		own := false
		// Those that are not there are left out.
		if len(events) > 0 && events[0].Position == head {
			own, events = events[0].Account == e.Account, events[1:]
		}
		if !own {
			v.report.add("endpoint %s has a lane whose head %d is no event of its account", e.EndpointID(), head)
		}
	}
	return nil
}
