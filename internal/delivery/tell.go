package delivery

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

// Tracer begins to follow an attempt at an event beyond this process, and returns
// what ends that. It may add headers to the request, by which the receiver goes
// on, but must not change others: they are signed or the owner's. It is called
// from many goroutines.
type Tracer func(c *Call, header http.Header) (end func(*Answer))

// Trace lets a tracer follow every attempt. It must come before the first.
func (s *Sender) Trace(t Tracer) { s.tracer = t }

// AttemptReport is how one attempt at a delivery ended.
type AttemptReport struct {
	Outcome Outcome
	// Duration is that of the attempt. Lag, of an acknowledgement, is the time from
	// the event's commit to it, of a first generation alone: what is sent again was
	// committed long ago. Else it is 0.
	Duration, Lag time.Duration
}

// report tells of an attempt that ended: whoever watches, and the log. A failure
// is worth a line with all that may tell why; an acknowledgement is one only for
// those who look for it, because at thousands a second lines cost more than the
// attempts.
func (e *Engine) report(ep *endpoint, key int64, head *item, a *Answer, record *store.Attempt, retryAt time.Time) {
	now := e.clock()
	r := AttemptReport{Outcome: a.Outcome, Duration: a.Duration}
	ev := a.call.Sending.Event
	if a.Success() && record.Generation == 1 {
		r.Lag = max(1, now.Sub(ev.RecordedAt))
	}
	if e.watch != nil {
		e.watch(&r)
	}
	level, words := slog.LevelDebug, "attempt acknowledged"
	if !a.Success() {
		level, words = slog.LevelWarn, "attempt failed"
	}
	if !e.log.Enabled(context.Background(), level) {
		return
	}
	attrs := append(attemptAttrs(ep, key, head, a, record), wireAttrs(a)...)
	attrs = append(attrs, slog.Duration("age", now.Sub(ev.RecordedAt)))
	if !retryAt.IsZero() {
		attrs = append(attrs, slog.Time("retry_at", retryAt))
	}
	e.log.LogAttrs(context.Background(), level, words, attrs...)
}

// attemptAttrs say which attempt it was, and how it ended.
func attemptAttrs(ep *endpoint, key int64, head *item, a *Answer, record *store.Attempt) []slog.Attr {
	ev := a.call.Sending.Event
	attrs := []slog.Attr{
		slog.String("account", a.call.Sending.Account.Domain), slog.String("endpoint", ep.row.EndpointID()),
		slog.String("delivery", greenlane.DeliveryID(record.Endpoint, record.Position, record.Generation)),
		slog.String("event", ev.EventID()), slog.Int64("position", record.Position), slog.String("type", string(ev.Type)),
		slog.String("subject", ev.Subject.String()), slog.String("lane", laneName(key)), slog.Int("generation", record.Generation),
		slog.Int("attempt", record.Number), slog.Bool("probe", record.Probe), slog.Int("revision", head.revision),
		slog.String("outcome", a.Outcome.String()), slog.Int("status", a.Status),
	}
	if a.Error != "" {
		attrs = append(attrs, slog.String("error", a.Error))
	}
	return attrs
}

// wireAttrs say how an attempt got there. Of the URL only the host is told: paths
// and queries of webhooks are often secrets.
func wireAttrs(a *Answer) []slog.Attr {
	w := &a.Wire
	return []slog.Attr{
		slog.String("host", hostOf(a.call.URL)), slog.String("remote", w.Remote), slog.Bool("reused", w.Reused),
		slog.Bool("repeated", w.Repeated), slog.String("protocol", w.Protocol), slog.String("tls", w.TLS),
		slog.Duration("dns", w.DNS), slog.Duration("connect", w.Connect), slog.Duration("handshake", w.Handshake),
		slog.Duration("first_byte", w.FirstByte), slog.Duration("duration", a.Duration),
		slog.Int("sent_bytes", len(a.call.Body)), slog.Int("kept_bytes", len(a.Body)),
	}
}

// hostOf returns the host of a URL, with its port.
func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Host
}
