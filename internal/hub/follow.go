package hub

import (
	"context"
	"slices"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

// Other nodes append to the same log. What this one keeps in memory is right as
// long as it has taken in all of their events; a decision that was made before is
// refused by the store, and made again. So every event of another node is read
// once: it drops what it changed from memory, and goes on to those who follow the
// log.

// followAtOnce is how many events of other nodes are read at once.
const followAtOnce = 1000

// syncPatience is how long a request may wait for what other nodes recorded.
const syncPatience = 2 * time.Second

// nudge asks the committer to look where the log ends.
func (h *Hub) nudge() {
	select {
	case h.nudges <- struct{}{}:
	default:
	}
}

// Sync returns once this node knows everything that was recorded when it was
// called, by whichever node, or ctx ends.
func (h *Hub) Sync(ctx context.Context) error {
	head, err := h.store.Head(ctx)
	if err != nil || head.Position <= h.Head() {
		return err
	}
	h.nudge()
	return h.Wait(ctx, head.Position-1)
}

// Beyond reports whether a reader's position is beyond the end of the log, and where
// that is, also as far as this node has not heard of it. The log was longer once: the
// database was restored, or failed over to a server that lacked its end. What comes
// at the missing positions is not what the reader has.
func (h *Hub) Beyond(ctx context.Context, position int64) (end int64, beyond bool, err error) {
	if end = h.Head(); position <= end {
		return end, false, nil
	}
	head, err := h.store.Head(ctx)
	return head.Position, err == nil && position > head.Position, err
}

// refresh takes in what is in the log without our knowing, if anything: another
// node's events, or our own after a commit that reported a failure. It reports
// whether there was something.
func (h *Hub) refresh() (moved bool, err error) {
	if h.outdated {
		h.reloadDirectory()
	}
	head, err := h.store.Head(context.Background())
	if err != nil || head.Position <= h.head.Position {
		return false, err
	}
	h.follow(head.Position)
	return true, nil
}

// follow takes in the events up to a position that are not ours. Only the
// committer calls it.
func (h *Hub) follow(to int64) {
	if to-h.head.Position > tailSize {
		h.leap(to)
		return
	}
	for h.head.Position < to {
		page, err := h.store.Events(context.Background(), store.EventQuery{After: h.head.Position, Before: to + 1, Limit: followAtOnce})
		if err != nil || len(page.Events) == 0 {
			h.log.Warn("events of other nodes could not be read; they are read again by whoever needs them", "after", h.head.Position, "up to", to, "error", err)
			h.leap(to)
			return
		}
		h.takeIn(page.Events)
	}
}

// takeIn takes in the events that follow, which are not ours.
func (h *Hub) takeIn(events []*greenlane.Event) {
	accounts := false
	for _, e := range events {
		h.drop(e)
		accounts = accounts || e.Subject.Kind == greenlane.KindAccount
	}
	if accounts {
		h.reloadDirectory()
	}
	h.head = headOf(events[len(events)-1])
	h.tail.publish(events)
}

// drop forgets what another node's event changed.
func (h *Hub) drop(e *greenlane.Event) {
	h.subjects.drop(e.Subject)
	for _, ref := range e.References {
		// Which subjects have a reference changes only when one more has it.
		key := store.AccountReference{Account: e.Account, Reference: ref}
		if known, ok := h.refs.get(key); ok && slices.Contains(known, e.Subject) {
			continue
		}
		h.refs.drop(key)
		if told, _ := h.told.get(key); len(told) < scoutedPerReference && !slices.Contains(told, e.Subject) {
			h.told.put(key, append(told[:len(told):len(told)], e.Subject))
		}
	}
	_, into, ok := greenlane.MergeOf(e)
	if !ok {
		return
	}
	members, err := h.store.Members(context.Background(), into)
	if err != nil {
		h.subjects.clear()
		return
	}
	for _, s := range members {
		h.subjects.drop(s)
	}
}

// leap goes to a position without looking at what lies between.
func (h *Hub) leap(to int64) {
	h.unlearn()
	h.reloadDirectory()
	h.head.Position = to
	h.tail.skipTo(to)
}

// reloadDirectory reads accounts and keys anew, again at the next look if that
// fails.
func (h *Hub) reloadDirectory() {
	err := h.directory.load(context.Background(), h.store)
	if err != nil && !h.outdated {
		h.log.Error("accounts and keys could not be read again", "error", err)
	}
	h.outdated = err != nil
}

// headOf returns the end of a log whose last event is e.
func headOf(e *greenlane.Event) store.Head {
	return store.Head{Position: e.Position, Hash: e.Hash, RecordedAt: e.RecordedAt}
}
