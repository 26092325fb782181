package hub_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/store"
	"greenlane/internal/store/teststore"
)

// counting counts how often a store is asked for subjects.
type counting struct {
	store.Store
	asked atomic.Int64
}

func (c *counting) Load(ctx context.Context, subjects []greenlane.Subject) ([]*store.SubjectRow, error) {
	c.asked.Add(1)
	return c.Store.Load(ctx, subjects)
}

func (c *counting) Find(ctx context.Context, refs []store.AccountReference) ([][]greenlane.Subject, error) {
	c.asked.Add(1)
	return c.Store.Find(ctx, refs)
}

// lookedUp is how many shipments the tests of looking up are about.
const lookedUp = 50

// asks records another activity of each shipment in one batch, and returns how often
// the store was asked for subjects.
func (c *counting) asks(t *testing.T, h *hub.Hub) int64 {
	t.Helper()
	// The committer is at work with another unit until all wait.
	begun, hold := make(chan struct{}), make(chan struct{})
	tell, release := sync.OnceFunc(func() { close(begun) }), sync.OnceFunc(func() { close(hold) })
	defer release()
	busy := activities("BUSY", 0, "1H")
	busy.Once = &hub.Once{Key: [32]byte{1}, Answer: func(*hub.Outcome) (int, []byte) {
		tell()
		<-hold
		return 200, nil
	}}
	waits := []func(context.Context) (*hub.Outcome, error){begin(t, h, busy)}
	select {
	case <-begun:
	case <-time.After(time.Minute):
		t.Fatal("the first unit is not recorded")
	}
	c.asked.Store(0)
	for i := range lookedUp {
		waits = append(waits, begin(t, h, activities(fmt.Sprintf("MEDU%07d", i), 1, "1C")))
	}
	release()
	for _, wait := range waits {
		if o, err := wait(t.Context()); err != nil || len(o.Events) == 0 {
			t.Errorf("outcome %+v, error %v", o, err)
		}
	}
	return c.asked.Load()
}

func begin(t *testing.T, h *hub.Hub, u hub.Unit) func(context.Context) (*hub.Outcome, error) {
	t.Helper()
	wait, err := h.Begin(u)
	if err != nil {
		t.Fatal(err)
	}
	return wait
}

// meet records the shipments' first activities.
func (b *bench) meet(t *testing.T) {
	t.Helper()
	for i := range lookedUp {
		b.must(t, activities(fmt.Sprintf("MEDU%07d", i), 0, "1H"))
	}
}

// TestLookAhead: how often a batch asks for subjects that are not in memory does not
// grow with its units.
func TestLookAhead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	before := open(t, dir)
	before.meet(t)
	before.stop()
	s := &counting{Store: teststore.Open(t, dir)}
	if n := s.asks(t, openOn(t, dir, s).Hub); n > 4 {
		t.Errorf("%d units in a batch asked %d times for subjects", lookedUp, n)
	}
}

// TestLookAheadByNews: of what other nodes recorded a batch asks once for all
// references and once for all subjects, since their events said what belongs to what.
func TestLookAheadByNews(t *testing.T) {
	t.Parallel()
	other := open(t, t.TempDir())
	s := &counting{Store: other.store}
	h, err := hub.Open(t.Context(), s, hub.Options{Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	other.meet(t)
	if err := h.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := s.asks(t, h); n != 2 {
		t.Errorf("%d units in a batch asked %d times for subjects", lookedUp, n)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
