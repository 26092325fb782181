package store

import (
	"context"
	"time"

	"greenlane"
)

// Deliveries is what the delivery engine keeps: endpoints, how far each has
// come, the lanes that are open and the attempts that were made. With them are
// the signing keys of whatever else is sent something.
type Deliveries interface {
	// Endpoints returns all endpoints that are not deleted.
	AllEndpoints(ctx context.Context) ([]*Endpoint, error)
	// Revisions returns an endpoint's revisions, oldest first.
	Revisions(ctx context.Context, endpoint int64) ([]*Revision, error)
	// Lanes returns an endpoint's open lanes.
	Lanes(ctx context.Context, endpoint int64) ([]*Lane, error)
	// Cursor returns a reader's position, 0 when it has none.
	Cursor(ctx context.Context, owner string) (int64, error)
	// Acknowledged returns the positions above after and up to last at which a
	// generation was acknowledged by the endpoint, ascending.
	Acknowledged(ctx context.Context, endpoint int64, generation int, after, last int64) ([]int64, error)
	// Attempts returns the attempts at one delivery, in order. Generation 0
	// means those of every generation.
	Attempts(ctx context.Context, endpoint, position int64, generation int) ([]*Attempt, error)
	// LatestAttempts returns for each position the last attempt that the endpoint
	// acknowledged, else the last of the last generation, nil where there is none.
	LatestAttempts(ctx context.Context, endpoint int64, positions []int64) ([]*Attempt, error)
	// OldAttempts looks at attempts in the order of position, endpoint, generation
	// and number, and returns those that were sent before a time.
	OldAttempts(ctx context.Context, q OldAttemptQuery) (OldAttemptPage, error)
	// Tallies returns an endpoint's tallies of the hours from one up to, and
	// without, another, oldest first.
	Tallies(ctx context.Context, endpoint int64, from, until time.Time) ([]*Tally, error)
	// ForgetTallies removes the tallies of hours before t, of all endpoints, and
	// returns how many.
	ForgetTallies(ctx context.Context, t time.Time) (int, error)
	// Breaker returns how an endpoint has been failing, nil when it never has.
	Breaker(ctx context.Context, endpoint int64) (*Breaker, error)
	// Replays returns an endpoint's replays, oldest first.
	Replays(ctx context.Context, endpoint int64) ([]*Replay, error)
	// Skips returns the records of what an endpoint will not get.
	Skips(ctx context.Context, endpoint int64) ([]*Skip, error)
	// Secrets returns the signing keys of an account's owner that is no endpoint,
	// newest first, nil when there are none.
	Secrets(ctx context.Context, account int64, owner string) ([]Secret, error)
}

