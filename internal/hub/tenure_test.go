package hub_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/store"
	"greenlane/internal/store/backend"
)

// away is a store of leases that can be out of reach, or never answer.
type away struct {
	backend.Lessor
	gone, silent atomic.Bool
}

func (a *away) Claim(ctx context.Context, name, holder string, term time.Duration) (store.Lease, error) {
	if a.silent.Load() {
		<-ctx.Done()
		return store.Lease{}, ctx.Err()
	}
	if a.gone.Load() {
		return store.Lease{}, greenlane.Errorf(greenlane.Unavailable, "storage_unavailable", "away")
	}
	return a.Lessor.Claim(ctx, name, holder, term)
}

func take(t *testing.T, s store.Leases, holder string) *hub.Tenure {
	t.Helper()
	tenure, err := hub.Take(t.Context(), s, "hub", holder, slog.New(slog.DiscardHandler), func(store.Lease) {})
	if err != nil {
		t.Fatal(err)
	}
	return tenure
}

// TestTenure: who has a lease keeps it while it renews it, and lets it go at its
// end, when the next has it within a second.
func TestTenure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		leases := &away{}
		first := take(t, leases, "first")
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- first.Run(ctx) }()
		var second *hub.Tenure
		asked := 0
		taken := make(chan struct{})
		go func() {
			defer close(taken)
			var err error
			second, err = hub.Take(t.Context(), leases, "hub", "second", slog.New(slog.DiscardHandler), func(l store.Lease) {
				asked++
				if l.Holder != "first" {
					t.Errorf("it waits for %+v", l)
				}
			})
			if err != nil {
				t.Error(err)
			}
		}()
		time.Sleep(time.Hour)
		select {
		case <-taken:
			t.Fatal("the second has it, too")
		default:
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("ended with %v", err)
		}
		begin := time.Now()
		<-taken
		if waited := time.Since(begin); waited > time.Second {
			t.Errorf("the second waited %s after the end of the first", waited)
		}
		if h := second.Held(); h.Epoch != first.Held().Epoch+1 || asked != 1 {
			t.Errorf("the second has %+v after %d calls", h, asked)
		}
	})
}

// TestTenureLost: who can't renew stops before anybody else can have it.
func TestTenureLost(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*away){
		"away":   func(a *away) { a.gone.Store(true) },
		"silent": func(a *away) { a.silent.Store(true) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				leases := &away{}
				first := take(t, leases, "first")
				ended := make(chan error, 1)
				go func() { ended <- first.Run(t.Context()) }()
				time.Sleep(time.Minute)
				if !first.Holds() {
					t.Error("it does not hold what it renews")
				}
				fail(leases)
				if err := <-ended; !errors.Is(err, hub.ErrLost) || first.Holds() {
					t.Errorf("ended with %v, holds %v", err, first.Holds())
				}
				if l, err := leases.Lessor.Claim(t.Context(), "hub", "second", time.Minute); err != nil || l.Holder != "first" || l.Left < 500*time.Millisecond {
					t.Errorf("when the first stopped, %+v had it: %v", l, err)
				}
				time.Sleep(2 * time.Second)
				if l, err := leases.Lessor.Claim(t.Context(), "hub", "second", time.Minute); err != nil || l.Holder != "second" {
					t.Errorf("two seconds later %+v has it: %v", l, err)
				}
			})
		})
	}
}

// TestTenureTaken: who finds that another has it stops at once.
func TestTenureTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		leases := &away{}
		first := take(t, leases, "first")
		if err := leases.Release(t.Context(), first.Held()); err != nil {
			t.Fatal(err)
		}
		take(t, leases, "second")
		if err := first.Run(t.Context()); !errors.Is(err, hub.ErrLost) {
			t.Errorf("ended with %v", err)
		}
	})
}

// TestFenced: a hub whose lease another has writes nothing and ends.
func TestFenced(t *testing.T) {
	t.Parallel()
	b := open(t, t.TempDir())
	l, err := b.store.Claim(t.Context(), "hub", "first", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	h, err := hub.Open(t.Context(), b.store, hub.Options{Random: rand1{}, Held: []store.Held{l.Held}})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- h.Run(context.Background()) }()
	if _, err := h.Do(t.Context(), activities("S", 0, "1H")); err != nil {
		t.Fatal(err)
	}
	if err := b.store.Release(t.Context(), l.Held); err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.Claim(t.Context(), "hub", "second", time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Do(t.Context(), activities("S", 1, "1I")); greenlane.KindOf(err) != greenlane.Unavailable {
		t.Errorf("written without the lease: %v", err)
	}
	if err := <-ended; !errors.Is(err, store.ErrFenced) {
		t.Errorf("the hub ended with %v", err)
	}
}

// rand1 is a source of chance without any.
type rand1 struct{}

func (rand1) Read(p []byte) (int, error) { return len(p), nil }
