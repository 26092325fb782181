package api_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane/internal/reaction"
)

const messagesPath = "/v1/customs/messages"

// said is a synthetic WCO response about a declaration.
type said struct {
	function, reference string
	second              int
	lrn, mrn            string
}

// wco writes a synthetic message with the responses.
func wco(responses ...said) string {
	var b strings.Builder
	b.WriteString("<MetaData><WCOTypeName>RES</WCOTypeName>\n")
	for _, s := range responses {
		fmt.Fprintf(&b, `<Response><FunctionCode>%s</FunctionCode><FunctionalReferenceID>%s</FunctionalReferenceID>`+
			`<IssueDateTime><DateTimeString formatCode="304">202603011200%02dZ</DateTimeString></IssueDateTime>`+
			"<Declaration><FunctionalReferenceID>%s</FunctionalReferenceID><ID>%s</ID></Declaration></Response>\n",
			s.function, s.reference, s.second, s.lrn, s.mrn)
	}
	b.WriteString("</MetaData>")
	return b.String()
}

const testMRN = "26GBTEST0000000010"

// results returns the results of an answer about a message.
func results(v map[string]any) []map[string]any {
	var out []map[string]any
	for _, r := range v["results"].([]any) {
		out = append(out, r.(map[string]any))
	}
	return out
}

func column(rows []map[string]any, name string) []any {
	var out []any
	for _, r := range rows {
		out = append(out, r[name])
	}
	return out
}

func TestMessageIsApplied(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	raw := wco(said{"09", "r2", 2, "LRN-1", testMRN}, said{"01", "r1", 1, "LRN-1", testMRN})
	got := r.must(200, "POST", messagesPath, raw, "Content-Type", "application/xml")
	if got["digest"] != fmt.Sprintf("%x", sha256.Sum256([]byte(raw))) || got["format"] != "wco-dms" || got["duplicate"] != false {
		t.Errorf("%v", got)
	}
	rows := results(got)
	if diff := cmp.Diff([]any{"DMSACC", "DMSCLE"}, column(rows, "messageType")); diff != "" {
		t.Errorf("not in the order of issue:\n%s", diff)
	}
	if diff := cmp.Diff([]any{"acknowledged", "released"}, column(rows, "status")); diff != "" {
		t.Error(diff)
	}
	var events []any
	for _, row := range rows {
		if row["outcome"] != "applied" || row["lrn"] != "LRN-1" || row["mrn"] != testMRN || row["subject"].(map[string]any)["kind"] != "declaration" {
			t.Errorf("%v", row)
		}
		events = append(events, row["events"].([]any)...)
	}
	if len(events) < 4 {
		t.Fatalf("events %v", events)
	}
	for _, e := range events {
		event := r.must(200, "GET", "/v1/events/"+e.(string), nil)
		if diff := cmp.Diff(map[string]any{"client": "test", "origin": "customs"}, event["source"]); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(map[string]any{"kind": "message", "id": got["messageId"]}, event["cause"]); diff != "" {
			t.Error(diff)
		}
	}
	view := r.must(200, "GET", messagesPath+"/"+got["messageId"].(string), nil)
	if diff := cmp.Diff(got["results"], view["results"]); diff != "" {
		t.Errorf("the message has other results:\n%s", diff)
	}
	if view["state"] != "applied" || view["problem"] != nil || view["size"] != float64(len(raw)) {
		t.Errorf("%v", view)
	}
}

func TestStatedOriginWins(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.must(200, "POST", messagesPath, wco(said{"01", "r1", 1, "LRN-1", ""}), "X-Source-Origin", "broker", "X-Source-Client", "desk")
	for _, e := range r.events("declaration.*") {
		if diff := cmp.Diff(map[string]any{"client": "desk", "origin": "broker"}, e["source"]); diff != "" {
			t.Error(diff)
		}
	}
}

