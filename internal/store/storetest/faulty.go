package storetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

// ErrCrashed is what every call on a crashed [Faulty] returns.
var ErrCrashed = errors.New("storetest: the process is dead")

// Moment says on which side of the commit an Append fails.
type Moment int

const (
	// Before: nothing of the write is stored.
	Before Moment = iota
	// After: the write is stored, and the caller learns only the error.
	After
)

// Faulty is a store that passes everything on, except for the one Append a test
// picks. A test that walks all crash points runs its scenario again and again
// with the first, second, third … Append failing, until [Faulty.Appends] says
// that the scenario does not reach that many:
//
//	for n := 1; ; n++ {
//		faulty := storetest.NewFaulty(open(t, t.TempDir()))
//		faulty.Crash(n, storetest.After)
//		run(faulty)
//		if faulty.Appends() < n {
//			break
//		}
//	}
//
// It is safe for concurrent use.
type Faulty struct {
	inner store.Store

	mu      sync.Mutex
	appends int
	// at is the number of the Append that fails, 0 when none does.
	at     int
	moment Moment
	err    error
	crash  bool
	// dead is closed when the process is considered dead.
	dead chan struct{}
}

var _ store.Store = (*Faulty)(nil)

// NewFaulty returns a store that passes everything on to inner until told
// otherwise.
func NewFaulty(inner store.Store) *Faulty {
	return &Faulty{inner: inner, dead: make(chan struct{})}
}

// Fail lets the n-th Append, counted from the first there ever was, return err,
// once. An error of kind greenlane.Unavailable leaves open what happened, so
// that it goes with either moment; the contract allows any other only with
// [Before].
func (f *Faulty) Fail(n int, m Moment, err error) { f.plan(n, m, err, false) }

// Crash lets the process die at the n-th Append: that call and all that follow,
// of any method but Close, return [ErrCrashed]. What the inner store holds then
// is what a new process finds.
func (f *Faulty) Crash(n int, m Moment) { f.plan(n, m, ErrCrashed, true) }

func (f *Faulty) plan(n int, m Moment, err error, crash bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at, f.moment, f.err, f.crash = n, m, err, crash
}

// Appends returns how many times Append was called on a living process.
func (f *Faulty) Appends() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.appends
}

// alive returns an error once the process is dead.
func (f *Faulty) alive() error {
	select {
	case <-f.dead:
		return ErrCrashed
	default:
		return nil
	}
}

// Append implements [store.Log].
func (f *Faulty) Append(ctx context.Context, w *store.Write) error {
	f.mu.Lock()
	if err := f.alive(); err != nil {
		f.mu.Unlock()
		return err
	}
	f.appends++
	if f.appends != f.at {
		f.mu.Unlock()
		return f.inner.Append(ctx, w)
	}
	// Nobody else gets in while it is decided what became of the write.
	defer f.mu.Unlock()
	if f.moment == After {
		if err := f.inner.Append(ctx, w); err != nil && !f.crash {
			return err
		}
	}
	if f.crash {
		close(f.dead)
	}
	return f.err
}

// ask passes a call on, unless the process is dead before it returns.
func ask[T any](f *Faulty, call func() (T, error)) (answer T, err error) {
	var none T
	if err := f.alive(); err != nil {
		return none, err
	}
	answer, err = call()
	if err := f.alive(); err != nil {
		return none, err
	}
	return answer, err
}

// Run implements [store.Store]. It ends with the process.
func (f *Faulty) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- f.inner.Run(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-f.dead:
		cancel()
		<-ended
		return ErrCrashed
	}
}

// Close releases the inner store, of a dead process as well: that is what an
// operating system does.
func (f *Faulty) Close() error { return f.inner.Close() }

// Head implements [store.Log].
func (f *Faulty) Head(ctx context.Context) (store.Head, error) {
	return ask(f, func() (store.Head, error) { return f.inner.Head(ctx) })
}

// Moved implements [store.Log].
func (f *Faulty) Moved() <-chan struct{} { return f.inner.Moved() }

// Reserve implements [store.Log].
func (f *Faulty) Reserve(ctx context.Context, s store.Sequence, n int) (int64, error) {
	return ask(f, func() (int64, error) { return f.inner.Reserve(ctx, s, n) })
}

// Events implements [store.Log].
func (f *Faulty) Events(ctx context.Context, q store.EventQuery) (store.EventPage, error) {
	return ask(f, func() (store.EventPage, error) { return f.inner.Events(ctx, q) })
}

// EventsAt implements [store.Log].
func (f *Faulty) EventsAt(ctx context.Context, positions []int64) ([]*greenlane.Event, error) {
	return ask(f, func() ([]*greenlane.Event, error) { return f.inner.EventsAt(ctx, positions) })
}

