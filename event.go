package greenlane

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// EventType is the name of a kind of event, as published.
type EventType string

// Event is one fact in the log: appended once, never changed.
type Event struct {
	// Position is the event's contiguous number in the log, from 1; 0 before
	// it is sealed.
	Position int64
	ID       ID
	Type     EventType
	// Account is the number of the account it belongs to.
	Account int64
	Subject Subject
	// Version is the event's number within its subject, from 1, without gaps.
	Version int64
	// Consignment is the number of the consignment the subject belonged to.
	Consignment int64
	// OccurredAt is when it happened in the world, ReceivedAt when the raw
	// message that told us arrived (zero: there was none), RecordedAt when it
	// was committed. All in UTC with microseconds. RecordedAt never runs
	// backwards along the log.
	OccurredAt, ReceivedAt, RecordedAt time.Time
	Source                             Source
	Cause                              Cause
	// Late marks a fact that happened before another already recorded one.
	Late bool
	// References are the identifiers the subject had after this event.
	References []Reference
	// Data is the published payload, Detail what the hub knows beyond it (nil:
	// nothing). Both are JSON.
	Data, Detail []byte
	// Hash chains the event to all before it, see [Event.ChainHash].
	Hash [sha256.Size]byte

	// Body is the typed form of Data and Detail. It is set on fresh events and
	// by [Event.Decode]; stores never fill it in.
	Body Body
}

// EventID returns the public identifier, evt_….
func (e *Event) EventID() string { return e.ID.Text(EventPrefix) }

// Source says which client caused an event and on whose behalf.
type Source struct {
	// Client is the calling program's name, by default its key's.
	Client string
	Origin Origin
}

// Origin is the side of the trade a client speaks for.
type Origin string

// The origins a request may state.
const (
	OriginMerchant   Origin = "merchant"
	OriginWarehouse  Origin = "warehouse"
	OriginBroker     Origin = "broker"
	OriginForwarder  Origin = "forwarder"
	OriginOperator   Origin = "operator"
	OriginAutomation Origin = "automation"
	OriginCustoms    Origin = "customs"
)

// Origins returns all origins, for validation and documentation.
func Origins() []Origin {
	return []Origin{OriginMerchant, OriginWarehouse, OriginBroker, OriginForwarder,
		OriginOperator, OriginAutomation, OriginCustoms}
}

// Valid reports whether o is one of [Origins].
func (o Origin) Valid() bool {
	for _, known := range Origins() {
		if o == known {
			return true
		}
	}
	return false
}

// Cause says what led to an event beyond the request itself.
type Cause struct {
	Kind CauseKind
	// ID is a message's public id for [CauseMessage] and reaction:position for
	// [CauseReaction].
	ID string
}

// CauseKind is the sort of a [Cause]; empty means none.
type CauseKind string

const (
	// CauseMessage: a stored message of an authority.
	CauseMessage CauseKind = "message"
	// CauseReaction: a reaction to an earlier event.
	CauseReaction CauseKind = "reaction"
)

// ChainHash computes the hash that ties e to the event before it:
//
//	SHA-256(previous hash ‖ fixed columns ‖ SHA-256(data) ‖ SHA-256(detail))
//
// The fixed columns are, in order, big-endian 64-bit integers for position,
// account, subject key, version, consignment, occurred, received and recorded
// time (Unix microseconds, 0 when absent) and late (0 or 1); the 16 bytes of
// the ID; then type, source client, source origin, cause kind, cause id and
// each reference (kind and value), every text preceded by its length as a
// 32-bit integer, the references by their count. It depends on nothing a
// storage backend chooses, so that a copy of the log verifies anywhere.
func (e *Event) ChainHash(previous [sha256.Size]byte) [sha256.Size]byte {
	data, detail := sha256.Sum256(e.Data), sha256.Sum256(e.Detail)
	late := int64(0)
	if e.Late {
		late = 1
	}
	b := make(chainText, 0, 1024)
	b = append(b, previous[:]...)
	for _, v := range []int64{
		e.Position, e.Account, e.Subject.Key(), e.Version, e.Consignment,
		UnixMicro(e.OccurredAt), UnixMicro(e.ReceivedAt), UnixMicro(e.RecordedAt), late,
	} {
		b = b.int64(v)
	}
	b = append(b, e.ID[:]...)
	b = b.text(string(e.Type)).text(e.Source.Client).text(string(e.Source.Origin))
	b = b.text(string(e.Cause.Kind)).text(e.Cause.ID)
	b = b.int64(int64(len(e.References)))
	for _, r := range e.References {
		b = b.int64(int64(r.Kind)).text(r.Value)
	}
	b = append(append(b, data[:]...), detail[:]...)
	return sha256.Sum256(b)
}

