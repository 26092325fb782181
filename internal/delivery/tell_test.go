package delivery_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/store/teststore"
)

// TestAttemptsAreTold holds that each attempt is told to whoever watches and is one
// line of the log with all that decides, failures where an operator sees them; and
// that no line tells a secret.
func TestAttemptsAreTold(t *testing.T) {
	t.Parallel()
	s := teststore.Open(t, t.TempDir())
	var out bytes.Buffer
	var reports []delivery.AttemptReport
	log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r := startLogged(t, s, greenlane.SystemClock, log, func(e *delivery.Engine) {
		e.WatchBy(func(r *delivery.AttemptReport) { reports = append(reports, *r) })
	})
	rec := newReceiver(t)
	rec.answer = func(_ arrival, count int) int {
		if count == 1 {
			return 503
		}
		return 200
	}
	id := r.endpoint(t, rec.URL+"/a-secret?key=b-secret", func(s *delivery.Settings) {
		entries(s)
		s.Headers = map[string]string{"Authorization": "c-secret"}
	})
	subject := r.record(t, "S-1", 1)
	r.done(t, rec, id)
	r.stop()
	if len(reports) != 2 || reports[0].Outcome != delivery.OutcomeServerError || reports[0].Lag != 0 || reports[0].Duration <= 0 ||
		reports[1].Outcome != delivery.OutcomeAcknowledged || reports[1].Lag < reports[1].Duration {
		t.Errorf("%+v", reports)
	}
	if strings.Contains(out.String(), "-secret") || strings.Contains(out.String(), secret) {
		t.Errorf("the log tells a secret: %s", out.String())
	}
	lines := told(t, out.String(), "attempt ")
	if len(lines) != 2 {
		t.Fatalf("%d lines: %s", len(lines), out.String())
	}
	got := rec.arrivals()
	for i, line := range lines {
		want := map[string]any{"account": "example.com", "event": got[i].id, "position": float64(got[i].position), "type": string(greenlane.EventEntryStatus),
			"subject": subject, "lane": subject, "generation": 1.0, "attempt": float64(i + 1), "probe": false, "revision": 1.0, "host": rec.Listener.Addr().String(),
			"remote": rec.Listener.Addr().String(), "reused": i > 0, "repeated": false, "protocol": "HTTP/1.1", "tls": "", "sent_bytes": float64(len(got[i].body)),
			"level": "WARN", "msg": "attempt failed", "outcome": "server_error", "status": 503.0, "error": "answered 503 Service Unavailable"}
		if i == 1 {
			want["level"], want["msg"], want["outcome"], want["status"], want["error"] = "DEBUG", "attempt acknowledged", "acknowledged", 200.0, nil
		}
		for name, value := range want {
			if line[name] != value {
				t.Errorf("line %d: %s is %v, want %v", i, name, line[name], value)
			}
		}
		for _, name := range []string{"endpoint", "delivery", "dns", "connect", "handshake", "first_byte", "duration", "age", "kept_bytes"} {
			if _, ok := line[name]; !ok {
				t.Errorf("line %d does not tell %s", i, name)
			}
		}
		if _, again := line["retry_at"]; again != (i == 0) {
			t.Errorf("line %d: retry at %v", i, line["retry_at"])
		}
	}
}

// told returns the lines of a log whose message begins so.
func told(t testing.TB, log, message string) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for text := range strings.Lines(log) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if strings.HasPrefix(line["msg"].(string), message) {
			lines = append(lines, line)
		}
	}
	return lines
}

// TestOldestInWork holds what an endpoint's status tells of what waits: lanes that
// could be sent, and since when the oldest event is on its way, parked lanes left
// out. It holds after a restart, when only the lane's row is known.
func TestOldestInWork(t *testing.T) {
	t.Parallel()
	dir, clock := t.TempDir(), newWatch()
	r, rec := startAt(t, dir, clock.time), newReceiver(t)
	rec.answer = func(arrival, int) int { return 500 }
	id := r.endpoint(t, rec.URL, func(s *delivery.Settings) {
		entryEvents(s)
		s.Schedule = delivery.Schedule{Waits: []time.Duration{0, time.Hour}}
	})
	if s := r.status(t, id); !s.Oldest.IsZero() || s.Waiting != 0 || !strings.HasPrefix(s.ID, "wh_") {
		t.Errorf("at rest: %+v", s)
	}
	r.record(t, "S-1", 1)
	recorded := r.logged(t, greenlane.EventEntryStatus)[0].RecordedAt
	if s := r.quiet(t, rec, id); !s.Oldest.Equal(recorded) || s.OpenLanes != 1 {
		t.Errorf("oldest %s, recorded %s", s.Oldest, recorded)
	}
	r.record(t, "S-2", 2)
	if s := r.quiet(t, rec, id); !s.Oldest.Equal(recorded) || s.OpenLanes != 2 {
		t.Errorf("with a younger one: %+v", s)
	}
	opened := clock.time()
	r.stop()
	r = startAt(t, dir, clock.time)
	if s := r.status(t, id); !s.Oldest.Equal(opened) || s.OpenLanes != 2 {
		t.Errorf("after a restart: oldest %s, the lane was opened %s", s.Oldest, opened)
	}
	clock.move(2 * time.Hour)
	r.status(t, id)
	rec.until(t, "both lanes to park", func() bool { return r.status(t, id).Parked == 2 })
	if s := r.status(t, id); !s.Oldest.IsZero() {
		t.Errorf("parked: %+v", s)
	}
}

// TestLanesWait holds that lanes whose head waits for a free place are counted.
func TestLanesWait(t *testing.T) {
	t.Parallel()
	r, rec := start(t, t.TempDir()), newReceiver(t)
	hold := make(chan struct{})
	rec.answer = func(arrival, int) int { <-hold; return 200 }
	id := r.endpoint(t, rec.URL, func(s *delivery.Settings) { entryEvents(s); s.Concurrency = 1 })
	for i := range 4 {
		r.record(t, "S-"+string(rune('1'+i)), i)
	}
	rec.until(t, "three lanes to wait", func() bool { s := r.status(t, id); return s.InFlight == 1 && s.Waiting == 3 })
	close(hold)
	r.done(t, rec, id)
	if s := r.status(t, id); s.Waiting != 0 || !s.Oldest.IsZero() {
		t.Errorf("%+v", s)
	}
}

// TestTracerSeesAttempts holds that a tracer may add a header to an event's request
// and sees how it ended, and that the call as it is kept has no such header.
func TestTracerSeesAttempts(t *testing.T) {
	t.Parallel()
	rec := newReceiver(t)
	sender := newSender(t)
	var seen []string
	sender.Trace(func(c *delivery.Call, header http.Header) func(*delivery.Answer) {
		header["Traceparent"] = []string{"00-1-2-01"}
		seen = append(seen, c.URL)
		return func(a *delivery.Answer) { seen = append(seen, a.Outcome.String()) }
	})
	call := callOf(sender, rec.URL)
	if a := sender.Send(t.Context(), call); !a.Success() {
		t.Fatalf("%+v", a)
	}
	sender.Post(t.Context(), rec.URL, postID, nil, []byte(postBody))
	got := rec.arrivals()
	if got[0].header.Get("Traceparent") != "00-1-2-01" || got[1].header.Get("Traceparent") != "" || call.Header.Get("Traceparent") != "" {
		t.Errorf("%v", got)
	}
	if want := []string{rec.URL, "acknowledged"}; !slices.Equal(seen, want) {
		t.Errorf("saw %v", seen)
	}
}
