package storetest

import (
	"fmt"
	"math"
	"testing"
	"time"

	"greenlane/internal/store"
)

var endpointTests = map[string]func(*testing.T, *world){
	"insert and update": testEndpoints,
	"unique URL":        testUniqueURL,
	"revisions":         testRevisions,
}

var deliveryTests = map[string]func(*testing.T, *world){
	"lanes":           testLanes,
	"attempts":        testAttempts,
	"latest attempts": testLatestAttempts,
	"acknowledged":    testAcknowledged,
	"answers kept":    testAnswersKept,
	"old attempts":    testOldAttempts,
	"expired":         testExpired,
	"tallies":         testTallies,
	"old tallies":     testOldTallies,
	"breakers":        testBreakers,
	"replays":         testReplays,
	"skips":           testSkips,
	"cursors":         testCursors,
}

func (w *world) commitEndpoints(list ...*store.Endpoint) {
	w.t.Helper()
	d := w.draft()
	d.Endpoints = list
	w.commit(d)
}

func testEndpoints(t *testing.T, w *world) {
	plain := newEndpoint(1, 1, w.now)
	bare := &store.Endpoint{Number: 2, ID: newEndpoint(2, 2, w.now).ID, Account: 2, URL: "http://[::1]:8080/ü?q='\"",
		State: store.EndpointDisabled, Reason: "the receiver answered 410", EazeKey: "pré-shared", CreatedAt: w.now, UpdatedAt: w.now}
	w.commitEndpoints(plain, bare)
	for range 2 {
		same(t, "endpoints", []*store.Endpoint{plain, bare}, takeCensus(t, w.Store).Endpoints)
		w.reopen()
	}
	changed := *plain
	changed.Generation = 7
	changed.URL, changed.State, changed.Reason = "https://elsewhere.example/", store.EndpointDisabled, "by hand"
	changed.EazeKey, changed.UpdatedAt = "key", w.now.Add(time.Minute)
	until := w.now.Add(time.Hour)
	changed.Secrets = []store.Secret{{Text: "whsec_<&>", Until: until.In(time.FixedZone("there", 3600))}}
	w.commitEndpoints(&changed)
	want := changed
	want.Secrets = []store.Secret{{Text: "whsec_<&>", Until: until}}
	same(t, "endpoints after a change", []*store.Endpoint{&want, bare}, takeCensus(t, w.Store).Endpoints)

	// A generation that was given stays given.
	older := changed
	older.Generation = 2
	w.commitEndpoints(&older)
	same(t, "endpoints after an older generation", []*store.Endpoint{&want, bare}, takeCensus(t, w.Store).Endpoints)

	changed.State, changed.Secrets = store.EndpointDeleted, []store.Secret{}
	w.commitEndpoints(&changed)
	same(t, "endpoints after a deletion", []*store.Endpoint{bare}, takeCensus(t, w.Store).Endpoints)
}

func testUniqueURL(t *testing.T, w *world) {
	at := func(account, number int64, url string, state store.EndpointState) *store.Endpoint {
		e := newEndpoint(account, number, w.now)
		e.URL, e.State = url, state
		return e
	}
	w.commitEndpoints(at(1, 1, "https://a.example", store.EndpointEnabled), at(1, 2, "https://b.example", store.EndpointDisabled))
	for name, list := range map[string][]*store.Endpoint{
		"of an enabled one": {at(1, 3, "https://a.example", store.EndpointEnabled)},
		"of a disabled one": {at(1, 3, "https://b.example", store.EndpointEnabled)},
		"by a change":       {at(1, 2, "https://a.example", store.EndpointEnabled)},
		"in one write":      {at(1, 3, "https://c.example", store.EndpointEnabled), at(1, 4, "https://c.example", store.EndpointEnabled)},
	} {
		t.Log(name)
		d := w.draft()
		d.Endpoints = list
		w.refuse(d, store.ErrDuplicate)
	}
	w.commitEndpoints(at(2, 3, "https://a.example", store.EndpointEnabled), at(1, 1, "https://a.example", store.EndpointEnabled))
	w.commitEndpoints(at(1, 1, "https://a.example", store.EndpointDeleted))
	w.commitEndpoints(at(1, 4, "https://a.example", store.EndpointEnabled))
	w.commitEndpoints(at(1, 4, "https://a.example", store.EndpointDeleted), at(1, 5, "https://a.example", store.EndpointEnabled))
	d := w.draft()
	d.Endpoints = []*store.Endpoint{at(1, 4, "https://a.example", store.EndpointEnabled)}
	w.refuse(d, store.ErrDuplicate)
}

