package storetest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

// model is the contract in memory: what a backend has to answer, written
// without any thought of speed. A write is applied to a copy of everything, and
// the copy becomes the content when all of it was possible.
type model struct {
	mu      sync.Mutex
	closed  bool
	numbers map[store.Sequence]int64
	content content
}

var _ store.Store = (*model)(nil)

var errModelClosed = errors.New("the model is closed")

// content is everything a store keeps. Rows are never changed in place.
type content struct {
	events    []*greenlane.Event
	subjects  map[greenlane.Subject]*store.SubjectRow
	older     map[greenlane.Subject][]int64
	tied      map[store.SubjectReference]bool
	messages  map[int64]*greenlane.Message
	waiting   map[store.WaitingReference]bool
	answers   map[answerID]*store.Answer
	accounts  map[int64]*greenlane.Account
	keys      map[greenlane.ID]*greenlane.Key
	endpoints map[int64]*store.Endpoint
	revisions map[revisionID]*store.Revision
	lanes     map[store.LaneID]*store.Lane
	attempts  map[attemptID]*store.Attempt
	skips     []*store.Skip
	cursors   map[string]int64
}

type (
	answerID struct {
		account int64
		key     [32]byte
	}
	revisionID struct {
		endpoint int64
		number   int
	}
	attemptID struct {
		endpoint, position int64
		generation, number int
	}
)

func newModel() *model {
	return &model{
		numbers: map[store.Sequence]int64{},
		content: content{
			subjects: map[greenlane.Subject]*store.SubjectRow{}, older: map[greenlane.Subject][]int64{},
			tied: map[store.SubjectReference]bool{}, messages: map[int64]*greenlane.Message{},
			waiting: map[store.WaitingReference]bool{}, answers: map[answerID]*store.Answer{},
			accounts: map[int64]*greenlane.Account{}, keys: map[greenlane.ID]*greenlane.Key{},
			endpoints: map[int64]*store.Endpoint{}, revisions: map[revisionID]*store.Revision{},
			lanes: map[store.LaneID]*store.Lane{}, attempts: map[attemptID]*store.Attempt{},
			cursors: map[string]int64{},
		},
	}
}

func (c content) clone() content {
	c.events, c.skips = slices.Clip(c.events), slices.Clip(c.skips)
	c.subjects, c.older, c.tied = maps.Clone(c.subjects), maps.Clone(c.older), maps.Clone(c.tied)
	c.messages, c.waiting, c.answers = maps.Clone(c.messages), maps.Clone(c.waiting), maps.Clone(c.answers)
	c.accounts, c.keys, c.endpoints = maps.Clone(c.accounts), maps.Clone(c.keys), maps.Clone(c.endpoints)
	c.revisions, c.lanes, c.attempts = maps.Clone(c.revisions), maps.Clone(c.lanes), maps.Clone(c.attempts)
	c.cursors = maps.Clone(c.cursors)
	return c
}

// view runs f with the content as it is.
func (m *model) view(ctx context.Context, f func(*content)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errModelClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	f(&m.content)
	return nil
}

func (m *model) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (m *model) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

// reopen is what opening is for the other backends.
func (m *model) reopen() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = false
}

func (m *model) Head(ctx context.Context) (head store.Head, err error) {
	err = m.view(ctx, func(c *content) { head = c.head() })
	return head, err
}

func (c *content) head() store.Head {
	if len(c.events) == 0 {
		return store.Head{}
	}
	last := c.events[len(c.events)-1]
	return store.Head{Position: last.Position, Hash: last.Hash, RecordedAt: last.RecordedAt}
}

func (m *model) Reserve(_ context.Context, s store.Sequence, n int) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	first := m.numbers[s] + 1
	m.numbers[s] += int64(n)
	return first, nil
}

func (m *model) Append(_ context.Context, w *store.Write) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errModelClosed
	}
	next := m.content.clone()
	if err := next.apply(w); err != nil {
		return err
	}
	m.content = next
	return nil
}

func (c *content) apply(w *store.Write) error {
	if err := c.check(w); err != nil {
		return err
	}
	if w.Seal != nil {
		if err := w.Seal(c.head()); err != nil {
			return err
		}
	}
	for _, e := range w.Events {
		if e.Position != int64(len(c.events))+1 {
			return fmt.Errorf("position %d does not follow %d", e.Position, len(c.events))
		}
		c.events = append(c.events, keptEvent(e))
	}
	for _, step := range []func(*store.Write) error{
		c.applySubjects, c.applyMessages, c.applyAnswers, c.applyAccounts, c.applyEndpoints, c.applyDeliveries,
	} {
		if err := step(w); err != nil {
			return err
		}
	}
	return nil
}

