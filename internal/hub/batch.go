package hub

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

// record is a subject as the committer knows it. Records are values: a change
// makes a new one, so that a refused unit leaves nothing behind.
type record struct {
	row   *store.SubjectRow
	state greenlane.State
	// added are the events of this batch; their positions join row.Recent when
	// the batch is sealed.
	added []*greenlane.Event
}

// batch is one batch's view of the world: what was changed in it over what the
// cache and the store hold.
type batch struct {
	hub *Hub
	now time.Time

	// subjects and refs are what accepted units changed or loaded; the pending
	// ones belong to the unit at hand.
	subjects map[greenlane.Subject]*record
	refs     map[store.AccountReference][]greenlane.Subject
	moves    map[greenlane.Subject]int64
	// read, referred and gathered are what units found in memory or in the store,
	// those of refused ones too: should another node have written since, all of it
	// must still be so.
	read     map[greenlane.Subject]store.Expectation
	referred map[store.AccountReference]int
	gathered map[int64]int
	// made are the numbers of subjects that units of this batch make.
	made    map[int64]bool
	once    map[store.AccountDigest]bool
	digests map[store.AccountDigest]bool
	// answers and messages are what was recorded before under the units' keys and
	// digests.
	answers  map[store.AccountDigest]*store.Answer
	messages map[store.AccountDigest]*greenlane.Message
	held     map[store.Held]bool
	jobs     []*job

	pending unitView
	// failed is a failure of the store, which ends the batch.
	failed error

	rows store.Write
}

// once is the unit's idempotency key with the account it counts in.
func (u *Unit) once() store.AccountDigest {
	return store.AccountDigest{Account: cmp.Or(u.Once.Account, u.Account), Digest: u.Once.Key}
}

// digest is that of the unit's message.
func (u *Unit) digest() store.AccountDigest {
	return store.AccountDigest{Account: u.Account, Digest: u.Message.Digest}
}

// unitView is what one unit sees and changes before it is accepted.
type unitView struct {
	job     *job
	account *greenlane.Account
	message *greenlane.Message
	// parked: the message was stored before and still waits for its subject.
	parked   bool
	events   []*greenlane.Event
	subjects map[greenlane.Subject]*record
	refs     map[store.AccountReference][]greenlane.Subject
	newRefs  []store.SubjectReference
	moves    map[greenlane.Subject]int64
}

func newBatch(h *Hub, now time.Time) *batch {
	return &batch{
		hub: h, now: now,
		subjects: map[greenlane.Subject]*record{}, refs: map[store.AccountReference][]greenlane.Subject{},
		moves: map[greenlane.Subject]int64{}, once: map[store.AccountDigest]bool{}, digests: map[store.AccountDigest]bool{},
		answers: map[store.AccountDigest]*store.Answer{}, messages: map[store.AccountDigest]*greenlane.Message{},
		held: map[store.Held]bool{},
		read: map[greenlane.Subject]store.Expectation{}, referred: map[store.AccountReference]int{}, gathered: map[int64]int{}, made: map[int64]bool{},
	}
}

// drop forgets the unit at hand.
func (b *batch) drop() { b.pending = unitView{} }

// empty reports whether there is nothing to write.
func (b *batch) empty() bool { return len(b.jobs) == 0 }

// decide runs a unit's commands in view of what the batch did so far.
func (b *batch) decide(j *job) error {
	u := &j.unit
	b.pending = unitView{
		job: j, subjects: map[greenlane.Subject]*record{}, refs: map[store.AccountReference][]greenlane.Subject{},
		moves: map[greenlane.Subject]int64{},
	}
	j.outcome = &Outcome{}
	if settled, err := b.repeated(j); settled || err != nil {
		return err
	}
	b.pending.account = b.account(u)
	for _, c := range u.Commands {
		d, err := b.run(c, 0)
		if b.failed != nil {
			return b.failed
		}
		if err != nil {
			if u.Lenient && greenlane.KindOf(err) == greenlane.NotFound {
				j.outcome.Decisions = append(j.outcome.Decisions, Decision{Outcome: greenlane.OutcomeUnmatched})
				continue
			}
			return err
		}
		j.outcome.Decisions = append(j.outcome.Decisions, *d)
	}
	if j.outcome.unmatched() && u.Unmatched != nil && !b.pending.parked {
		if _, err := b.run(u.Unmatched(j.outcome), 0); err != nil {
			return err
		}
	}
	j.outcome.Events = b.pending.events
	return nil
}

