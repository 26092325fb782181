package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

// TestModel holds the model against the suite: what the suite asks for is then
// the contract and not the habits of one backend.
func TestModel(t *testing.T) {
	t.Parallel()
	Run(t, Memory())
}

// TestFaultyPassesOn: a faulty store without a fault is a store.
func TestFaultyPassesOn(t *testing.T) {
	t.Parallel()
	open := Memory()
	Run(t, func(t *testing.T, dir string) store.Store { return NewFaulty(open(t, dir)) })
}

func TestFaultyFails(t *testing.T) {
	t.Parallel()
	away := greenlane.Errorf(greenlane.Unavailable, "storage_unavailable", "away")
	plain := errors.New("plain")
	for _, test := range []struct {
		moment Moment
		err    error
		stored int64
	}{
		{Before, away, 0}, {Before, plain, 0}, {After, away, 1}, {After, plain, 1},
	} {
		t.Run(fmt.Sprint(test.moment, test.err), func(t *testing.T) {
			t.Parallel()
			inner, a := newModel(), newAuthor()
			f := NewFaulty(inner)
			f.Fail(2, test.moment, test.err)
			for n := int64(1); n <= 3; n++ {
				d := a.draft()
				d.event(subject(n))
				err := f.Append(t.Context(), &d.Write)
				if (n == 2) != (err != nil) || n == 2 && err != test.err {
					t.Fatalf("append %d: error %v", n, err)
				}
				head, err := f.Head(t.Context())
				noError(t, err)
				want := n
				if n >= 2 {
					want += test.stored - 1
				}
				same(t, "head", want, head.Position)
			}
			same(t, "number of appends", 3, f.Appends())
			same(t, "everything", takeCensus(t, inner), takeCensus(t, f))
		})
	}
}

// TestFaultyRefusal: a write that the store itself refuses is not stored, and
// says why.
func TestFaultyRefusal(t *testing.T) {
	t.Parallel()
	f, a := NewFaulty(newModel()), newAuthor()
	f.Fail(1, After, errors.New("plain"))
	d := a.draft()
	d.event(subject(1))
	d.row(subject(1)).Was = 5
	if err := f.Append(t.Context(), &d.Write); err != store.ErrMoved {
		t.Fatalf("append: error %v", err)
	}
}

func TestFaultyCrashes(t *testing.T) {
	t.Parallel()
	for moment, stored := range map[Moment]int64{Before: 1, After: 2} {
		t.Run(fmt.Sprint(moment), func(t *testing.T) {
			t.Parallel()
			inner, a := newModel(), newAuthor()
			f := NewFaulty(inner)
			f.Crash(2, moment)
			running := make(chan error, 1)
			go func() { running <- f.Run(t.Context()) }()
			for n, want := range []error{nil, ErrCrashed, ErrCrashed} {
				d := a.draft()
				d.event(subject(int64(n + 1)))
				if err := f.Append(t.Context(), &d.Write); !errors.Is(err, want) {
					t.Fatalf("append %d: error %v, want %v", n+1, err, want)
				}
			}
			if err := <-running; !errors.Is(err, ErrCrashed) {
				t.Errorf("run: error %v", err)
			}
			calls := reads(f)
			calls["Run"] = f.Run
			calls["Reserve"] = func(ctx context.Context) error {
				_, err := f.Reserve(ctx, store.SubjectNumbers, 1)
				return err
			}
			calls["ForgetAnswers"] = func(ctx context.Context) error {
				_, err := f.ForgetAnswers(ctx, a.now)
				return err
			}
			calls["ForgetTallies"] = func(ctx context.Context) error {
				_, err := f.ForgetTallies(ctx, a.now)
				return err
			}
			calls["Claim"] = func(ctx context.Context) error {
				_, err := f.Claim(ctx, "a", "b", time.Second)
				return err
			}
			calls["Renew"] = func(ctx context.Context) error {
				_, err := f.Renew(ctx, "b", time.Second)
				return err
			}
			calls["Release"] = func(ctx context.Context) error { return f.Release(ctx, store.Held{Name: "a", Epoch: 1}) }
			calls["Leases"] = func(ctx context.Context) error {
				_, err := f.Leases(ctx)
				return err
			}
			calls["Reseal"] = func(ctx context.Context) error {
				return f.Reseal(ctx, func(store.Confidential) (store.Confidential, error) { return store.Confidential{}, nil })
			}
			// Append is crashed by itself; in a turn it is what is done there that fails.
			others := []string{"Append", "Close", "Moved", "InTurn"}
			for method := range reflect.TypeFor[store.Store]().Methods() {
				if calls[method.Name] == nil && !slices.Contains(others, method.Name) {
					t.Errorf("nobody calls %s", method.Name)
				}
			}
			for name, call := range calls {
				if err := call(t.Context()); !errors.Is(err, ErrCrashed) {
					t.Errorf("%s on a dead process: error %v", name, err)
				}
			}
			same(t, "number of appends", 2, f.Appends())
			same(t, "position in the inner store", stored, inner.content.head().Position)
			noError(t, f.Close())
			if _, err := inner.Head(t.Context()); err == nil {
				t.Error("the inner store is still open")
			}
		})
	}
}

// TestFaultyCrashesAmidRead: a read that is under way when the process dies
// does not get its answer.
func TestFaultyCrashesAmidRead(t *testing.T) {
	t.Parallel()
	inner, a := newModel(), newAuthor()
	f := NewFaulty(inner)
	f.Crash(2, After)
	d := a.draft()
	d.event(subject(1))
	d.event(subject(2))
	noError(t, f.Append(t.Context(), &d.Write))
	a.committed(d)
	rows := 0
	err := f.EachSubject(t.Context(), func(row *store.SubjectRow) error {
		rows++
		d := a.draft()
		d.event(row.Subject)
		if err := f.Append(t.Context(), &d.Write); !errors.Is(err, ErrCrashed) {
			t.Errorf("append: error %v", err)
		}
		return nil
	})
	if !errors.Is(err, ErrCrashed) || rows != 1 {
		t.Errorf("read %d rows, error %v", rows, err)
	}
}

// TestWalkingCrashPoints is how other packages use a Faulty.
func TestWalkingCrashPoints(t *testing.T) {
	t.Parallel()
	const writes = 3
	walked := 0
	for n := 1; ; n++ {
		inner, a := newModel(), newAuthor()
		f := NewFaulty(inner)
		f.Crash(n, After)
		for i := range int64(writes) {
			d := a.draft()
			d.event(subject(i + 1))
			if f.Append(t.Context(), &d.Write) != nil {
				break
			}
		}
		if f.Appends() < n {
			break
		}
		same(t, "position found by the next process", int64(n), inner.content.head().Position)
		walked++
	}
	same(t, "crash points", writes, walked)
}
