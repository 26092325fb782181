// Package hub is the one write path. Whatever changes anything, an HTTP
// request, an authority's message, a reaction, the command line, ends in
// [Hub.Do].
//
// # How a unit becomes events
//
// A [Unit] is what must happen whole or not at all. Concurrent calls of Do wait
// in a queue; one committer takes them off in batches, decides each by the
// rules of the root package with earlier units of the batch in view, and writes
// the batch in one transaction of the store: events, states, references, the
// raw message with its results, the answer to remember, and the rows that other
// components put beside. Callers are answered after the commit. A refused unit
// writes nothing and costs the others nothing.
//
// The committer is the only goroutine that decides. It keeps the subjects and
// references it has met in memory; the store's versions tell when another node
// was faster, and then the batch is decided again.
//
// # Reading
//
// Reads go to the store and see everything that was answered. [Hub.Wait] and
// [Hub.Recent] let readers follow the end of the log without touching it.
package hub

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

// Limits of one batch.
const (
	maxBatchUnits = 1000
	maxBatchBytes = 4 << 20
	// maxQueue is how many units may wait; more are turned away.
	maxQueue = 20_000
	// lazyPause is how long bookkeeping waits for a unit to share a commit with.
	lazyPause = 10 * time.Millisecond
	// maxRedecide is how often a batch is decided again because another node
	// was faster.
	maxRedecide = 20
)

// Options are what a hub needs beside its store. The zero value of each field
// is the default named.
type Options struct {
	// Clock tells the time; the system's.
	Clock greenlane.Clock
	// Random is the source of chance for ids; it must be given.
	Random io.Reader
	// Log gets each failure once; discarded.
	Log *slog.Logger
	// CacheSize is how many subjects are kept in memory; 65,536.
	CacheSize int
}

// Hub decides and records. Its methods may be called from any goroutine.
type Hub struct {
	store  store.Store
	clock  greenlane.Clock
	random io.Reader
	log    *slog.Logger

	queue queue
	tail  tail

	directory directory

	// Owned by the committer.
	head     store.Head
	subjects *cache[greenlane.Subject, *record]
	refs     *cache[store.AccountReference, []greenlane.Subject]

	// away is the error that storage last answered, nil while it works.
	away atomic.Pointer[greenlane.Error]
	// closed is closed when the committer has ended.
	closed chan struct{}

	metrics Metrics
}

// Metrics counts what the hub did since it was opened.
type Metrics struct {
	Units, Refused, Events, Batches, Redecided atomic.Int64
	// CommitNanos is the time spent in commits.
	CommitNanos atomic.Int64
}