// account returns the unit's account, or the one the unit is about to make.
func (b *batch) account(u *Unit) *greenlane.Account {
	if a := b.hub.Account(u.Account); a != nil {
		return a
	}
	for _, a := range u.Rows.Accounts {
		if a.Number == u.Account {
			return a
		}
	}
	return &greenlane.Account{Number: u.Account}
}

// repeated settles a unit that happened before: the same idempotency key, or
// the same message. One whose twin is in this batch waits for the next.
func (b *batch) repeated(j *job) (settled bool, err error) {
	u := &j.unit
	if u.Once != nil {
		if b.once[u.once()] {
			return true, b.wait(j)
		}
		if known := b.answers[u.once()]; known != nil {
			if known.Request != u.Once.Request {
				return true, greenlane.Errorf(greenlane.Conflict, "idempotency_mismatch",
					"this idempotency key was used before with another request body")
			}
			j.outcome.Replay = known
			return true, nil
		}
	}
	if u.Message == nil {
		return false, nil
	}
	if b.digests[u.digest()] {
		return true, b.wait(j)
	}
	return b.knownMessage(j)
}

// knownMessage settles a unit whose message was applied before. A message that
// was stored without being applied keeps its number and is decided now.
func (b *batch) knownMessage(j *job) (bool, error) {
	u := &j.unit
	m := *u.Message
	b.pending.message, j.outcome.Message = &m, &m
	known := b.messages[u.digest()]
	if known == nil {
		number, err := b.hub.store.Reserve(context.Background(), store.MessageNumbers, 1)
		if err != nil {
			return false, b.fail(err)
		}
		m.Number, m.Account = number, u.Account
		m.ID = greenlane.NewID(m.ReceivedAt, number, b.hub.chance())
		return false, nil
	}
	if known.State == greenlane.MessageApplied && !u.Reread {
		j.outcome.Known, j.outcome.Message = true, known
		return true, nil
	}
	j.outcome.Former = known
	m.Number, m.ID, m.Account, m.ReceivedAt, m.Source = known.Number, known.ID, known.Account, known.ReceivedAt, known.Source
	b.pending.parked = known.State == greenlane.MessageUnmatched
	return false, nil
}

// fail records a failure of the store, which the whole batch shares.
func (b *batch) fail(err error) error {
	b.failed = err
	return err
}

// wait puts a unit back in the queue: its twin is in this batch, and only after
// the commit is there an answer to give.
func (b *batch) wait(j *job) error {
	j.deferred = true
	return nil
}

// accept makes what the unit changed visible to the rest of the batch.
func (b *batch) accept(j *job) {
	defer b.drop()
	u, p := &j.unit, &b.pending
	if j.deferred || j.outcome.Known || j.outcome.Replay != nil {
		return
	}
	if u.Once != nil {
		b.once[u.once()] = true
	}
	if u.Held != (store.Held{}) && !b.held[u.Held] {
		b.held[u.Held] = true
		b.rows.Held = append(b.rows.Held, u.Held)
	}
	if p.message != nil {
		b.acceptMessage(j)
	}
	for s, r := range p.subjects {
		b.subjects[s] = r
	}
	for r, subjects := range p.refs {
		b.refs[r] = subjects
	}
	for s, consignment := range p.moves {
		b.moves[s] = consignment
	}
	b.rows.References = append(b.rows.References, p.newRefs...)
	b.rows.Events = append(b.rows.Events, p.events...)
	b.addRows(&u.Rows)
	if len(p.events) > 0 || p.message != nil || u.Once != nil || !u.Rows.empty() {
		b.jobs = append(b.jobs, j)
	}
}

