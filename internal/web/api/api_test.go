package api_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/store"
	"greenlane/internal/store/teststore"
)

// rig is the API over a hub of its own, behind a real HTTP server.
type rig struct {
	*served
	t   testing.TB
	url string
	// key is the hub role's token of account 1.
	key string
}

// newRig starts a rig. allowed are the addresses endpoints may have; the
// machine's own when none is given.
func newRig(t testing.TB, allowed ...string) *rig {
	t.Helper()
	return newRigAt(t, greenlane.SystemClock, allowed...)
}

// newRigAt is [newRig] by another clock.
func newRigAt(t testing.TB, clock greenlane.Clock, allowed ...string) *rig {
	t.Helper()
	if len(allowed) == 0 {
		allowed = []string{"127.0.0.0/8"}
	}
	dir := t.TempDir()
	r := newNode(t, teststore.Open(t, dir), dir, clock, allowed)
	r.key = r.account(1, "example.com", "US", greenlane.RoleHub)
	return r
}

// newNode starts a rig on a store, without a key.
func newNode(t testing.TB, on store.Store, dir string, clock greenlane.Clock, allowed []string) *rig {
	t.Helper()
	s, err := serveAt(t.Context(), on, dir, slog.New(slog.NewTextHandler(testLog{t}, nil)), allowed, clock)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		// Streams end first: the server waits for its requests.
		s.api.Close()
		server.Close()
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return &rig{served: s, t: t, url: server.URL}
}

type testLog struct{ t testing.TB }

func (l testLog) Write(b []byte) (int, error) { l.t.Logf("%s", b); return len(b), nil }

// account makes an account with one key and returns its token.
func (r *rig) account(number int64, domain, region string, role greenlane.Role) string {
	r.t.Helper()
	if _, err := r.store.Reserve(r.t.Context(), store.SubjectNumbers, 1); err != nil {
		r.t.Fatal(err)
	}
	token, err := greenlane.NewToken(rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	key := &greenlane.Key{ID: greenlane.NewID(r.hub.Now(), number, 1), Account: number, Name: "test", Role: role, Digest: greenlane.TokenDigest(token), CreatedAt: r.hub.Now()}
	_, err = r.hub.Do(r.t.Context(), hub.Unit{Account: number,
		Commands: []greenlane.Command{greenlane.RecordAccount{Number: number, Type: greenlane.EventAccountCreated, Body: greenlane.AccountChanged{}}},
		Rows:     hub.Rows{Accounts: []*greenlane.Account{{Number: number, Domain: domain, Region: region, Gateway: greenlane.GatewayOutbox, CreatedAt: r.hub.Now()}}, Keys: []*greenlane.Key{key}}})
	if err != nil {
		r.t.Fatal(err)
	}
	return token
}

// answer is a response that was read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// call makes a request with the rig's key, and holds that the answer is as the
// OpenAPI document says. A string body is sent as it is, anything else as JSON;
// header pairs follow.
func (r *rig) call(method, path string, body any, header ...string) answer {
	r.t.Helper()
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			r.t.Fatal(err)
		}
		in = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, in)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.key)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	a := answer{resp.StatusCode, resp.Header, out}
	d := r.described()
	if o := d.find(method, path); o != nil {
		if err := d.documented(o, a); err != nil {
			r.t.Errorf("%s answers other than documented: %v: %.2000s", o, err, out)
		}
	}
	return a
}

// must makes a request that has to succeed and decodes its answer.
func (r *rig) must(status int, method, path string, body any, header ...string) map[string]any {
	r.t.Helper()
	a := r.call(method, path, body, header...)
	if a.status != status {
		r.t.Fatalf("%s %s: status %d, want %d: %s", method, path, a.status, status, a.body)
	}
	return a.json(r.t)
}

func (a answer) json(t testing.TB) map[string]any {
	t.Helper()
	out := map[string]any{}
	if len(a.body) == 0 {
		return out
	}
	if err := json.Unmarshal(a.body, &out); err != nil {
		t.Fatalf("answer is not JSON: %v: %s", err, a.body)
	}
	return out
}

