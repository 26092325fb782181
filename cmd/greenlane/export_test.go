package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// exportHub answers as a hub whose execution of one export ends in some way.
// Real hubs reach these ends only with a mail server that fails.
type exportHub struct {
	// events are what the log tells of the execution, in JSON; outcome is the
	// export afterwards.
	events, outcome string
	// refusal is the problem that the request to execute is answered with.
	refusal string
	asked   atomic.Bool
}

const plannedExport = `{"exportId": "exp_1", "batchId": "bat_1", "state": "planned", "notifications": [],
  "plan": {"planHash": "aa", "readinessState": "ready_for_execution", "included_order_ids": ["ord_1"]}}`

// ServeHTTP answers one request.
func (h *exportHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.URL.Path == "/v1/exports/execute" && h.refusal != "":
		w.WriteHeader(http.StatusConflict)
		fmt.Fprint(w, h.refusal)
	case r.URL.Path == "/v1/exports/execute":
		h.asked.Store(true)
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, "{}")
	case r.URL.Path == "/v1/events":
		fmt.Fprintf(w, `{"data": [%s], "nextCursor": null}`, h.events)
	case r.URL.Path == "/v1/exports/exp_1/events":
		fmt.Fprint(w, `{"data": [], "nextCursor": null}`)
	case r.URL.Path == "/v1/customs-packages/cp_1/artifacts/manifest.json":
		fmt.Fprint(w, "{}")
	case h.asked.Load():
		fmt.Fprint(w, h.outcome)
	default:
		fmt.Fprint(w, plannedExport)
	}
}

// command runs a command against the hub.
func (h *exportHub) command(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	var o, e bytes.Buffer
	code = run(t.Context(), append(args, "--url", server.URL, "--key", "gl_test"), stdio{strings.NewReader(""), &o, &e})
	return code, o.String(), strings.ReplaceAll(e.String(), server.URL, "HUB")
}

// step is an event of an execution.
func step(position int, eventType, data string) string {
	return fmt.Sprintf(`{"position": %d, "type": %q, "occurredAt": "2026-03-01T10:00:0%dZ", "data": %s}`, position, eventType, position, data)
}

var (
	attempted = step(1, "notification.attempted", `{"role": "broker", "channel": "email", "recipient": "e@example.com", "attempt": 2, "possiblyRepeated": true}`)
	refused   = step(2, "notification.failed", `{"role": "broker", "error": "mailbox full\u001b[2J"}`)
	deferred  = step(2, "notification.failed", `{"role": "broker", "error": "mailbox full", "retryAt": "2026-03-01T10:01:00Z"}`)
	gaveUp    = step(3, "export.failed", `{"step": "broker", "error": "mailbox full"}`)
)

// TestExecutionFails holds that a failure is told with its reason and what to do,
// and shows in the exit code.
func TestExecutionFails(t *testing.T) {
	t.Parallel()
	h := &exportHub{
		events: attempted + "," + refused + "," + gaveUp,
		outcome: `{"exportId": "exp_1", "batchId": "bat_1", "state": "failed", "plan": {}, "notifications": [],
			"failure": {"step": "broker", "error": "mailbox full", "at": "2026-03-01T10:00:03Z"}}`,
	}
	code, out, errs := h.command(t, "export", "execute", "bat_1")
	want := `10:00:01.000Z  broker     attempt 2, e-mail to e@example.com, possibly once more
10:00:02.000Z  broker     attempt failed: mailbox full\x1b[2J
10:00:03.000Z  failed     at step broker: mailbox full

It failed. To let it go on once the reason is mended:

  greenlane export retry exp_1 --url`
	if code != exitFail || !strings.HasPrefix(out, want) {
		t.Errorf("exit code %d\n%s", code, out)
	}
	if errs != "greenlane: export exp_1 failed, the broker could not be told: mailbox full\n" {
		t.Errorf("%s", errs)
	}
	if code, out, errs := h.command(t, "export", "execute", "bat_1", "--json"); code != exitFail || !strings.HasPrefix(out, "{\n") || errs == "" {
		t.Errorf("as JSON: exit code %d\n%s%s", code, out, errs)
	}
	// Asked for again, the hub refuses: it goes on by a retry.
	h.refusal = `{"status": 409, "code": "illegal_transition", "detail": "export exp_1 is failed"}`
	code, _, errs = h.command(t, "export", "execute", "bat_1")
	if code != exitFail || !strings.Contains(errs, "mailbox full.\nIt goes on with \"greenlane export retry exp_1\"") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

// TestExecutionGoesOn holds that one that is not over when the wait is, is no
// failure, and that its trouble is told.
func TestExecutionGoesOn(t *testing.T) {
	t.Parallel()
	h := &exportHub{
		events: attempted + "," + deferred,
		outcome: `{"exportId": "exp_1", "batchId": "bat_1", "state": "executing", "plan": {"readinessState": "needs_review"},
			"updatedAt": "2026-03-01T10:00:02Z", "override": {"reason": "by phone"},
			"brokerSubmission": {"id": "sub_1", "subject": "Customs package CP-1"}, "notifications": [
			{"id": "sub_1", "role": "broker", "channel": "email", "recipient": "e@example.com", "status": "retrying", "error": "mailbox full",
			 "nextAttemptAt": "2026-03-01T10:01:00Z", "attempts": [
			{"number": 1, "at": "2026-03-01T10:00:00Z", "endedAt": null, "error": null},
			{"number": 2, "at": "2026-03-01T10:00:01Z", "endedAt": "2026-03-01T10:00:02Z", "error": "timeout", "uncertain": true}]}]}`,
	}
	code, out, errs := h.command(t, "export", "execute", "bat_1", "--wait", "0")
	for _, want := range []string{
		"attempt failed: mailbox full; the next follows at 2026-03-01 10:01:00Z",
		"The hub goes on with it by itself; the broker could not be told: mailbox full.",
		"\n  greenlane export show exp_1 --url",
	} {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), strings.Join(strings.Fields(want), " ")) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if code != exitOK || errs != "" {
		t.Errorf("exit code %d: %s", code, errs)
	}
	_, out, _ = h.command(t, "export", "show", "exp_1")
	for _, want := range []string{
		"state      executing since 2026-03-01 10:00:02Z\noverride   by phone\n",
		"\nBroker retrying at 2026-03-01 10:01:00Z: e-mail to e@example.com\n  subject Customs package CP-1\n  id sub_1\n",
		"\n  attempt 1  2026-03-01 10:00:00Z  under way, or its end was never learned\n",
		"\n  attempt 2  2026-03-01 10:00:01Z  failed, but may have arrived: timeout\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}

// TestSaveChecksDigest holds that a document that is not what the export recorded
// becomes no file.
func TestSaveChecksDigest(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "docs")
	h := &exportHub{outcome: `{"exportId": "exp_1", "state": "executed", "plan": {}, "customsPackage": {"id": "cp_1", "artifacts": [
		{"artifact_type": "manifest", "filename": "manifest.json", "size": 2, "sha256": "00"}]}}`}
	h.asked.Store(true)
	code, _, errs := h.command(t, "export", "show", "exp_1", "--save", dir)
	if code != exitFail || !strings.Contains(errs, "manifest.json is not what the export recorded") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v are left, %v", left, err)
	}
}