// Open reads where the log ends, and the accounts and keys. It starts nothing;
// Do works while [Hub.Run] runs.
func Open(ctx context.Context, s store.Store, o Options) (*Hub, error) {
	if o.Random == nil {
		panic("hub: Options.Random is required")
	}
	if o.Clock == nil {
		o.Clock = greenlane.SystemClock
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.CacheSize == 0 {
		o.CacheSize = 1 << 16
	}
	h := &Hub{
		store: s, clock: o.Clock, random: o.Random, log: o.Log,
		subjects: newCache[greenlane.Subject, *record](o.CacheSize),
		refs:     newCache[store.AccountReference, []greenlane.Subject](4 * o.CacheSize),
		closed:   make(chan struct{}),
	}
	h.queue.wake = make(chan struct{}, 1)
	var err error
	if h.head, err = s.Head(ctx); err != nil {
		return nil, fmt.Errorf("read the end of the log: %w", err)
	}
	h.tail.start(h.head.Position)
	if err := h.directory.load(ctx, s); err != nil {
		return nil, fmt.Errorf("read accounts and keys: %w", err)
	}
	return h, nil
}

// Store returns the store, for reading.
func (h *Hub) Store() store.Store { return h.store }

// Now returns the time by the hub's clock.
func (h *Hub) Now() time.Time { return h.clock() }

// Metrics returns the counters.
func (h *Hub) Metrics() *Metrics { return &h.metrics }

// Away returns why storage is not available, nil while it is.
func (h *Hub) Away() error {
	if e := h.away.Load(); e != nil {
		return e
	}
	return nil
}

// Unit is what must happen whole or not at all.
type Unit struct {
	Account int64
	Source  greenlane.Source
	Cause   greenlane.Cause
	// Commands are decided in order, each seeing what those before did.
	Commands []greenlane.Command
	// Lenient units go on when a command finds no subject; its decision says
	// unmatched.
	Lenient bool
	// Message is the raw message the commands came from. The hub gives it
	// number, id and state and stores it in the same transaction.
	Message *greenlane.Message
	// Describe fills in the message's results once ids are known; nil without
	// a message. It must be a pure function of the outcome.
	Describe func(*Outcome)
	// Reread decides a message anew although it was applied before.
	Reread bool
	// Unmatched makes the command that runs when a response found no subject,
	// the first time the message does. It is given the outcome so far: the
	// decisions, and the message with its id.
	Unmatched func(*Outcome) greenlane.Command
	// Waits are the references an unmatched message waits for.
	Waits []greenlane.Reference
	// Once makes the unit happen once however often it is asked for.
	Once *Once
	// Rows are written in the same transaction, unchanged.
	Rows Rows
	// Lazy units may wait some milliseconds for others to share a commit with.
	Lazy bool
}

// Once is an idempotency key with what it stands for.
type Once struct {
	// Account is whose key it is; the unit's own when 0. A request may be about
	// another account than the one that asks.
	Account int64
	// Key is the digest of method, path and key; Request that of the body.
	Key, Request [32]byte
	// Answer makes the answer to remember once the outcome is known. It must
	// be a pure function of the outcome. Secrets must be left out of it.
	Answer func(*Outcome) (status int, body []byte)
}

// Rows are what other components write beside events.
type Rows struct {
	Accounts  []*greenlane.Account
	Keys      []*greenlane.Key
	Endpoints []*store.Endpoint
	Revisions []*store.Revision
	Attempts  []*store.Attempt
	Lanes     []*store.Lane
	Settled   []store.LaneID
	Skips     []*store.Skip
	Cursors   []store.Cursor
}

// Outcome is what became of a unit.
type Outcome struct {
	// Decisions answer the commands, in order.
	Decisions []Decision
	// Events are all events of the unit, in order.
	Events []*greenlane.Event
	// Message is the message as stored.
	Message *greenlane.Message
	// Former is the message as it was stored before, when it is decided anew;
	// without its bytes.
	Former *greenlane.Message
	// Known: an equal message was applied before; nothing was decided.
	Known bool
	// Replay is the remembered answer of an equal request; nothing was decided.
	Replay *store.Answer
}

// Decision answers one command.
type Decision struct {
	Subject greenlane.Subject
	// State is the subject's state after the command and what followed.
	State greenlane.State
	// Events of the command and of those that followed from it.
	Events   []*greenlane.Event
	Outcome  greenlane.Outcome
	Warnings []string
}

// Do records a unit. It returns after the commit: what it returned is on disk,
// and every read sees it. Errors are [greenlane.Error]s; one of kind
// Unavailable may come although the unit was recorded, which is what
// idempotency keys are for.
func (h *Hub) Do(ctx context.Context, u Unit) (*Outcome, error) {
	j := &job{unit: u, done: make(chan struct{})}
	if err := h.queue.put(j); err != nil {
		return nil, err
	}
	select {
	case <-j.done:
		return j.outcome, j.err
	case <-ctx.Done():
		return nil, greenlane.Errorf(greenlane.Unavailable, "canceled", "the request ended before it was recorded").Because(ctx.Err())
	case <-h.closed:
		select {
		case <-j.done:
			return j.outcome, j.err
		default:
		}
		return nil, greenlane.Errorf(greenlane.Unavailable, "stopping", "the hub is stopping")
	}
}

// Submit records a unit and calls done from the committer's goroutine
// afterwards; done must not wait for the hub. An error means that the unit was
// turned away and done is not called.
func (h *Hub) Submit(u Unit, done func(*Outcome, error)) error {
	return h.queue.put(&job{unit: u, then: done})
}

// Run commits what Do brings until ctx ends, then what still waits, and
// returns. An error means that the log can't be trusted any more; the process
// should end.
func (h *Hub) Run(ctx context.Context) error {
	defer close(h.closed)
	probe := time.NewTicker(time.Second)
	defer probe.Stop()
	for {
		jobs := h.queue.take(ctx, probe.C)
		if len(jobs) == 0 {
			if ctx.Err() != nil {
				h.queue.close()
				return nil
			}
			h.probe()
			continue
		}
		if err := h.commit(jobs); err != nil {
			h.queue.close()
			return err
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

// commit decides and writes a batch, and answers its callers.
func (h *Hub) commit(jobs []*job) error {
	var err error
	for range maxRedecide {
		if err = h.attempt(jobs); !errors.Is(err, store.ErrMoved) {
			break
		}
		h.metrics.Redecided.Add(1)
	}
	if errors.Is(err, store.ErrDuplicate) && len(jobs) > 1 {
		// A backstop tripped: somebody in the batch broke a rule of uniqueness
		// that deciding did not see. Alone, each is judged by what is there.
		for _, j := range jobs {
			if err := h.commit([]*job{j}); err != nil {
				return err
			}
		}
		return nil
	}
	if err != nil {
		return h.fail(jobs, err)
	}
	for _, j := range jobs {
		if j.deferred {
			h.queue.again(j)
			continue
		}
		h.answer(j)
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
	if errors.Is(err, store.ErrDuplicate) {
		return greenlane.Errorf(greenlane.Conflict, "conflict", "another request recorded the same thing first").Because(err)
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
// what is on disk decides: the head is read again, and what was in memory is
// forgotten if the log moved without us.
func (h *Hub) append(w *store.Write) error {
	begin := time.Now()
	err := h.store.Append(context.Background(), w)
	h.metrics.CommitNanos.Add(int64(time.Since(begin)))
	h.metrics.Batches.Add(1)
	if err == nil {
		h.away.Store(nil)
		if n := len(w.Events); n > 0 {
			last := w.Events[n-1]
			h.head = store.Head{Position: last.Position, Hash: last.Hash, RecordedAt: last.RecordedAt}
		}
		return nil
	}
	var e *greenlane.Error
	if errors.As(err, &e) && e.Kind == greenlane.Unavailable {
		if h.away.Swap(e) == nil {
			h.log.Error("storage is not available", "error", err)
		}
	}
	head, headErr := h.store.Head(context.Background())
	if headErr != nil || head.Position != h.head.Position || errors.Is(err, store.ErrMoved) {
		h.subjects.clear()
		h.refs.clear()
	}
	if headErr == nil {
		h.catchUp(head)
	}
	return err
}

// catchUp takes in events that are in the log without our knowing: another
// node's, or our own after a commit that reported a failure.
func (h *Hub) catchUp(head store.Head) {
	if head.Position > h.head.Position {
		h.tail.skipTo(head.Position)
	}
	h.head = head
}

// chance draws 32 random bits. Losing the source of chance is fatal for a
// program that signs, so it panics.
func (h *Hub) chance() uint32 {
	var b [4]byte
	if _, err := io.ReadFull(h.random, b[:]); err != nil {
		panic(fmt.Sprintf("hub: source of chance: %v", err))
	}
	return binary.BigEndian.Uint32(b[:])
}

// job is a unit on its way.
type job struct {
	unit    Unit
	outcome *Outcome
	err     error
	// refused: err is this unit's own, not the batch's.
	refused bool
	// deferred: an equal unit is in the same batch; this one waits for the next.
	deferred bool
	done     chan struct{}
	then     func(*Outcome, error)
}

func (j *job) refuse(err error) { j.outcome, j.err, j.refused = nil, err, true }

// queue holds the units that wait for the committer.
type queue struct {
	mu     sync.Mutex
	urgent []*job
	lazy   []*job
	closed bool
	// wake holds one token while somebody waits.
	wake chan struct{}
}

func (q *queue) put(j *job) error {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return greenlane.Errorf(greenlane.Unavailable, "stopping", "the hub is stopping")
	}
	if len(q.urgent)+len(q.lazy) >= maxQueue {
		q.mu.Unlock()
		e := greenlane.Errorf(greenlane.Unavailable, "overloaded", "too many requests wait to be recorded")
		e.RetryAfter = time.Second
		return e
	}
	if j.unit.Lazy {
		q.lazy = append(q.lazy, j)
	} else {
		q.urgent = append(q.urgent, j)
	}
	q.mu.Unlock()
	q.signal()
	return nil
}

// again puts a unit back at the front.
func (q *queue) again(j *job) {
	q.mu.Lock()
	q.urgent = append([]*job{j}, q.urgent...)
	q.mu.Unlock()
	q.signal()
}

// take returns the next batch. It waits for the first unit; bookkeeping alone
// waits a little for company. It returns nothing when tick fires or ctx ends
// with an empty queue.
func (q *queue) take(ctx context.Context, tick <-chan time.Time) []*job {
	var pause <-chan time.Time
	for {
		urgent, lazy := q.waiting()
		if urgent > 0 {
			return q.drain()
		}
		if lazy > 0 && pause == nil {
			pause = time.After(lazyPause)
		}
		select {
		case <-q.wake:
		case <-pause:
			return q.drain()
		case <-tick:
			if lazy == 0 {
				return nil
			}
		case <-ctx.Done():
			return q.drain()
		}
	}
}

func (q *queue) waiting() (urgent, lazy int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.urgent), len(q.lazy)
}

// drain takes a batch off the queue, in order of arrival: what callers wait for
// first, then bookkeeping, which has half of a full batch for itself.
func (q *queue) drain() []*job {
	q.mu.Lock()
	defer q.mu.Unlock()
	var batch []*job
	size := 0
	take := func(from []*job, most int) []*job {
		n := 0
		for n < len(from) && len(batch) < most && size < maxBatchBytes {
			batch = append(batch, from[n])
			size += from[n].unit.size()
			n++
		}
		if n == len(from) {
			return nil
		}
		return from[n:]
	}
	q.urgent = take(q.urgent, maxBatchUnits-min(len(q.lazy), maxBatchUnits/2))
	q.lazy = take(q.lazy, maxBatchUnits)
	if len(q.urgent)+len(q.lazy) > 0 {
		q.signal()
	}
	return batch
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// size estimates a unit's bytes, for the limit of a batch.
func (u *Unit) size() int {
	n := 1000 * len(u.Commands)
	if u.Message != nil {
		n += len(u.Message.Raw)
	}
	return n + 500*len(u.Rows.Attempts)
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for _, j := range append(q.urgent, q.lazy...) {
		j.refuse(greenlane.Errorf(greenlane.Unavailable, "stopping", "the hub is stopping"))
		if j.then != nil {
			j.then(nil, j.err)
		} else {
			close(j.done)
		}
	}
	q.urgent, q.lazy = nil, nil
}
