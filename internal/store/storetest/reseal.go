package storetest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"testing"

	"greenlane/internal/store"
)

var resealTests = map[string]func(*testing.T, *world){
	"rewrites":        testReseal,
	"an error":        testResealFails,
	"canceled, ended": testResealLate,
}

// resealing is a store with something confidential in each place, also of an
// endpoint that was deleted, and with rows that have nothing of the kind.
func (w *world) resealing() store.Confidential {
	w.t.Helper()
	keyed, deleted, bare := newEndpoint(1, 1, w.now), newEndpoint(1, 2, w.now), newEndpoint(2, 3, w.now)
	keyed.EazeKey, deleted.State, deleted.Secrets, bare.Secrets = "pré-shared", store.EndpointDeleted, nil, nil
	w.commitEndpoints(keyed, deleted, bare)
	d := w.draft()
	plain := newRevision(3, 1, 0, w.now)
	plain.Confidential = nil
	d.Revisions = []*store.Revision{newRevision(1, 1, 0, w.now), newRevision(1, 2, 5, w.now), newRevision(2, 1, 0, w.now), plain}
	d.Secrets = []*store.OwnedSecrets{newSecrets(1, "warehouse/1", 1, w.now), newSecrets(2, "warehouse/1", 2, w.now)}
	w.commit(d)
	part := func(endpoint int64, number int) *store.Revision {
		return &store.Revision{Endpoint: endpoint, Number: number, Confidential: newRevision(endpoint, number, 0, w.now).Confidential}
	}
	return store.Confidential{
		Endpoints: []*store.Endpoint{{Number: 1, Secrets: keyed.Secrets, EazeKey: keyed.EazeKey}},
		Revisions: []*store.Revision{part(1, 1), part(1, 2), part(2, 1)},
		Secrets:   d.Secrets,
	}
}

// confidential is what there is to reseal, in order.
func (w *world) confidential() (all store.Confidential) {
	w.t.Helper()
	noError(w.t, w.Reseal(w.t.Context(), func(c store.Confidential) (store.Confidential, error) {
		all = c
		return store.Confidential{}, nil
	}))
	slices.SortFunc(all.Endpoints, func(a, b *store.Endpoint) int { return cmp.Compare(a.Number, b.Number) })
	slices.SortFunc(all.Revisions, func(a, b *store.Revision) int {
		return cmp.Or(cmp.Compare(a.Endpoint, b.Endpoint), cmp.Compare(a.Number, b.Number))
	})
	slices.SortFunc(all.Secrets, func(a, b *store.OwnedSecrets) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Owner, b.Owner))
	})
	return all
}

func testReseal(t *testing.T, w *world) {
	want := w.resealing()
	same(t, "what is confidential", want, w.confidential())
	before := takeCensus(t, w.Store)
	rewritten := store.Confidential{
		Endpoints: []*store.Endpoint{{Number: 1, Secrets: []store.Secret{{Text: "sealed <&>"}}, EazeKey: "sealed key"}},
		Revisions: []*store.Revision{{Endpoint: 1, Number: 2, Confidential: []byte("sealed settings")}, {Endpoint: 2, Number: 1, Confidential: []byte("sealed, too")}},
		Secrets:   []*store.OwnedSecrets{{Account: 2, Owner: "warehouse/1", Secrets: []store.Secret{{Kind: store.SecretEd25519, Text: "sealed secret"}}}},
		Scrub:     true,
	}
	noError(t, w.Reseal(t.Context(), func(store.Confidential) (store.Confidential, error) { return rewritten, nil }))
	want.Endpoints, want.Secrets[1] = rewritten.Endpoints, rewritten.Secrets[0]
	want.Revisions = []*store.Revision{want.Revisions[0], rewritten.Revisions[0], rewritten.Revisions[1]}
	for range 2 {
		same(t, "what is confidential, rewritten", want, w.confidential())
		w.reopen()
	}
	// Beside that, nothing has changed.
	after := takeCensus(t, w.Store)
	same(t, "the endpoint", "sealed key", after.Endpoints[0].EazeKey)
	after.Endpoints[0].EazeKey, after.Endpoints[0].Secrets = before.Endpoints[0].EazeKey, before.Endpoints[0].Secrets
	for i, r := range after.Revisions {
		r.Confidential = before.Revisions[i].Confidential
	}
	after.Secrets = before.Secrets
	same(t, "everything else", before, after)
	w.commit(w.fullDraft())
}

// testResealFails: what change refuses is not stored, in no part.
func testResealFails(t *testing.T, w *world) {
	w.resealing()
	before, why := takeCensus(t, w.Store), errors.New("can't be read")
	err := w.Reseal(t.Context(), func(c store.Confidential) (store.Confidential, error) {
		c.Endpoints[0].EazeKey, c.Revisions[0].Confidential = "changed", []byte("changed")
		return c, why
	})
	if !errors.Is(err, why) {
		t.Fatalf("error %v, want %v", err, why)
	}
	same(t, "everything after a refused change", before, takeCensus(t, w.Store))
	w.commit(w.fullDraft())
}

func testResealLate(t *testing.T, w *world) {
	w.resealing()
	never := func(store.Confidential) (store.Confidential, error) {
		t.Error("change was called")
		return store.Confidential{}, nil
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Reseal(canceled, never); !errors.Is(err, context.Canceled) {
		t.Errorf("with a canceled context: error %v", err)
	}
	noError(t, w.Close())
	if w.Reseal(t.Context(), never) == nil {
		t.Error("Reseal succeeds after Close")
	}
	w.Store = w.open(t, w.dir)
}