// refused makes a request that has to fail with a status and code, and returns
// the problem.
func (r *rig) refused(status int, code, method, path string, body any, header ...string) map[string]any {
	r.t.Helper()
	a := r.call(method, path, body, header...)
	p := a.json(r.t)
	if a.status != status || p["code"] != code {
		r.t.Errorf("%s %s: status %d, code %v; want %d, %s: %s", method, path, a.status, p["code"], status, code, a.body)
	}
	if ct := a.header.Get("Content-Type"); ct != "application/problem+json" {
		r.t.Errorf("%s %s: an error has the content type %s", method, path, ct)
	}
	return p
}

func hold(code string, day int) map[string]any {
	return map[string]any{
		"shipment":   map[string]any{"number": "MEDU1234567", "masterBillNumber": "MEDU1234567", "bookingNumber": "BK12345", "referenceNumbers": []string{"PO-12345"}},
		"activities": []any{map[string]any{"date": july(day), "code": code, "message": "text of " + code}},
	}
}

func july(day int) string {
	return time.Date(2025, 7, day, 0, 0, 0, 0, time.UTC).Format(time.RFC3339)
}

func TestActivitiesAndClearance(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var clearances []any
	for i, code := range []string{"1H", "1C", "1I"} {
		clearances = append(clearances, r.must(200, "POST", "/v1/entries/activities", hold(code, i+1))["clearance"])
	}
	if diff := cmp.Diff([]any{"held", "held", "cleared"}, clearances); diff != "" {
		t.Error(diff)
	}
	changes := r.must(200, "GET", "/v1/events?type=clearance.status_changed", nil)["data"].([]any)
	if len(changes) != 2 {
		t.Errorf("%d clearance changes, want 2", len(changes))
	}
	list := r.must(200, "GET", "/v1/entries?clearance=cleared", nil)["data"].([]any)
	if len(list) != 1 {
		t.Errorf("%d cleared entries, want 1", len(list))
	}
	timeline := r.must(200, "GET", "/v1/timeline?ref=PO-12345", nil)
	if n := len(timeline["data"].([]any)); n < 5 {
		t.Errorf("the timeline has %d events", n)
	}
}

func TestBadActivities(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const path = "/v1/entries/activities"
	with := func(activity string) string { return `{"shipment":{"number":"A"},"activities":[{` + activity + `}]}` }
	long := strings.Repeat("A", 101)
	bad := []refusal{
		{"unknown field", with(`"date":"2025-01-01","code":"1H","kode":1`), "body.activities[0].kode"},
		{"date", with(`"date":17,"code":"1H"`), "body.activities[0].date"},
		{"no date", with(`"code":"1H"`), "body.activities[0].date"},
		{"no code", with(`"date":"2025-01-01"`), "body.activities[0].code"},
		{"none", `{"shipment":{"number":"A"},"activities":[]}`, "body.activities"},
		{"no shipment", `{"shipment":{},"activities":[{"date":"2025-01-01","code":"1H"}]}`, "body.shipment"},
		{"NUL in the code", with(`"date":"2025-01-01","code":"1H\u0000"`), "body.activities[0].code"},
		{"NUL in the message", with(`"date":"2025-01-01","code":"1H","message":"\u0000"`), "body.activities[0].message"},
		{"NUL in the quantity", with(`"date":"2025-01-01","code":"1H","quantity":"1\u0000"`), "body.activities[0].quantity"},
		{"NUL in the origin", with(`"date":"2025-01-01","code":"1H","releaseOrigin":"\u0000"`), "body.activities[0].releaseOrigin"},
		{"NUL in the number", `{"shipment":{"number":"A\u0000"},"activities":[{"date":"2025-01-01","code":"1H"}]}`, "body.shipment.number"},
		{"NUL in a reference", `{"shipment":{"number":"A","referenceNumbers":["\u0000"]},"activities":[{"date":"2025-01-01","code":"1H"}]}`, "body.shipment.referenceNumbers[0]"},
		{"long code", with(`"date":"2025-01-01","code":"` + long[:21] + `"`), "body.activities[0].code"},
		{"long origin", with(`"date":"2025-01-01","code":"1H","releaseOrigin":"` + long + `"`), "body.activities[0].releaseOrigin"},
		{"long quantity", with(`"date":"2025-01-01","code":"1H","quantity":` + strings.Repeat("1", 21)), "body.activities[0].quantity"},
	}
	checkRefusals(t, r, "POST", path, bad)
	// In a bulk request each item answers for itself.
	for _, tt := range bad {
		a := r.must(200, "POST", path+"/bulk", `{"items":[`+tt.body+`]}`)["results"]
		result, ok := a.([]any)[0].(map[string]any)
		location := strings.Replace(tt.location, "body", "body.items[0]", 1)
		if fields, _ := result["error"].(map[string]any)["errors"].([]any); !ok || result["status"] != 422.0 || fields[0].(map[string]any)["location"] != location {
			t.Errorf("%s: %v, want %s", tt.name, result, location)
		}
	}
	r.refused(404, "not_found", "GET", "/v1/nothing", nil)
	r.refused(406, "not_acceptable", "GET", "/v1/event-types", nil, "Accept", "text/csv")
	if n := len(r.must(200, "GET", "/v1/events?type=customs.*", nil)["data"].([]any)); n != 0 {
		t.Errorf("refused requests left %d events", n)
	}
}

