package greenlane

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// State is what the events of one subject add up to. A State is a value: Apply
// returns a new one and never changes the old, so that a refused unit of work
// leaves nothing behind.
//
// The zero state of a kind, from [NewState], is that of a subject nobody has
// spoken of yet.
type State interface {
	// Apply adds one event, which must have been decoded. Types it does not
	// know are an error: a log may hold only what this program can fold.
	Apply(e *Event) (State, error)
	// Decide answers a command with the events that follow from it: none when
	// it brings nothing new, an [Error] when the rules refuse it.
	Decide(env *Env, c Command) ([]Draft, error)
	// References are the identifiers the subject has, most telling first.
	References() []Reference
	// Clearance is the present clearance, empty for kinds that have none.
	Clearance() Clearance
}

// Command asks for something to happen to one subject.
type Command interface {
	// Target names that subject, with what its neighbours know.
	Target(n Neighbours) (Target, error)
}

// Mentioner is a command that names references which its subject will have. Those
// of many commands can be looked up at once before any is decided; a command that
// leaves some out is decided the same, only later.
type Mentioner interface {
	Command
	Mentions() []Reference
}

// Target names the subject a command is for.
type Target struct {
	Kind SubjectKind
	// Number names it directly; 0 means it is looked up.
	Number int64
	// By are references to look it up by, tried in order; of several subjects
	// that share one, the oldest of the kind is meant.
	By []Reference
	// Create makes a new subject when none is found; otherwise the command is
	// refused as not_found.
	Create bool
}

// Neighbours gives rules a look at other subjects of the same account, as they
// are inside the unit of work.
type Neighbours interface {
	// Find returns the subjects that have the reference, oldest first.
	Find(ref Reference) []Subject
	// State returns a subject's state, nil when there is none.
	State(s Subject) State
}

// Env is what surrounds a decision.
type Env struct {
	Neighbours
	// Now is the time of the decision, in whole microseconds.
	Now     time.Time
	Account *Account
	// Self is the subject decided upon; a new one has its number already.
	Self Subject
	// ReceivedAt is when the raw message arrived, zero without one.
	ReceivedAt time.Time
	Source     Source
	// MessageID is the public id of that message, empty without one.
	MessageID string

	// Outcome and Warnings are the decision's answers beside its events.
	Outcome  Outcome
	Warnings []string
}

// received is when what a command tells was received: with its raw message, else
// now.
func (env *Env) received() time.Time {
	if env.ReceivedAt.IsZero() {
		return env.Now
	}
	return env.ReceivedAt
}

// Warn records something the caller should know that refuses nothing. The code
// comes first, for programs: "unknown_code: …".
func (env *Env) Warn(code, format string, args ...any) {
	env.Warnings = append(env.Warnings, code+": "+fmt.Sprintf(format, args...))
}

// Outcome says what became of one response of a message.
type Outcome string

const (
	// OutcomeApplied: it brought something new.
	OutcomeApplied Outcome = "applied"
	// OutcomeDuplicate: all it says was known.
	OutcomeDuplicate Outcome = "duplicate"
	// OutcomeLate: it was applied at its place before facts already known.
	OutcomeLate Outcome = "late"
	// OutcomeUnmatched: its subject is unknown and was not to be created.
	OutcomeUnmatched Outcome = "unmatched"
	// OutcomeIgnored: it speaks of nothing the hub follows.
	OutcomeIgnored Outcome = "ignored"
	// OutcomeError: it could not be applied.
	OutcomeError Outcome = "error"
)

// NewState returns the zero state of a kind, nil for kinds without rules.
func NewState(kind SubjectKind) State {
	switch kind {
	case KindDeclaration:
		return &Declaration{}
	case KindShipment:
		return &Shipment{}
	case KindEntry:
		return &Entry{}
	case KindContainer:
		return &Container{}
	case KindConsignment:
		return &Consignment{}
	case KindEndpoint:
		return &EndpointHistory{}
	case KindAccount:
		return &AccountHistory{}
	case KindOrder:
		return &Order{}
	case KindProduct:
		return &Product{}
	case KindWarehouse:
		return &Warehouse{}
	case KindBroker:
		return &Broker{}
	case KindExport:
		return &Export{}
	case KindNotification:
		return &Notification{}
	}
	return nil
}

// Continuation returns the subject that goes on in place of one, because both
// turned out to be the same thing; it reports false for one that goes on itself.
func Continuation(kind SubjectKind, s State) (Subject, bool) {
	var by int64
	switch s := s.(type) {
	case *Declaration:
		by = s.ContinuedBy
	case *Entry:
		by = s.ContinuedBy
	}
	return Subject{Kind: kind, Number: by}, by != 0
}

