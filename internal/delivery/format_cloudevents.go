package delivery

import (
	"fmt"
	"net/http"
	"strings"

	"greenlane"
)

// attribute is one of a CloudEvent's, but for datacontenttype.
type attribute struct{ name, value string }

// cloudEvent returns the attributes of an event in CloudEvents 1.0.2. sequence is
// the position with leading zeros, because the sequence extension orders as text.
func (s *Sending) cloudEvent() []attribute {
	e := s.Event
	return []attribute{
		{"specversion", "1.0"}, {"id", e.EventID()}, {"source", "/accounts/" + s.Account.Domain}, {"type", string(e.Type)},
		{"subject", e.Subject.String()}, {"time", greenlane.FormatMicros(e.OccurredAt)},
		{"recordedtime", greenlane.FormatMicros(e.RecordedAt)}, {"sequence", fmt.Sprintf("%020d", e.Position)},
	}
}

// renderCloudEvents writes an event in structured mode.
func renderCloudEvents(s *Sending, headers http.Header) []byte {
	headers["Content-Type"] = []string{"application/cloudevents+json; charset=UTF-8"}
	o := object{b: make([]byte, 0, 500+len(s.Event.Data))}
	o.b = append(o.b, '{')
	for _, a := range s.cloudEvent() {
		o.text(a.name, a.value)
	}
	if data := s.data(); data != nil {
		o.text("datacontenttype", "application/json")
		o.raw("data", data)
	}
	o.close()
	return o.b
}

// renderCloudEventsBinary writes an event in binary mode: the attributes are
// headers, the body is the data alone (CloudEvents HTTP protocol binding 1.0.2
// §3.1). Without data there is no body, and nothing to say of its type.
func renderCloudEventsBinary(s *Sending, headers http.Header) []byte {
	for _, a := range s.cloudEvent() {
		headers["Ce-"+strings.ToUpper(a.name[:1])+a.name[1:]] = []string{percentEncoded(a.value)}
	}
	data := s.data()
	if data == nil {
		delete(headers, "Content-Type")
	}
	return data
}

// percentEncoded writes a text as the value of a header, as §3.1.3.2 of the
// binding has it: space, double quote, percent and all beyond printable ASCII as
// the bytes of their UTF-8.
func percentEncoded(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c == '"' || c == '%' || c > '~' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// data is what is sent of the event's data, nil for nothing.
func (s *Sending) data() []byte {
	selected := s.selection()
	if selected == nil {
		return s.Event.Data
	}
	within, all, none := selected.below("data")
	switch {
	case none:
		return nil
	case all:
		return s.Event.Data
	}
	return within.apply(s.Event.Data)
}
