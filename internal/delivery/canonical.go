package delivery

import (
	"encoding/hex"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"greenlane"
)

// object writes a JSON object by hand, member by member: events are written so
// often that reflection would show.
type object struct{ b []byte }

func (o *object) key(name string) {
	if n := len(o.b); n > 0 && o.b[n-1] != '{' {
		o.b = append(o.b, ',')
	}
	o.b = append(o.b, '"')
	o.b = append(o.b, name...)
	o.b = append(o.b, '"', ':')
}

func (o *object) text(name, value string) {
	o.key(name)
	o.b = appendText(o.b, value)
}

// textOrNull writes null for the empty text.
func (o *object) textOrNull(name, value string) {
	if value == "" {
		o.raw(name, []byte("null"))
		return
	}
	o.text(name, value)
}

func (o *object) int(name string, value int64) {
	o.key(name)
	o.b = strconv.AppendInt(o.b, value, 10)
}

func (o *object) raw(name string, value []byte) {
	o.key(name)
	o.b = append(o.b, value...)
}

func (o *object) open(name string) {
	o.key(name)
	o.b = append(o.b, '{')
}

func (o *object) close() { o.b = append(o.b, '}') }

// appendText appends a JSON string. Text that is not UTF-8 is repaired with the
// replacement character, so that a receiver can always parse what it gets.
func appendText(b []byte, s string) []byte {
	quoted, err := jsontext.AppendQuote(b, s)
	if err != nil {
		quoted, _ = jsontext.AppendQuote(b, []byte(string([]rune(s))))
	}
	return quoted
}

// Canonical returns the event in the hub's own form, as the API and format
// greenlane show it. The account must be the event's.
func Canonical(e *greenlane.Event, a *greenlane.Account) []byte {
	o := object{b: make([]byte, 0, 700+len(e.Data)+len(e.Detail))}
	o.b = append(o.b, '{')
	o.text("eventId", e.EventID())
	o.int("position", e.Position)
	o.text("hash", hex.EncodeToString(e.Hash[:]))
	o.text("type", string(e.Type))
	o.open("account")
	o.text("domain", a.Domain)
	o.textOrNull("region", a.Region)
	o.close()
	o.subject(e.Subject)
	if id := exportID(e); id != "" {
		o.text("exportId", id)
	}
	o.text("occurredAt", greenlane.FormatMicros(e.OccurredAt))
	if !e.ReceivedAt.IsZero() {
		o.text("receivedAt", greenlane.FormatMicros(e.ReceivedAt))
	}
	o.text("recordedAt", greenlane.FormatMicros(e.RecordedAt))
	o.source(e.Source)
	if e.Cause.Kind != "" {
		o.open("cause")
		o.text("kind", string(e.Cause.Kind))
		o.text("id", e.Cause.ID)
		o.close()
	}
	if e.Late {
		o.raw("late", []byte("true"))
	}
	o.references(e.References)
	o.raw("data", e.Data)
	if len(e.Detail) > 0 {
		o.raw("detail", e.Detail)
	}
	o.close()
	return o.b
}

func (o *object) subject(s greenlane.Subject) {
	o.open("subject")
	o.text("kind", s.Kind.String())
	o.text("id", strconv.FormatInt(s.Number, 10))
	o.close()
}

func (o *object) source(s greenlane.Source) {
	o.open("source")
	o.text("client", s.Client)
	o.text("origin", string(s.Origin))
	o.close()
}

// references writes one member a kind: a text where a subject has one, a list
// where it may have several.
func (o *object) references(refs []greenlane.Reference) {
	o.open("references")
	for i, r := range refs {
		if seenBefore(refs[:i], r.Kind) {
			continue
		}
		if !r.Kind.Plural() {
			o.text(r.Kind.String(), r.Value)
			continue
		}
		o.key(r.Kind.String() + "s")
		o.b = append(o.b, '[')
		for j, other := range refs[i:] {
			if other.Kind != r.Kind {
				continue
			}
			if j > 0 {
				o.b = append(o.b, ',')
			}
			o.b = appendText(o.b, other.Value)
		}
		o.b = append(o.b, ']')
	}
	o.close()
}

func seenBefore(refs []greenlane.Reference, kind greenlane.ReferenceKind) bool {
	for _, r := range refs {
		if r.Kind == kind {
			return true
		}
	}
	return false
}

// exportID returns the public id of the export an event belongs to, empty when
// it belongs to none.
func exportID(e *greenlane.Event) string {
	for _, r := range e.References {
		if r.Kind == greenlane.RefExportID {
			return r.Value
		}
	}
	return ""
}