// Kept returns the digests of the bytes that are kept for a subject: documents of
// an export, the message of a notification.
func Kept(s State) (digests [][sha256.Size]byte) {
	var texts []string
	switch s := s.(type) {
	case *Export:
		if s.Package != nil {
			for _, a := range s.Package.Artifacts {
				texts = append(texts, a.SHA256)
			}
		}
	case *Notification:
		texts = append(texts, s.Digest)
	}
	for _, text := range texts {
		// What is no digest stands as the zero one, which nothing kept has.
		digest, _ := ParseDigest(text)
		digests = append(digests, digest)
	}
	return digests
}

// ParseDigest reads a SHA-256 in hexadecimal.
func ParseDigest(text string) (digest [sha256.Size]byte, err error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(digest) {
		return digest, fmt.Errorf("%q is no SHA-256 digest in hexadecimal", text)
	}
	copy(digest[:], b)
	return digest, nil
}

// PublicSubject returns the subject that a public id of an export, its batch or
// package, or of an order names. Whether the id is really the subject's,
// [Bears] tells.
func PublicSubject(id string) (Subject, bool) {
	prefix, kind := id[:strings.IndexByte(id, '_')+1], KindExport
	switch prefix {
	case OrderPrefix:
		kind = KindOrder
	case ExportPrefix, BatchPrefix, PackagePrefix:
	default:
		return Subject{}, false
	}
	parsed, err := ParseID(prefix, id)
	return Subject{kind, parsed.Number()}, err == nil
}

// Bears reports whether a public id is a subject's.
func Bears(s State, id string) bool {
	switch s := s.(type) {
	case *Export:
		return id == s.ExportID || id == s.BatchID || s.Package != nil && id == s.Package.ID
	case *Order:
		return id == s.OrderID
	}
	return false
}

// EncodeState returns the stored form of a state: JSON with a fixed field
// order, so that equal states have equal bytes.
func EncodeState(s State) ([]byte, error) { return json.Marshal(s) }

// DecodeState is the reverse of [EncodeState].
func DecodeState(kind SubjectKind, stored []byte) (State, error) {
	s := NewState(kind)
	if s == nil {
		return nil, fmt.Errorf("no rules for subjects of kind %s", kind)
	}
	if err := json.Unmarshal(stored, s); err != nil {
		return nil, fmt.Errorf("stored state of a %s: %w", kind, err)
	}
	return s, nil
}

// Follow tells which commands the events of one command cause at neighbours. It
// runs in the same unit of work, after the last of them: a neighbour never sees
// half of what was decided. Its commands may be followed in turn, at most
// [FollowDepth] deep.
func Follow(env *Env, events []*Event, self State) []Command {
	var commands []Command
	for _, e := range events {
		var more []Command
		switch s := self.(type) {
		case *Declaration:
			more = s.follow(env, e)
		case *Entry:
			more = s.follow(env, e)
		case *Shipment:
			more = s.follow(env, e)
		case *Export:
			more = s.follow(e)
		case *Notification:
			more = s.follow(e)
		}
		for _, c := range more {
			commands = withCommand(commands, c)
		}
	}
	return commands
}

// withCommand adds a command. A shipment is derived once, as of the last event.
func withCommand(commands []Command, c Command) []Command {
	derive, ok := c.(DeriveShipment)
	if !ok {
		return append(commands, c)
	}
	for i := range commands {
		if have, ok := commands[i].(DeriveShipment); ok && have.Number == derive.Number {
			commands = append(commands[:i], commands[i+1:]...)
			break
		}
	}
	return append(commands, derive)
}

// FollowDepth is how deep commands may follow from commands.
const FollowDepth = 4

// refuse answers a command a kind of subject has no rule for: a fault of ours.
func refuse(env *Env, c Command) error {
	return fmt.Errorf("%s has no rule for command %T", env.Self, c)
}

// unknownEvent answers an event a kind of subject has no fold for.
func unknownEvent(e *Event) error {
	return fmt.Errorf("event %d: a %s has no fold for type %q", e.Position, e.Subject.Kind, e.Type)
}

// notFound answers a command for a subject that does not exist.
func notFound(kind SubjectKind, what string) error {
	return Errorf(NotFound, "not_found", "there is no %s %s in this account", kind, what)
}

// Text is a string in a seed's payload: null while unknown, never absent.
type Text string

// MarshalJSON writes null for the empty text.
func (t Text) MarshalJSON() ([]byte, error) {
	if t == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(t))
}

// UnmarshalJSON reads what MarshalJSON writes.
func (t *Text) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, (*string)(t)) }