// TestSaveFile holds that a name can't lead out of the folder, and a link not
// astray.
func TestSaveFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"", ".", "..", "../a", "/etc/a", "a/b", `a\b`, ".profile", "a\x00b"} {
		if _, err := saveFile(dir, name, []byte("x"), true); err == nil {
			t.Errorf("%q was written", name)
		}
	}
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := saveFile(dir, "link", []byte("x"), false); err == nil {
		t.Error("what a link leads to was replaced without being asked for")
	}
	if became, err := saveFile(dir, "link", []byte("x"), true); err != nil || became != "replaced" {
		t.Errorf("%s, %v", became, err)
	}
	if b, err := os.ReadFile(outside); err != nil || string(b) != "mine" {
		t.Errorf("outside the folder there is %q now, %v", b, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("%v are left, %v", left, err)
	}
}

// TestLongPlan holds that a large plan stays short to read and says what it
// leaves out.
func TestLongPlan(t *testing.T) {
	t.Parallel()
	p := plan{Readiness: "blocked", Exclusions: map[string]any{}}
	for i := range 500 {
		id := fmt.Sprintf("ord_%d", i)
		p.Messages = append(p.Messages, planMessage{Code: "value_missing", Severity: "error", OrderID: id, Message: "no value"})
		p.Units = append(p.Units, exportUnit{UnitID: fmt.Sprintf("unit-%d", i), OrderIDs: []string{id}, EntryType: "86"})
		p.Excluded = append(p.Excluded, id)
		p.Exclusions[id] = "lost"
	}
	p.Units[0].OrderIDs = p.Excluded
	var b strings.Builder
	if err := p.print(&b, orderNames{"ord_0": "SHOP-0"}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "\n"); n > 200 || strings.Count(b.String(), "  … and 480 more; --json has all\n") != 3 ||
		!strings.Contains(b.String(), "  SHOP-0 lost\n") || !strings.Contains(b.String(), "kg net, entry type 86\n") {
		t.Errorf("%d lines:\n%s", n, b.String())
	}
}

func TestHint(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	hint(&b, "export execute", "bat_1", option("--override", "it's fine"), option("--plan-hash", strings.Repeat("a", 64)))
	hint(&b, "export show", "exp_1")
	want := `  greenlane export execute bat_1 --override 'it'\''s fine' \
    --plan-hash ` + strings.Repeat("a", 64) + `
  greenlane export show exp_1
`
	if b.String() != want {
		t.Errorf("%s", b.String())
	}
}

func TestWrapped(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ begin, text, want string }{
		{"- ", "short", "- short\n"},
		{"- ", "", "-\n"},
		{"12345 ", strings.Repeat("word ", 20), "12345 " + strings.TrimSpace(strings.Repeat("word ", 15)) + "\n      word word word word word\n"},
		{strings.Repeat("x", 40) + ": ", strings.Repeat("word ", 9), strings.Repeat("x", 40) + ": word word word word word word word\n    word word\n"},
	} {
		var b strings.Builder
		if wrapped(&b, test.begin, test.text); b.String() != test.want {
			t.Errorf("%q %q:\n%s", test.begin, test.text, b.String())
		}
	}
}
