package api_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/hub"
	"greenlane/internal/store"
	"greenlane/internal/store/sqlite"
	"greenlane/internal/web"
	"greenlane/internal/web/api"
)

// rig is the API over a hub of its own, behind a real HTTP server.
type rig struct {
	t      testing.TB
	hub    *hub.Hub
	engine *delivery.Engine
	store  store.Store
	url    string
	// key is the hub role's token of account 1.
	key string
}

// newRig starts a rig. allowed are the addresses endpoints may have; the
// machine's own when none is given.
func newRig(t testing.TB, allowed ...string) *rig {
	t.Helper()
	if len(allowed) == 0 {
		allowed = []string{"127.0.0.0/8"}
	}
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "greenlane.db"))
	if err != nil {
		t.Fatal(err)
	}
	h, err := hub.Open(t.Context(), s, hub.Options{Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	guard, err := delivery.NewGuard(allowed)
	if err != nil {
		t.Fatal(err)
	}
	sender := delivery.NewSender(guard, greenlane.SystemClock, "test")
	engine := delivery.New(h, delivery.Options{Sender: sender, Chance: func() float64 { return 0.5 }})
	log := slog.New(slog.NewTextHandler(testLog{t}, nil))
	a := api.New(api.Options{
		Hub: h, Engine: engine, Guard: guard, Clock: greenlane.SystemClock, Random: rand.Reader, Log: log, Version: "test",
	})
	shell := &web.Shell{Log: log}
	server := httptest.NewUnstartedServer(shell.Wrap(a))
	server.Start()
	hubCtx, stopHub := context.WithCancel(context.Background())
	engineCtx, stopEngine := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	engineDone := make(chan struct{})
	wg.Go(func() { h.Run(hubCtx) })
	wg.Go(func() { engine.Run(engineCtx); close(engineDone) })
	t.Cleanup(func() {
		a.Close()
		server.Close()
		stopEngine()
		<-engineDone
		stopHub()
		wg.Wait()
		sender.Close()
		s.Close()
	})
	r := &rig{t: t, hub: h, engine: engine, store: s, url: server.URL}
	r.key = r.account(1, "example.com", "US", greenlane.RoleHub)
	return r
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

// call makes a request with the rig's key. A string body is sent as it is,
// anything else as JSON; header pairs follow.
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
	return answer{resp.StatusCode, resp.Header, out}
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
	r.refused(400, "invalid_json", "POST", path, `{"shipment":`)
	r.refused(400, "invalid_json", "POST", path, `{"shipment":{},"shipment":{}}`)
	p := r.refused(422, "validation_error", "POST", path, `{"shipment":{"number":"A"},"activities":[{"date":"2025-01-01","code":"1H","kode":1}]}`)
	if loc := p["errors"].([]any)[0].(map[string]any)["location"]; loc != "body.activities[0].kode" {
		t.Errorf("location %v", loc)
	}
	r.refused(422, "validation_error", "POST", path, `{"shipment":{"number":"A"},"activities":[{"date":17,"code":"1H"}]}`)
	r.refused(422, "validation_error", "POST", path, `{"shipment":{"number":"A"},"activities":[]}`)
	r.refused(422, "validation_error", "POST", path, `{"shipment":{},"activities":[{"date":"2025-01-01","code":"1H"}]}`)
	r.refused(413, "payload_too_large", "POST", path, `{"shipment":{"number":"`+strings.Repeat("A", 2<<20)+`"}}`)
	r.refused(403, "account_scope", "POST", path, `{"accountId":"acc_77","shipment":{"number":"A"},"activities":[{"date":"2025-01-01","code":"1H"}]}`)
	r.refused(401, "invalid_api_key", "POST", path, `{}`, "Authorization", "Bearer gl_nothing")
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
