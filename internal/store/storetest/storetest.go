// Package storetest is what a storage backend must pass: the promises of
// package store as tests, one file a topic.
//
// A backend's own test calls [Run] with a way to open it. The suite knows a
// backend only through store.Store; what it expects beyond plain values is
// taken from a model, the contract in memory, written to be read (model.go).
// The model passes the suite as well, and random histories are played to a
// backend and to the model at once: they must accept and refuse the same writes
// and give the same answers to everything that can be read (random.go).
//
// Texts in the suite are valid UTF-8 without NUL, odd as they otherwise may be;
// bytes are any bytes. Where the contract leaves an order open, the suite sorts
// before it compares.
//
// [RunHealth] does the same for what a backend's databases tell of themselves. The
// model has nothing of the kind.
//
// [Faulty] is for the tests of the packages above: a store that fails, before
// or after a write, or dies.
package storetest

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/store"
)

// An Opener opens the store that lives in the folder dir, creating it when the
// folder is empty. Opened again after Close, it has the same content. An opener
// that fails ends the test.
type Opener func(t *testing.T, dir string) store.Store

// Run holds a backend against the contract. Its tests run in parallel, each
// with a store of its own.
func Run(t *testing.T, open Opener) {
	for _, topic := range []struct {
		name  string
		tests map[string]func(*testing.T, *world)
	}{
		{"log", logTests},
		{"events", eventTests},
		{"expectations", expectationTests},
		{"atomicity", atomicityTests},
		{"subjects", subjectTests},
		{"references", referenceTests},
		{"positions", positionTests},
		{"messages", messageTests},
		{"answers", answerTests},
		{"accounts", accountTests},
		{"endpoints", endpointTests},
		{"deliveries", deliveryTests},
		{"blobs", blobTests},
		{"secrets", secretTests},
		{"resealing", resealTests},
		{"leases", leaseTests},
		{"reading", readingTests},
		{"concurrency", concurrencyTests},
	} {
		t.Run(topic.name, func(t *testing.T) {
			for name, test := range topic.tests {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					test(t, newWorld(t, open))
				})
			}
		})
	}
	t.Run("random", func(t *testing.T) {
		t.Parallel()
		testRandom(t, open)
	})
}

// world is what a test has: a fresh store, and an author who writes to it.
type world struct {
	store.Store
	*author
	t    *testing.T
	open Opener
	dir  string
}

func newWorld(t *testing.T, open Opener) *world {
	dir := t.TempDir()
	w := &world{Store: open(t, dir), author: newAuthor(), t: t, open: open, dir: dir}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return w
}

// reopen closes the store and opens it again.
func (w *world) reopen() {
	w.t.Helper()
	if err := w.Close(); err != nil {
		w.t.Fatalf("close the store: %v", err)
	}
	w.Store = w.open(w.t, w.dir)
}

// commit appends a draft that must succeed.
func (w *world) commit(d *draft) {
	w.t.Helper()
	if err := w.Append(context.Background(), &d.Write); err != nil {
		w.t.Fatalf("append: %v", err)
	}
	w.committed(d)
}

// mustFail appends a draft that must fail with the error and leave everything as
// it was.
func (w *world) mustFail(d *draft, target error) {
	w.t.Helper()
	before := takeCensus(w.t, w.Store)
	if err := w.Append(context.Background(), &d.Write); !errors.Is(err, target) {
		w.t.Fatalf("append: error %v, want %v", err, target)
	}
	same(w.t, "everything after a refused write", before, takeCensus(w.t, w.Store))
}

// refuse is mustFail, with a look after reopening.
func (w *world) refuse(d *draft, target error) {
	w.t.Helper()
	w.mustFail(d, target)
	before := takeCensus(w.t, w.Store)
	w.reopen()
	same(w.t, "everything after a refused write and reopening", before, takeCensus(w.t, w.Store))
}

// noError ends the test on an error.
func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// same fails the test unless got is exactly want.
func same[T any](t *testing.T, what string, want, got T) {
	t.Helper()
	if diff := difference(want, got); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// sameList is same for lists, where nil and empty are alike.
func sameList[T any](t *testing.T, what string, want, got []T) {
	t.Helper()
	if len(want)+len(got) > 0 {
		same(t, what, want, got)
	}
}

// difference shows where two values differ. Times are compared as they are
// stored, the moment and the zone, and nil is not empty.
func difference(want, got any) string {
	if reflect.DeepEqual(want, got) {
		return "" // by far the most common case, and much faster
	}
	return cmp.Diff(want, got, cmp.Comparer(func(a, b time.Time) bool { return a == b }))
}

// subject is short for a subject of kind entry.
func subject(number int64) greenlane.Subject {
	return greenlane.Subject{Kind: greenlane.KindEntry, Number: number}
}