func (c *content) check(w *store.Write) error {
	if w.Base == c.head().Position {
		return nil
	}
	for _, x := range w.Expect {
		if c.version(x.Subject) != x.Version {
			return store.ErrMoved
		}
	}
	for _, r := range w.Absent {
		if len(c.find(r)) > 0 {
			return store.ErrMoved
		}
	}
	return nil
}

func (c *content) version(s greenlane.Subject) int64 {
	if row := c.subjects[s]; row != nil {
		return row.Version
	}
	return 0
}

func (c *content) applySubjects(w *store.Write) error {
	for _, s := range w.Subjects {
		old := c.subjects[s.Subject]
		if c.version(s.Subject) != s.Was {
			return store.ErrMoved
		}
		row := *s
		row.Was, row.Reindexed, row.UpdatedAt = s.Version, false, greenlane.Micro(s.UpdatedAt)
		row.State, row.Recent = kept(s.State), keptList(s.Recent)
		if old != nil && !s.Reindexed {
			row.Consignment, row.Clearance = old.Consignment, old.Clearance
		}
		if old != nil {
			row.Account = old.Account
		}
		c.subjects[s.Subject] = &row
	}
	for _, chunk := range w.Chunks {
		c.older[chunk.Subject] = slices.Concat(c.older[chunk.Subject], chunk.Positions)
	}
	for _, r := range w.References {
		c.tied[r] = true
	}
	for _, move := range w.Moves {
		if row := c.subjects[move.Subject]; row != nil {
			moved := *row
			moved.Consignment = move.Consignment
			c.subjects[move.Subject] = &moved
		}
	}
	return nil
}

func (c *content) applyMessages(w *store.Write) error {
	for _, m := range w.Messages {
		row := *m
		if old := c.messages[m.Number]; old != nil {
			row = *old
			row.State, row.Problem, row.Results = m.State, m.Problem, m.Results
		} else if c.byDigest(m.Account, m.Digest) != nil {
			return store.ErrDuplicate
		}
		row.Raw, row.Results, row.ReceivedAt = kept(row.Raw), kept(row.Results), greenlane.Micro(row.ReceivedAt)
		row.Size = len(row.Raw)
		c.messages[m.Number] = &row
	}
	for _, r := range w.Waiting {
		c.waiting[r] = true
	}
	for _, number := range w.Arrived {
		maps.DeleteFunc(c.waiting, func(r store.WaitingReference, _ bool) bool { return r.Message == number })
	}
	return nil
}

func (c *content) byDigest(account int64, digest [32]byte) *greenlane.Message {
	for _, m := range c.messages {
		if m.Account == account && m.Digest == digest {
			return m
		}
	}
	return nil
}

func (c *content) applyAnswers(w *store.Write) error {
	for _, a := range w.Answers {
		id := answerID{a.Account, a.Key}
		if c.answers[id] != nil {
			return store.ErrDuplicate
		}
		row := *a
		row.Body, row.StoredAt = kept(a.Body), greenlane.Micro(a.StoredAt)
		c.answers[id] = &row
	}
	return nil
}

func (c *content) applyAccounts(w *store.Write) error {
	for _, a := range w.Accounts {
		row := *a
		if old := c.accounts[a.Number]; old != nil {
			row = *old
			row.Region, row.Gateway = a.Region, a.Gateway
		}
		for _, other := range c.accounts {
			if other.Number != row.Number && other.Domain == row.Domain {
				return store.ErrDuplicate
			}
		}
		row.CreatedAt = greenlane.Micro(row.CreatedAt)
		c.accounts[a.Number] = &row
	}
	for _, k := range w.Keys {
		row := *k
		if old := c.keys[k.ID]; old != nil {
			row = *old
			row.ExpiresAt, row.RevokedAt = k.ExpiresAt, k.RevokedAt
		}
		row.CreatedAt, row.ExpiresAt = greenlane.Micro(row.CreatedAt), greenlane.Micro(row.ExpiresAt)
		row.RevokedAt = greenlane.Micro(row.RevokedAt)
		c.keys[k.ID] = &row
	}
	return nil
}

