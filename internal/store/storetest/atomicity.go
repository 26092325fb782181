package storetest

import (
	"errors"
	"testing"

	"greenlane"
	"greenlane/internal/store"
)

var atomicityTests = map[string]func(*testing.T, *world){
	"last part fails":    testLastPartFails,
	"everything at once": testEverythingAtOnce,
}

// fullDraft returns a write with something in every part.
func (w *world) fullDraft() *draft {
	now := w.now
	d := w.draft()
	d.newRow(subject(1), 1).Clearance = greenlane.ClearanceHeld
	d.newRow(subject(2), 2)
	d.event(subject(1))
	d.event(subject(2), func(e *greenlane.Event) { e.Type = greenlane.EventClearanceChanged })
	d.event(subject(1))
	d.refer(subject(1), reference(1), reference(2))
	d.Moves = []store.Move{{Subject: subject(2), Consignment: 1}}
	d.Messages = []*greenlane.Message{newMessage(1, 1, 1, now), newMessage(1, 2, 2, now)}
	d.Messages[1].State = greenlane.MessageUnmatched
	d.Waiting = []store.WaitingReference{{AccountReference: inAccount(1, 3), Message: 2}}
	d.Answers = []*store.Answer{newAnswer(1, 1, now)}
	d.Accounts = []*greenlane.Account{newAccount(1, now), newAccount(2, now)}
	d.Keys = []*greenlane.Key{newKey(1, 1, now)}
	d.Endpoints = []*store.Endpoint{newEndpoint(1, 5, now), newEndpoint(1, 6, now)}
	d.Revisions = []*store.Revision{newRevision(5, 1, 0, now), newRevision(6, 1, 0, now)}
	d.Attempts = []*store.Attempt{newAttempt(5, 1, 1, 1, now)}
	d.Lanes = []*store.Lane{newLane(store.LaneID{Endpoint: 5, Key: subject(1).Key(), Generation: 1}, 1, now)}
	d.Skips = []*store.Skip{newSkip(6, 1, 2, now)}
	d.Cursors = []store.Cursor{{Owner: "endpoint/1", Position: 3}}
	d.Breakers = []*store.Breaker{newBreaker(5, 12, now)}
	d.Replays = []*store.Replay{newReplay(5, 2, 3, now)}
	d.Blobs = []*store.Blob{newBlob(1, 1), newBlob(1, 2)}
	d.Secrets = []*store.OwnedSecrets{newSecrets(1, "warehouse/1", 1, now)}
	return d
}

// secondDraft returns a write that follows a full one in every part.
func (w *world) secondDraft() *draft {
	now := w.now
	d := w.draft()
	row := d.row(subject(1))
	row.Clearance, row.Consignment, row.Reindexed = greenlane.ClearanceCleared, 2, true
	d.event(subject(1), func(e *greenlane.Event) { e.Type = "type.of_the_second_write" })
	d.event(subject(3))
	d.refer(subject(3), reference(1), reference(4))
	d.Moves = []store.Move{{Subject: subject(2), Consignment: 3}}
	applied := newMessage(1, 2, 2, now)
	applied.Results = []byte(`[{"outcome":"late"}]`)
	d.Messages = []*greenlane.Message{applied, newMessage(2, 3, 1, now)}
	d.Arrived = []int64{2}
	d.Waiting = []store.WaitingReference{{AccountReference: inAccount(2, 5), Message: 3}}
	d.Answers = []*store.Answer{newAnswer(1, 2, now)}
	d.Accounts = []*greenlane.Account{newAccount(3, now)}
	d.Keys = []*greenlane.Key{newKey(3, 2, now)}
	d.Endpoints = []*store.Endpoint{newEndpoint(1, 7, now)}
	d.Revisions = []*store.Revision{newRevision(5, 2, 3, now), newRevision(7, 1, 3, now)}
	d.Attempts = []*store.Attempt{newAttempt(5, 1, 1, 2, now)}
	d.Settled = []store.LaneID{{Endpoint: 5, Key: subject(1).Key(), Generation: 1}}
	d.Lanes = []*store.Lane{newLane(store.LaneID{Endpoint: 6, Key: subject(2).Key(), Generation: 1}, 2, now)}
	d.Skips = []*store.Skip{newSkip(5, 4, 4, now)}
	d.Cursors = []store.Cursor{{Owner: "endpoint/1", Position: 5}, {Owner: "dispatcher", Position: 5}}
	d.Breakers = []*store.Breaker{newBreaker(5, 0, now), newBreaker(6, 1, now)}
	d.Replays = []*store.Replay{newReplay(5, 2, 9, now), newReplay(5, 3, 4, now)}
	d.Blobs = []*store.Blob{newBlob(1, 1), newBlob(2, 3)}
	d.Secrets = []*store.OwnedSecrets{newSecrets(1, "warehouse/1", 2, now), newSecrets(2, "warehouse/1", 3, now)}
	d.Secrets[1].First = true
	return d
}