// Endpoint is a subscriber's destination.
type Endpoint struct {
	Number  int64
	ID      greenlane.ID
	Account int64
	// URL is unique among an account's living endpoints.
	URL   string
	State EndpointState
	// Reason says why it is disabled.
	Reason string
	// Secrets are the signing keys, newest first.
	Secrets []Secret
	// EazeKey is the pre-shared key of format eaze, empty without one.
	EazeKey string
	// Generation is the highest given to any delivery, 1 while nothing was sent
	// again. It never falls.
	Generation int
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// EndpointID returns the public identifier, wh_….
func (e *Endpoint) EndpointID() string { return e.ID.Text(greenlane.EndpointPrefix) }

// EndpointState says whether an endpoint is served.
type EndpointState string

// The states of an endpoint.
const (
	EndpointEnabled  EndpointState = "enabled"
	EndpointDisabled EndpointState = "disabled"
	EndpointDeleted  EndpointState = "deleted"
)

// Secret is one signing key of an endpoint or of another owner.
type Secret struct {
	// Text is the secret as the caller gave or was shown it.
	Text string `json:"text"`
	// Until ends its use; zero means that it has no end.
	Until time.Time `json:"until,omitzero"`
}

// OwnedSecrets are the signing keys of something that is no endpoint, newest
// first, such as a warehouse that is notified by webhook.
type OwnedSecrets struct {
	Account int64
	// Owner names it within the account, in the words of whoever writes.
	Owner string
	// Secrets replace what the owner has; empty, they leave it without any.
	Secrets []Secret
	// First leaves an owner that has secrets with what it has. Of several who
	// write its first ones, one wins; all learn by reading which.
	First bool
}

// Revision is an endpoint's settings, valid for positions above From until the
// next revision's From.
type Revision struct {
	Endpoint int64
	Number   int
	From     int64
	// Settings is JSON, the delivery package's own.
	Settings []byte
	MadeAt   time.Time
}

// LaneID names a lane: one subject's (or consignment's) way to an endpoint.
type LaneID struct {
	Endpoint int64
	// Key is the subject's key, or the position itself where order does not
	// matter.
	Key        int64
	Generation int
}

// Lane is an open lane: its head is neither acknowledged nor given up.
type Lane struct {
	LaneID
	// Head is the position of the event that is tried.
	Head int64
	// Attempts made at the head in this generation, and Probes beside them.
	Attempts, Probes int
	// DueAt is when the next attempt is due.
	DueAt time.Time
	State LaneState
	// Reason says why a lane is parked, or what the last attempt ended in.
	Reason string
	// Revision is the number of the settings that hold for the head.
	Revision int
	OpenedAt time.Time
	// Urgent is the position up to which the lane goes on while its endpoint is
	// in maintenance, 0 when it waits.
	Urgent int64
}

// LaneState says what an open lane waits for.
type LaneState string

const (
	// LaneRetrying waits for its next attempt.
	LaneRetrying LaneState = "retrying"
	// LaneParked waits for a person.
	LaneParked LaneState = "parked"
)

// Attempt is one try of one delivery. The request is rebuilt from event,
// revision, number and time, and checked against its digest.
type Attempt struct {
	Endpoint   int64
	Position   int64
	Generation int
	// Number counts from 1 within the generation.
	Number int
	// Probe says that it was to find out whether the receiver is back, and used
	// up no attempt of the schedule. Probes counts those up to this one.
	Probe    bool
	Probes   int
	Revision int
	SentAt   time.Time
	// Duration is how long the answer took.
	Duration time.Duration
	// Status is the HTTP status, 0 when there was no answer.
	Status int
	// Error says in words why it failed without or despite an answer.
	Error string
	// BodyDigest is the SHA-256 of the body that was sent.
	BodyDigest [32]byte
	// Headers and Body are the head of the answer, as kept.
	Headers []byte
	Body    []byte
	// Done settles the delivery: acknowledged.
	Done bool
}

// ID returns what tells the attempt from all others.
func (a *Attempt) ID() AttemptID {
	return AttemptID{Position: a.Position, Endpoint: a.Endpoint, Generation: a.Generation, Number: a.Number}
}

// AttemptID names an attempt.
type AttemptID struct {
	Position, Endpoint int64
	Generation, Number int
}

// OldAttemptQuery selects attempts by their age.
type OldAttemptQuery struct {
	// After is where the page before ended, zero for the first one.
	After AttemptID
	// Last is the last position to look at.
	Last int64
	// Before is the time before which they were sent.
	Before time.Time
	// Scan is how many attempts are looked at, at least 1.
	Scan int
}

// OldAttemptPage is the answer to an [OldAttemptQuery].
type OldAttemptPage struct {
	Attempts []OldAttempt
	// Reached is the last attempt looked at, zero when there was none. More reports
	// whether as many were looked at as the query allowed: go on from there.
	Reached AttemptID
	More    bool
}

// OldAttempt is what is told of an attempt by its age.
type OldAttempt struct {
	AttemptID
	Done bool
}

// Tally is what an endpoint's attempts of one hour add up to. It outlives them.
type Tally struct {
	Endpoint int64
	// Hour is when it begins, in UTC.
	Hour time.Time
	// Counts is JSON, the delivery package's own.
	Counts []byte
}

// Used returns how many attempts of the schedule are used up with this one.
func (a *Attempt) Used() int { return a.Number - a.Probes }

// Breaker is how an endpoint has been failing. It keeps the endpoint from being
// sent to, but for probes, while its receiver is down.
type Breaker struct {
	Endpoint int64
	State    BreakerState
	// Since is when it came to this state, and Reason why.
	Since  time.Time
	Reason string
	// Failures are those since the last success, the first of them at Failing;
	// zero when there were none.
	Failures int
	Failing  time.Time
	// Probes made since it opened, and when the next is due, zero while closed.
	Probes  int
	ProbeAt time.Time
}

// BreakerState says whether an endpoint is sent to.
type BreakerState string

const (
	// BreakerClosed lets everything through.
	BreakerClosed BreakerState = "closed"
	// BreakerOpen lets through one probe at a time.
	BreakerOpen BreakerState = "open"
)

// Replay is a range of the log that is sent to an endpoint again, under one
// generation. Like an endpoint's cursor, Passed says that every event of it up to
// there is acknowledged, given up, or the head of an open lane of that generation
// or behind one.
type Replay struct {
	Endpoint   int64
	Generation int
	// First and Last are the positions, inclusive.
	First, Last int64
	// Selection is JSON, the delivery package's own: which events it takes.
	Selection []byte
	State     ReplayState
	// Passed is its cursor. Nothing beyond Looked was sent.
	Passed, Looked int64
	// Delivered and Skipped count what was acknowledged and given up.
	Delivered, Skipped int64
	// Reason and By say why it came to this state and who wanted that.
	Reason, By string
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// ReplayState says what a replay does.
type ReplayState string

// The states of a replay. The last two are ends.
const (
	ReplayRunning   ReplayState = "running"
	ReplayPaused    ReplayState = "paused"
	ReplayCompleted ReplayState = "completed"
	ReplayCanceled  ReplayState = "canceled"
)

// Ended reports whether nothing more happens.
func (s ReplayState) Ended() bool { return s == ReplayCompleted || s == ReplayCanceled }

// Skip records that an endpoint will not get some events, and why. It never
// expires.
type Skip struct {
	Endpoint int64
	// First and Last are the positions, inclusive. Lane limits to one lane, 0
	// to none.
	First, Last int64
	Lane        int64
	Kind        SkipKind
	Reason      string
	By          string
	At          time.Time
}

// SkipKind says what a [Skip] stands for. Records made before there were kinds
// have none.
type SkipKind string

const (
	// SkipEvent is one event of a lane, which goes on behind it.
	SkipEvent SkipKind = "event"
	// SkipLane is all that waited in a lane at the time.
	SkipLane SkipKind = "lane"
	// SkipRange is what lies between a cursor and the position it was set to.
	SkipRange SkipKind = "range"
)

// Cursor is how far a reader of the log has come.
type Cursor struct {
	// Owner is "endpoint/12", "dispatcher" or "reaction/" and a name.
	Owner    string
	Position int64
}
