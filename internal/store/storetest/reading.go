package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

var readingTests = map[string]func(*testing.T, *world){
	"canceled before":  testCanceledReads,
	"canceled between": testCanceledBetween,
	"after close":      testAfterClose,
}

// reads calls every method that reads, each with something to find.
func reads(s store.Store) map[string]func(context.Context) error {
	refs := []store.AccountReference{inAccount(1, 1), inAccount(1, 3)}
	drop := func(_ any, err error) error { return err }
	return map[string]func(context.Context) error{
		"Head": func(ctx context.Context) error { return drop(s.Head(ctx)) },
		"Events": func(ctx context.Context) error {
			return drop(s.Events(ctx, store.EventQuery{Account: 1, Types: []greenlane.EventType{common}, Scan: 10, Limit: 10}))
		},
		"EventsAt":   func(ctx context.Context) error { return drop(s.EventsAt(ctx, []int64{1, 2})) },
		"PositionAt": func(ctx context.Context) error { return drop(s.PositionAt(ctx, newAuthor().now)) },
		"Load":       func(ctx context.Context) error { return drop(s.Load(ctx, []greenlane.Subject{subject(1)})) },
		"Find":       func(ctx context.Context) error { return drop(s.Find(ctx, refs)) },
		"Members":    func(ctx context.Context) error { return drop(s.Members(ctx, 1)) },
		"Positions":  func(ctx context.Context) error { return drop(s.Positions(ctx, subject(1), 0, 10)) },
		"EachSubject": func(ctx context.Context) error {
			return s.EachSubject(ctx, func(*store.SubjectRow) error { return nil })
		},
		"Message": func(ctx context.Context) error { return drop(s.Message(ctx, 1, 1)) },
		"MessagesByDigest": func(ctx context.Context) error {
			return drop(s.MessagesByDigest(ctx, []store.AccountDigest{{Account: 1, Digest: digest("message", 1)}}))
		},
		"ListMessages": func(ctx context.Context) error { return drop(s.ListMessages(ctx, 1, 0, "", 10)) },
		"WaitingFor":   func(ctx context.Context) error { return drop(s.WaitingFor(ctx, refs)) },
		"Answers": func(ctx context.Context) error {
			return drop(s.Answers(ctx, []store.AccountDigest{{Account: 1, Digest: digest("answer", 1)}}))
		},
		"AllAccounts":    func(ctx context.Context) error { return drop(s.AllAccounts(ctx)) },
		"AllKeys":        func(ctx context.Context) error { return drop(s.AllKeys(ctx)) },
		"AllEndpoints":   func(ctx context.Context) error { return drop(s.AllEndpoints(ctx)) },
		"Revisions":      func(ctx context.Context) error { return drop(s.Revisions(ctx, 5)) },
		"Lanes":          func(ctx context.Context) error { return drop(s.Lanes(ctx, 5)) },
		"Cursor":         func(ctx context.Context) error { return drop(s.Cursor(ctx, "endpoint/1")) },
		"Acknowledged":   func(ctx context.Context) error { return drop(s.Acknowledged(ctx, 5, 1, 0, 9)) },
		"Attempts":       func(ctx context.Context) error { return drop(s.Attempts(ctx, 5, 1, 0)) },
		"LatestAttempts": func(ctx context.Context) error { return drop(s.LatestAttempts(ctx, 5, []int64{1})) },
		"Replays":        func(ctx context.Context) error { return drop(s.Replays(ctx, 5)) },
		"OldAttempts": func(ctx context.Context) error {
			return drop(s.OldAttempts(ctx, store.OldAttemptQuery{Last: 1, Scan: 1}))
		},
		"Tallies": func(ctx context.Context) error { return drop(s.Tallies(ctx, 5, time.Unix(0, 0), time.Unix(1, 0))) },
		"Breaker": func(ctx context.Context) error { return drop(s.Breaker(ctx, 5)) },
		"Skips":   func(ctx context.Context) error { return drop(s.Skips(ctx, 6)) },
		"Blob":    func(ctx context.Context) error { return drop(s.Blob(ctx, 1, newBlob(1, 1).Digest)) },
		"Secrets": func(ctx context.Context) error { return drop(s.Secrets(ctx, 1, "warehouse/1")) },
		"List": func(ctx context.Context) error {
			return drop(s.List(ctx, store.SubjectQuery{Account: 1, Kind: greenlane.KindEntry, Limit: 10}))
		},
	}
}

// testCanceledReads: a read whose caller is gone ends, says so, and does no
// harm to the next.
func testCanceledReads(t *testing.T, w *world) {
	w.commit(w.fullDraft())
	before := takeCensus(t, w.Store)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, read := range reads(w.Store) {
		noError(t, read(t.Context()))
		if err := read(canceled); !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a canceled context: error %v", name, err)
		}
	}
	same(t, "everything after canceled reads", before, takeCensus(t, w.Store))
	w.commit(w.secondDraft())
}

func testCanceledBetween(t *testing.T, w *world) {
	d := w.draft()
	for i := range int64(2000) {
		d.row(subject(i + 1)).Version = 1
	}
	w.commit(d)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	count := 0
	err := w.EachSubject(ctx, func(*store.SubjectRow) error {
		if count++; count == 10 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("canceled after 10 of %d rows: error %v", count, err)
	}
	count = 0
	noError(t, w.EachSubject(t.Context(), func(*store.SubjectRow) error { count++; return nil }))
	same(t, "number of rows", 2000, count)
}

// testAfterClose: calls that come too late fail, and harm nothing.
func testAfterClose(t *testing.T, w *world) {
	w.commit(w.fullDraft())
	before := takeCensus(t, w.Store)
	noError(t, w.Close())
	for name, read := range reads(w.Store) {
		if read(t.Context()) == nil {
			t.Errorf("%s answers after Close", name)
		}
	}
	if err := w.Append(t.Context(), &w.secondDraft().Write); err == nil {
		t.Error("Append succeeds after Close")
	}
	if _, err := w.ForgetAnswers(t.Context(), w.now); err == nil {
		t.Error("ForgetAnswers succeeds after Close")
	}
	if _, err := w.ForgetTallies(t.Context(), w.now); err == nil {
		t.Error("ForgetTallies succeeds after Close")
	}
	w.Store = w.open(t, w.dir)
	same(t, "everything after reopening", before, takeCensus(t, w.Store))
}
