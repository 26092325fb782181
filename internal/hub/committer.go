package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

const (
	// answersKept is how long an idempotency key counts, at the least.
	answersKept = 7 * 24 * time.Hour
	forgetPause = time.Hour
)

// Run commits what Do brings until ctx ends, then what still waits, and
// returns. An error means that the log can't be trusted any more; the process
// should end.
func (h *Hub) Run(ctx context.Context) error {
	defer close(h.closed)
	var helpers sync.WaitGroup
	defer helpers.Wait()
	forgetting, stop := context.WithCancel(ctx)
	defer stop()
	helpers.Go(func() {
		hourly := time.NewTicker(forgetPause)
		defer hourly.Stop()
		h.forget(forgetting, hourly.C)
	})
	probe := time.NewTicker(time.Second)
	defer probe.Stop()
	for {
		if !h.queue.await(ctx, probe.C, h.nudges, h.store.Moved()) {
			if ctx.Err() != nil {
				h.queue.close()
				return nil
			}
			h.look()
			continue
		}
		if err := h.work(); err != nil {
			h.queue.close()
			return err
		}
	}
}

// look finds out what happened elsewhere while there was nothing to commit.
func (h *Hub) look() {
	h.remembering.Lock()
	defer h.remembering.Unlock()
	h.probe()
	if _, err := h.refresh(); err != nil && greenlane.KindOf(err) != greenlane.Unavailable {
		h.log.Error("what other nodes recorded could not be read", "error", err)
	}
}

// work commits a batch. What waits while other nodes have their turn joins it.
func (h *Hub) work() error {
	h.remembering.Lock()
	defer h.remembering.Unlock()
	var jobs []*job
	err := h.inTurn(func() error {
		jobs = h.queue.drain()
		return h.attempt(jobs)
	})
	return h.settle(jobs, err)
}

// inTurn runs f when no other node appends, knowing all that others recorded. Where
// storage is away f finds that out, too.
func (h *Hub) inTurn(f func() error) (err error) {
	away := h.store.InTurn(context.Background(), h.head.Position, func(head store.Head, news []*greenlane.Event) {
		if len(news) > 0 {
			h.takeIn(news)
		}
		if head.Position > h.head.Position {
			h.follow(head.Position)
		}
		err = f()
	})
	if away != nil {
		return f()
	}
	return err
}

// forget removes answers nobody will ask for again, at each tick. The first
// comes long after the start: a reaction that looks again at what it did before
// the stop finds its answers.
func (h *Hub) forget(ctx context.Context, tick <-chan time.Time) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
		n, err := h.store.ForgetAnswers(ctx, h.clock().Add(-answersKept))
		switch {
		case err != nil && ctx.Err() == nil:
			h.log.Error("old idempotency answers were not removed", "error", err)
		case n > 0:
			h.log.Info("old idempotency answers removed", "answers", n)
		}
	}
}

// probe finds out whether storage that was away is back.
func (h *Hub) probe() {
	if h.away.Load() == nil {
		return
	}
	w := &store.Write{Base: -1, Cursors: []store.Cursor{{Owner: "probe", Position: h.head.Position}}}
	if err := h.append(w); err == nil {
		h.log.Info("storage is available again")
	}
}

// settle answers a batch's callers. It is decided again as long as others change
// what it rests on.
func (h *Hub) settle(jobs []*job, err error) error {
	for tries := 1; tries < maxRedecide && outrun(jobs, err, tries); tries++ {
		h.metrics.Redecided.Add(1)
		err = h.inTurn(func() error { return h.attempt(jobs) })
	}
	if err != nil && len(jobs) > 1 && ownFault(err) {
		return h.oneByOne(jobs)
	}
	if err != nil {
		return h.fail(jobs, err)
	}
	var later []*job
	for _, j := range jobs {
		if j.deferred {
			later = append(later, j)
			continue
		}
		h.answer(j)
	}
	h.queue.again(later)
	return nil
}

// outrun reports whether another node may have been faster: it changed what was read,
// or recorded an equal unit after that was looked for.
func outrun(jobs []*job, err error, tries int) bool {
	return errors.Is(err, store.ErrMoved) || tries == 1 && len(jobs) == 1 && errors.Is(err, store.ErrDuplicate)
}

// ownFault reports whether an error lies in what was to be written rather than
// in the storage: somebody in the batch broke a rule that deciding did not see.
func ownFault(err error) bool {
	return !errors.Is(err, store.ErrBroken) && !errors.Is(err, store.ErrMoved) && greenlane.KindOf(err) != greenlane.Unavailable
}

// oneByOne commits units alone, so that each is judged by what is there.
func (h *Hub) oneByOne(jobs []*job) error {
	for i, j := range jobs {
		alone := []*job{j}
		if err := h.settle(alone, h.inTurn(func() error { return h.attempt(alone) })); err != nil {
			_ = h.fail(jobs[i+1:], err) // the same end
			return err
		}
	}
	return nil
}