// PositionAt implements [store.Log].
func (f *Faulty) PositionAt(ctx context.Context, t time.Time) (int64, error) {
	return ask(f, func() (int64, error) { return f.inner.PositionAt(ctx, t) })
}

// Load implements [store.Subjects].
func (f *Faulty) Load(ctx context.Context, subjects []greenlane.Subject) ([]*store.SubjectRow, error) {
	return ask(f, func() ([]*store.SubjectRow, error) { return f.inner.Load(ctx, subjects) })
}

// Find implements [store.Subjects].
func (f *Faulty) Find(ctx context.Context, refs []store.AccountReference) ([][]greenlane.Subject, error) {
	return ask(f, func() ([][]greenlane.Subject, error) { return f.inner.Find(ctx, refs) })
}

// List implements [store.Subjects].
func (f *Faulty) List(ctx context.Context, q store.SubjectQuery) ([]*store.SubjectRow, error) {
	return ask(f, func() ([]*store.SubjectRow, error) { return f.inner.List(ctx, q) })
}

// Members implements [store.Subjects].
func (f *Faulty) Members(ctx context.Context, consignment int64) ([]greenlane.Subject, error) {
	return ask(f, func() ([]greenlane.Subject, error) { return f.inner.Members(ctx, consignment) })
}

// Positions implements [store.Subjects].
func (f *Faulty) Positions(ctx context.Context, s greenlane.Subject, after int64, limit int) ([]int64, error) {
	return ask(f, func() ([]int64, error) { return f.inner.Positions(ctx, s, after, limit) })
}

// Message implements [store.Messages].
func (f *Faulty) Message(ctx context.Context, account, number int64) (*greenlane.Message, error) {
	return ask(f, func() (*greenlane.Message, error) { return f.inner.Message(ctx, account, number) })
}

// MessagesByDigest implements [store.Messages].
func (f *Faulty) MessagesByDigest(ctx context.Context, digests []store.AccountDigest) ([]*greenlane.Message, error) {
	return ask(f, func() ([]*greenlane.Message, error) { return f.inner.MessagesByDigest(ctx, digests) })
}

// ListMessages implements [store.Messages].
func (f *Faulty) ListMessages(ctx context.Context, account, below int64, state greenlane.MessageState, limit int) ([]*greenlane.Message, error) {
	return ask(f, func() ([]*greenlane.Message, error) { return f.inner.ListMessages(ctx, account, below, state, limit) })
}

// WaitingFor implements [store.Messages].
func (f *Faulty) WaitingFor(ctx context.Context, refs []store.AccountReference) ([]int64, error) {
	return ask(f, func() ([]int64, error) { return f.inner.WaitingFor(ctx, refs) })
}

// Answers implements [store.Messages].
func (f *Faulty) Answers(ctx context.Context, keys []store.AccountDigest) ([]*store.Answer, error) {
	return ask(f, func() ([]*store.Answer, error) { return f.inner.Answers(ctx, keys) })
}

// ForgetAnswers implements [store.Messages].
func (f *Faulty) ForgetAnswers(ctx context.Context, t time.Time) (int, error) {
	return ask(f, func() (int, error) { return f.inner.ForgetAnswers(ctx, t) })
}

// AllAccounts implements [store.Accounts].
func (f *Faulty) AllAccounts(ctx context.Context) ([]*greenlane.Account, error) {
	return ask(f, func() ([]*greenlane.Account, error) { return f.inner.AllAccounts(ctx) })
}

// AllKeys implements [store.Accounts].
func (f *Faulty) AllKeys(ctx context.Context) ([]*greenlane.Key, error) {
	return ask(f, func() ([]*greenlane.Key, error) { return f.inner.AllKeys(ctx) })
}

// AllEndpoints implements [store.Deliveries].
func (f *Faulty) AllEndpoints(ctx context.Context) ([]*store.Endpoint, error) {
	return ask(f, func() ([]*store.Endpoint, error) { return f.inner.AllEndpoints(ctx) })
}

// Revisions implements [store.Deliveries].
func (f *Faulty) Revisions(ctx context.Context, endpoint int64) ([]*store.Revision, error) {
	return ask(f, func() ([]*store.Revision, error) { return f.inner.Revisions(ctx, endpoint) })
}

// Lanes implements [store.Deliveries].
func (f *Faulty) Lanes(ctx context.Context, endpoint int64) ([]*store.Lane, error) {
	return ask(f, func() ([]*store.Lane, error) { return f.inner.Lanes(ctx, endpoint) })
}

// Cursor implements [store.Deliveries].
func (f *Faulty) Cursor(ctx context.Context, owner string) (int64, error) {
	return ask(f, func() (int64, error) { return f.inner.Cursor(ctx, owner) })
}

// Acknowledged implements [store.Deliveries].
func (f *Faulty) Acknowledged(ctx context.Context, endpoint int64, generation int, after, last int64) ([]int64, error) {
	return ask(f, func() ([]int64, error) { return f.inner.Acknowledged(ctx, endpoint, generation, after, last) })
}

