package delivery

import "greenlane"

// renderEntryGo writes EntryGo's protocol event: eventId, type, exportId,
// occurredAt in whole seconds, source, data. An event of no export has a null
// exportId.
func renderEntryGo(s *Sending) []byte {
	e := s.Event
	o := object{b: make([]byte, 0, 300+len(e.Data))}
	o.b = append(o.b, '{')
	o.text("eventId", e.EventID())
	o.text("type", string(e.Type))
	o.textOrNull("exportId", exportID(e))
	o.text("occurredAt", greenlane.FormatSeconds(e.OccurredAt))
	o.source(e.Source)
	o.raw("data", e.Data)
	o.close()
	return o.b
}
