package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/store"
	"greenlane/internal/store/backend"
)

// model is the contract in memory: what a backend has to answer, written
// without any thought of speed. A write is applied to a copy of everything, and
// the copy becomes the content when all of it was possible. The reads are in
// modelread.go.
type model struct {
	mu      sync.Mutex
	closed  bool
	numbers map[store.Sequence]int64
	content content
	backend.Lessor
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
	attempts  map[store.AttemptID]*store.Attempt
	tallies   map[tallyID]*store.Tally
	breakers  map[int64]*store.Breaker
	replays   map[[2]int64]*store.Replay
	skips     []*store.Skip
	cursors   map[string]int64
	blobs     map[blobID][]byte
	secrets   map[secretsID][]store.Secret
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
	tallyID struct {
		endpoint int64
		hour     time.Time
	}
	blobID struct {
		account int64
		digest  [32]byte
	}
	secretsID struct {
		account int64
		owner   string
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
			lanes: map[store.LaneID]*store.Lane{}, attempts: map[store.AttemptID]*store.Attempt{},
			tallies:  map[tallyID]*store.Tally{},
			breakers: map[int64]*store.Breaker{}, replays: map[[2]int64]*store.Replay{},
			cursors: map[string]int64{}, blobs: map[blobID][]byte{}, secrets: map[secretsID][]store.Secret{},
		},
	}
}

// Memory opens the model, the contract in memory, for the tests of what works
// over any backend. What it holds ends with the test.
func Memory() Opener {
	var mu sync.Mutex
	models := map[string]*model{}
	return func(_ *testing.T, dir string) store.Store {
		mu.Lock()
		defer mu.Unlock()
		if models[dir] == nil {
			models[dir] = newModel()
		}
		models[dir].reopen()
		return models[dir]
	}
}

func (c content) clone() content {
	c.events, c.skips = slices.Clip(c.events), slices.Clip(c.skips)
	c.subjects, c.older, c.tied = maps.Clone(c.subjects), maps.Clone(c.older), maps.Clone(c.tied)
	c.messages, c.waiting, c.answers = maps.Clone(c.messages), maps.Clone(c.waiting), maps.Clone(c.answers)
	c.accounts, c.keys, c.endpoints = maps.Clone(c.accounts), maps.Clone(c.keys), maps.Clone(c.endpoints)
	c.revisions, c.lanes, c.attempts = maps.Clone(c.revisions), maps.Clone(c.lanes), maps.Clone(c.attempts)
	c.breakers, c.replays, c.tallies = maps.Clone(c.breakers), maps.Clone(c.replays), maps.Clone(c.tallies)
	c.cursors, c.blobs, c.secrets = maps.Clone(c.cursors), maps.Clone(c.blobs), maps.Clone(c.secrets)
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

func (*model) Moved() <-chan struct{} { return nil }

func (*model) InTurn(_ context.Context, _ int64, f func(store.Head, []*greenlane.Event)) error {
	f(store.Head{}, nil)
	return nil
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
	if err := m.Check(w); err != nil {
		return err
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
		c.applyBlobs, c.applySecrets,
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
		row := c.subjects[x.Subject]
		if c.version(x.Subject) != x.Version || x.Consignment != 0 && (row == nil || row.Consignment != x.Consignment) {
			return store.ErrMoved
		}
	}
	for _, r := range w.Referred {
		if len(c.find(r.AccountReference)) != r.Count {
			return store.ErrMoved
		}
	}
	for _, g := range w.Gathered {
		if len(c.members(g.Consignment)) != g.Count {
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
			row.Format, row.State, row.Problem, row.Results = m.Format, m.State, m.Problem, m.Results
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
			row.Generation = max(row.Generation, old.Generation)
		}
		for _, other := range c.endpoints {
			if other.Number != row.Number && other.Account == row.Account && other.URL == row.URL &&
				other.State != store.EndpointDeleted && row.State != store.EndpointDeleted {
				return store.ErrDuplicate
			}
		}
		row.CreatedAt, row.UpdatedAt = greenlane.Micro(row.CreatedAt), greenlane.Micro(row.UpdatedAt)
		row.Secrets = keptSecrets(e.Secrets)
		c.endpoints[e.Number] = &row
	}
	for _, r := range w.Revisions {
		row := *r
		row.Settings, row.Confidential, row.MadeAt = kept(r.Settings), kept(r.Confidential), greenlane.Micro(r.MadeAt)
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
		c.attempts[a.ID()] = &row
	}
	for _, id := range w.Expired {
		delete(c.attempts, id)
	}
	for _, t := range w.Tallies {
		row := *t
		row.Hour, row.Counts = greenlane.Micro(t.Hour), kept(t.Counts)
		c.tallies[tallyID{row.Endpoint, row.Hour}] = &row
	}
	for _, b := range w.Breakers {
		row := *b
		row.Since, row.Failing, row.ProbeAt = greenlane.Micro(b.Since), greenlane.Micro(b.Failing), greenlane.Micro(b.ProbeAt)
		c.breakers[b.Endpoint] = &row
	}
	for _, r := range w.Replays {
		id := [2]int64{r.Endpoint, int64(r.Generation)}
		row := *r
		row.CreatedAt, row.UpdatedAt = greenlane.Micro(r.CreatedAt), greenlane.Micro(r.UpdatedAt)
		if old := c.replays[id]; old != nil {
			row.First, row.Last, row.Selection, row.CreatedAt = old.First, old.Last, old.Selection, old.CreatedAt
		}
		c.replays[id] = &row
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

func (c *content) applyBlobs(w *store.Write) error {
	for _, b := range w.Blobs {
		id := blobID{b.Account, b.Digest}
		if _, there := c.blobs[id]; !there {
			c.blobs[id] = kept(b.Bytes)
		}
	}
	return nil
}

func (c *content) applySecrets(w *store.Write) error {
	for _, o := range w.Secrets {
		id := secretsID{o.Account, o.Owner}
		if !o.First || len(c.secrets[id]) == 0 {
			c.secrets[id] = keptSecrets(o.Secrets)
		}
	}
	return nil
}

// keptSecrets is how secrets come back.
func keptSecrets(secrets []store.Secret) (out []store.Secret) {
	for _, s := range secrets {
		out = append(out, store.Secret{Kind: s.Kind, Text: s.Text, Until: greenlane.Micro(s.Until)})
	}
	return out
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