// acceptMessage stores the unit's message: applied, unreadable as its reader
// found it, or waiting for a subject.
func (b *batch) acceptMessage(j *job) {
	u, m := &j.unit, b.pending.message
	b.digests[u.digest()] = true
	b.rows.Messages = append(b.rows.Messages, m)
	if !j.outcome.unmatched() {
		if b.pending.parked {
			b.rows.Arrived = append(b.rows.Arrived, m.Number)
		}
		return
	}
	m.State = greenlane.MessageUnmatched
	for _, r := range u.Waits {
		b.rows.Waiting = append(b.rows.Waiting, store.WaitingReference{
			AccountReference: store.AccountReference{Account: u.Account, Reference: r}, Message: m.Number,
		})
	}
}

func (o *Outcome) unmatched() bool {
	return slices.ContainsFunc(o.Decisions, func(d Decision) bool { return d.Outcome == greenlane.OutcomeUnmatched })
}

func (r *Rows) empty() bool {
	return len(r.Accounts)+len(r.Keys)+len(r.Endpoints)+len(r.Revisions)+len(r.Attempts)+len(r.Lanes)+
		len(r.Settled)+len(r.Skips)+len(r.Cursors)+len(r.Breakers)+len(r.Replays)+len(r.Expired)+len(r.Tallies)+len(r.Blobs)+len(r.Secrets) == 0
}

func (b *batch) addRows(r *Rows) {
	w := &b.rows
	w.Accounts = append(w.Accounts, r.Accounts...)
	w.Keys = append(w.Keys, r.Keys...)
	w.Endpoints = append(w.Endpoints, r.Endpoints...)
	w.Revisions = append(w.Revisions, r.Revisions...)
	w.Attempts = append(w.Attempts, r.Attempts...)
	w.Lanes = append(w.Lanes, r.Lanes...)
	w.Settled = append(w.Settled, r.Settled...)
	w.Skips = append(w.Skips, r.Skips...)
	w.Cursors = append(w.Cursors, r.Cursors...)
	w.Breakers = append(w.Breakers, r.Breakers...)
	w.Replays = append(w.Replays, r.Replays...)
	w.Expired = append(w.Expired, r.Expired...)
	w.Tallies = append(w.Tallies, r.Tallies...)
	w.Blobs = append(w.Blobs, r.Blobs...)
	w.Secrets = append(w.Secrets, r.Secrets...)
}

// run decides one command, applies its events, and runs what follows.
func (b *batch) run(c greenlane.Command, depth int) (*Decision, error) {
	if depth > greenlane.FollowDepth {
		return nil, fmt.Errorf("commands follow each other too deep, last %T", c)
	}
	target, err := c.Target(b)
	if b.failed != nil || err != nil {
		return nil, err
	}
	self, r, err := b.resolve(target)
	if err != nil {
		return nil, err
	}
	env := b.env(self)
	drafts, err := r.state.Decide(env, c)
	if b.failed != nil || err != nil {
		return nil, err
	}
	first := len(b.pending.events)
	state := r.state
	for _, d := range drafts {
		if _, state, err = b.add(self, r, d); err != nil {
			return nil, err
		}
	}
	for _, follow := range greenlane.Follow(env, b.own(first, self), state) {
		if _, err := b.run(follow, depth+1); err != nil {
			return nil, fmt.Errorf("%T that follows from %T: %w", follow, c, err)
		}
	}
	d := &Decision{
		Subject: self, State: b.State(self), Events: b.pending.events[first:len(b.pending.events):len(b.pending.events)],
		Outcome: env.Outcome, Warnings: env.Warnings,
	}
	if d.Outcome == "" {
		d.Outcome = greenlane.OutcomeApplied
	}
	return d, nil
}

func (b *batch) env(self greenlane.Subject) *greenlane.Env {
	u := &b.pending.job.unit
	env := &greenlane.Env{
		Neighbours: b, Now: b.now, Account: b.pending.account, Self: self, Source: u.Source,
	}
	if m := b.pending.message; m != nil {
		env.ReceivedAt, env.MessageID = m.ReceivedAt, m.MessageID()
	}
	return env
}