func (c *content) applyEndpoints(w *store.Write) error {
	for _, e := range w.Endpoints {
		row := *e
		if old := c.endpoints[e.Number]; old != nil {
			row.ID, row.Account, row.CreatedAt = old.ID, old.Account, old.CreatedAt
		}
		for _, other := range c.endpoints {
			if other.Number != row.Number && other.Account == row.Account && other.URL == row.URL &&
				other.State != store.EndpointDeleted && row.State != store.EndpointDeleted {
				return store.ErrDuplicate
			}
		}
		row.CreatedAt, row.UpdatedAt = greenlane.Micro(row.CreatedAt), greenlane.Micro(row.UpdatedAt)
		row.Secrets = nil
		for _, s := range e.Secrets {
			row.Secrets = append(row.Secrets, store.Secret{Text: s.Text, Until: greenlane.Micro(s.Until)})
		}
		c.endpoints[e.Number] = &row
	}
	for _, r := range w.Revisions {
		row := *r
		row.Settings, row.MadeAt = kept(r.Settings), greenlane.Micro(r.MadeAt)
		c.revisions[revisionID{r.Endpoint, r.Number}] = &row
	}
	return nil
}

func (c *content) applyDeliveries(w *store.Write) error {
	for _, id := range w.Settled {
		delete(c.lanes, id)
	}
	for _, l := range w.Lanes {
		row := *l
		row.DueAt, row.OpenedAt = greenlane.Micro(l.DueAt), greenlane.Micro(l.OpenedAt)
		c.lanes[l.LaneID] = &row
	}
	for _, a := range w.Attempts {
		row := *a
		row.SentAt, row.Headers, row.Body = greenlane.Micro(a.SentAt), kept(a.Headers), kept(a.Body)
		c.attempts[attemptID{a.Endpoint, a.Position, a.Generation, a.Number}] = &row
	}
	for _, s := range w.Skips {
		row := *s
		row.At = greenlane.Micro(s.At)
		c.skips = append(c.skips, &row)
	}
	for _, cursor := range w.Cursors {
		c.cursors[cursor.Owner] = max(c.cursors[cursor.Owner], cursor.Position)
	}
	return nil
}

// kept is how bytes come back.
func kept(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return slices.Clone(b)
}

func keptList[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return slices.Clone(list)
}

// keptEvent is how an event comes back.
func keptEvent(e *greenlane.Event) *greenlane.Event {
	k := *e
	k.OccurredAt, k.ReceivedAt = greenlane.Micro(e.OccurredAt), greenlane.Micro(e.ReceivedAt)
	k.RecordedAt = greenlane.Micro(e.RecordedAt)
	k.Data, k.Detail, k.References, k.Body = kept(e.Data), kept(e.Detail), keptList(e.References), nil
	return &k
}

func (m *model) Events(ctx context.Context, q store.EventQuery) (page store.EventPage, err error) {
	err = m.view(ctx, func(c *content) { page, _ = lookAt(c.events, q) })
	return page, err
}

// lookAt answers a query by looking at one event after the other, and returns
// at how many it looked.
func lookAt(events []*greenlane.Event, q store.EventQuery) (page store.EventPage, looked int) {
	if q.Desc {
		events = slices.Clone(events)
		slices.Reverse(events)
	}
	for _, e := range events {
		if e.Position <= q.After || q.Before > 0 && e.Position >= q.Before || q.Account != 0 && e.Account != q.Account {
			continue
		}
		if len(page.Events) == q.Limit || q.Scan > 0 && looked == q.Scan {
			page.More = true
			break
		}
		looked++
		page.Reached = e.Position
		if len(q.Types) == 0 || slices.Contains(q.Types, e.Type) {
			page.Events = append(page.Events, e)
		}
	}
	return page, looked
}

func (m *model) EventsAt(ctx context.Context, positions []int64) (out []*greenlane.Event, err error) {
	err = m.view(ctx, func(c *content) {
		for _, p := range positions {
			if p > 0 && p <= int64(len(c.events)) {
				out = append(out, c.events[p-1])
			}
		}
	})
	return out, err
}

func (m *model) PositionAt(ctx context.Context, t time.Time) (position int64, err error) {
	err = m.view(ctx, func(c *content) {
		for _, e := range c.events {
			if !e.RecordedAt.After(t) {
				position = e.Position
			}
		}
	})
	return position, err
}