func testRevisions(t *testing.T, w *world) {
	w.commitEndpoints(newEndpoint(1, 1, w.now), newEndpoint(1, 2, w.now))
	first, second := newRevision(1, 1, 0, w.now), newRevision(1, 2, 40, w.now.Add(time.Hour))
	other, bare := newRevision(2, 1, 7, w.now), newRevision(2, 12, 9, w.now)
	bare.Settings = []byte{}
	for _, r := range []*store.Revision{first, bare, second, other} {
		d := w.draft()
		d.Revisions = []*store.Revision{r}
		w.commit(d)
	}
	bare.Settings = nil
	for range 2 {
		for endpoint, want := range map[int64][]*store.Revision{1: {first, second}, 2: {other, bare}, 3: nil} {
			got, err := w.Revisions(t.Context(), endpoint)
			noError(t, err)
			sameList(t, fmt.Sprintf("revisions of endpoint %d", endpoint), want, got)
		}
		w.reopen()
	}
}

func testLanes(t *testing.T, w *world) {
	id := func(endpoint, key int64, generation int) store.LaneID {
		return store.LaneID{Endpoint: endpoint, Key: key, Generation: generation}
	}
	first, again := newLane(id(1, 100, 1), 5, w.now), newLane(id(1, 100, 2), 5, w.now)
	second, other := newLane(id(1, math.MaxInt64, 1), 9, w.now), newLane(id(2, 100, 1), 5, w.now)
	second.State, second.Reason, second.DueAt = store.LaneParked, "", time.Time{}
	d := w.draft()
	d.Lanes = []*store.Lane{second, first, other, again}
	w.commit(d)
	for range 2 {
		same(t, "lanes", []*store.Lane{first, again, second, other}, takeCensus(t, w.Store).Lanes)
		w.reopen()
	}
	moved := *first
	moved.Head, moved.Attempts, moved.Revision, moved.Reason = 8, 0, 2, "moved"
	moved.State, moved.DueAt, moved.OpenedAt = store.LaneParked, w.now.Add(time.Hour), w.now.Add(time.Second)
	d = w.draft()
	d.Lanes = []*store.Lane{&moved}
	d.Settled = []store.LaneID{again.LaneID, second.LaneID, id(3, 1, 1), id(1, 100, 3)}
	w.commit(d)
	same(t, "lanes after some were settled", []*store.Lane{&moved, other}, takeCensus(t, w.Store).Lanes)
}

func testBreakers(t *testing.T, w *world) {
	open, fine := newBreaker(1, 12, w.now), newBreaker(2, 0, w.now)
	d := w.draft()
	d.Breakers = []*store.Breaker{open, fine}
	w.commit(d)
	for range 2 {
		for endpoint, want := range map[int64]*store.Breaker{1: open, 2: fine, 3: nil} {
			got, err := w.Breaker(t.Context(), endpoint)
			noError(t, err)
			same(t, fmt.Sprintf("breaker of endpoint %d", endpoint), want, got)
		}
		w.reopen()
	}
	// The last of one write counts; its zone does not.
	later := w.now.Add(time.Hour)
	closed := newBreaker(1, 0, later.In(time.FixedZone("there", 3600)))
	d = w.draft()
	d.Breakers = []*store.Breaker{newBreaker(1, 30, w.now), closed}
	w.commit(d)
	got, err := w.Breaker(t.Context(), 1)
	noError(t, err)
	same(t, "breaker after it closed", newBreaker(1, 0, later), got)
}

