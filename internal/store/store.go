// Package store is the storage contract: what the hub needs from a database, in
// prose and interfaces. Backends live in its subfolders; each is written for
// its database alone and passes the suite in storetest.
//
// # What every backend guarantees
//
// Order. Positions are contiguous from 1 in commit order. A reader that has
// seen position N sees every position below it; no reader ever sees N+1 before
// N, however many writers there are.
//
// Durability. When [Log.Append] returns nil, everything in the write survives
// the loss of power. When it returns an error, nothing of it is visible, unless
// the error is of kind greenlane.Unavailable: then the write may have been
// committed, and the caller learns which from [Log.Head].
//
// Isolation. A write is all or nothing, and sees the log's head, the versions
// it expects and the references it found absent as they are at that moment;
// [ErrMoved] says that they are not what the caller decided upon.
//
// Reading. Every read that starts after Append returned sees what it wrote.
// Values come back as they went in: times in UTC with microseconds, bytes
// unchanged, empty and nil bytes alike as nil.
//
// Repetition. A write that is repeated after an error of unknown outcome does no
// harm in its rows beside events: cursors never move back, an attempt replaces
// its equal, a lane, breaker or tally its predecessor, and a blob that is there
// stays.
//
// Concurrency. All methods may be called from any goroutine. After Close they
// fail. A backend retries
// nothing by itself; storage that is away is an error of kind
// greenlane.Unavailable, and the caller decides when to come back.
package store

import (
	"context"
	"errors"
	"time"

	"greenlane"
)

// ErrMoved refuses a write whose expectations no longer hold: a subject has
// another version or consignment, or more subjects have a reference. Load again,
// decide again.
var ErrMoved = errors.New("store: decided upon something that has moved")

// ErrDuplicate refuses a write that would break a rule of uniqueness: a message
// digest, an idempotency key, an endpoint's URL, an account's domain.
var ErrDuplicate = errors.New("store: already there")

// ErrBroken says that the database itself is damaged. Nothing should go on
// writing to it.
var ErrBroken = errors.New("store: the database is damaged")

// Store is everything a backend provides.
type Store interface {
	Log
	Subjects
	Messages
	Accounts
	Deliveries
	Blobs
	Resealing
	Leases
	// Run does the backend's own work in the background until ctx ends. An
	// error from it is fatal.
	Run(ctx context.Context) error
	// Close waits for running calls and releases the database.
	Close() error
}

// Head is the end of the log.
type Head struct {
	// Position of the last event, 0 when the log is empty.
	Position int64
	// Hash of the last event, zero when the log is empty.
	Hash [32]byte
	// RecordedAt of the last event, zero when the log is empty.
	RecordedAt time.Time
}

// Log is the ordered, append-only history.
type Log interface {
	// Head returns the end of the log.
	Head(ctx context.Context) (Head, error)
	// Moved returns a channel that gets a value when another process may have
	// appended, as long as Run runs; nil where there can be no other. Several moves
	// may come as one, and one as none: whoever must not miss any asks for the head
	// from time to time. The channel is one for all.
	Moved() <-chan struct{}
	// Reserve hands out n consecutive numbers of a sequence and returns the
	// first. Numbers start at 1. One that was part of a committed write is
	// never handed out again, nor is any while the backend is open.
	Reserve(ctx context.Context, s Sequence, n int) (first int64, err error)
	// Append commits a write. It calls w.Seal with the head under which the
	// write will be committed; it may call it again with another.
	Append(ctx context.Context, w *Write) error
	// InTurn runs f once. While other processes append as well, it waits first until
	// it is this one's turn: from then on nobody else appends until f has called
	// Append, or returned. f is given the head, which stays what it is, and the first
	// of the events after a position; nothing that is decided by them is moved by
	// others. Where nobody else appended lately f is run at once, with a zero head. An
	// error is that f was not run.
	InTurn(ctx context.Context, after int64, f func(head Head, news []*greenlane.Event)) error
	// Events reads events in the order of their positions.
	Events(ctx context.Context, q EventQuery) (EventPage, error)
	// EventsAt reads the events at the given positions, in the given order;
	// positions that do not exist are left out.
	EventsAt(ctx context.Context, positions []int64) ([]*greenlane.Event, error)
	// PositionAt returns the last position recorded at or before t, 0 if none.
	PositionAt(ctx context.Context, t time.Time) (int64, error)
}

// Sequence is a series of numbers.
type Sequence string

const (
	// SubjectNumbers number subjects of every kind, accounts and endpoints
	// among them.
	SubjectNumbers Sequence = "subject"
	// MessageNumbers number authorities' messages.
	MessageNumbers Sequence = "message"
)

