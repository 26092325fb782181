package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

const (
	// term is how long a lease lasts that is not renewed, renewPause how often it is,
	// and margin how long before its end its holder stops by itself.
	term       = 10 * time.Second
	renewPause = 3 * time.Second
	margin     = time.Second
	// claimPause is how often somebody asks who waits for a lease.
	claimPause = time.Second
)

// ErrLost says that a lease could not be renewed in time, or that another has it.
// Whoever held it must do nothing more: the process should end at once.
var ErrLost = errors.New("the lease is lost: another node may have taken over")

// Tenure is a lease that this process has, as long as it renews it. By its own
// monotonic clock it gives up before the lease ends by the store's.
type Tenure struct {
	store store.Leases
	log   *slog.Logger
	lease store.Lease
	// renewed is when the claim was made that was granted last.
	renewed atomic.Pointer[time.Time]
}

// Take waits until it has a lease, or ctx ends. waits is called with whoever has it
// instead, once for each.
func Take(ctx context.Context, s store.Leases, name, holder string, log *slog.Logger, waits func(store.Lease)) (*Tenure, error) {
	var other int64
	for {
		begin := time.Now()
		l, err := s.Claim(ctx, name, holder, term)
		switch {
		case err != nil && greenlane.KindOf(err) != greenlane.Unavailable:
			return nil, fmt.Errorf("claim the lease %s: %w", name, err)
		case err != nil:
			log.Warn("the lease could not be asked for", "lease", name, "error", err)
		case l.Holder == holder:
			t := &Tenure{store: s, log: log, lease: l}
			t.renewed.Store(&begin)
			return t, nil
		case l.Epoch != other:
			other = l.Epoch
			waits(l)
		}
		select {
		case <-time.After(claimPause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Held is what writes name, so that they are refused once another has taken over.
func (t *Tenure) Held() store.Held { return t.lease.Held }

// Holds reports whether nobody else can have the lease yet. A process that was
// asleep for too long is told so before it does anything. It may be called from any
// goroutine.
func (t *Tenure) Holds() bool { return t.left() > 0 }

// Run renews the lease until ctx ends, and then lets it go, so that another need
// not wait for its end. Its error is [ErrLost].
func (t *Tenure) Run(ctx context.Context) error {
	for {
		wait := renewPause
		if left := t.left(); left < wait {
			// It could not be renewed the last time.
			wait = min(wait, max(left, 0), claimPause)
		}
		select {
		case <-ctx.Done():
			t.release(context.WithoutCancel(ctx))
			return nil
		case <-time.After(wait):
		}
		if err := t.renew(ctx); err != nil {
			return err
		}
	}
}

// left is how long nothing needs to be done yet.
func (t *Tenure) left() time.Duration { return term - margin - time.Since(*t.renewed.Load()) }

// renew ends with the answer, or when it is too late for one, but not with the
// holder: a claim on its way would take again what was let go.
func (t *Tenure) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(t.left(), 0))
	defer cancel()
	begin := time.Now()
	type answer struct {
		lease store.Lease
		err   error
	}
	answered := make(chan answer, 1)
	// A store may not listen to a context: what comes too late is not waited for.
	go func() {
		l, err := t.store.Claim(ctx, t.lease.Name, t.lease.Holder, term)
		answered <- answer{l, err}
	}()
	select {
	case a := <-answered:
		switch {
		case a.err == nil && (a.lease.Holder != t.lease.Holder || a.lease.Epoch != t.lease.Epoch):
			return fmt.Errorf("%w: %s has it", ErrLost, a.lease.Holder)
		case a.err == nil:
			t.renewed.Store(&begin)
		case t.left() > 0:
			t.log.Warn("the lease could not be renewed", "lease", t.lease.Name, "left", t.left(), "error", a.err)
		}
	case <-ctx.Done():
	}
	if t.left() <= 0 {
		return ErrLost
	}
	return nil
}

func (t *Tenure) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, claimPause)
	defer cancel()
	if err := t.store.Release(ctx, t.lease.Held); err != nil {
		t.log.Warn("the lease could not be let go; it ends by itself", "lease", t.lease.Name, "error", err)
	}
}
