package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"greenlane"
	"greenlane/internal/store"
)

var concurrencyTests = map[string]func(*testing.T, *world){
	"tail":                testTail,
	"rivals":              testRivals,
	"reads during writes": testReadsDuringWrites,
	"reserve":             testConcurrentReserve,
	"run":                 testRun,
}

const (
	writers        = 4
	writesEach     = 15
	eventsPerWrite = 3
)

// startWriters lets several authors append at once, each about subjects of its
// own, and returns where their outcome arrives.
func (w *world) startWriters() <-chan error {
	var wg sync.WaitGroup
	errs := make([]error, writers)
	for i := range writers {
		wg.Go(func() {
			a := newAuthor()
			for n := range writesEach {
				d := a.draft()
				for k := range eventsPerWrite {
					d.event(subject(int64(i+1+k*writers)), func(e *greenlane.Event) {
						e.Type = greenlane.EventType(fmt.Sprintf("type.%d", n%5))
					})
				}
				d.Cursors = []store.Cursor{{Owner: "dispatcher", Position: int64(n)}}
				if errs[i] = w.Append(context.Background(), &d.Write); errs[i] != nil {
					return
				}
				a.committed(d)
			}
		})
	}
	done := make(chan error, 1)
	go func() {
		wg.Wait()
		done <- errors.Join(errs...)
	}()
	return done
}

// testTail: whoever follows the log sees it without a gap, and all that the
// head promises.
func testTail(t *testing.T, w *world) {
	done := w.startWriters()
	types := []greenlane.EventType{"type.0", "type.1", "type.2", "type.3", "type.4"}
	var plain, typed []*greenlane.Event
	follow := func(seen []*greenlane.Event, q store.EventQuery) []*greenlane.Event {
		head, err := w.Head(t.Context())
		noError(t, err)
		q.After, q.Limit = int64(len(seen)), 50
		page, err := w.Events(t.Context(), q)
		noError(t, err)
		for _, e := range page.Events {
			if e.Position != int64(len(seen))+1 {
				t.Fatalf("after position %d came %d", len(seen), e.Position)
			}
			seen = append(seen, e)
		}
		if int64(len(seen)) < head.Position && !page.More {
			t.Fatalf("the head was %d and the log ended at %d", head.Position, len(seen))
		}
		return seen
	}
	for len(plain) < writers*writesEach*eventsPerWrite || len(typed) < len(plain) {
		plain = follow(plain, store.EventQuery{})
		typed = follow(typed, store.EventQuery{Types: types, Scan: 7})
		select {
		case err := <-done:
			noError(t, err)
			done = nil
		default:
		}
	}
	same(t, "what both readers saw", plain, typed)
	sameChain(t, plain)
}

// testRivals: of several writes that decided upon the same version, one is
// accepted and the others are told.
func testRivals(t *testing.T, w *world) {
	const rounds = 10
	for version := range int64(rounds) {
		errs := make([]error, writers)
		var wg sync.WaitGroup
		for i := range writers {
			d := w.draft()
			d.Expect = []store.Expectation{{Subject: subject(1), Version: version}}
			d.event(subject(1))
			wg.Go(func() { errs[i] = w.Append(context.Background(), &d.Write) })
		}
		wg.Wait()
		accepted := 0
		for _, err := range errs {
			if err == nil {
				accepted++
			} else if !errors.Is(err, store.ErrMoved) {
				t.Fatal(err)
			}
		}
		same(t, "writes accepted", 1, accepted)
		w.rows[subject(1)] = w.loadOne(subject(1))
		same(t, "version", version+1, w.rows[subject(1)].Version)
	}
	head, err := w.Head(t.Context())
	noError(t, err)
	same(t, "head", int64(rounds), head.Position)
}

// testReadsDuringWrites keeps every read busy while the log grows.
func testReadsDuringWrites(t *testing.T, w *world) {
	w.commit(w.fullDraft())
	stop, quit := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer quit()
	for name, read := range reads(w.Store) {
		wg.Go(func() {
			for stop.Err() == nil {
				if err := read(t.Context()); err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
			}
		})
	}
	for range 20 {
		d := w.draft()
		d.event(subject(1))
		d.event(subject(30))
		w.commit(d)
		same(t, "row just written", w.rows[subject(1)], w.loadOne(subject(1)))
	}
}

func testConcurrentReserve(t *testing.T, w *world) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	taken := map[int64]bool{}
	for range 8 {
		wg.Go(func() {
			for n := 1; n <= 20; n++ {
				first, err := w.Reserve(context.Background(), store.MessageNumbers, n)
				mu.Lock()
				for i := range int64(n) {
					if err != nil || taken[first+i] {
						t.Errorf("number %d was handed out twice, or error %v", first+i, err)
					}
					taken[first+i] = true
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	same(t, "numbers handed out", 8*20*21/2, len(taken))
	same(t, "the last number is taken", true, taken[8*20*21/2])
}

// testRun: the backend's own work goes on beside writes and ends with its
// context.
func testRun(t *testing.T, w *world) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	noError(t, <-w.startWriters())
	cancel()
	noError(t, <-done)
}