// Write is one transaction. The hub fills it with one batch of units.
type Write struct {
	// Base is the head position as of which everything decided upon is known to
	// hold; while the log has not moved past it, Expect, Referred and Gathered hold
	// by themselves and need no look. -1 means that nothing is known.
	Base int64
	// Expect are the subjects decisions were based on.
	Expect []Expectation
	// Referred are references that were looked up, and Gathered consignments whose
	// members were.
	Referred []ReferenceCount
	Gathered []MemberCount
	// Held are leases without which the write is refused with [ErrFenced], whatever
	// its base is.
	Held []Held
	// Seal gives the events their positions, ids, times and hashes, and
	// completes every other row that depends on them. It must be a pure
	// function of the head. Without events it may be nil. A write whose events
	// do not follow the head without a gap is refused.
	Seal func(Head) error

	// Events to append, in order. Seal sets Position, ID, RecordedAt and Hash.
	Events []*greenlane.Event
	// Subjects are the new rows of every subject with an event, each once.
	Subjects []*SubjectRow
	// Chunks are older positions that no longer fit a subject's row.
	Chunks []PositionChunk
	// References to add; ones that exist already are left alone.
	References []SubjectReference
	// Moves give subjects another consignment.
	Moves []Move

	// Messages to insert, or to update when the number exists: then only
	// format, state, problem and results change.
	Messages []*greenlane.Message
	// Waiting and Arrived maintain the list of references unmatched messages
	// wait for; what has arrived does not wait, also within one write.
	Waiting []WaitingReference
	Arrived []int64
	// Answers to remember for idempotency keys.
	Answers []*Answer

	// Accounts, Keys, Endpoints and Revisions are inserted, or replace what has
	// their identity. An account comes with or before its keys, an endpoint with
	// or before its revisions; an account's domain never changes.
	Accounts  []*greenlane.Account
	Keys      []*greenlane.Key
	Endpoints []*Endpoint
	Revisions []*Revision
	Attempts  []*Attempt
	Lanes     []*Lane
	// Settled names lanes to delete.
	Settled []LaneID
	Skips   []*Skip
	Cursors []Cursor
	// Breakers replace what their endpoints have.
	Breakers []*Breaker
	// Replays are inserted, or change what has their identity; what they are made
	// of never does.
	Replays []*Replay
	// Expired names attempts to remove, after Attempts were written; one that is
	// not there is left alone.
	Expired []AttemptID
	// Tallies replace what their endpoints have of the same hour.
	Tallies []*Tally

	// Blobs to insert; one that is there already is left alone.
	Blobs []*Blob
	// Secrets replace what their owners have, in order; see [OwnedSecrets].
	Secrets []*OwnedSecrets
}

// Expectation is the version a subject must still have; 0 means that it must
// not exist. A consignment other than 0 is the one it must still be in.
type Expectation struct {
	Subject              greenlane.Subject
	Version, Consignment int64
}

// ReferenceCount is how many subjects must still have a reference. Subjects never
// lose one, so that the same number are the same subjects.
type ReferenceCount struct {
	AccountReference
	Count int
}

// MemberCount is how many subjects must still be in a consignment. Members leave it
// only all at once, for another, so that the same number are the same subjects.
type MemberCount struct {
	Consignment int64
	Count       int
}

// AccountReference is a reference within an account.
type AccountReference struct {
	Account   int64
	Reference greenlane.Reference
}

// SubjectReference ties a reference to one of the subjects that have it.
type SubjectReference struct {
	AccountReference
	Subject greenlane.Subject
}

// Move gives a subject another consignment.
type Move struct {
	Subject     greenlane.Subject
	Consignment int64
}

// EventQuery selects events.
type EventQuery struct {
	// Account limits to one account; 0 means all.
	Account int64
	// After and Before are exclusive bounds; Before 0 means none.
	After, Before int64
	// Types limits to these types; empty means all.
	Types []greenlane.EventType
	// Desc reads from the end.
	Desc bool
	// Limit is how many events at most, at least 1.
	Limit int
	// Scan is how many events at most are looked at; 0 means no bound. With
	// rare types a page may come back short although there is more.
	Scan int
}

// EventPage is the answer to an EventQuery.
type EventPage struct {
	Events []*greenlane.Event
	// Reached is the last position looked at, in reading direction; continue
	// from there. 0 when nothing was looked at.
	Reached int64
	// More reports whether there may be further events beyond Reached.
	More bool
}