// resolve finds the subject a command is for, or makes it.
func (b *batch) resolve(t greenlane.Target) (greenlane.Subject, *record, error) {
	if t.Number == 0 {
		for _, ref := range t.By {
			for _, s := range b.Find(ref) {
				if s.Kind == t.Kind {
					return s, b.record(s), b.failed
				}
			}
		}
		if b.failed != nil {
			return greenlane.Subject{}, nil, b.failed
		}
		if !t.Create {
			return greenlane.Subject{}, nil, missing(t, "")
		}
		return b.create(t)
	}
	s := greenlane.Subject{Kind: t.Kind, Number: t.Number}
	if r := b.record(s); r != nil || b.failed != nil {
		return s, r, b.failed
	}
	if !t.Create {
		return s, nil, missing(t, strconv.FormatInt(t.Number, 10))
	}
	return s, b.fresh(s), nil
}

func missing(t greenlane.Target, name string) error {
	if name == "" {
		name = "by these references"
	}
	return greenlane.Errorf(greenlane.NotFound, "not_found", "there is no %s %s in this account", t.Kind, name)
}

func (b *batch) create(t greenlane.Target) (greenlane.Subject, *record, error) {
	number, err := b.hub.store.Reserve(context.Background(), store.SubjectNumbers, 1)
	if err != nil {
		return greenlane.Subject{}, nil, b.fail(err)
	}
	b.made[number] = true
	s := greenlane.Subject{Kind: t.Kind, Number: number}
	return s, b.fresh(s), nil
}

// fresh is the record of a subject nobody has spoken of yet.
func (b *batch) fresh(s greenlane.Subject) *record {
	state := greenlane.NewState(s.Kind)
	if state == nil {
		panic(fmt.Sprintf("hub: no rules for subjects of kind %s", s.Kind))
	}
	row := &store.SubjectRow{Subject: s, Account: b.pending.job.unit.Account, Consignment: s.Number}
	r := &record{row: row, state: state}
	return r
}

// add gives a draft its place after the unit's other events and folds it. r is
// the subject as the command found it; what the unit did to it since counts.
func (b *batch) add(self greenlane.Subject, r *record, d greenlane.Draft) (*greenlane.Event, greenlane.State, error) {
	if changed, ok := b.pending.subjects[self]; ok {
		r = changed
	}
	u := &b.pending.job.unit
	e := &greenlane.Event{
		Type: d.Type, Account: u.Account, Subject: self, Version: r.row.Version + 1, Late: d.Late,
		OccurredAt: greenlane.Micro(d.OccurredAt), Source: u.Source, Cause: u.Cause, Body: d.Body,
	}
	if m := b.pending.message; m != nil {
		e.ReceivedAt = m.ReceivedAt
		e.Cause = greenlane.Cause{Kind: greenlane.CauseMessage, ID: m.MessageID()}
	}
	if err := e.Encode(); err != nil {
		return nil, nil, err
	}
	state, err := r.state.Apply(e)
	if err != nil {
		return nil, nil, err
	}
	row := *r.row
	row.Version++
	next := &record{row: &row, state: state, added: append(r.added[:len(r.added):len(r.added)], e)}
	if c := state.Clearance(); c != row.Clearance {
		row.Clearance, row.Reindexed = c, true
	}
	b.pending.subjects[self] = next
	b.pending.events = append(b.pending.events, e)
	e.References = state.References()
	if err := b.join(next, r.state.References(), e); err != nil {
		return nil, nil, err
	}
	if e.Consignment == 0 {
		e.Consignment = next.row.Consignment
	}
	return e, state, nil
}

// expect adds what the units' decisions rest on, as of a position.
func (b *batch) expect(w *store.Write, base int64) {
	w.Base = base
	for _, x := range b.read {
		w.Expect = append(w.Expect, x)
	}
	for ref, n := range b.referred {
		w.Referred = append(w.Referred, store.ReferenceCount{AccountReference: ref, Count: n})
	}
	for consignment, n := range b.gathered {
		w.Gathered = append(w.Gathered, store.MemberCount{Consignment: consignment, Count: n})
	}
}

