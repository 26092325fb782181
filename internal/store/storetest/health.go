package storetest

import (
	"context"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

// A HealthOpener opens the health of the store that lives in the folder dir, maybe
// while that is open. One that fails ends the test.
type HealthOpener func(t *testing.T, dir string) store.Health

// RunHealth holds what a backend's databases tell of themselves against what was
// written to them.
func RunHealth(t *testing.T, open Opener, examine HealthOpener) {
	for name, test := range map[string]func(*testing.T, *world, store.Health){
		"empty": testHealthOfEmpty, "full": testHealthOfFull, "long log": testHealthOfLongLog, "beyond": testHealthBeyond,
		"nobody has it open": testHealthAlone, "secrets": testHealthSecrets,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, open)
			test(t, w, opened(t, w, examine))
		})
	}
}

// opened opens the health of a test's store until the test ends.
func opened(t *testing.T, w *world, examine HealthOpener) store.Health {
	t.Helper()
	h := examine(t, w.dir)
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("close the health: %v", err)
		}
	})
	return h
}

// told is everything but what differs between backends.
type told struct {
	Ends         store.LogEnds
	Readers      store.Readers
	Destinations []store.Destination
	Messages     []store.MessageCount
	Ages         store.Ages
}

func tellAll(t *testing.T, h store.Health) (all told) {
	t.Helper()
	ctx := t.Context()
	var err error
	all.Ends, err = h.Ends(ctx)
	noError(t, err)
	all.Ends.Parts = nil
	all.Readers, err = h.Readers(ctx)
	noError(t, err)
	all.Destinations, err = h.Destinations(ctx)
	noError(t, err)
	all.Messages, err = h.OpenMessages(ctx)
	noError(t, err)
	all.Ages, err = h.Ages(ctx)
	noError(t, err)
	return all
}

// sound holds that the schema is what the migrations make, and that the database
// can be asked for its host and size.
func sound(t *testing.T, h store.Health) {
	t.Helper()
	s, err := h.Schema(t.Context())
	noError(t, err)
	if s.Have == 0 || s.Have != s.Known || s.Compared < 20 || len(s.Missing)+len(s.Invalid)+len(s.Other) > 0 {
		t.Errorf("schema %+v", s)
	}
	host, err := h.Host(t.Context(), time.Now)
	noError(t, err)
	if (host.Server == nil) == (host.File == nil) {
		t.Errorf("host %+v", host)
	}
	space, err := h.Space(t.Context())
	noError(t, err)
	if space.Size <= 0 {
		t.Errorf("space %+v", space)
	}
	if wrong, _, err := h.Pages(t.Context()); err != nil || len(wrong) > 0 {
		t.Errorf("pages %q, error %v", wrong, err)
	}
}

func testHealthOfEmpty(t *testing.T, _ *world, h store.Health) {
	sound(t, h)
	same(t, "told", told{}, tellAll(t, h))
	leases, err := h.Leases(t.Context())
	noError(t, err)
	sameList(t, "leases", nil, leases)
	restoration, err := h.Restoration(t.Context())
	noError(t, err)
	same(t, "a restoration that never was", store.Restoration{}, restoration)
}

