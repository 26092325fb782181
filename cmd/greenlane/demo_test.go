package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/client"
	"greenlane/internal/customs"
	"greenlane/internal/hub"
)

// quickPace has everything happen within a few seconds, and tells it all.
var quickPace = demoPace{
	outage:  demoOutage{first: 500 * time.Millisecond, lasts: 700 * time.Millisecond, every: time.Hour},
	failing: 0.08, lines: 1e6, status: 500 * time.Millisecond, drain: 2 * time.Minute,
}

// watcher is a writer that calls seen once all of some words have been told.
type watcher struct {
	text  bytes.Buffer
	words []string
	seen  func()
}

func (w *watcher) String() string { return w.text.String() }

func (w *watcher) Write(b []byte) (int, error) {
	if w.words = slices.DeleteFunc(w.words, func(word string) bool { return bytes.Contains(b, []byte("  "+word+" ")) }); len(w.words) == 0 {
		w.seen()
	}
	return w.text.Write(b)
}

// TestDemo runs the whole demo until everything has been told of, and holds its
// own account of itself against what it promises.
func TestDemo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out bytes.Buffer
	told := &watcher{seen: cancel, words: []string{
		"SENT", "HELD", "NOT YET", "PENDING", "CLEARED", "CONTROL", "RELEASED", "REJECTED", "COMPLETED", "PRELODGED", "CANCELED",
		"LATE", "DUPLICATE", "AVAILABLE", "DOWN", "BACK", "RECOVERED", "RETRIED", "PLANNED", "BLOCKED", "REVIEW", "REVIEWED", "EXECUTED",
	}}
	c := &demoCmd{Listen: "127.0.0.1:0", For: time.Minute, Rate: 12, Seed: 7, JSON: true}
	err := c.run(ctx, &stdio{out: &out, err: told}, quickPace)
	if err != nil || len(told.words) > 0 {
		t.Fatalf("%v; %v are not told of\n%s\n%s", err, told.words, told, &out)
	}
	var s demoSummary
	if err := json.Unmarshal(out.Bytes(), &s); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if !s.OK || len(s.Faults) > 0 {
		t.Errorf("faults %q", s.Faults)
	}
	s.judgeEndpoints(t)
	if s.Log == nil || !s.Log.OK() || s.Log.Events != int64(s.Events.Total) || s.Log.Events == 0 {
		t.Errorf("%d events were told; the log: %+v", s.Events.Total, s.Log)
	}
	for _, kind := range []string{"shipments", "declarations", "sent to customs", "bills to track", "entry activities", "container reports",
		"customs messages", "corrections", "products and parties", "orders synced", "exports planned", "exports executed", "exports inspected"} {
		if s.Requests[kind] == 0 {
			t.Errorf("no %s among the requests %v", kind, s.Requests)
		}
	}
	for _, eventType := range []string{"shipment.created", "declaration.completed", "declaration.error", "clearance.status_changed",
		"container.status.updated"} {
		if s.Events.ByType[eventType] == 0 {
			t.Errorf("no %s among the events %v", eventType, s.Events.ByType)
		}
	}
	// The end may come between an execution and its inspection.
	if x := s.Exports; x.Executed < 3 || x.Documents < x.Executed || x.Mails != 2*x.Executed || x.EventFaults > 0 ||
		s.Events.ByType["CUSTOMS_ARTIFACT_GENERATED"] < x.Documents || s.Events.ByType["EXPORT_EXECUTED"] < x.Executed {
		t.Errorf("exports %+v; events %v", x, s.Events.ByType)
	}
	checkLines(t, told.String())
	dir := regexp.MustCompile(`(?m)^Data +(\S+)`).FindStringSubmatch(told.String())
	if dir == nil {
		t.Fatalf("no data folder is told of\n%s", told)
	}
	if _, err := os.Stat(dir[1]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the data folder is still there: %v", err)
	}
}

