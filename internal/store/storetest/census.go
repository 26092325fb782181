package storetest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

// What the tests write stays within these bounds, so that a census finds all
// of it.
const (
	accounts   = 3
	keys       = 12
	references = 8
	messages   = 40
	endpoints  = 12
	positions  = 24
	blobs      = 6
	everything = 1 << 20
)

// census is everything that can be read from a store, in an order of its own
// where the contract promises none. Two stores with equal censuses have the
// same content.
type census struct {
	Head      store.Head
	Events    []*greenlane.Event
	Subjects  []*store.SubjectRow
	Positions map[string][]int64
	Members   map[int64][]greenlane.Subject
	Found     map[string][]greenlane.Subject
	Messages  []*greenlane.Message
	Listed    []*greenlane.Message
	Waiting   map[string][]int64
	Answers   []*store.Answer
	Accounts  []*greenlane.Account
	Keys      []*greenlane.Key
	Endpoints []*store.Endpoint
	Revisions []*store.Revision
	Lanes     []*store.Lane
	Attempts  []*store.Attempt
	Acked     map[int64][]int64
	Tallies   []*store.Tally
	Breakers  []*store.Breaker
	Replays   []*store.Replay
	Skips     []*store.Skip
	Cursors   map[string]int64
	Blobs     []*store.Blob
	Secrets   map[string][]store.Secret
}

// failer is what a test and a property have in common.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// taker reads one part after the other and stops the test at the first error.
type taker struct {
	store.Store
	ctx context.Context
	c   census
}

func takeCensus(t failer, s store.Store) *census {
	t.Helper()
	k := &taker{Store: s, ctx: context.Background()}
	for _, part := range []func() error{
		k.log, k.subjects, k.references, k.messages, k.accounts, k.endpoints, k.cursors, k.blobs, k.secrets,
	} {
		if err := part(); err != nil {
			t.Fatalf("read everything: %v", err)
		}
	}
	return &k.c
}

func (k *taker) log() (err error) {
	if k.c.Head, err = k.Head(k.ctx); err != nil {
		return err
	}
	page, err := k.Store.Events(k.ctx, store.EventQuery{Limit: everything})
	k.c.Events = page.Events
	return err
}

