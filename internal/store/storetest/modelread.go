package storetest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

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
	err = m.view(ctx, func(c *content) { out = c.members(consignment) })
	return out, err
}

func (c *content) members(consignment int64) (out []greenlane.Subject) {
	for s, row := range c.subjects {
		if row.Consignment == consignment {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, bySubject)
	return out
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

func (m *model) MessagesByDigest(ctx context.Context, digests []store.AccountDigest) (out []*greenlane.Message, err error) {
	out = make([]*greenlane.Message, len(digests))
	err = m.view(ctx, func(c *content) {
		for i, d := range digests {
			if row := c.byDigest(d.Account, d.Digest); row != nil {
				out[i] = withoutBytes(row)
			}
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

func (m *model) Answers(ctx context.Context, keys []store.AccountDigest) (out []*store.Answer, err error) {
	err = m.view(ctx, func(c *content) {
		for _, key := range keys {
			out = append(out, c.answers[answerID{key.Account, key.Digest}])
		}
	})
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

func (m *model) Acknowledged(ctx context.Context, endpoint int64, generation int, after, last int64) (out []int64, err error) {
	err = m.view(ctx, func(c *content) {
		for id, a := range c.attempts {
			if id.Endpoint == endpoint && id.Position > after && id.Position <= last && id.Generation == generation && a.Done {
				out = append(out, id.Position)
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
		if id.Endpoint == endpoint && id.Position == position && (generation == 0 || id.Generation == generation) {
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
			var latest *store.Attempt
			for _, a := range c.attemptsAt(endpoint, p, 0) {
				if latest == nil || a.Done || !latest.Done {
					latest = a
				}
			}
			out = append(out, latest)
		}
	})
	return out, err
}

func (m *model) OldAttempts(ctx context.Context, q store.OldAttemptQuery) (page store.OldAttemptPage, err error) {
	err = m.view(ctx, func(c *content) {
		looked := 0
		for _, id := range slices.SortedFunc(maps.Keys(c.attempts), byAttempt) {
			if byAttempt(id, q.After) <= 0 || id.Position > q.Last || looked == q.Scan {
				continue
			}
			looked++
			page.Reached = id
			if a := c.attempts[id]; a.SentAt.Before(q.Before) {
				page.Attempts = append(page.Attempts, store.OldAttempt{AttemptID: id, Done: a.Done})
			}
		}
		page.More = looked == q.Scan
	})
	return page, err
}

func byAttempt(a, b store.AttemptID) int {
	return cmp.Or(cmp.Compare(a.Position, b.Position), cmp.Compare(a.Endpoint, b.Endpoint),
		cmp.Compare(a.Generation, b.Generation), cmp.Compare(a.Number, b.Number))
}

func (m *model) Tallies(ctx context.Context, endpoint int64, from, until time.Time) (out []*store.Tally, err error) {
	err = m.view(ctx, func(c *content) {
		for id, t := range c.tallies {
			if id.endpoint == endpoint && !id.hour.Before(from) && id.hour.Before(until) {
				out = append(out, t)
			}
		}
		slices.SortFunc(out, func(a, b *store.Tally) int { return a.Hour.Compare(b.Hour) })
	})
	return out, err
}

func (m *model) ForgetTallies(ctx context.Context, t time.Time) (n int, err error) {
	err = m.view(ctx, func(c *content) {
		maps.DeleteFunc(c.tallies, func(id tallyID, _ *store.Tally) bool {
			old := id.hour.Before(t)
			if old {
				n++
			}
			return old
		})
	})
	return n, err
}

func (m *model) Breaker(ctx context.Context, endpoint int64) (out *store.Breaker, err error) {
	err = m.view(ctx, func(c *content) { out = c.breakers[endpoint] })
	return out, err
}

func (m *model) Replays(ctx context.Context, endpoint int64) (out []*store.Replay, err error) {
	err = m.view(ctx, func(c *content) {
		for id, r := range c.replays {
			if id[0] == endpoint {
				out = append(out, r)
			}
		}
		slices.SortFunc(out, func(a, b *store.Replay) int { return cmp.Compare(a.Generation, b.Generation) })
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

func (m *model) Blob(ctx context.Context, account int64, digest [32]byte) (out []byte, err error) {
	err = m.view(ctx, func(c *content) { out = c.blobs[blobID{account, digest}] })
	return out, err
}

func (m *model) Secrets(ctx context.Context, account int64, owner string) (out []store.Secret, err error) {
	err = m.view(ctx, func(c *content) { out = c.secrets[secretsID{account, owner}] })
	return out, err
}

// Reseal implements [store.Resealing]. There are no files to scrub.
func (m *model) Reseal(ctx context.Context, change func(store.Confidential) (store.Confidential, error)) error {
	var failed error
	err := m.view(ctx, func(c *content) {
		changed, err := change(c.confidential())
		if err != nil {
			failed = err
			return
		}
		for _, e := range changed.Endpoints {
			row := *c.endpoints[e.Number]
			row.Secrets, row.EazeKey = keptSecrets(e.Secrets), e.EazeKey
			c.endpoints[e.Number] = &row
		}
		for _, r := range changed.Revisions {
			id := revisionID{r.Endpoint, r.Number}
			row := *c.revisions[id]
			row.Confidential = kept(r.Confidential)
			c.revisions[id] = &row
		}
		for _, o := range changed.Secrets {
			c.secrets[secretsID{o.Account, o.Owner}] = keptSecrets(o.Secrets)
		}
	})
	return cmp.Or(err, failed)
}

func (c *content) confidential() (all store.Confidential) {
	for _, e := range c.endpoints {
		if len(e.Secrets) > 0 || e.EazeKey != "" {
			all.Endpoints = append(all.Endpoints, &store.Endpoint{Number: e.Number, Secrets: slices.Clone(e.Secrets), EazeKey: e.EazeKey})
		}
	}
	for id, r := range c.revisions {
		if len(r.Confidential) > 0 {
			all.Revisions = append(all.Revisions, &store.Revision{Endpoint: id.endpoint, Number: id.number, Confidential: slices.Clone(r.Confidential)})
		}
	}
	for id, secrets := range c.secrets {
		if len(secrets) > 0 {
			all.Secrets = append(all.Secrets, &store.OwnedSecrets{Account: id.account, Owner: id.owner, Secrets: slices.Clone(secrets)})
		}
	}
	return all
}
