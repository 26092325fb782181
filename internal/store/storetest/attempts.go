package storetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"greenlane/internal/store"
)

// testAnswersKept: whatever a receiver answered comes back to the byte, however
// a backend keeps it.
func testAnswersKept(t *testing.T, w *world) {
	chance := rand.NewChaCha8([32]byte{1})
	noise := make([]byte, 16<<10)
	if _, err := chance.Read(noise); err != nil {
		t.Fatal(err)
	}
	common := []byte("Content-Type: application/json\nServer: nginx\n")
	var want []*store.Attempt
	for i, answer := range [][2][]byte{
		{nil, nil}, {common, nil}, {nil, []byte("ok")}, {common, []byte(`{"ok":true}`)}, {[]byte("X: y\n"), nil},
		{nil, bytes.Repeat([]byte("again and "), 1638)}, {common, noise}, {noise, noise}, {common, []byte{0}}, {[]byte{0xff}, common},
		{bytes.Repeat(common, 300), bytes.Repeat([]byte("\x00"), 16<<10)},
	} {
		a := newAttempt(1, 3, 1, i+1, w.now)
		a.Headers, a.Body = answer[0], answer[1]
		want = append(want, a)
	}
	d := w.draft()
	d.Attempts = want
	w.commit(d)
	for range 2 {
		got, err := w.Attempts(t.Context(), 1, 3, 1)
		noError(t, err)
		same(t, "attempts", want, got)
		w.reopen()
	}
}

// oldAttempts writes attempts that lie hours back, at odd positions among later
// ones, and returns them in order.
func oldAttempts(w *world) []*store.Attempt {
	d := w.draft()
	for _, at := range []struct {
		position, endpoint int64
		generation, number int
		hours              int
		done               bool
	}{
		{1, 1, 1, 1, 9, false}, {1, 1, 1, 2, 8, true}, {1, 1, 2, 1, 1, true}, {1, 2, 1, 1, 9, true}, {2, 1, 1, 1, 7, true},
		{2, 3, 1, 10, 7, false}, {4, 1, 1, 1, 0, true}, {5, 1, 1, 1, 6, false}, {9, 2, 3, 1, 6, true},
	} {
		a := newAttempt(at.endpoint, at.position, at.generation, at.number, w.now.Add(-time.Duration(at.hours)*time.Hour))
		a.Done = at.done
		d.Attempts = append(d.Attempts, a)
	}
	w.commit(d)
	return d.Attempts
}

func testOldAttempts(t *testing.T, w *world) {
	all := oldAttempts(w)
	ask := func(q store.OldAttemptQuery) store.OldAttemptPage {
		t.Helper()
		page, err := w.OldAttempts(t.Context(), q)
		noError(t, err)
		return page
	}
	for hours := range 10 {
		for last := int64(0); last < 10; last++ {
			before := w.now.Add(-time.Duration(hours) * time.Hour)
			var want []store.OldAttempt
			for _, a := range all {
				if a.Position <= last && a.SentAt.Before(before) {
					want = append(want, store.OldAttempt{AttemptID: a.ID(), Done: a.Done})
				}
			}
			for scan := 1; scan <= 10; scan++ {
				var got []store.OldAttempt
				q := store.OldAttemptQuery{Last: last, Before: before, Scan: scan}
				for more := true; more; {
					page := ask(q)
					got = append(got, page.Attempts...)
					q.After, more = page.Reached, page.More
				}
				sameList(t, fmt.Sprintf("%d hours old up to position %d, %d at a time", hours, last, scan), want, got)
			}
		}
	}
	same(t, "nothing to look at", store.OldAttemptPage{}, ask(store.OldAttemptQuery{Last: 0, Before: w.now, Scan: 3}))
	page := ask(store.OldAttemptQuery{Last: 9, Before: w.now.Add(-time.Hour * 24), Scan: 3})
	same(t, "nothing old", store.OldAttemptPage{Reached: all[2].ID(), More: true}, page)
}

func testExpired(t *testing.T, w *world) {
	all := oldAttempts(w)
	d := w.draft()
	d.Expired = []store.AttemptID{all[0].ID(), all[2].ID(), all[5].ID(), {Position: 77, Endpoint: 1, Generation: 1, Number: 1}}
	w.commit(d)
	d = w.draft()
	d.Expired = []store.AttemptID{all[4].ID(), all[8].ID(), all[8].ID()}
	// What is written and removed at once is gone.
	d.Attempts = []*store.Attempt{all[4]}
	w.commit(d)
	for range 2 {
		var left []*store.Attempt
		for _, i := range []int{1, 3, 6, 7} {
			left = append(left, all[i])
		}
		sameAttempts(t, left, takeCensus(t, w.Store).Attempts)
		got, err := w.Acknowledged(t.Context(), 1, 1, 0, 100)
		noError(t, err)
		same(t, "acknowledged", []int64{1, 4}, got)
		w.reopen()
	}
}

// sameAttempts compares attempts whatever their order.
func sameAttempts(t *testing.T, want, got []*store.Attempt) {
	t.Helper()
	byID := func(list []*store.Attempt) map[store.AttemptID]*store.Attempt {
		out := map[store.AttemptID]*store.Attempt{}
		for _, a := range list {
			out[a.ID()] = a
		}
		return out
	}
	same(t, "attempts that are left", byID(want), byID(got))
}

func testTallies(t *testing.T, w *world) {
	first, second, other := newTally(1, 3, 1, w.now), newTally(1, 1, 2, w.now), newTally(2, 3, 3, w.now)
	d := w.draft()
	d.Tallies = []*store.Tally{second, first, other, newTally(1, 1, 9, w.now), second}
	w.commit(d)
	hour := func(ago int) time.Time { return newTally(1, ago, 0, w.now).Hour }
	for range 2 {
		for _, c := range []struct {
			endpoint    int64
			from, until time.Time
			want        []*store.Tally
		}{
			{1, hour(9), hour(0), []*store.Tally{first, second}}, {1, hour(3), hour(1), []*store.Tally{first}},
			{1, hour(3).Add(time.Microsecond), hour(1).Add(time.Microsecond), []*store.Tally{second}},
			{2, hour(9), hour(0), []*store.Tally{other}}, {3, hour(9), hour(0), nil}, {1, hour(0), hour(9), nil},
		} {
			got, err := w.Tallies(t.Context(), c.endpoint, c.from, c.until)
			noError(t, err)
			sameList(t, fmt.Sprintf("tallies of endpoint %d from %s until %s", c.endpoint, c.from, c.until), c.want, got)
		}
		w.reopen()
	}
	// The last word about an hour counts.
	later := newTally(1, 3, 70, w.now)
	d = w.draft()
	d.Tallies = []*store.Tally{later}
	w.commit(d)
	same(t, "tallies after a change", []*store.Tally{later, second, other}, takeCensus(t, w.Store).Tallies)
}

func testOldTallies(t *testing.T, w *world) {
	d := w.draft()
	for hours := range 1200 {
		d.Tallies = append(d.Tallies, newTally(1, hours, 1, w.now), newTally(2, hours, 2, w.now))
	}
	w.commit(d)
	for _, c := range []struct{ ago, want int }{{1200, 0}, {1199, 0}, {1198, 2}, {10, 2376}, {10, 0}} {
		n, err := w.ForgetTallies(t.Context(), newTally(1, c.ago, 0, w.now).Hour)
		noError(t, err)
		same(t, fmt.Sprintf("tallies forgotten from before %d hours", c.ago), c.want, n)
	}
	left := takeCensus(t, w.Store).Tallies
	same(t, "tallies that are left", 22, len(left))
}