// write completes the batch's transaction.
func (b *batch) write(h *Hub) *store.Write {
	w := &b.rows
	b.expect(w, h.head.Position)
	changed := make([]*record, 0, len(b.subjects))
	for _, r := range b.subjects {
		if len(r.added) > 0 {
			changed = append(changed, r)
		}
	}
	slices.SortFunc(changed, func(x, y *record) int {
		return x.row.Subject.Compare(y.row.Subject)
	})
	for s, consignment := range b.moves {
		if r := b.subjects[s]; r == nil || len(r.added) == 0 {
			w.Moves = append(w.Moves, store.Move{Subject: s, Consignment: consignment})
		}
	}
	slices.SortFunc(w.Moves, func(x, y store.Move) int { return x.Subject.Compare(y.Subject) })
	chances := make([]uint32, len(w.Events))
	for i := range chances {
		chances[i] = h.chance()
	}
	w.Seal = func(head store.Head) error { return b.seal(w, head, changed, chances) }
	return w
}

// seal gives events their place and completes what depends on it. It is a
// function of the head alone and may run again with another.
func (b *batch) seal(w *store.Write, head store.Head, changed []*record, chances []uint32) error {
	recorded := b.now
	if recorded.Before(head.RecordedAt) {
		recorded = head.RecordedAt
	}
	previous := head.Hash
	for i, e := range w.Events {
		e.Position, e.RecordedAt = head.Position+int64(i)+1, recorded
		e.ID = greenlane.NewID(recorded, e.Position, chances[i])
		e.Hash = e.ChainHash(previous)
		previous = e.Hash
	}
	w.Subjects, w.Chunks = w.Subjects[:0], w.Chunks[:0]
	for _, r := range changed {
		row, chunks, err := r.sealed(recorded)
		if err != nil {
			return err
		}
		w.Subjects = append(w.Subjects, row)
		w.Chunks = append(w.Chunks, chunks...)
	}
	w.Answers = w.Answers[:0]
	for _, j := range b.jobs {
		if j.unit.Describe != nil {
			j.unit.Describe(j.outcome)
		}
		if once := j.unit.Once; once != nil {
			status, body := once.Answer(j.outcome)
			w.Answers = append(w.Answers, &store.Answer{
				Account: j.unit.once().Account, Key: once.Key, Request: once.Request, Status: status, Body: body, StoredAt: recorded,
			})
		}
	}
	return nil
}

// sealed returns the row with the positions of the batch's events, and the
// chunks of older positions that no longer fit.
func (r *record) sealed(recorded time.Time) (*store.SubjectRow, []store.PositionChunk, error) {
	row := *r.row
	row.Recent = slices.Clip(row.Recent)
	for _, e := range r.added {
		row.Recent = append(row.Recent, e.Position)
	}
	row.UpdatedAt = recorded
	var err error
	if row.State, err = greenlane.EncodeState(r.state); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", row.Subject, err)
	}
	var chunks []store.PositionChunk
	for len(row.Recent) > store.RecentLimit {
		chunks = append(chunks, store.PositionChunk{Subject: row.Subject, Positions: row.Recent[:store.ChunkSize]})
		row.Recent = row.Recent[store.ChunkSize:]
	}
	return &row, chunks, nil
}

// keep puts what was committed into the hub's memory.
func (b *batch) keep(h *Hub) {
	for _, row := range b.rows.Subjects {
		if len(row.State) > maxKeptState {
			h.subjects.drop(row.Subject)
			continue
		}
		kept := *row
		kept.Was, kept.Reindexed, kept.State = kept.Version, false, nil
		h.subjects.put(row.Subject, &record{row: &kept, state: b.subjects[row.Subject].state})
	}
	for s := range b.moves {
		if r := b.subjects[s]; r != nil && len(r.added) == 0 && len(r.row.State) <= maxKeptState {
			row := *r.row
			row.Reindexed = false
			h.subjects.put(s, &record{row: &row, state: r.state})
		}
	}
	for ref, subjects := range b.refs {
		if len(subjects) > 0 {
			h.refs.put(ref, subjects)
		}
	}
}