// judgeEndpoints holds that every endpoint got everything, those that fail with
// retries, and that the endpoints with all events got the same number.
func (s *demoSummary) judgeEndpoints(t *testing.T) {
	t.Helper()
	if len(s.Endpoints) != 3 {
		t.Fatalf("endpoints %+v", s.Endpoints)
	}
	for _, e := range s.Endpoints {
		if e.Delivered == 0 || e.Waiting > 0 || e.SignatureFaults > 0 || e.OrderFaults > 0 || e.Signed != e.Delivered+e.FailedAttempts+e.Repeated {
			t.Errorf("%+v", e)
		}
		if fails := e.Name != "drayage"; fails != (e.Retried > 0) || fails != (e.FailedAttempts > 0) {
			t.Errorf("%s: %d attempts failed, %d events were retried", e.Name, e.FailedAttempts, e.Retried)
		}
	}
	if s.Endpoints[0].Delivered != s.Endpoints[1].Delivered {
		t.Errorf("of the endpoints with all events one got %d, the other %d", s.Endpoints[0].Delivered, s.Endpoints[1].Delivered)
	}
}

// checkLines holds that what is told fits a terminal and is plain where there is
// none.
func checkLines(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 100 || strings.ContainsAny(line, "\x1b\r") {
			t.Errorf("%d characters: %q", n, line)
		}
	}
}

// TestDemoEndsWhenAsked ends a demo without a time limit the way Ctrl-C does, on
// a port that something else has.
func TestDemoEndsWhenAsked(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	text := &watcher{words: []string{"SENT"}, seen: cancel}
	c := &demoCmd{Listen: taken.Addr().String(), Rate: 20, Seed: 1}
	if err := c.run(ctx, &stdio{out: text, err: io.Discard}, quickPace); err != nil || len(text.words) > 0 {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, want := range []string{"Something else listens on " + taken.Addr().String(), "Every event has arrived", "All is well", "ENDPOINT"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is missing", want)
		}
	}
	checkLines(t, text.String())
}

type writerFunc func(b []byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// TestDemoEndsWhenNobodyReads holds that a demo does not go on for itself.
func TestDemoEndsWhenNobodyReads(t *testing.T) {
	t.Parallel()
	gone := writerFunc(func([]byte) (int, error) { return 0, io.ErrClosedPipe })
	c := &demoCmd{Listen: "127.0.0.1:0", Rate: 20, Seed: 1}
	if err := c.run(t.Context(), &stdio{out: gone, err: io.Discard}, quickPace); err != nil {
		t.Error(err)
	}
}

func TestDemoUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--rate", "0"}, {"--rate", "1e9"}, {"--rate", "NaN"}, {"--for=-1s"}, {"--for", "soon"}, {"more"}} {
		var text bytes.Buffer
		if code := run(t.Context(), append([]string{"demo"}, args...), stdio{in: strings.NewReader(""), out: &text, err: &text}); code != exitUsage {
			t.Errorf("%v: exit code %d\n%s", args, code, &text)
		}
	}
}

