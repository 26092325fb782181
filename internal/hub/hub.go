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
	"fmt"
	"io"
	"log/slog"
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
	// maxQueue is how many units may wait, maxQueueBytes how much memory they may
	// take, about; more are turned away.
	maxQueue      = 20_000
	maxQueueBytes = 256 << 20
	// lazyPause is how long bookkeeping waits for a unit to share a commit with.
	lazyPause = 10 * time.Millisecond
	// newsPause is how long what other nodes append waits for more before it is read.
	newsPause = 2 * time.Millisecond
	// maxKeptState is the largest state that is kept in memory, in bytes of its
	// stored form: a hub with many large exports would hold all of them.
	maxKeptState = 64 << 10
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
	// nudges ask the committer to look where the log ends.
	nudges chan struct{}

	directory directory

	// head is the committer's own, what follows it is remembered by it under
	// remembering: who holds that may let go of it.
	head        store.Head
	remembering sync.Mutex
	subjects    *cache[greenlane.Subject, *record]
	refs        *cache[store.AccountReference, []greenlane.Subject]
	// told is who has references that are not in refs, as far as other nodes' events
	// said: not enough to decide by, but it will be asked for.
	told *cache[store.AccountReference, []greenlane.Subject]
	// outdated: accounts and keys could not be read when they had changed.
	outdated bool

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
		told:     newCache[store.AccountReference, []greenlane.Subject](o.CacheSize),
		nudges:   make(chan struct{}, 1),
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

// Rest lets go of the subjects kept in memory: a hub that has nothing to do takes
// no more room than one that has just started. They are read again when they are
// next asked for.
func (h *Hub) Rest() {
	h.remembering.Lock()
	defer h.remembering.Unlock()
	h.unlearn()
}

// unlearn empties memory of subjects and references: the disk is asked again.
func (h *Hub) unlearn() {
	h.subjects.clear()
	h.refs.clear()
	h.told.clear()
}

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
	// Held is the lease without which the unit is refused, with an error that wraps
	// store.ErrFenced; its zero value is none.
	Held store.Held
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
	Breakers  []*store.Breaker
	Replays   []*store.Replay
	Expired   []store.AttemptID
	Tallies   []*store.Tally
	// Blobs count by their bytes towards what a batch and the queue may hold.
	Blobs   []*store.Blob
	Secrets []*store.OwnedSecrets
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
	wait, err := h.Begin(u)
	if err != nil {
		return nil, err
	}
	return wait(ctx)
}

// Begin hands a unit in and returns what waits for its end, as Do does. Units of
// one goroutine are decided in the order in which it began them.
func (h *Hub) Begin(u Unit) (wait func(context.Context) (*Outcome, error), err error) {
	j := &job{unit: u, done: make(chan struct{})}
	if err := h.queue.put(j); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*Outcome, error) { return h.await(ctx, j) }, nil
}

func (h *Hub) await(ctx context.Context, j *job) (*Outcome, error) {
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

// chance draws 32 random bits. Losing the source of chance is fatal for a
// program that signs, so it panics.
func (h *Hub) chance() uint32 {
	bits, err := greenlane.DrawChance(h.random)
	if err != nil {
		panic(fmt.Sprintf("hub: source of chance: %v", err))
	}
	return bits
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