func TestIdempotency(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const path = "/v1/entries/activities"
	first := r.call("POST", path, hold("1H", 1), "Idempotency-Key", "k1")
	second := r.call("POST", path, hold("1H", 1), "Idempotency-Key", "k1")
	if first.status != 200 || second.status != 200 || second.header.Get("Idempotent-Replayed") != "true" || first.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("statuses %d, %d; replayed %q, %q", first.status, second.status, first.header.Get("Idempotent-Replayed"), second.header.Get("Idempotent-Replayed"))
	}
	if diff := cmp.Diff(first.json(t), second.json(t)); diff != "" {
		t.Errorf("the replay differs:\n%s", diff)
	}
	r.refused(409, "idempotency_mismatch", "POST", path, hold("1C", 1), "Idempotency-Key", "k1")
}

func TestCSV(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.must(200, "POST", "/v1/entries/activities", hold("1H", 1))
	a := r.call("GET", "/v1/entries", nil, "Accept", "text/csv")
	if a.status != 200 || a.header.Get("Content-Type") != "text/csv" || !strings.HasPrefix(string(a.body), "entryId,entryNumber,") {
		t.Errorf("status %d, %s: %s", a.status, a.header.Get("Content-Type"), a.body)
	}
	if lines := strings.Count(string(a.body), "\n"); lines != 2 {
		t.Errorf("%d lines: %s", lines, a.body)
	}
}

func TestEventStream(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	req, err := http.NewRequestWithContext(t.Context(), "GET", r.url+"/v1/events/stream?type=customs.*&after=0", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	r.must(200, "POST", "/v1/entries/activities", hold("1H", 1))
	buf := make([]byte, 4096)
	var got string
	for !strings.Contains(got, "\ndata: {") {
		n, err := resp.Body.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q", err, got)
		}
		got += string(buf[:n])
	}
	if !strings.Contains(got, "event: customs.entry.status.updated\n") || !strings.Contains(got, "id: ") {
		t.Errorf("got %q", got)
	}
}

// TestBeyondLog: who has read further than the log goes is told, and does not wait
// for other events at the positions between.
func TestBeyondLog(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.must(200, "POST", "/v1/entries/activities", hold("1H", 1))
	head := r.hub.Head()
	r.must(200, "GET", fmt.Sprintf("/v1/events?after=%d", head), nil)
	for _, path := range []string{"/v1/events?after=%d", "/v1/events?after=%d&wait=20", "/v1/events/stream?after=%d"} {
		r.refused(409, "beyond_log", "GET", fmt.Sprintf(path, head+1), nil)
	}
	r.refused(409, "beyond_log", "GET", "/v1/events/stream", nil, "Last-Event-ID", fmt.Sprint(head+1))
}

func TestLongPoll(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	done := make(chan map[string]any, 1)
	go func() {
		done <- r.must(200, "GET", "/v1/events?type=customs.*&after=0&wait=20", nil)
	}()
	r.must(200, "POST", "/v1/entries/activities", hold("1H", 1))
	if n := len((<-done)["data"].([]any)); n != 1 {
		t.Errorf("%d events", n)
	}
}
