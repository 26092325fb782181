package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"greenlane/internal/store"
)

var secretTests = map[string]func(*testing.T, *world){
	"replace":      testSecrets,
	"first":        testFirstSecrets,
	"first rivals": testFirstRivals,
	"refused":      testSecretsRefused,
}

func (w *world) commitSecrets(list ...*store.OwnedSecrets) {
	w.t.Helper()
	d := w.draft()
	d.Secrets = list
	w.commit(d)
}

// wantSecrets compares an owner's secrets, before and after reopening.
func (w *world) wantSecrets(account int64, owner string, want []store.Secret) {
	w.t.Helper()
	for range 2 {
		got, err := w.Secrets(w.t.Context(), account, owner)
		noError(w.t, err)
		same(w.t, fmt.Sprintf("secrets of %d %s", account, owner), want, got)
		w.reopen()
	}
}

func testSecrets(t *testing.T, w *world) {
	const owner = "warehouse/1"
	one, odd, other := newSecrets(1, owner, 1, w.now), newSecrets(1, "wäre\"house'", 2, w.now), newSecrets(2, owner, 3, w.now)
	until := w.now.Add(time.Hour)
	odd.Secrets = []store.Secret{{Text: "whsec_<&>\"", Until: until.In(time.FixedZone("there", 3600))}}
	w.commitSecrets(one, odd, other)
	w.wantSecrets(1, owner, one.Secrets)
	w.wantSecrets(1, odd.Owner, []store.Secret{{Text: "whsec_<&>\"", Until: until}})
	w.wantSecrets(2, owner, other.Secrets)
	for _, none := range []string{"", "warehouse/11", "WAREHOUSE/1"} {
		w.wantSecrets(1, none, nil)
	}
	w.wantSecrets(2, odd.Owner, nil)

	// The last word counts, within one write and across writes.
	changed := newSecrets(1, owner, 4, w.now)
	w.commitSecrets(newSecrets(1, owner, 5, w.now), changed)
	w.wantSecrets(1, owner, changed.Secrets)
	w.wantSecrets(2, owner, other.Secrets)
	w.commitSecrets(&store.OwnedSecrets{Account: 1, Owner: owner, Secrets: []store.Secret{}})
	w.wantSecrets(1, owner, nil)
	w.wantSecrets(2, owner, other.Secrets)
}

// testFirstSecrets: who has secrets keeps them, and who has none, or no longer
// has any, gets them.
func testFirstSecrets(t *testing.T, w *world) {
	const owner = "warehouse/1"
	now := w.now
	first := func(account int64, n int) *store.OwnedSecrets {
		s := newSecrets(account, owner, n, now)
		s.First = true
		return s
	}
	none := &store.OwnedSecrets{Account: 1, Owner: owner}
	one, two := first(1, 1), first(1, 2)
	w.commitSecrets(&store.OwnedSecrets{Account: 1, Owner: owner, First: true})
	w.wantSecrets(1, owner, nil)
	w.commitSecrets(one, two)
	w.wantSecrets(1, owner, one.Secrets)
	w.commitSecrets(two, first(2, 3), &store.OwnedSecrets{Account: 1, Owner: owner, First: true})
	w.wantSecrets(1, owner, one.Secrets)
	w.wantSecrets(2, owner, first(2, 3).Secrets)
	rotated := newSecrets(1, owner, 4, w.now)
	w.commitSecrets(rotated, two)
	w.wantSecrets(1, owner, rotated.Secrets)
	w.commitSecrets(none, two)
	w.wantSecrets(1, owner, two.Secrets)
}

// testFirstRivals: of several who write an owner's first secrets at once, one
// wins, and each reads that one's from then on.
func testFirstRivals(t *testing.T, w *world) {
	for _, owner := range secretOwners() {
		errs, seen := make([]error, writers), make([][]store.Secret, writers)
		var wg sync.WaitGroup
		for i := range writers {
			d := w.draft()
			d.Secrets = []*store.OwnedSecrets{newSecrets(1, owner, i, w.now)}
			d.Secrets[0].First = true
			wg.Go(func() {
				if errs[i] = w.Append(context.Background(), &d.Write); errs[i] == nil {
					seen[i], errs[i] = w.Secrets(context.Background(), 1, owner)
				}
			})
		}
		wg.Wait()
		noError(t, errors.Join(errs...))
		same(t, "how many secrets there are", 2, len(seen[0]))
		for _, secrets := range seen[1:] {
			same(t, "what another writer saw", seen[0], secrets)
		}
		w.wantSecrets(1, owner, seen[0])
	}
}

// testSecretsRefused: a refused write neither gives nor replaces secrets.
func testSecretsRefused(t *testing.T, w *world) {
	one, two := newSecrets(1, "warehouse/1", 1, w.now), newSecrets(1, "warehouse/2", 2, w.now)
	w.commitSecrets(one)
	w.commitEndpoints(newEndpoint(1, 1, w.now))
	twin := newEndpoint(1, 2, w.now)
	twin.URL = newEndpoint(1, 1, w.now).URL
	two.First = true
	d := w.draft()
	d.Secrets = []*store.OwnedSecrets{newSecrets(1, "warehouse/1", 3, w.now), two}
	d.Endpoints = []*store.Endpoint{twin}
	w.refuse(d, store.ErrDuplicate)
	d.Endpoints = nil
	d.event(subject(1))
	d.row(subject(1)).Was = 5
	w.refuse(d, store.ErrMoved)
	w.wantSecrets(1, "warehouse/1", one.Secrets)
	w.wantSecrets(1, "warehouse/2", nil)
	d.row(subject(1)).Was = 0
	w.commit(d)
	w.wantSecrets(1, "warehouse/1", d.Secrets[0].Secrets)
	w.wantSecrets(1, "warehouse/2", two.Secrets)
}