func (m *model) Load(ctx context.Context, subjects []greenlane.Subject) (out []*store.SubjectRow, err error) {
	err = m.view(ctx, func(c *content) {
		for _, s := range subjects {
			out = append(out, c.subjects[s])
		}
	})
	return out, err
}

func (m *model) Find(ctx context.Context, refs []store.AccountReference) (out [][]greenlane.Subject, err error) {
	err = m.view(ctx, func(c *content) {
		for _, r := range refs {
			out = append(out, c.find(r))
		}
	})
	return out, err
}

func (c *content) find(r store.AccountReference) (out []greenlane.Subject) {
	for tied := range c.tied {
		if tied.AccountReference == r {
			out = append(out, tied.Subject)
		}
	}
	slices.SortFunc(out, bySubject)
	return out
}

func bySubject(a, b greenlane.Subject) int {
	return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Kind, b.Kind))
}

func (m *model) List(ctx context.Context, q store.SubjectQuery) (out []*store.SubjectRow, err error) {
	err = m.view(ctx, func(c *content) {
		rows := slices.SortedFunc(maps.Values(c.subjects), func(a, b *store.SubjectRow) int {
			return bySubject(b.Subject, a.Subject)
		})
		for _, row := range rows {
			fits := row.Account == q.Account && row.Subject.Kind == q.Kind &&
				(q.Clearance == "" || row.Clearance == q.Clearance) && (q.Below == 0 || row.Subject.Number < q.Below)
			if fits && len(out) < q.Limit {
				out = append(out, row)
			}
		}
	})
	return out, err
}

func (m *model) Members(ctx context.Context, consignment int64) (out []greenlane.Subject, err error) {
	err = m.view(ctx, func(c *content) {
		for s, row := range c.subjects {
			if row.Consignment == consignment {
				out = append(out, s)
			}
		}
		slices.SortFunc(out, bySubject)
	})
	return out, err
}

func (m *model) Positions(ctx context.Context, s greenlane.Subject, after int64, limit int) (out []int64, err error) {
	err = m.view(ctx, func(c *content) {
		all := c.older[s]
		if row := c.subjects[s]; row != nil {
			all = slices.Concat(all, row.Recent)
		}
		for _, p := range all {
			if p > after && len(out) < limit {
				out = append(out, p)
			}
		}
	})
	return out, err
}

func (m *model) EachSubject(ctx context.Context, f func(*store.SubjectRow) error) error {
	var rows []*store.SubjectRow
	err := m.view(ctx, func(c *content) {
		rows = slices.SortedFunc(maps.Values(c.subjects), func(a, b *store.SubjectRow) int {
			return bySubject(a.Subject, b.Subject)
		})
	})
	for _, row := range rows {
		err = errors.Join(err, ctx.Err())
		if err == nil {
			err = f(row)
		}
	}
	return err
}

func (m *model) Message(ctx context.Context, account, number int64) (out *greenlane.Message, err error) {
	err = m.view(ctx, func(c *content) {
		if row := c.messages[number]; row != nil && row.Account == account {
			out = row
		}
	})
	return out, err
}

func (m *model) MessageByDigest(ctx context.Context, account int64, digest [32]byte) (out *greenlane.Message, err error) {
	err = m.view(ctx, func(c *content) {
		if row := c.byDigest(account, digest); row != nil {
			out = withoutBytes(row)
		}
	})
	return out, err
}

func withoutBytes(m *greenlane.Message) *greenlane.Message {
	listed := *m
	listed.Raw = nil
	return &listed
}

func (m *model) ListMessages(ctx context.Context, account, below int64, state greenlane.MessageState, limit int) (out []*greenlane.Message, err error) {
	err = m.view(ctx, func(c *content) {
		for _, number := range slices.Backward(slices.Sorted(maps.Keys(c.messages))) {
			row := c.messages[number]
			fits := row.Account == account && (below == 0 || number < below) && (state == "" || row.State == state)
			if fits && len(out) < limit {
				out = append(out, withoutBytes(row))
			}
		}
	})
	return out, err
}

func (m *model) WaitingFor(ctx context.Context, refs []store.AccountReference) (out []int64, err error) {
	err = m.view(ctx, func(c *content) {
		for r := range c.waiting {
			if slices.Contains(refs, r.AccountReference) {
				out = append(out, r.Message)
			}
		}
		slices.Sort(out)
		out = slices.Compact(out)
	})
	return out, err
}