// TestDemoLedger holds that the demo would notice what it promises not to
// happen.
func TestDemoLedger(t *testing.T) {
	t.Parallel()
	const status, created = "declaration.status_updated", "endpoint.created"
	tell := func(position int64, eventType string) func(*demoLedger, *demoBook) {
		return func(l *demoLedger, _ *demoBook) {
			l.recorded(&client.Event{Position: position, Type: eventType, Subject: client.Subject{Kind: "declaration", ID: "1"}})
		}
	}
	accept := func(position int64, subject string) func(*demoLedger, *demoBook) {
		return func(l *demoLedger, b *demoBook) { l.acknowledge(b, demoArrival{status, subject, position}) }
	}
	refuse := func(position int64) func(*demoLedger, *demoBook) {
		return func(l *demoLedger, b *demoBook) { l.refuse(b, demoArrival{status, "declaration/1", position}) }
	}
	unwanted := func(l *demoLedger, b *demoBook) { l.acknowledge(b, demoArrival{created, "endpoint/1", 1}) }
	type figures struct{ Delivered, Refused, Retried, Repeated, Misordered, Waiting, Faults int }
	tests := []struct {
		name  string
		steps []func(*demoLedger, *demoBook)
		want  figures
	}{
		{"told, then delivered", []func(*demoLedger, *demoBook){tell(1, status), accept(1, "a")}, figures{Delivered: 1}},
		{"delivered, then told", []func(*demoLedger, *demoBook){accept(1, "a"), tell(1, status)}, figures{Delivered: 1}},
		{"not delivered", []func(*demoLedger, *demoBook){tell(1, status), tell(2, status), accept(1, "a")}, figures{Delivered: 1, Waiting: 1}},
		{"nobody wants it", []func(*demoLedger, *demoBook){tell(1, created)}, figures{}},
		{"not asked for", []func(*demoLedger, *demoBook){unwanted}, figures{Faults: 1}},
		{"retried", []func(*demoLedger, *demoBook){refuse(1), tell(1, status), refuse(1), accept(1, "a")}, figures{Delivered: 1, Refused: 2, Retried: 1}},
		{"refused for good", []func(*demoLedger, *demoBook){tell(1, status), refuse(1)}, figures{Refused: 1, Waiting: 1}},
		{"twice", []func(*demoLedger, *demoBook){accept(1, "a"), accept(1, "a"), tell(1, status), accept(1, "a")}, figures{Delivered: 1, Repeated: 2}},
		{"again later", []func(*demoLedger, *demoBook){accept(1, "a"), accept(2, "a"), accept(1, "a")}, figures{Delivered: 2, Repeated: 1}},
		{"overtaken, untold", []func(*demoLedger, *demoBook){accept(2, "a"), accept(1, "a")}, figures{Delivered: 2, Misordered: 1, Faults: 1}},
		{"overtaken", []func(*demoLedger, *demoBook){tell(1, status), tell(2, status), accept(2, "a"), accept(1, "a")},
			figures{Delivered: 2, Misordered: 1, Faults: 1}},
		{"different subjects", []func(*demoLedger, *demoBook){accept(2, "a"), accept(1, "b")}, figures{Delivered: 2}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := newDemoLedger()
			b := l.open("broker", "auto", nil)
			for _, step := range test.steps {
				step(l, b)
			}
			got := figures{b.delivered, b.refused, b.retried, b.repeated, b.misordered, len(b.due), len(l.faults)}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestDemoJudgesExports holds that a missing, repeated or misplaced event of an
// export would be noticed at the receiver.
func TestDemoJudgesExports(t *testing.T) {
	t.Parallel()
	x := demoExport{plans: 2, documents: 3}
	right := x.events()
	for _, test := range []struct {
		name    string
		arrived []greenlane.EventType
		waiting bool
		wrong   int
	}{
		{"all in order", right, false, 0},
		{"none", nil, false, 1},
		{"one missing", slices.Delete(slices.Clone(right), 4, 5), false, 1},
		{"the end missing", right[:len(right)-1], false, 1},
		{"the end on its way", right[:len(right)-1], true, 0},
		{"the beginning missing", right[1:], true, 1},
		{"one more", append(slices.Clone(right), greenlane.EventExportExecuted), false, 1},
		{"out of order", append([]greenlane.EventType{greenlane.EventExportExecuted}, right[:len(right)-1]...), false, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := newDemoLedger()
			b, other := l.open("broker", "auto", nil), l.open("drayage", "opentrack", []string{"clearance.status_changed"})
			l.exports["exp_1"] = x
			planned := client.Event{Type: "EXPORT_PLANNED", ExportID: "exp_1", Subject: client.Subject{Kind: "export", ID: "9"}, Position: 1}
			l.recorded(&planned)
			b.due = map[int64]bool{}
			if test.waiting {
				b.due[99] = true
			}
			for i, eventType := range test.arrived {
				l.acknowledge(b, demoArrival{string(eventType), "export/9", int64(i + 2)})
			}
			if wrong := l.judgeExports(); wrong != test.wrong || wrong != len(l.faults) || len(other.told) > 0 {
				t.Errorf("%d are wrong: %v", wrong, l.faults)
			}
		})
	}
}

// TestDemoFaults holds that a fault reaches the verdict.
func TestDemoFaults(t *testing.T) {
	t.Parallel()
	l := newDemoLedger()
	b := l.open("broker", "auto", nil)
	l.acknowledge(b, demoArrival{"declaration.created", "declaration/1", 2})
	l.acknowledge(b, demoArrival{"declaration.created", "declaration/1", 1})
	l.fault("the same")
	l.fault("the same")
	l.compare(2, 1)
	report := &hub.Report{Problems: []string{"the last event's hash is not the head's"}}
	s := summarize(l, report, time.Second, 1)
	want := []string{
		"endpoint broker: declaration/1: event 1 arrived after 2",
		"the hub counts 2 attempts acknowledged and 1 failed, the receiver 2 and 0",
		"the same (2 times)",
		"log: the last event's hash is not the head's",
	}
	if diff := cmp.Diff(want, s.Faults); diff != "" || s.OK {
		t.Errorf("ok %v (-want +got)\n%s", s.OK, diff)
	}
	var text bytes.Buffer
	n := newDemoNarrator(&text, 4, time.Now, func() {})
	s.print(n)
	n.close()
	for _, want := range append(want, "deliveries: 1 WRONG", "0 events: 1 WRONG", "Something is wrong") {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is missing\n%s", want, &text)
		}
	}
}

// TestDemoReceiver holds that the receiver believes only what is signed.
func TestDemoReceiver(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(http.Header)
		status int
	}{
		{"as it should be", func(http.Header) {}, http.StatusNoContent},
		{"without signature", func(h http.Header) { h.Del("webhook-signature") }, http.StatusUnauthorized},
		{"of another event", func(h http.Header) { h.Set("webhook-id", "evt_2") }, http.StatusUnauthorized},
		{"without Eaze's key", func(h http.Header) { h.Del("Eaze-Signature") }, http.StatusUnauthorized},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := newDemoLedger()
			at := time.Unix(1_784_000_000, 0)
			r := &demoReceiver{ledger: l, now: func() time.Time { return at }, endpoints: map[string]*demoEndpoint{}}
			e := &demoEndpoint{demoBook: l.open("broker", "auto", nil), secret: "12345678", eazeKey: "key"}
			r.serve(e)
			req := httptest.NewRequest(http.MethodPost, "/broker", strings.NewReader("{}"))
			for name, value := range map[string]string{
				"Greenlane-Event-Type": "declaration.created", "Greenlane-Subject": "declaration/1", "Greenlane-Position": "1",
				"webhook-id": "evt_1", "webhook-timestamp": "1784000000", "Eaze-Signature": "key",
				// HMAC-SHA256 of evt_1.1784000000.{} with the key 12345678.
				"webhook-signature": "v1,/TKGXU09ug94PZcaKznNq242c0IEuf0tL7hEaHB+eFY=",
			} {
				req.Header.Set(name, value)
			}
			test.change(req.Header)
			w := httptest.NewRecorder()
			r.ServeHTTP(w, req)
			if good := test.status == http.StatusNoContent; w.Code != test.status || good != (e.delivered == 1) || good != (e.forged == 0) {
				t.Errorf("answered %d %s; %d delivered, %d forged", w.Code, w.Body, e.delivered, e.forged)
			}
		})
	}
}