// fail answers a batch that could not be written.
func (h *Hub) fail(jobs []*job, err error) error {
	public := h.publicError(err, jobs)
	for _, j := range jobs {
		if !j.refused {
			j.outcome, j.err = nil, public
		}
		h.answer(j)
	}
	if errors.Is(err, store.ErrBroken) {
		return err
	}
	return nil
}

func (h *Hub) publicError(err error, jobs []*job) error {
	var e *greenlane.Error
	if errors.As(err, &e) && e.Kind == greenlane.Unavailable {
		return e
	}
	if errors.Is(err, store.ErrFenced) {
		moving := greenlane.Errorf(greenlane.Unavailable, "moving", "another node has taken this over").Because(err)
		moving.RetryAfter = time.Second
		return moving
	}
	if errors.Is(err, store.ErrDuplicate) {
		return greenlane.Errorf(greenlane.Conflict, "conflict", "another request recorded the same thing first").Because(err)
	}
	if errors.Is(err, store.ErrMoved) {
		busy := greenlane.Errorf(greenlane.Unavailable, "busy", "others kept changing the same things").Because(err)
		busy.RetryAfter = time.Second
		return busy
	}
	h.log.Error("batch not recorded", "units", len(jobs), "error", err)
	return greenlane.Errorf(greenlane.Internal, "internal", "the request could not be recorded").Because(err)
}

func (h *Hub) answer(j *job) {
	h.metrics.Units.Add(1)
	if j.err != nil {
		h.metrics.Refused.Add(1)
	}
	if j.then != nil {
		j.then(j.outcome, j.err)
		return
	}
	close(j.done)
}

// attempt decides a batch and writes it. A unit that is refused has its answer;
// the error is about the whole batch.
func (h *Hub) attempt(jobs []*job) error {
	now := h.clock()
	if now.Before(h.head.RecordedAt) {
		// Recorded times never run backwards along the log.
		now = h.head.RecordedAt
	}
	b := newBatch(h, now)
	if err := b.lookAhead(jobs); err != nil {
		return err
	}
	for _, j := range jobs {
		j.outcome, j.err, j.refused, j.deferred = nil, nil, false, false
		if err := h.decide(b, j); err != nil {
			return err
		}
	}
	if b.empty() || slices.ContainsFunc(jobs, func(j *job) bool { return j.refused }) {
		// Who is told no, or what was, must not be told by what another node has
		// changed since.
		if moved, err := h.refresh(); err != nil || moved {
			return cmp.Or(err, store.ErrMoved)
		}
	}
	if b.empty() {
		return nil
	}
	w := b.write(h)
	if err := h.append(w); err != nil {
		return err
	}
	b.keep(h)
	h.directory.apply(w)
	h.metrics.Events.Add(int64(len(w.Events)))
	h.tail.publish(w.Events)
	return nil
}

// decide decides one unit of a batch. A panic refuses that unit alone.
func (h *Hub) decide(b *batch, j *job) (err error) {
	defer func() {
		if r := recover(); r != nil {
			b.drop()
			h.log.Error("panic while deciding", "panic", r, "account", j.unit.Account, "stack", string(debug.Stack()))
			j.refuse(greenlane.Errorf(greenlane.Internal, "internal", "the request could not be decided"))
			err = nil
		}
	}()
	err = b.decide(j)
	if err == nil {
		b.accept(j)
		return nil
	}
	b.drop()
	if b.failed != nil {
		return b.failed
	}
	var e *greenlane.Error
	if !errors.As(err, &e) {
		h.log.Error("unit not decided", "account", j.unit.Account, "error", err)
		err = greenlane.Errorf(greenlane.Internal, "internal", "the request could not be decided").Because(err)
	}
	j.refuse(err)
	return nil
}

// append writes and keeps account of whether storage is there. After a failure
// what is on disk decides.
func (h *Hub) append(w *store.Write) error {
	begin := time.Now()
	err := h.write(w)
	h.metrics.CommitNanos.Add(int64(time.Since(begin)))
	h.metrics.Batches.Add(1)
	if err == nil {
		h.away.Store(nil)
		if n := len(w.Events); n > 0 {
			h.follow(w.Events[0].Position - 1)
			h.head = headOf(w.Events[n-1])
		}
		return nil
	}
	var e *greenlane.Error
	if errors.As(err, &e) && e.Kind == greenlane.Unavailable {
		if h.away.Swap(e) == nil {
			h.log.Error("storage is not available", "error", err)
		}
	}
	moved, headErr := h.refresh()
	if headErr != nil || errors.Is(err, store.ErrMoved) && !moved {
		// Memory is at odds with what is there, nobody knows how.
		h.unlearn()
	}
	return err
}

// write appends. A panic in what completes a write, such as a unit's own answer,
// is an error of the batch; the store has rolled it back.
func (h *Hub) write(w *store.Write) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic while writing: %v\n%s", r, debug.Stack())
		}
	}()
	return h.store.Append(context.Background(), w)
}
