package delivery

import (
	"net/http"
	"slices"

	"greenlane"
	"greenlane/internal/store"
)

// renderOpenTrack writes OpenTrack's webhook body: event, data, the attempt
// counters, and the time of this try. The counters and the time change the
// body, so each attempt has a signature of its own.
func renderOpenTrack(s *Sending, headers http.Header) []byte {
	e := s.Event
	o := object{b: make([]byte, 0, 200+len(e.Data))}
	o.b = append(o.b, '{')
	o.text("event", string(e.Type))
	o.raw("data", e.Data)
	o.int("deliveryAttempt", int64(s.Attempt))
	o.int("pendingRetries", int64(max(s.Left, 0)))
	o.text("sentAt", greenlane.FormatMillis(s.SentAt))
	o.close()
	// Those of one kind are newest first.
	if i := slices.IndexFunc(s.Secrets, func(secret store.Secret) bool { return secret.Kind == store.SecretShared }); i >= 0 {
		headers["X-Opentrack-Signature"] = []string{openTrackSignature(s.Secrets[i].Text, o.b)}
	}
	return o.b
}