func (k *taker) subjects() error {
	k.c.Positions, k.c.Members = map[string][]int64{}, map[int64][]greenlane.Subject{}
	err := k.EachSubject(k.ctx, func(row *store.SubjectRow) error {
		k.c.Subjects = append(k.c.Subjects, row)
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(k.c.Subjects, func(a, b *store.SubjectRow) int { return bySubject(a.Subject, b.Subject) })
	for _, row := range k.c.Subjects {
		history, err := k.Store.Positions(k.ctx, row.Subject, 0, everything)
		if err != nil {
			return err
		}
		k.c.Positions[row.Subject.String()] = append([]int64{}, history...)
		if k.c.Members[row.Consignment] != nil {
			continue
		}
		if k.c.Members[row.Consignment], err = k.Store.Members(k.ctx, row.Consignment); err != nil {
			return err
		}
	}
	return nil
}

func (k *taker) references() error {
	k.c.Found, k.c.Waiting = map[string][]greenlane.Subject{}, map[string][]int64{}
	all := allReferences()
	found, err := k.Find(k.ctx, all)
	if err != nil {
		return err
	}
	for i, r := range all {
		waiting, err := k.WaitingFor(k.ctx, all[i:i+1])
		if err != nil {
			return err
		}
		slices.Sort(waiting)
		name := fmt.Sprintf("%d %s", r.Account, r.Reference)
		k.c.Found[name] = append([]greenlane.Subject{}, found[i]...)
		k.c.Waiting[name] = append([]int64{}, waiting...)
	}
	return nil
}

func (k *taker) messages() error {
	for account := int64(1); account <= accounts; account++ {
		listed, err := k.ListMessages(k.ctx, account, 0, "", everything)
		if err != nil {
			return err
		}
		k.c.Listed = append(k.c.Listed, listed...)
		for _, m := range listed {
			whole, err := k.Message(k.ctx, account, m.Number)
			if err != nil {
				return err
			}
			k.c.Messages = append(k.c.Messages, whole)
		}
		var asked []store.AccountDigest
		for key := range keys {
			asked = append(asked, store.AccountDigest{Account: account, Digest: digest("answer", key)})
		}
		answers, err := k.Answers(k.ctx, asked)
		if err != nil {
			return err
		}
		k.c.Answers = append(k.c.Answers, slices.DeleteFunc(answers, func(a *store.Answer) bool { return a == nil })...)
	}
	return nil
}

func (k *taker) accounts() (err error) {
	if k.c.Accounts, err = k.AllAccounts(k.ctx); err != nil {
		return err
	}
	slices.SortFunc(k.c.Accounts, func(a, b *greenlane.Account) int { return cmp.Compare(a.Number, b.Number) })
	k.c.Keys, err = k.AllKeys(k.ctx)
	slices.SortFunc(k.c.Keys, byKeyID)
	return err
}

func (k *taker) endpoints() (err error) {
	k.c.Acked = map[int64][]int64{}
	if k.c.Endpoints, err = k.AllEndpoints(k.ctx); err != nil {
		return err
	}
	slices.SortFunc(k.c.Endpoints, func(a, b *store.Endpoint) int { return cmp.Compare(a.Number, b.Number) })
	for endpoint := int64(1); endpoint <= endpoints; endpoint++ {
		if err := k.endpoint(endpoint); err != nil {
			return err
		}
	}
	return nil
}

func (k *taker) endpoint(endpoint int64) error {
	revisions, err := k.Store.Revisions(k.ctx, endpoint)
	if err != nil {
		return err
	}
	lanes, err := k.Store.Lanes(k.ctx, endpoint)
	if err != nil {
		return err
	}
	slices.SortFunc(lanes, byLane)
	breaker, err := k.Store.Breaker(k.ctx, endpoint)
	if err != nil {
		return err
	}
	if breaker != nil {
		k.c.Breakers = append(k.c.Breakers, breaker)
	}
	replays, err := k.Store.Replays(k.ctx, endpoint)
	if err != nil {
		return err
	}
	k.c.Replays = append(k.c.Replays, replays...)
	skips, err := k.Store.Skips(k.ctx, endpoint)
	if err != nil {
		return err
	}
	slices.SortFunc(skips, bySkip)
	k.c.Revisions = append(k.c.Revisions, revisions...)
	k.c.Lanes = append(k.c.Lanes, lanes...)
	k.c.Skips = append(k.c.Skips, skips...)
	acked, err := k.Acknowledged(k.ctx, endpoint, 1, 0, everything)
	if err != nil {
		return err
	}
	k.c.Acked[endpoint] = append([]int64{}, acked...)
	for position := int64(1); position <= positions; position++ {
		attempts, err := k.Store.Attempts(k.ctx, endpoint, position, 0)
		if err != nil {
			return err
		}
		k.c.Attempts = append(k.c.Attempts, attempts...)
	}
	tallies, err := k.Store.Tallies(k.ctx, endpoint, time.Unix(0, 0), time.Unix(1<<40, 0))
	k.c.Tallies = append(k.c.Tallies, tallies...)
	return err
}

func bySkip(a, b *store.Skip) int {
	return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Last, b.Last), cmp.Compare(a.Lane, b.Lane),
		strings.Compare(a.Reason, b.Reason), a.At.Compare(b.At))
}

func (k *taker) cursors() error {
	k.c.Cursors = map[string]int64{}
	for _, owner := range owners() {
		position, err := k.Cursor(k.ctx, owner)
		if err != nil {
			return err
		}
		k.c.Cursors[owner] = position
	}
	return nil
}

func (k *taker) blobs() error {
	for account := int64(1); account <= accounts; account++ {
		for n := range blobs {
			b := newBlob(account, n)
			bytes, err := k.Blob(k.ctx, account, b.Digest)
			if err != nil {
				return err
			}
			if bytes != nil {
				k.c.Blobs = append(k.c.Blobs, &store.Blob{Account: account, Digest: b.Digest, Bytes: bytes})
			}
		}
	}
	return nil
}

func (k *taker) secrets() (err error) {
	k.c.Secrets = map[string][]store.Secret{}
	for account := int64(1); account <= accounts; account++ {
		for _, owner := range secretOwners() {
			name := fmt.Sprintf("%d %s", account, owner)
			if k.c.Secrets[name], err = k.Store.Secrets(k.ctx, account, owner); err != nil {
				return err
			}
		}
	}
	return nil
}