func TestMessageTwice(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	raw := wco(said{"01", "r1", 1, "LRN-1", testMRN})
	first := r.must(200, "POST", messagesPath, raw)
	head := r.hub.Head()
	again := r.must(200, "POST", messagesPath, raw)
	if again["duplicate"] != true || again["messageId"] != first["messageId"] || results(again)[0]["outcome"] != "duplicate" {
		t.Errorf("%v", again)
	}
	if diff := cmp.Diff(results(first)[0]["events"], results(again)[0]["events"]); diff != "" {
		t.Errorf("the stored results have other events:\n%s", diff)
	}
	other := r.must(200, "POST", messagesPath, strings.Replace(raw, "\n", "\r\n", 1))
	if other["duplicate"] != false || results(other)[0]["outcome"] != "duplicate" || len(results(other)[0]["events"].([]any)) != 0 {
		t.Errorf("the same response in other bytes: %v", other)
	}
	if r.hub.Head() != head {
		t.Errorf("repeats left %d events", r.hub.Head()-head)
	}
}

func TestMessageOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	raw := wco(said{"01", "r1", 1, "LRN-1", ""})
	first := r.call("POST", messagesPath, raw, "Idempotency-Key", "k")
	again := r.call("POST", messagesPath, raw, "Idempotency-Key", "k")
	if first.status != 200 || again.status != 200 || again.header.Get("Idempotent-Replayed") != "true" {
		t.Fatalf("%d, %d, replayed %q", first.status, again.status, again.header.Get("Idempotent-Replayed"))
	}
	if diff := cmp.Diff(first.json(t), again.json(t)); diff != "" {
		t.Error(diff)
	}
	r.refused(409, "idempotency_mismatch", "POST", messagesPath, wco(said{"01", "r2", 1, "LRN-1", ""}), "Idempotency-Key", "k")
}

func TestUnreadableMessages(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tests := []struct {
		name, raw, query string
		status           int
		code, detail     string
		media, extension string
	}{
		{"trailing junk", wco(said{"01", "r1", 1, "LRN-1", ""}) + "\nheaders=List(x)", "", 422, "unreadable_message",
			"line 4, column 1: text after the root element", "application/xml", "xml"},
		{"no format", "{\"a\": 1}", "?format=auto", 415, "unsupported_format", "something that starts with", "application/octet-stream", "bin"},
		{"no reader", "UNB+UNOA:2", "?format=edifact-cusdec", 415, "unsupported_format", "edifact-cusdec", "application/octet-stream", "bin"},
		{"half", "\xEF\xBB\xBF <MetaData>", "", 422, "unreadable_message", "line 1", "application/xml", "xml"},
		{"empty", "", "", 422, "unreadable_message", "it is empty", "application/octet-stream", "bin"},
	}
	for _, tt := range tests {
		p := r.refused(tt.status, tt.code, "POST", messagesPath+tt.query, tt.raw, "Content-Type", "application/x-anything")
		id, _ := p["messageId"].(string)
		if !strings.Contains(p["detail"].(string), tt.detail) || !strings.HasPrefix(id, "msg_") {
			t.Fatalf("%s: detail %q, messageId %q", tt.name, p["detail"], id)
		}
		if again := r.refused(tt.status, tt.code, "POST", messagesPath+tt.query, tt.raw); again["messageId"] != id {
			t.Errorf("%s: sent again it is %v, was %s", tt.name, again["messageId"], id)
		}
		view := r.must(200, "GET", messagesPath+"/"+id, nil)
		if view["state"] != "unreadable" || !strings.Contains(view["problem"].(string), tt.detail) || len(view["results"].([]any)) != 0 {
			t.Errorf("%s: %v", tt.name, view)
		}
		a := r.call("GET", messagesPath+"/"+id+"/raw", nil)
		if a.status != 200 || string(a.body) != tt.raw || a.header.Get("Content-Type") != tt.media ||
			a.header.Get("Content-Disposition") != fmt.Sprintf("attachment; filename=%q", id+"."+tt.extension) {
			t.Errorf("%s: raw is %d, %v: %q", tt.name, a.status, a.header, a.body)
		}
		if again := r.refused(tt.status, tt.code, "POST", messagesPath+"/"+id+"/reprocess"+tt.query, nil); again["messageId"] != id {
			t.Errorf("%s: reprocessed it is %v", tt.name, again)
		}
	}
	if rows := r.data(messagesPath + "?state=unreadable"); len(rows) != len(tests) {
		t.Errorf("%d unreadable messages are listed", len(rows))
	}
	if n := len(r.events("declaration.*,customs.*")); n != 0 {
		t.Errorf("they left %d events", n)
	}
}

