package backend

import (
	"sync"

	"greenlane"
)

// ErrClosed answers calls that come after Close.
var ErrClosed = greenlane.Errorf(greenlane.Unavailable, "storage_closed", "the storage is closed")

// Gate counts the calls that are running, so that Close can wait for them. Its
// zero value is open.
type Gate struct {
	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
}

// Enter lets a call in, which says Leave when it ends.
func (g *Gate) Enter() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return ErrClosed
	}
	g.running.Add(1)
	return nil
}

// Leave ends a call that was let in.
func (g *Gate) Leave() { g.running.Done() }

// Closed reports whether calls are turned away.
func (g *Gate) Closed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed
}

// Close turns calls away from now on, and waits for those that are running.
func (g *Gate) Close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.running.Wait()
}