// Subjects are the states folded from the log, and what identifies them.
type Subjects interface {
	// Load returns the rows of the subjects, in the given order, nil for one
	// that does not exist.
	Load(ctx context.Context, subjects []greenlane.Subject) ([]*SubjectRow, error)
	// Find returns for each reference the subjects that have it, by number.
	Find(ctx context.Context, refs []AccountReference) ([][]greenlane.Subject, error)
	// List returns the rows of one kind in an account.
	List(ctx context.Context, q SubjectQuery) ([]*SubjectRow, error)
	// Members returns the subjects of a consignment, by number.
	Members(ctx context.Context, consignment int64) ([]greenlane.Subject, error)
	// Positions returns the positions of a subject's events greater than after,
	// ascending, at most limit.
	Positions(ctx context.Context, s greenlane.Subject, after int64, limit int) ([]int64, error)
	// EachSubject calls f for every row, in any stable order, until f fails. It
	// does not hold up writers.
	EachSubject(ctx context.Context, f func(*SubjectRow) error) error
}

// SubjectRow is a subject as stored.
type SubjectRow struct {
	Subject     greenlane.Subject
	Account     int64
	Consignment int64
	// Version is the number of its events, Was what it was before this write;
	// 0 means that the row is new. A row whose stored version is not Was
	// refuses the write with [ErrMoved]. A row that was read has Was equal to
	// Version.
	Version, Was int64
	// Reindexed says that Consignment or Clearance differ from the stored row.
	// A write may leave them out otherwise.
	Reindexed bool
	Clearance greenlane.Clearance
	// UpdatedAt is when its latest event was recorded.
	UpdatedAt time.Time
	State     []byte
	// Recent are the positions of its latest events, ascending: at most
	// [RecentLimit], at least 256 when it has as many.
	Recent []int64
}

const (
	// RecentLimit is how many positions a subject's row holds at most.
	RecentLimit = 512
	// ChunkSize is how many positions leave it at once when it is full.
	ChunkSize = 256
)

// PositionChunk holds [ChunkSize] older positions of a subject.
type PositionChunk struct {
	Subject   greenlane.Subject
	Positions []int64
}

// SubjectQuery selects subjects of one kind.
type SubjectQuery struct {
	Account int64
	Kind    greenlane.SubjectKind
	// Clearance limits to one; empty means all.
	Clearance greenlane.Clearance
	// Below is an exclusive upper bound on the number; 0 means none. Rows come
	// newest first.
	Below int64
	Limit int
}

// Messages are the authorities' messages as they came.
type Messages interface {
	// Message returns a message with its bytes, nil when the account has none
	// of that number.
	Message(ctx context.Context, account, number int64) (*greenlane.Message, error)
	// MessagesByDigest returns for each digest the message without its bytes, nil
	// when the account has none.
	MessagesByDigest(ctx context.Context, digests []AccountDigest) ([]*greenlane.Message, error)
	// ListMessages returns messages without their bytes, newest first, with
	// numbers below the bound (0: none) and in the given state (empty: any).
	ListMessages(ctx context.Context, account, below int64, state greenlane.MessageState, limit int) ([]*greenlane.Message, error)
	// WaitingFor returns the numbers of unmatched messages that wait for a
	// reference.
	WaitingFor(ctx context.Context, refs []AccountReference) ([]int64, error)
	// Answers returns for each idempotency key the stored answer, nil when there
	// is none.
	Answers(ctx context.Context, keys []AccountDigest) ([]*Answer, error)
	// ForgetAnswers removes answers stored before t and returns how many.
	ForgetAnswers(ctx context.Context, t time.Time) (int, error)
}

// AccountDigest is a digest in an account: of a message or an idempotency key.
type AccountDigest struct {
	Account int64
	Digest  [32]byte
}

// Sole returns the answer to a question that was asked about one thing alone.
func Sole[T any](answers []*T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	return answers[0], nil
}

// WaitingReference says that an unmatched message waits for a subject.
type WaitingReference struct {
	AccountReference
	Message int64
}

// Answer is what a request was answered, kept for its repetition.
type Answer struct {
	Account int64
	// Key is the digest of method, path and idempotency key.
	Key [32]byte
	// Request is the digest of the request's body.
	Request  [32]byte
	Status   int
	Body     []byte
	StoredAt time.Time
}

// Accounts are the tenants and their keys. Both are few and read as a whole.
type Accounts interface {
	AllAccounts(ctx context.Context) ([]*greenlane.Account, error)
	AllKeys(ctx context.Context) ([]*greenlane.Key, error)
}
