package hub

import (
	"context"
	"sync"

	"greenlane"
	"greenlane/internal/store"
)

// tailSize is how many of the latest events are kept in memory, tailBytes how
// much memory they may take, about.
const (
	tailSize  = 8192
	tailBytes = 64 << 20
)

// tail is the end of the log in memory, for those who follow it.
type tail struct {
	mu   sync.Mutex
	head int64
	// events holds position p at p modulo tailSize, for positions above from.
	events [tailSize]*greenlane.Event
	from   int64
	bytes  int
	// moved is closed and replaced when the head moves.
	moved chan struct{}
}

func (t *tail) start(head int64) {
	t.head, t.from, t.moved = head, head, make(chan struct{})
}

func (t *tail) publish(events []*greenlane.Event) {
	if len(events) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range events {
		t.keep(e)
	}
	t.wake()
}

// keep takes in the next event and lets go of the oldest there is no room for.
// The newest stays, whatever its size.
func (t *tail) keep(e *greenlane.Event) {
	t.bytes += weight(e)
	for t.from < e.Position-1 && (t.from < e.Position-tailSize || t.bytes > tailBytes) {
		t.from++
		if old := t.events[t.from%tailSize]; old != nil {
			t.bytes -= weight(old)
			t.events[t.from%tailSize] = nil
		}
	}
	t.events[e.Position%tailSize], t.head = e, e.Position
}

// weight is about what an event takes in memory: its texts, and several times as
// much for the body made of them.
func weight(e *greenlane.Event) int { return 512 + 6*(len(e.Data)+len(e.Detail)) }

// skipTo moves the head over events that are not in memory.
func (t *tail) skipTo(head int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.head, t.from, t.bytes = head, head, 0
	clear(t.events[:])
	t.wake()
}

func (t *tail) wake() {
	close(t.moved)
	t.moved = make(chan struct{})
}

// Head returns the position of the last event.
func (h *Hub) Head() int64 {
	h.tail.mu.Lock()
	defer h.tail.mu.Unlock()
	return h.tail.head
}

// Wait returns when the log has gone past the given position, or ctx ends.
func (h *Hub) Wait(ctx context.Context, after int64) error {
	for {
		head, moved := h.Watch()
		if head > after {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Watch returns the head and a channel that is closed when it moves.
func (h *Hub) Watch() (head int64, moved <-chan struct{}) {
	h.tail.mu.Lock()
	defer h.tail.mu.Unlock()
	return h.tail.head, h.tail.moved
}

// Follow reads up to limit events after a position, of all accounts, from
// memory where it reaches back that far, else from the store. The events are
// shared; nobody may change them.
func (h *Hub) Follow(ctx context.Context, after int64, limit int) ([]*greenlane.Event, error) {
	if events, ok := h.Recent(after, limit); ok {
		return events, nil
	}
	page, err := h.store.Events(ctx, store.EventQuery{After: after, Limit: limit})
	return page.Events, err
}

// Recent returns up to limit events after a position from memory; ok is false
// when memory does not reach back that far. The events are shared; nobody may
// change them.
func (h *Hub) Recent(after int64, limit int) (events []*greenlane.Event, ok bool) {
	h.tail.mu.Lock()
	defer h.tail.mu.Unlock()
	if after < h.tail.from {
		return nil, false
	}
	n := min(int64(limit), h.tail.head-after)
	if n <= 0 {
		return nil, true
	}
	out := make([]*greenlane.Event, 0, n)
	for p := after + 1; p <= after+n; p++ {
		out = append(out, h.tail.events[p%tailSize])
	}
	return out, true
}
