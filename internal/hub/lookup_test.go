package hub_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync/atomic"
	"testing"

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

// TestLookAhead: how often a batch asks for subjects that are not in memory does not
// grow with its units.
func TestLookAhead(t *testing.T) {
	t.Parallel()
	const units = 50
	dir := t.TempDir()
	b := open(t, dir)
	for i := range units {
		b.must(t, activities(fmt.Sprintf("MEDU%07d", i), 0, "1H"))
	}
	b.stop()

	s := &counting{Store: teststore.Open(t, dir)}
	h, err := hub.Open(t.Context(), s, hub.Options{Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	var waits []func(context.Context) (*hub.Outcome, error)
	for i := range units {
		wait, err := h.Begin(activities(fmt.Sprintf("MEDU%07d", i), 1, "1C"))
		if err != nil {
			t.Fatal(err)
		}
		waits = append(waits, wait)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	for _, wait := range waits {
		if o, err := wait(t.Context()); err != nil || len(o.Events) == 0 {
			t.Errorf("outcome %+v, error %v", o, err)
		}
	}
	if n := s.asked.Load(); n > 6 {
		t.Errorf("%d units in a batch asked %d times for subjects", units, n)
	} else {
		t.Logf("%d units in a batch asked %d times for subjects", units, n)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