func testHealthOfFull(t *testing.T, w *world, h store.Health) {
	was := w.now
	d := w.fullDraft()
	deleted := newEndpoint(1, 8, d.now)
	deleted.State = store.EndpointDeleted
	disabled := newEndpoint(2, 7, d.now)
	disabled.State, disabled.Reason = store.EndpointDisabled, "410 Gone"
	d.Endpoints = append(d.Endpoints, disabled, deleted)
	parked := newLane(store.LaneID{Endpoint: 5, Key: 77, Generation: 2}, 3, d.now)
	parked.State = store.LaneParked
	d.Lanes = append(d.Lanes, parked)
	ended := newReplay(5, 3, 3, d.now)
	ended.State = store.ReplayCompleted
	d.Replays = append(d.Replays, ended)
	d.Messages[0].State = greenlane.MessageUnreadable
	d.Cursors = []store.Cursor{{Owner: "endpoint/5", Position: 1}, {Owner: "endpoint/6", Position: 3}, {Owner: "reaction/exports", Position: 2},
		{Owner: "endpoint/", Position: 3}, {Owner: "endpoint/8", Position: 0}}
	w.commit(d)
	at, head := d.now, d.Events[2]
	first, second := d.Endpoints[0].ID, d.Endpoints[1].ID
	want := told{
		Ends: store.LogEnds{Head: store.Head{Position: 3, Hash: head.Hash, RecordedAt: at}, First: 1, Last: 3, LastHash: head.Hash, Early: 3, Late: 3},
		Readers: store.Readers{Head: 3, List: []store.Reader{
			{Owner: "endpoint/", Position: 3},
			// The next event of its account is the third: the second is another's.
			{Owner: "endpoint/5", Endpoint: first, State: store.EndpointEnabled, Position: 1, Unread: at},
			{Owner: "endpoint/5", Endpoint: first, State: store.EndpointEnabled, Generation: 2, Replay: store.ReplayRunning, Position: 3, Last: 900},
			{Owner: "endpoint/6", Endpoint: second, State: store.EndpointEnabled, Position: 3},
			{Owner: "endpoint/8", Endpoint: deleted.ID, State: store.EndpointDeleted, Unread: at},
			{Owner: "reaction/exports", Position: 2, Unread: at},
		}},
		Destinations: []store.Destination{
			{Number: 5, ID: first, State: store.EndpointEnabled, Breaker: store.BreakerOpen, Since: was, Why: "10 failures in a row", Lanes: 2, Parked: 1},
			{Number: 6, ID: second, State: store.EndpointEnabled},
			{Number: 7, ID: disabled.ID, State: store.EndpointDisabled, Reason: "410 Gone"},
		},
		Messages: []store.MessageCount{{State: greenlane.MessageUnmatched, Count: 1, Oldest: was}, {State: greenlane.MessageUnreadable, Count: 1, Oldest: was}},
		Ages:     store.Ages{Attempt: was, Answer: was},
	}
	same(t, "told", want, tellAll(t, h))
	sound(t, h)
}

// testHealthOfLongLog counts no more than what there is to look at.
func testHealthOfLongLog(t *testing.T, w *world, h store.Health) {
	const more = 7
	d := w.draft()
	for range store.EndsLook + more {
		d.event(subject(1))
	}
	w.commit(d)
	ends, err := h.Ends(t.Context())
	noError(t, err)
	if ends.First != 1 || ends.Last != store.EndsLook+more || ends.Early != store.EndsLook || ends.Late != store.EndsLook {
		t.Errorf("ends %+v", ends)
	}
}

// testHealthBeyond: what points beyond the log is told, not mended.
func testHealthBeyond(t *testing.T, w *world, h store.Health) {
	d := w.draft()
	d.event(subject(1))
	d.Endpoints = []*store.Endpoint{newEndpoint(1, 5, d.now)}
	d.Cursors = []store.Cursor{{Owner: "endpoint/5", Position: 40}, {Owner: "reaction/exports", Position: 41}}
	d.Lanes = []*store.Lane{newLane(store.LaneID{Endpoint: 5, Key: 1, Generation: 1}, 1, d.now), newLane(store.LaneID{Endpoint: 5, Key: 2, Generation: 1}, 39, d.now)}
	d.Replays = []*store.Replay{newReplay(5, 2, 42, d.now)}
	w.commit(d)
	all := tellAll(t, h)
	var positions []int64
	for _, r := range all.Readers.List {
		positions = append(positions, r.Position)
	}
	same(t, "the head", 1, all.Readers.Head)
	same(t, "positions", []int64{40, 42, 41}, positions)
	same(t, "lanes beyond", 1, all.Destinations[0].Beyond)
	same(t, "lanes", 2, all.Destinations[0].Lanes)
}

// testHealthAlone looks at a database that no store has open, and finds the same.
func testHealthAlone(t *testing.T, w *world, h store.Health) {
	d := w.fullDraft()
	w.commit(d)
	before := tellAll(t, h)
	noError(t, w.Close())
	same(t, "after closing the store", before, tellAll(t, h))
	sound(t, h)
	w.Store = w.open(t, w.dir)
}

func testHealthSecrets(t *testing.T, w *world, h store.Health) {
	d := w.fullDraft()
	w.commit(d)
	got, err := h.Confidential(t.Context())
	noError(t, err)
	var want store.Confidential
	noError(t, w.Reseal(context.Background(), func(rows store.Confidential) (store.Confidential, error) {
		want = rows
		return store.Confidential{}, nil
	}))
	if len(want.Endpoints)+len(want.Revisions)+len(want.Secrets) != 5 {
		t.Fatalf("stored %+v", want)
	}
	same(t, "confidential", want, got)
}