// TestDemoMessages holds that the demo's messages of customs are read without
// a doubt.
func TestDemoMessages(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 6, 23, 12, 0, 0, 0, time.UTC)
	trade := &demoTrade{seed: 1, now: func() time.Time { return at }}
	for _, n := range []wcoNotice{wcoReceived, wcoAccepted, wcoControl, wcoCleared, wcoFinalTax} {
		s := trade.story(12)
		m, err := customs.Read(s.message(n, s.elsewhere(), at), customs.Auto)
		if err != nil {
			t.Fatal(err)
		}
		r := m.Responses[0]
		if r.MessageType != n.Name || r.LRN != "EXT-1012" || greenlane.CheckMRN(r.MRN) != nil || !r.IssuedAt.Equal(at) || len(r.Warnings) > 0 {
			t.Errorf("%s is read as %+v", n.Name, r)
		}
		if err := greenlane.CheckContainer(s.container()); err != nil {
			t.Error(err)
		}
	}
}

// TestDemoNarrator holds that what it leaves out is only what comes too fast,
// and never what must be told.
func TestDemoNarrator(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	at := time.Date(2026, 6, 23, 12, 0, 0, 0, time.UTC)
	n := newDemoNarrator(&text, 4, func() time.Time { return at }, func() {})
	for i := range 30 {
		n.say("entry X", "HELD", "hold %d", i)
	}
	n.insist("endpoint merchant", "DOWN", "the receiver answers 503")
	at = at.Add(time.Second)
	n.say("entry Y", "CLEARED", "%s", strings.Repeat("long ", 40))
	n.close()
	lines := strings.Split(strings.TrimSpace(text.String()), "\n")
	if len(lines) != linesAtOnce+2 {
		t.Errorf("%d lines:\n%s", len(lines), &text)
	}
	for _, line := range []string{
		"12:00:00  HELD      entry X: hold 0",
		"12:00:00  DOWN      endpoint merchant: the receiver answers 503",
		"12:00:01  CLEARED   entry Y: long long long long long long long long long long …",
	} {
		if !strings.Contains(text.String(), line) {
			t.Errorf("%q is missing in\n%s", line, &text)
		}
	}
	if lines[len(lines)-1] != strings.TrimSpace(lines[len(lines)-1]) || len([]rune(lines[len(lines)-1])) != narratorWidth {
		t.Errorf("%q is not %d characters long", lines[len(lines)-1], narratorWidth)
	}
}