var errSeal = errors.New("this write can not be sealed")

// testLastPartFails: whichever part fails, nothing of the others is left, and
// the same write without its fault goes through afterwards.
func testLastPartFails(t *testing.T, w *world) {
	w.commit(w.fullDraft())
	for _, test := range []struct {
		name  string
		fault func(d *draft)
		want  error
	}{
		{"seal", func(d *draft) {
			d.Seal = func(head store.Head) error { return errors.Join(d.seal(head), errSeal) }
		}, errSeal},
		{"version", func(d *draft) { d.row(subject(1)).Was = 1 }, store.ErrMoved},
		{"new row that is there", func(d *draft) { d.row(subject(2)).Was = 0 }, store.ErrMoved},
		{"expectation", func(d *draft) { d.Expect = []store.Expectation{{Subject: subject(3), Version: 1}} }, store.ErrMoved},
		{"absence", func(d *draft) { d.Referred = []store.ReferenceCount{{AccountReference: inAccount(1, 1)}} }, store.ErrMoved},
		{"digest", func(d *draft) { d.Messages = append(d.Messages, newMessage(1, 9, 1, d.now)) }, store.ErrDuplicate},
		{"answer", func(d *draft) { d.Answers = append(d.Answers, newAnswer(1, 1, d.now)) }, store.ErrDuplicate},
		{"domain", func(d *draft) {
			d.Accounts = append(d.Accounts, &greenlane.Account{Number: 9, Domain: newAccount(1, d.now).Domain, CreatedAt: d.now})
		}, store.ErrDuplicate},
		{"URL", func(d *draft) {
			twin := newEndpoint(1, 9, d.now)
			twin.URL = newEndpoint(1, 5, d.now).URL
			d.Endpoints = append(d.Endpoints, twin)
		}, store.ErrDuplicate},
	} {
		t.Log(test.name)
		d := w.secondDraft()
		test.fault(d)
		w.mustFail(d, test.want)
	}
	page, err := w.Events(t.Context(), store.EventQuery{Limit: 10, Types: []greenlane.EventType{"type.of_the_second_write"}})
	noError(t, err)
	sameList(t, "events of a type that only refused writes had", nil, page.Events)
	d := w.secondDraft()
	w.commit(d)
	page, err = w.Events(t.Context(), store.EventQuery{Limit: 10, Types: []greenlane.EventType{"type.of_the_second_write"}})
	noError(t, err)
	same(t, "events of the type after it was accepted", d.Events[:1], page.Events)
	before := takeCensus(t, w.Store)
	w.reopen()
	same(t, "everything after reopening", before, takeCensus(t, w.Store))
}

// testEverythingAtOnce compares every part of two writes with the model.
func testEverythingAtOnce(t *testing.T, w *world) {
	m := newModel()
	for _, next := range []func() *draft{w.fullDraft, w.secondDraft} {
		d := next()
		w.commit(d)
		noError(t, m.Append(t.Context(), &d.Write))
		want := takeCensus(t, m)
		same(t, "everything", want, takeCensus(t, w.Store))
		w.reopen()
		same(t, "everything after reopening", want, takeCensus(t, w.Store))
	}
}
