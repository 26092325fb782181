package delivery

import (
	"fmt"
	"net/http"

	"greenlane"
)

// renderCloudEvents writes a CloudEvents 1.0.2 event in structured mode.
// sequence is the position with leading zeros, because the sequence extension
// orders as text.
func renderCloudEvents(s *Sending, headers http.Header) []byte {
	e := s.Event
	headers["Content-Type"] = []string{"application/cloudevents+json; charset=UTF-8"}
	o := object{b: make([]byte, 0, 500+len(e.Data))}
	o.b = append(o.b, '{')
	o.text("specversion", "1.0")
	o.text("id", e.EventID())
	o.text("source", "/accounts/"+s.Account.Domain)
	o.text("type", string(e.Type))
	o.text("subject", e.Subject.String())
	o.text("time", greenlane.FormatMicros(e.OccurredAt))
	o.text("recordedtime", greenlane.FormatMicros(e.RecordedAt))
	o.text("sequence", fmt.Sprintf("%020d", e.Position))
	if data := s.data(); data != nil {
		o.text("datacontenttype", "application/json")
		o.raw("data", data)
	}
	o.close()
	return o.b
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