func TestMessageLimits(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	raw := wco(said{"01", "r1", 1, "LRN-1", ""})
	full := raw + strings.Repeat(" ", 1<<20-len(raw))
	r.must(200, "POST", messagesPath, full)
	r.refused(413, "payload_too_large", "POST", messagesPath, full+" ")
	r.refused(422, "validation_error", "POST", messagesPath+"?create=perhaps", raw)
	r.refused(422, "validation_error", "POST", messagesPath+"?form=auto", raw)
	r.refused(422, "validation_error", "POST", messagesPath+"?format="+strings.Repeat("x", 41), raw)
	r.refused(422, "validation_error", "GET", messagesPath+"?state=lost", nil)
	if rows := r.data(messagesPath); len(rows) != 1 {
		t.Errorf("%d messages are kept", len(rows))
	}
}

func TestMessageList(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var ids []any
	for i := range 5 {
		raw := wco(said{"01", fmt.Sprint("r", i), i, fmt.Sprint("LRN-", i), ""})
		ids = append(ids, r.must(200, "POST", messagesPath+"?create="+fmt.Sprint(i%2 == 0), raw)["messageId"])
	}
	slices.Reverse(ids)
	var got []any
	path := messagesPath + "?limit=2"
	for range 3 {
		page := r.must(200, "GET", path, nil)
		for _, m := range page["data"].([]any) {
			got = append(got, m.(map[string]any)["messageId"])
		}
		if page["nextCursor"] == nil {
			break
		}
		path = messagesPath + "?limit=2&cursor=" + page["nextCursor"].(string)
	}
	if diff := cmp.Diff(ids, got); diff != "" {
		t.Error(diff)
	}
	waiting := r.data(messagesPath + "?state=unmatched")
	if diff := cmp.Diff([]any{ids[1], ids[3]}, column(waiting, "messageId")); diff != "" {
		t.Error(diff)
	}
}

// react lets a reaction follow the rig's log until the test ends.
func (r *rig) react(x reaction.Reaction) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	runner := reaction.NewRunner(r.hub, x, reaction.Options{})
	go func() { ended <- runner.Run(ctx) }()
	r.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Errorf("%s ended with %v", x.Name(), err)
		}
	})
}

