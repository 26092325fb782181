package hub

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

// TestTailIsBounded: few large events push out what many small ones would have
// left, and the newest stays whatever its size.
func TestTailIsBounded(t *testing.T) {
	t.Parallel()
	h := &Hub{}
	h.tail.start(0)
	large := make([]byte, 1<<20)
	for p := int64(1); p <= 40; p++ {
		e := &greenlane.Event{Position: p, Data: []byte("{}")}
		if p > 20 {
			e.Data = large
		}
		h.tail.publish([]*greenlane.Event{e})
		if h.tail.bytes > tailBytes+weight(e) {
			t.Fatalf("%d bytes at position %d", h.tail.bytes, p)
		}
	}
	if _, ok := h.Recent(20, 1); ok {
		t.Error("memory reaches back to before the large events")
	}
	events, ok := h.Recent(35, 10)
	if !ok || len(events) != 5 || events[4].Position != 40 {
		t.Errorf("%d events after 35, %t", len(events), ok)
	}
	h.tail.publish([]*greenlane.Event{{Position: 41, Data: make([]byte, tailBytes)}})
	if events, ok := h.Recent(40, 1); !ok || len(events) != 1 {
		t.Error("the newest event is not in memory")
	}
}

// forgetful is a store that is asked to forget.
type forgetful struct {
	store.Store
	asked chan time.Time
}

func (f *forgetful) ForgetAnswers(_ context.Context, before time.Time) (int, error) {
	f.asked <- before
	return 1, nil
}

func TestForgetsOldAnswers(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	s := &forgetful{asked: make(chan time.Time)}
	h := &Hub{store: s, clock: func() time.Time { return now }, log: slog.New(slog.DiscardHandler)}
	ctx, stop := context.WithCancel(t.Context())
	tick, ended := make(chan time.Time), make(chan struct{})
	go func() { defer close(ended); h.forget(ctx, tick) }()
	tick <- now
	if before := <-s.asked; !before.Equal(now.Add(-answersKept)) {
		t.Errorf("answers before %s are forgotten", before)
	}
	stop()
	<-ended
}