// chainText is what the chain's hash is computed over.
type chainText []byte

func (b chainText) int64(v int64) chainText { return binary.BigEndian.AppendUint64(b, uint64(v)) }

func (b chainText) text(s string) chainText {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

// UnixMicro returns t in microseconds since 1970, and 0 for the zero time.
func UnixMicro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// FromUnixMicro is the reverse of [UnixMicro].
func FromUnixMicro(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// Body is the typed content of an event. The set of bodies is closed: every
// one is a [Content] named in [EventTypes].
type Body interface {
	// payload returns the values that become Data and Detail; a nil detail is
	// not stored.
	payload() (data, detail any)
}

// Content is the body of one type of event. Data is what is published, in the
// seed's fields and order where a seed prescribes them; Detail is what the hub
// must know beyond it to rebuild the subject's state.
type Content[D, X any] struct {
	Data   D
	Detail X
}

// Nothing is the Detail of an event that has none.
type Nothing struct{}

func (c Content[D, X]) payload() (data, detail any) {
	if _, ok := any(c.Detail).(Nothing); ok {
		return c.Data, nil
	}
	return c.Data, c.Detail
}

// Draft is an event that a command led to, before the hub gives it its place
// in the log.
type Draft struct {
	Type       EventType
	OccurredAt time.Time
	Late       bool
	Body       Body
}

// Encode fills Data and Detail from Body.
func (e *Event) Encode() error {
	data, detail := e.Body.payload()
	var err error
	if e.Data, err = json.Marshal(data); err != nil {
		return fmt.Errorf("encode data of %s: %w", e.Type, err)
	}
	e.Detail = nil
	if detail != nil {
		if e.Detail, err = json.Marshal(detail); err != nil {
			return fmt.Errorf("encode detail of %s: %w", e.Type, err)
		}
	}
	return nil
}

// Decode fills Body from Data and Detail, by the event's type.
func (e *Event) Decode() error {
	if e.Body != nil {
		return nil
	}
	info, ok := LookupEventType(e.Type)
	if !ok {
		return fmt.Errorf("event %d has the unknown type %q", e.Position, e.Type)
	}
	body, err := info.decode(e.Data, e.Detail)
	if err != nil {
		return fmt.Errorf("event %d of type %s: %w", e.Position, e.Type, err)
	}
	e.Body = body
	return nil
}

// Seed names the public system whose document prescribes an event's form.
type Seed string

// The three systems; the empty seed means the event is the hub's own.
const (
	SeedNone      Seed = ""
	SeedEntryGo   Seed = "entrygo"
	SeedOpenTrack Seed = "opentrack"
	SeedEaze      Seed = "eaze"
)

// EventTypeInfo describes one type of event.
type EventTypeInfo struct {
	Type    EventType
	Subject SubjectKind
	// Seed is the system whose form format auto uses.
	Seed Seed
	// Internal types are the hub's own business: endpoints get them only when
	// they name them, never through "*".
	Internal bool
	// Summary is one sentence for documentation.
	Summary string
	// Example is a body for documentation, test sends and schema.
	Example Body

	decode func(data, detail []byte) (Body, error)
}

// describe makes the entry of one type. Its content's structs are taken from
// the example.
func describe[D, X any](t EventType, subject SubjectKind, seed Seed, summary string, example Content[D, X]) EventTypeInfo {
	return EventTypeInfo{
		Type: t, Subject: subject, Seed: seed, Summary: summary, Example: example,
		Internal: internalType(t),
		decode: func(data, detail []byte) (Body, error) {
			var c Content[D, X]
			if err := json.Unmarshal(data, &c.Data); err != nil {
				return nil, fmt.Errorf("data: %w", err)
			}
			if detail != nil {
				if err := json.Unmarshal(detail, &c.Detail); err != nil {
					return nil, fmt.Errorf("detail: %w", err)
				}
			}
			return c, nil
		},
	}
}

func internalType(t EventType) bool {
	for _, prefix := range []string{"endpoint.", "lane.", "audit."} {
		if strings.HasPrefix(string(t), prefix) {
			return true
		}
	}
	return false
}

// EventTypes returns every type of event the hub can record, in the order of
// the documentation. The slice is the caller's own.
func EventTypes() []EventTypeInfo {
	return append([]EventTypeInfo(nil), eventTypes...)
}

// LookupEventType returns the description of a type.
func LookupEventType(t EventType) (*EventTypeInfo, bool) {
	info, ok := eventTypeByName[t]
	return info, ok
}

var eventTypeByName = func() map[EventType]*EventTypeInfo {
	byName := make(map[EventType]*EventTypeInfo, len(eventTypes))
	for i := range eventTypes {
		byName[eventTypes[i].Type] = &eventTypes[i]
	}
	return byName
}()
