package backend

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"greenlane/internal/store"
)

// Lessor gives the leases of a store that one process has: they need not outlive
// it. Its zero value has given none.
type Lessor struct {
	mu  sync.Mutex
	all map[string]*lease
}

type lease struct {
	epoch  int64
	holder string
	until  time.Time
}

func (l *lease) view(name string) store.Lease {
	return store.Lease{Held: store.Held{Name: name, Epoch: l.epoch}, Holder: l.holder, Left: max(0, time.Until(l.until))}
}

// Claim implements [store.Leases].
func (l *Lessor) Claim(_ context.Context, name, holder string, term time.Duration) (store.Lease, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = map[string]*lease{}
	}
	if l.all[name] == nil {
		l.all[name] = &lease{}
	}
	own := l.all[name]
	if own.holder != holder {
		if time.Now().Before(own.until) {
			return own.view(name), nil
		}
		own.epoch++
	}
	own.holder, own.until = holder, time.Now().Add(term)
	return own.view(name), nil
}

// Renew implements [store.Leases].
func (l *Lessor) Renew(_ context.Context, holder string, term time.Duration) ([]store.Lease, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, own := range l.all {
		if own.holder == holder {
			own.until = time.Now().Add(term)
		}
	}
	return l.list(func(own *lease) bool { return own.holder == holder }), nil
}

// Release implements [store.Leases].
func (l *Lessor) Release(_ context.Context, held store.Held) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if own := l.all[held.Name]; own != nil && own.epoch == held.Epoch {
		own.holder, own.until = "", time.Time{}
	}
	return nil
}

// Leases implements [store.Leases].
func (l *Lessor) Leases(context.Context) ([]store.Lease, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.list(func(*lease) bool { return true }), nil
}

// list shows some of the leases, by name.
func (l *Lessor) list(which func(*lease) bool) []store.Lease {
	var out []store.Lease
	for name, own := range l.all {
		if which(own) {
			out = append(out, own.view(name))
		}
	}
	slices.SortFunc(out, func(a, b store.Lease) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Check refuses a write that names a lease that is another's by now.
func (l *Lessor) Check(w *store.Write) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range w.Held {
		if own := l.all[h.Name]; own == nil || own.epoch != h.Epoch {
			return store.ErrFenced
		}
	}
	return nil
}
