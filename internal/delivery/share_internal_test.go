package delivery

import (
	"testing"

	"greenlane/internal/store"
)

// TestShareOfAccounts: beyond the bound an account gets an equal share, and each
// endpoint one attempt.
func TestShareOfAccounts(t *testing.T) {
	t.Parallel()
	e := &Engine{touched: map[*endpoint]bool{}, share: newShare(10)}
	way := func(account int64) *endpoint { return newEndpoint(e, &store.Endpoint{Account: account}) }
	begin := func(ep *endpoint) bool {
		if !e.share.admits(ep) {
			return false
		}
		ep.inflight++
		e.share.begin(ep.row.Account)
		return true
	}
	greedy, other, late := way(1), way(2), way(2)
	for n := range 10 {
		if !begin(greedy) {
			t.Fatalf("attempt %d is refused though there is room", n)
		}
	}
	if begin(greedy) {
		t.Error("one account takes more than there is")
	}
	for n := range 5 {
		if !begin(other) {
			t.Errorf("attempt %d of the other account's share is refused", n)
		}
	}
	if begin(other) {
		t.Error("the other account takes more than its share")
	}
	if !begin(late) || begin(late) {
		t.Error("an endpoint of which nothing is under way may begin one")
	}
	for range 9 {
		greedy.inflight--
		e.share.end(e, 1)
	}
	if !e.touched[greedy] || !e.touched[other] || !e.touched[late] || len(e.share.waiting) != 0 {
		t.Errorf("woken are %v; %v wait", e.touched, e.share.waiting)
	}
}