// until waits for the log to bring about what is asked for.
func (r *rig) until(what string, done func() bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	defer cancel()
	for {
		head := r.hub.Head()
		if done() {
			return
		}
		if err := r.hub.Wait(ctx, head); err != nil {
			r.t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestMessageWaitsForItsDeclaration(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.react(reaction.NewUnpark(r.hub))
	got := r.must(200, "POST", messagesPath+"?create=false", wco(said{"01", "r1", 1, "LRN-1", testMRN}))
	if row := results(got)[0]; row["outcome"] != "unmatched" || row["subject"] != nil || len(row["events"].([]any)) != 0 {
		t.Errorf("%v", row)
	}
	parked := r.events("customs.message.unmatched")
	if len(parked) != 1 || parked[0]["data"].(map[string]any)["messageId"] != got["messageId"] {
		t.Fatalf("%v", parked)
	}
	path := messagesPath + "/" + got["messageId"].(string)
	if state := r.must(200, "GET", path, nil)["state"]; state != "unmatched" {
		t.Errorf("state %v", state)
	}
	made := r.must(201, "POST", "/v1/declarations", `{"lrn":"LRN-1","commercialReference":"UCR-1","type":"EXPORT"}`)
	r.until("the message", func() bool { return r.must(200, "GET", path, nil)["state"] == "applied" })
	row := results(r.must(200, "GET", path, nil))[0]
	if row["outcome"] != "applied" || row["status"] != "acknowledged" {
		t.Errorf("%v", row)
	}
	d := r.must(200, "GET", "/v1/declarations/"+id(made["declarationId"]), nil)
	if d["mrn"] != testMRN || d["status"] != "acknowledged" {
		t.Errorf("the declaration is %v with the MRN %v", d["status"], d["mrn"])
	}
}

func TestReprocess(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	got := r.must(200, "POST", messagesPath+"?create=false", wco(said{"01", "r1", 1, "LRN-1", testMRN}))
	path := messagesPath + "/" + got["messageId"].(string) + "/reprocess"
	if row := results(r.must(200, "POST", path+"?create=false", nil))[0]; row["outcome"] != "unmatched" {
		t.Errorf("%v", row)
	}
	applied := r.must(200, "POST", path, nil, "Idempotency-Key", "k")
	if row := results(applied)[0]; row["outcome"] != "applied" || applied["messageId"] != got["messageId"] {
		t.Errorf("%v", applied)
	}
	head := r.hub.Head()
	again := r.must(200, "POST", path, nil)
	if row := results(again)[0]; row["outcome"] != "duplicate" || again["duplicate"] != false || len(row["events"].([]any)) == 0 {
		t.Errorf("%v", again)
	}
	if a := r.call("POST", path, nil, "Idempotency-Key", "k"); a.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("not replayed: %s", a.body)
	}
	if r.hub.Head() != head {
		t.Error("nothing was new, and there are events")
	}
	if n := len(r.events("customs.message.unmatched")); n != 1 {
		t.Errorf("parked %d times", n)
	}
}

// samples reads the authorities' own samples of a folder, in order.
func samples(t *testing.T, folder string) [][]byte {
	t.Helper()
	root := os.Getenv("GREENLANE_SAMPLES")
	if root == "" {
		t.Skip("GREENLANE_SAMPLES is not set: the authorities' own samples are not tested")
	}
	names, err := filepath.Glob(filepath.Join(root, folder, "*.xml"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no samples in %s: %v", folder, err)
	}
	slices.Sort(names)
	var out [][]byte
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, raw)
	}
	return out
}

// TestSampleFlow posts a real export's five messages in order and in reverse and
// expects the same end.
func TestSampleFlow(t *testing.T) {
	t.Parallel()
	flow := samples(t, "wco-dms/flow-export-prelodged")
	if len(flow) != 5 {
		t.Fatalf("%d samples", len(flow))
	}
	end := func(reverse bool) map[string]any {
		r := newRig(t)
		order := slices.Clone(flow)
		if reverse {
			slices.Reverse(order)
		}
		var outcomes, mrns []any
		var declaration string
		for _, raw := range order {
			row := results(r.must(200, "POST", messagesPath, string(raw)))[0]
			outcomes, mrns = append(outcomes, row["outcome"]), append(mrns, row["mrn"])
			declaration = "/v1/declarations/" + row["subject"].(map[string]any)["id"].(string)
		}
		want := []any{"applied", "applied", "applied", "applied", "applied"}
		if reverse {
			// Two were issued in the same second: neither is late for the other.
			want = []any{"applied", "late", "late", "late", "late"}
		}
		if diff := cmp.Diff(want, outcomes); diff != "" {
			t.Errorf("reverse %t:\n%s", reverse, diff)
		}
		head := r.hub.Head()
		for _, raw := range order {
			if again := r.must(200, "POST", messagesPath, string(raw)); again["duplicate"] != true {
				t.Errorf("sent twice: %v", again)
			}
		}
		if r.hub.Head() != head {
			t.Errorf("sent twice they add %d events", r.hub.Head()-head)
		}
		d := r.must(200, "GET", declaration, nil)
		if d["status"] != "completed" || d["mrn"] != mrns[0] || d["customsClearedAt"] == nil || d["clearance"] != "cleared" {
			t.Errorf("reverse %t: the end is %v", reverse, d)
		}
		return d
	}
	forward, backward := end(false), end(true)
	for _, field := range []string{"status", "mrn", "lrn", "customsClearedAt", "completedAt", "clearance", "openHolds"} {
		if diff := cmp.Diff(forward[field], backward[field]); diff != "" {
			t.Errorf("%s depends on the order:\n%s", field, diff)
		}
	}
}

// TestSampleWithJunk holds that a real message with a program's log behind it is
// refused with the place, and kept.
func TestSampleWithJunk(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, raw := range samples(t, "wco-dms") {
		if !bytes.Contains(raw, []byte("\nheaders=")) {
			continue
		}
		p := r.refused(422, "unreadable_message", "POST", messagesPath, string(raw))
		before, _, _ := bytes.Cut(raw, []byte("headers="))
		if place := fmt.Sprintf("line %d, column 1", 1+bytes.Count(before, []byte("\n"))); !strings.Contains(p["detail"].(string), place) {
			t.Errorf("detail %v, want %s", p["detail"], place)
		}
		if a := r.call("GET", messagesPath+"/"+p["messageId"].(string)+"/raw", nil); !bytes.Equal(a.body, raw) {
			t.Errorf("kept is %q", a.body)
		}
		return
	}
	t.Fatal("there is no such sample")
}