func testReplays(t *testing.T, w *world) {
	first, second, other := newReplay(1, 2, 10, w.now), newReplay(1, 5, 3, w.now), newReplay(2, 2, 3, w.now)
	d := w.draft()
	d.Replays = []*store.Replay{second, first, other}
	w.commit(d)
	for range 2 {
		for endpoint, want := range map[int64][]*store.Replay{1: {first, second}, 2: {other}, 3: nil} {
			got, err := w.Replays(t.Context(), endpoint)
			noError(t, err)
			sameList(t, fmt.Sprintf("replays of endpoint %d", endpoint), want, got)
		}
		w.reopen()
	}
	// What it is made of stays.
	later := w.now.Add(time.Hour)
	ended := newReplay(1, 2, 900, later)
	ended.State, ended.Reason, ended.By, ended.First, ended.Last, ended.Selection = store.ReplayCompleted, "", "", 1, 2, []byte("{}")
	d = w.draft()
	d.Replays = []*store.Replay{ended}
	w.commit(d)
	want := *ended
	want.First, want.Last, want.Selection, want.CreatedAt = first.First, first.Last, first.Selection, first.CreatedAt
	got, err := w.Replays(t.Context(), 1)
	noError(t, err)
	same(t, "replays after one ended", []*store.Replay{&want, second}, got)
}

func testAttempts(t *testing.T, w *world) {
	now := w.now
	silent := newAttempt(1, 3, 1, 1, now)
	silent.Status, silent.Headers, silent.Body, silent.Error = 0, nil, []byte{}, "dial tcp: refused"
	second, done := newAttempt(1, 3, 1, 2, now), newAttempt(1, 3, 2, 1, now)
	done.Done, done.Status, done.Error, done.Duration = true, 204, "", time.Microsecond
	others := []*store.Attempt{newAttempt(2, 3, 1, 1, now), newAttempt(1, 4, 1, 1, now)}
	for range 2 {
		// The same attempts again, as a write repeated after a failure brings them.
		d := w.draft()
		d.Attempts = append([]*store.Attempt{done, second, silent}, others...)
		w.commit(d)
	}
	silent.Body = nil
	for range 2 {
		for generation, want := range map[int][]*store.Attempt{0: {silent, second, done}, 1: {silent, second}, 2: {done}, 3: nil} {
			got, err := w.Attempts(t.Context(), 1, 3, generation)
			noError(t, err)
			sameList(t, fmt.Sprintf("attempts of generation %d", generation), want, got)
		}
		got, err := w.Attempts(t.Context(), 3, 3, 0)
		noError(t, err)
		sameList(t, "attempts at another endpoint", nil, got)
		w.reopen()
	}
	// The last word about an attempt counts.
	revised := *second
	revised.Done, revised.Status, revised.Headers = true, 200, nil
	d := w.draft()
	d.Attempts = []*store.Attempt{&revised}
	w.commit(d)
	got, err := w.Attempts(t.Context(), 1, 3, 1)
	noError(t, err)
	same(t, "attempts after a revision", []*store.Attempt{silent, &revised}, got)
}

func testLatestAttempts(t *testing.T, w *world) {
	d := w.draft()
	for _, at := range [][4]int64{{1, 3, 1, 1}, {1, 3, 2, 1}, {1, 3, 1, 9}, {1, 5, 1, 10}, {1, 5, 1, 2}, {2, 4, 1, 1},
		{1, 6, 1, 1}, {1, 6, 2, 1}, {1, 6, 2, 2}, {1, 6, 3, 1}} {
		d.Attempts = append(d.Attempts, newAttempt(at[0], at[1], int(at[2]), int(at[3]), w.now))
	}
	// An acknowledgement counts for more than what was tried and given up since.
	d.Attempts[6].Done, d.Attempts[8].Done = true, true
	w.commit(d)
	got, err := w.LatestAttempts(t.Context(), 1, []int64{5, 4, 3, 3, 1000, 6})
	noError(t, err)
	all := d.Attempts
	same(t, "latest attempts", []*store.Attempt{all[3], nil, all[1], all[1], nil, all[8]}, got)
	got, err = w.LatestAttempts(t.Context(), 1, nil)
	noError(t, err)
	sameList(t, "latest attempts at nothing", nil, got)
}