// TestDemoFacts tells one entry's and one declaration's story.
func TestDemoFacts(t *testing.T) {
	t.Parallel()
	n := newDemoNarrator(io.Discard, 4, time.Now, func() {})
	defer n.close()
	event := func(kind, eventType, data string) *client.Event {
		e := &client.Event{Type: eventType, Subject: client.Subject{Kind: kind, ID: "7"}, Data: json.RawMessage(data)}
		if kind == "declaration" {
			e.References = map[string]any{"lrn": "L-7"}
		}
		if kind == "export" {
			e.Detail = json.RawMessage(`{"override":"by phone","planned":{"plan":{"validationMessages":[
				{"severity":"info","message":"good to know"},{"severity":"warning","message":"no address"},{"severity":"error","message":"no value"}]}}}`)
		}
		return e
	}
	late := event("entry", "clearance.status_changed", `{"to":"held","openHolds":[{"code":"2H","reason":"Agriculture hold"}]}`)
	late.Late = true
	for i, step := range []struct {
		event *client.Event
		want  string
	}{
		{event("entry", "customs.entry.status.updated", `{"shipment":{"number":"S","masterBillNumber":"B"},"activities":[{"code":"1H"}]}`), ""},
		{event("entry", "clearance.status_changed", `{"to":"held","openHolds":[{"code":"1H","reason":"CBP hold"}]}`), "HELD entry B: 1H CBP hold"},
		{event("entry", "customs.entry.status.updated", `{"shipment":{"number":"B"},"activities":[{"code":"1C"}]}`),
			"NOT YET entry B: released by 1C, but hold 1H is open"},
		{event("entry", "clearance.status_changed", `{"to":"cleared","openHolds":[]}`), "CLEARED entry B: released, and its last hold is gone"},
		{late, "HELD entry B: 2H, older than the release, told late"},
		{event("declaration", "declaration.outbound_message", `{"purpose":"documents"}`), "SENT declaration L-7: the documents customs asked for"},
		{event("declaration", "declaration.customs_response", `{"messageType":"DMSDOC"}`), ""},
		{event("declaration", "declaration.status_updated", `{"status":"control"}`), "CONTROL declaration L-7: customs asks for documents"},
		{event("declaration", "declaration.status_updated", `{"status":"released"}`), "RELEASED declaration L-7: the goods may move"},
		{event("export", "EXPORT_PLANNED", `{"readinessState":"blocked"}`), "BLOCKED export/7: no value"},
		{event("export", "EXPORT_PLANNED", `{"readinessState":"needs_review"}`), "REVIEW export/7: no address"},
		{event("export", "EXPORT_PLANNED", `{"readinessState":"ready_for_execution"}`), "PLANNED export/7: anew, and ready by now"},
		{event("export", "EXPORT_BATCH_CREATED", `{}`), "REVIEWED export/7: executed: by phone"},
		{event("export", "CUSTOMS_ARTIFACT_GENERATED", `{}`), ""},
		{event("export", "CUSTOMS_ARTIFACT_GENERATED", `{}`), ""},
		{event("export", "EXPORT_EXECUTED", `{}`), "EXECUTED export/7: 2 documents made, broker and warehouse told"},
		{event("declaration", "declaration.status_updated", `{"status":"completed"}`), "COMPLETED declaration L-7: examined, released, settled"},
	} {
		got := ""
		if word, text, who := n.fact(step.event); word != "" {
			got = fmt.Sprintf("%s %s: %s", word, who, text)
		}
		if got != step.want {
			t.Errorf("step %d: %q, want %q", i, got, step.want)
		}
	}
}
