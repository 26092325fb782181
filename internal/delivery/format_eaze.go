package delivery

import "net/http"

// renderEaze writes Eaze Customs' webhook body: event and payload. Its
// Eaze-Signature header carries the shared key itself, not a digest; without a
// key there is no header.
func renderEaze(s *Sending, headers http.Header) []byte {
	e := s.Event
	o := object{b: make([]byte, 0, 100+len(e.Data))}
	o.b = append(o.b, '{')
	o.text("event", string(e.Type))
	o.raw("payload", e.Data)
	o.close()
	if s.EazeKey != "" {
		headers["Eaze-Signature"] = []string{s.EazeKey}
	}
	return o.b
}