func (m *model) Answer(ctx context.Context, account int64, key [32]byte) (out *store.Answer, err error) {
	err = m.view(ctx, func(c *content) { out = c.answers[answerID{account, key}] })
	return out, err
}

func (m *model) ForgetAnswers(ctx context.Context, t time.Time) (n int, err error) {
	err = m.view(ctx, func(c *content) {
		maps.DeleteFunc(c.answers, func(_ answerID, a *store.Answer) bool {
			old := a.StoredAt.Before(t)
			if old {
				n++
			}
			return old
		})
	})
	return n, err
}

func (m *model) AllAccounts(ctx context.Context) (out []*greenlane.Account, err error) {
	err = m.view(ctx, func(c *content) {
		for _, number := range slices.Sorted(maps.Keys(c.accounts)) {
			out = append(out, c.accounts[number])
		}
	})
	return out, err
}

func (m *model) AllKeys(ctx context.Context) (out []*greenlane.Key, err error) {
	err = m.view(ctx, func(c *content) {
		out = slices.SortedFunc(maps.Values(c.keys), byKeyID)
	})
	return out, err
}

func byKeyID(a, b *greenlane.Key) int { return bytes.Compare(a.ID[:], b.ID[:]) }

func (m *model) AllEndpoints(ctx context.Context) (out []*store.Endpoint, err error) {
	err = m.view(ctx, func(c *content) {
		for _, number := range slices.Sorted(maps.Keys(c.endpoints)) {
			if e := c.endpoints[number]; e.State != store.EndpointDeleted {
				out = append(out, e)
			}
		}
	})
	return out, err
}

func (m *model) Revisions(ctx context.Context, endpoint int64) (out []*store.Revision, err error) {
	err = m.view(ctx, func(c *content) {
		for id, r := range c.revisions {
			if id.endpoint == endpoint {
				out = append(out, r)
			}
		}
		slices.SortFunc(out, func(a, b *store.Revision) int { return cmp.Compare(a.Number, b.Number) })
	})
	return out, err
}

func (m *model) Lanes(ctx context.Context, endpoint int64) (out []*store.Lane, err error) {
	err = m.view(ctx, func(c *content) {
		for id, l := range c.lanes {
			if id.Endpoint == endpoint {
				out = append(out, l)
			}
		}
		slices.SortFunc(out, byLane)
	})
	return out, err
}

func byLane(a, b *store.Lane) int {
	return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Generation, b.Generation))
}

func (m *model) Cursor(ctx context.Context, owner string) (position int64, err error) {
	err = m.view(ctx, func(c *content) { position = c.cursors[owner] })
	return position, err
}

func (m *model) Acknowledged(ctx context.Context, endpoint, after int64) (out []int64, err error) {
	err = m.view(ctx, func(c *content) {
		for id, a := range c.attempts {
			if id.endpoint == endpoint && id.position > after && id.generation == 1 && a.Done {
				out = append(out, id.position)
			}
		}
		slices.Sort(out)
		out = slices.Compact(out)
	})
	return out, err
}

func (m *model) Attempts(ctx context.Context, endpoint, position int64, generation int) (out []*store.Attempt, err error) {
	err = m.view(ctx, func(c *content) { out = c.attemptsAt(endpoint, position, generation) })
	return out, err
}

func (c *content) attemptsAt(endpoint, position int64, generation int) (out []*store.Attempt) {
	for id, a := range c.attempts {
		if id.endpoint == endpoint && id.position == position && (generation == 0 || id.generation == generation) {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b *store.Attempt) int {
		return cmp.Or(cmp.Compare(a.Generation, b.Generation), cmp.Compare(a.Number, b.Number))
	})
	return out
}

func (m *model) LatestAttempts(ctx context.Context, endpoint int64, positions []int64) (out []*store.Attempt, err error) {
	err = m.view(ctx, func(c *content) {
		for _, p := range positions {
			all := append([]*store.Attempt{nil}, c.attemptsAt(endpoint, p, 0)...)
			out = append(out, all[len(all)-1])
		}
	})
	return out, err
}

func (m *model) Skips(ctx context.Context, endpoint int64) (out []*store.Skip, err error) {
	err = m.view(ctx, func(c *content) {
		for _, s := range c.skips {
			if s.Endpoint == endpoint {
				out = append(out, s)
			}
		}
		slices.SortStableFunc(out, func(a, b *store.Skip) int { return cmp.Compare(a.First, b.First) })
	})
	return out, err
}