func testAcknowledged(t *testing.T, w *world) {
	d := w.draft()
	for _, at := range []struct {
		endpoint, position int64
		generation, number int
		done               bool
	}{
		{1, 9, 1, 1, true}, {1, 3, 1, 1, false}, {1, 3, 1, 2, true}, {1, 4, 1, 1, false}, {1, 5, 2, 1, true},
		{2, 6, 1, 1, true}, {1, 7, 1, 1, true}, {1, 7, 1, 2, true}, {1, 7, 2, 1, true},
	} {
		a := newAttempt(at.endpoint, at.position, at.generation, at.number, w.now)
		a.Done = at.done
		d.Attempts = append(d.Attempts, a)
	}
	w.commit(d)
	for _, tt := range []struct {
		generation  int
		after, last int64
		want        []int64
	}{
		{1, 0, 1000, []int64{3, 7, 9}}, {1, 2, 9, []int64{3, 7, 9}}, {1, 3, 9, []int64{7, 9}}, {1, 8, 1000, []int64{9}}, {1, 9, 1000, nil},
		{1, 1000, 2000, nil}, {1, 0, 8, []int64{3, 7}}, {1, 3, 3, nil}, {2, 0, 1000, []int64{5, 7}}, {3, 0, 1000, nil},
	} {
		got, err := w.Acknowledged(t.Context(), 1, tt.generation, tt.after, tt.last)
		noError(t, err)
		sameList(t, fmt.Sprintf("generation %d acknowledged after %d up to %d", tt.generation, tt.after, tt.last), tt.want, got)
	}
	got, err := w.Acknowledged(t.Context(), 3, 1, 0, 1000)
	noError(t, err)
	sameList(t, "acknowledged by another endpoint", nil, got)
}

func testSkips(t *testing.T, w *world) {
	whole := newSkip(1, 10, 20, w.now)
	whole.Lane, whole.By = 0, ""
	early, other := newSkip(1, 3, 3, w.now), newSkip(2, 1, math.MaxInt64, w.now)
	for _, s := range []*store.Skip{whole, early, other} {
		d := w.draft()
		d.Skips = []*store.Skip{s}
		w.commit(d)
	}
	for range 2 {
		same(t, "skips", []*store.Skip{early, whole, other}, takeCensus(t, w.Store).Skips)
		w.reopen()
	}
}

func testCursors(t *testing.T, w *world) {
	for _, step := range []struct{ set, want int64 }{{5, 5}, {9, 9}, {7, 9}, {0, 9}, {9, 9}, {10, 10}} {
		d := w.draft()
		d.Cursors = []store.Cursor{{Owner: "endpoint/1", Position: step.set}}
		w.commit(d)
		for range 2 {
			got, err := w.Cursor(t.Context(), "endpoint/1")
			noError(t, err)
			same(t, fmt.Sprintf("cursor after %d", step.set), step.want, got)
			w.reopen()
		}
	}
	d := w.draft()
	d.Cursors = []store.Cursor{{Owner: "dispatcher", Position: 4}, {Owner: "dispatcher", Position: 3}}
	w.commit(d)
	for owner, want := range map[string]int64{"dispatcher": 4, "endpoint/1": 10, "endpoint/11": 0, "ENDPOINT/1": 0, "": 0} {
		got, err := w.Cursor(t.Context(), owner)
		noError(t, err)
		same(t, "cursor of "+owner, want, got)
	}
}
