package delivery

import (
	"net/http"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

// Format names how an event is written for an endpoint.
type Format string

// The formats.
const (
	// FormatAuto writes each event in the form of the seed it comes from, and
	// as FormatGreenlane where it comes from none.
	FormatAuto Format = "auto"
	// FormatGreenlane writes the canonical event.
	FormatGreenlane Format = "greenlane"
	// FormatEntryGo writes EntryGo's protocol event.
	FormatEntryGo Format = "entrygo"
	// FormatOpenTrack writes OpenTrack's webhook body.
	FormatOpenTrack Format = "opentrack"
	// FormatEaze writes Eaze Customs' webhook body.
	FormatEaze Format = "eaze"
	// FormatCloudEvents writes a CloudEvents 1.0.2 event in structured mode.
	FormatCloudEvents Format = "cloudevents"
	// FormatCloudEventsBinary writes the same event in binary mode: its attributes
	// are headers, the body is its data.
	FormatCloudEventsBinary Format = "cloudevents-binary"
)

// Formats returns all formats an endpoint can have.
func Formats() []Format {
	return []Format{FormatAuto, FormatGreenlane, FormatEntryGo, FormatOpenTrack, FormatEaze, FormatCloudEvents, FormatCloudEventsBinary}
}

// Sending is one attempt as its format sees it.
type Sending struct {
	Event   *greenlane.Event
	Account *greenlane.Account
	// Format of the endpoint.
	Format Format
	// Fields and Omit are what the formats greenlane, cloudevents and
	// cloudevents-binary send of it, see [Settings].
	Fields, Omit []string
	// Attempt counts from 1; Left is how many remain after it.
	Attempt, Left int
	SentAt        time.Time
	// Secrets are the endpoint's, newest first; EazeKey is its key for format
	// eaze.
	Secrets []store.Secret
	EazeKey string
}

// resolve returns the format the event is written in.
func (s *Sending) resolve() Format {
	if s.Format != FormatAuto {
		return s.Format
	}
	if info, ok := greenlane.LookupEventType(s.Event.Type); ok && info.Seed != greenlane.SeedNone {
		return Format(info.Seed)
	}
	return FormatGreenlane
}

// Render writes the body and the headers that belong to the format.
func (s *Sending) Render() (body []byte, headers http.Header) {
	headers = http.Header{"Content-Type": {"application/json"}}
	switch s.resolve() {
	case FormatEntryGo:
		return renderEntryGo(s), headers
	case FormatOpenTrack:
		return renderOpenTrack(s, headers), headers
	case FormatEaze:
		return renderEaze(s, headers), headers
	case FormatCloudEvents:
		return renderCloudEvents(s, headers), headers
	case FormatCloudEventsBinary:
		return renderCloudEventsBinary(s, headers), headers
	default:
		body = Canonical(s.Event, s.Account)
		if selected := s.selection(); selected != nil {
			body = selected.apply(body)
		}
		return body, headers
	}
}
