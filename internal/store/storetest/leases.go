package storetest

import (
	"testing"
	"time"

	"greenlane/internal/store"
)

var leaseTests = map[string]func(*testing.T, *world){
	"one holder": testOneHolder,
	"end":        testLeaseEnds,
	"renewed":    testLeasesRenewed,
	"fence":      testFence,
}

const long = time.Hour

func (w *world) claim(name, holder string, term time.Duration) store.Lease {
	w.t.Helper()
	l, err := w.Claim(w.t.Context(), name, holder, term)
	noError(w.t, err)
	return l
}

// testOneHolder: who has a lease keeps it as long as it renews it or lets it go.
func testOneHolder(t *testing.T, w *world) {
	l := w.claim("a", "first", long)
	same(t, "lease", store.Held{Name: "a", Epoch: 1}, l.Held)
	if l.Holder != "first" || l.Left <= 0 || l.Left > long {
		t.Errorf("claimed %+v", l)
	}
	if l := w.claim("a", "second", long); l.Holder != "first" || l.Epoch != 1 || l.Left <= 0 {
		t.Errorf("another has %+v", l)
	}
	same(t, "another name", store.Held{Name: "b", Epoch: 1}, w.claim("b", "second", long).Held)
	same(t, "renewed", store.Held{Name: "a", Epoch: 1}, w.claim("a", "first", 2*long).Held)
	all, err := w.Leases(t.Context())
	noError(t, err)
	if len(all) != 2 || all[0].Holder != "first" || all[1].Holder != "second" || all[0].Left <= long {
		t.Errorf("leases %+v", all)
	}
	noError(t, w.Release(t.Context(), store.Held{Name: "a", Epoch: 7}))
	noError(t, w.Release(t.Context(), store.Held{Name: "nobody's", Epoch: 1}))
	if l := w.claim("a", "second", long); l.Holder != "first" {
		t.Errorf("released by one who did not have it: %+v", l)
	}
	noError(t, w.Release(t.Context(), l.Held))
	all, err = w.Leases(t.Context())
	noError(t, err)
	if all[0].Left != 0 || all[0].Holder != "" {
		t.Errorf("released: %+v", all[0])
	}
	same(t, "the same holder again", store.Held{Name: "a", Epoch: 2}, w.claim("a", "first", long).Held)
}

// testLeaseEnds: a lease that is not renewed ends by itself, and who had it goes on
// with it as long as nobody else has taken it.
func testLeaseEnds(t *testing.T, w *world) {
	w.claim("a", "first", time.Millisecond)
	same(t, "late, but nobody came", store.Held{Name: "a", Epoch: 1}, w.claim("a", "first", time.Millisecond).Held)
	limit := time.Now().Add(10 * time.Second)
	l := w.claim("a", "second", long)
	for ; l.Holder != "second" && time.Now().Before(limit); l = w.claim("a", "second", long) {
		<-time.After(time.Millisecond)
	}
	same(t, "the next one's", store.Held{Name: "a", Epoch: 2}, l.Held)
	if l := w.claim("a", "first", long); l.Holder != "second" {
		t.Errorf("the first has %+v", l)
	}
}

// testLeasesRenewed: a holder lengthens all that it has at once, those too that have
// ended and nobody took, and none of another's.
func testLeasesRenewed(t *testing.T, w *world) {
	w.claim("c", "first", long)
	w.claim("a", "first", time.Millisecond)
	w.claim("b", "second", long)
	w.claim("d", "first", long)
	noError(t, w.Release(t.Context(), store.Held{Name: "d", Epoch: 1}))
	list, err := w.Renew(t.Context(), "first", 2*long)
	noError(t, err)
	if len(list) != 2 || list[0].Name != "a" || list[1].Name != "c" || list[0].Epoch != 1 || list[0].Left <= long || list[1].Left <= long {
		t.Errorf("renewed %+v", list)
	}
	all, err := w.Leases(t.Context())
	noError(t, err)
	if len(all) != 4 || all[1].Left > long || all[3].Left != 0 {
		t.Errorf("leases %+v", all)
	}
	if list, err := w.Renew(t.Context(), "third", long); err != nil || len(list) != 0 {
		t.Errorf("nothing renewed: %+v, %v", list, err)
	}
}

// testFence: what is written under a lease that another has by now is refused.
func testFence(t *testing.T, w *world) {
	l := w.claim("a", "first", long)
	d := w.draft()
	d.event(subject(1))
	d.Held = []store.Held{l.Held}
	w.commit(d)
	noError(t, w.Release(t.Context(), l.Held))
	next := w.claim("a", "second", long)
	for _, held := range [][]store.Held{{l.Held}, {next.Held, l.Held}, {{Name: "nobody's", Epoch: 1}}} {
		d = w.draft()
		d.event(subject(1))
		d.Held = held
		w.mustFail(d, store.ErrFenced)
		d = w.draft()
		d.Cursors = []store.Cursor{{Owner: "reader", Position: 1}}
		d.Held = held
		w.mustFail(d, store.ErrFenced)
	}
	d = w.draft()
	d.event(subject(1))
	d.Held = []store.Held{next.Held}
	w.commit(d)
}