// Attempts implements [store.Deliveries].
func (f *Faulty) Attempts(ctx context.Context, endpoint, position int64, generation int) ([]*store.Attempt, error) {
	return ask(f, func() ([]*store.Attempt, error) { return f.inner.Attempts(ctx, endpoint, position, generation) })
}

// LatestAttempts implements [store.Deliveries].
func (f *Faulty) LatestAttempts(ctx context.Context, endpoint int64, positions []int64) ([]*store.Attempt, error) {
	return ask(f, func() ([]*store.Attempt, error) { return f.inner.LatestAttempts(ctx, endpoint, positions) })
}

// OldAttempts implements [store.Deliveries].
func (f *Faulty) OldAttempts(ctx context.Context, q store.OldAttemptQuery) (store.OldAttemptPage, error) {
	return ask(f, func() (store.OldAttemptPage, error) { return f.inner.OldAttempts(ctx, q) })
}

// Tallies implements [store.Deliveries].
func (f *Faulty) Tallies(ctx context.Context, endpoint int64, from, until time.Time) ([]*store.Tally, error) {
	return ask(f, func() ([]*store.Tally, error) { return f.inner.Tallies(ctx, endpoint, from, until) })
}

// ForgetTallies implements [store.Deliveries].
func (f *Faulty) ForgetTallies(ctx context.Context, t time.Time) (int, error) {
	return ask(f, func() (int, error) { return f.inner.ForgetTallies(ctx, t) })
}

// Breaker implements [store.Deliveries].
func (f *Faulty) Breaker(ctx context.Context, endpoint int64) (*store.Breaker, error) {
	return ask(f, func() (*store.Breaker, error) { return f.inner.Breaker(ctx, endpoint) })
}

// Replays implements [store.Deliveries].
func (f *Faulty) Replays(ctx context.Context, endpoint int64) ([]*store.Replay, error) {
	return ask(f, func() ([]*store.Replay, error) { return f.inner.Replays(ctx, endpoint) })
}

// Skips implements [store.Deliveries].
func (f *Faulty) Skips(ctx context.Context, endpoint int64) ([]*store.Skip, error) {
	return ask(f, func() ([]*store.Skip, error) { return f.inner.Skips(ctx, endpoint) })
}

// Secrets implements [store.Deliveries].
func (f *Faulty) Secrets(ctx context.Context, account int64, owner string) ([]store.Secret, error) {
	return ask(f, func() ([]store.Secret, error) { return f.inner.Secrets(ctx, account, owner) })
}

// Blob implements [store.Blobs].
func (f *Faulty) Blob(ctx context.Context, account int64, digest [32]byte) ([]byte, error) {
	return ask(f, func() ([]byte, error) { return f.inner.Blob(ctx, account, digest) })
}

// Reseal implements [store.Resealing].
func (f *Faulty) Reseal(ctx context.Context, change func(store.Confidential) (store.Confidential, error)) error {
	_, err := ask(f, func() (struct{}, error) { return struct{}{}, f.inner.Reseal(ctx, change) })
	return err
}

// EachSubject implements [store.Subjects].
func (f *Faulty) EachSubject(ctx context.Context, each func(*store.SubjectRow) error) error {
	_, err := ask(f, func() (struct{}, error) {
		return struct{}{}, f.inner.EachSubject(ctx, func(row *store.SubjectRow) error {
			if err := f.alive(); err != nil {
				return err
			}
			return each(row)
		})
	})
	return err
}

// Claim implements [store.Leases].
func (f *Faulty) Claim(ctx context.Context, name, holder string, term time.Duration) (store.Lease, error) {
	return ask(f, func() (store.Lease, error) { return f.inner.Claim(ctx, name, holder, term) })
}

// InTurn implements [store.Log]. It is no call of its own: what f does may fail.
func (f *Faulty) InTurn(ctx context.Context, after int64, run func(store.Head, []*greenlane.Event)) error {
	return f.inner.InTurn(ctx, after, run)
}

// Renew implements [store.Leases].
func (f *Faulty) Renew(ctx context.Context, holder string, term time.Duration) ([]store.Lease, error) {
	return ask(f, func() ([]store.Lease, error) { return f.inner.Renew(ctx, holder, term) })
}

// Release implements [store.Leases].
func (f *Faulty) Release(ctx context.Context, held store.Held) error {
	_, err := ask(f, func() (struct{}, error) { return struct{}{}, f.inner.Release(ctx, held) })
	return err
}

// Leases implements [store.Leases].
func (f *Faulty) Leases(ctx context.Context) ([]store.Lease, error) {
	return ask(f, func() ([]store.Lease, error) { return f.inner.Leases(ctx) })
}
