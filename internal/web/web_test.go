package web_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/store/storetest"
	"greenlane/internal/store/teststore"
	"greenlane/internal/web"
)

// answered serves one request in memory and returns the answer with its problem,
// if it is one.
func answered(t *testing.T, h http.Handler, r *http.Request) (*httptest.ResponseRecorder, web.Problem) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var p web.Problem
	if w.Header().Get("Content-Type") == "application/problem+json" {
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Fatalf("%v: %s", err, w.Body)
		}
		if p.Status != w.Code || p.Code == "" || p.Detail == "" || p.Title != http.StatusText(w.Code) || p.Type != "about:blank" {
			t.Errorf("not a whole problem: %d: %s", w.Code, w.Body)
		}
	}
	return w, p
}

func get(path string) *http.Request { return httptest.NewRequest("GET", path, nil) }

func TestHealth(t *testing.T) {
	t.Parallel()
	w, _ := answered(t, http.HandlerFunc(web.Health), get("/healthz"))
	if w.Code != 200 || w.Body.String() != "{\"status\":\"ok\"}\n" || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %v: %s", w.Code, w.Header(), w.Body)
	}
}

// TestReady holds that a hub whose storage fails says so until it is back.
func TestReady(t *testing.T) {
	t.Parallel()
	db := teststore.Open(t, t.TempDir())
	faulty := storetest.NewFaulty(db)
	h, err := hub.Open(t.Context(), faulty, hub.Options{Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { h.Run(ctx) })
	t.Cleanup(func() { stop(); wg.Wait(); db.Close() })
	ready := web.Ready(h.Away)
	write := func() error {
		_, err := h.Do(t.Context(), hub.Unit{Account: 1, Commands: []greenlane.Command{greenlane.RecordAccount{
			Number: 1, Type: greenlane.EventAccountCreated, Body: greenlane.AccountChanged{}}},
			Rows: hub.Rows{Accounts: []*greenlane.Account{{Number: 1, Domain: "example.com", CreatedAt: h.Now()}}}})
		return err
	}
	if w, _ := answered(t, ready, get("/readyz")); w.Code != 200 || w.Body.String() != "{\"status\":\"ready\"}\n" {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
	secret := errors.New("disk /dev/secret is gone")
	faulty.Fail(faulty.Appends()+1, storetest.Before, greenlane.Errorf(greenlane.Unavailable, "storage_unavailable", "the storage is away").Because(secret))
	if err := write(); greenlane.KindOf(err) != greenlane.Unavailable {
		t.Fatalf("the write that failed answers %v", err)
	}
	w, p := answered(t, ready, get("/readyz"))
	if w.Code != 503 || p.Code != "storage_unavailable" || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("%d %v: %s", w.Code, w.Header(), w.Body)
	}
	if err := write(); err != nil {
		t.Fatal(err)
	}
	if w, _ := answered(t, ready, get("/readyz")); w.Code != 200 {
		t.Errorf("the storage is back: %d: %s", w.Code, w.Body)
	}
}

// TestErrors holds how each kind of error is answered.
func TestErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err    error
		status int
		header map[string]string
	}{
		{greenlane.Errorf(greenlane.Malformed, "invalid_json", "m"), 400, nil},
		{greenlane.InvalidField("body.a", "v", "m"), 422, nil},
		{greenlane.Errorf(greenlane.Unauthenticated, "invalid_api_key", "m"), 401, map[string]string{"WWW-Authenticate": `Bearer realm="greenlane"`}},
		{greenlane.Errorf(greenlane.Forbidden, "forbidden", "m"), 403, nil},
		{greenlane.Errorf(greenlane.NotFound, "not_found", "m"), 404, nil},
		{greenlane.Errorf(greenlane.Conflict, "conflict", "m"), 409, nil},
		{greenlane.Errorf(greenlane.Gone, "gone", "m"), 410, nil},
		{greenlane.Errorf(greenlane.TooLarge, "payload_too_large", "m"), 413, nil},
		{greenlane.Errorf(greenlane.Unsupported, "unsupported_format", "m"), 415, nil},
		{greenlane.Errorf(greenlane.Unacceptable, "not_acceptable", "m"), 406, nil},
		{greenlane.Errorf(greenlane.RateLimited, "rate_limited", "m"), 429, map[string]string{"Retry-After": "1"}},
		{&greenlane.Error{Kind: greenlane.RateLimited, Code: "rate_limited", Message: "m", RetryAfter: 1500 * time.Millisecond}, 429, map[string]string{"Retry-After": "2"}},
		{greenlane.Errorf(greenlane.Unavailable, "storage_unavailable", "m"), 503, map[string]string{"Retry-After": "1"}},
		{greenlane.Errorf(greenlane.Internal, "internal", "m"), 500, nil},
		{fmt.Errorf("in a chain: %w", greenlane.Errorf(greenlane.Gone, "gone", "m")), 410, nil},
		{errors.New("password=hunter2"), 500, nil},
		{greenlane.Errorf(greenlane.Conflict, "conflict", "m").Because(errors.New("password=hunter2")), 409, nil},
	} {
		w, p := answered(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { web.WriteError(w, tt.err) }), get("/"))
		if w.Code != tt.status || web.StatusOf(tt.err) != tt.status || strings.Contains(w.Body.String(), "hunter2") {
			t.Errorf("%v: %d: %s", tt.err, w.Code, w.Body)
		}
		for _, name := range []string{"WWW-Authenticate", "Retry-After"} {
			if w.Header().Get(name) != tt.header[name] {
				t.Errorf("%v: %s is %q", tt.err, name, w.Header().Get(name))
			}
		}
		if tt.status == 422 {
			if diff := cmp.Diff([]web.ProblemField{{Location: "body.a", Message: "m", Value: "v"}}, p.Errors); diff != "" {
				t.Error(diff)
			}
		}
	}
	if p := (&web.Problem{Status: 418}); web.ProblemOf(fmt.Errorf("x: %w", p)) != p {
		t.Error("a problem is not its own")
	}
}

// keys is an authenticator with one key.
func keys(token string) (*greenlane.Key, error) {
	if token == "gl_good" {
		return &greenlane.Key{Name: "warehouse", Role: greenlane.RoleIngest, DefaultOrigin: greenlane.OriginWarehouse}, nil
	}
	if token == "gl_plain" {
		return &greenlane.Key{Name: "plain", Role: greenlane.RoleRead}, nil
	}
	return nil, greenlane.Errorf(greenlane.Unauthenticated, "invalid_api_key", "unknown")
}

func TestIdentify(t *testing.T) {
	t.Parallel()
	const authorization, client, origin = "Authorization", "X-Source-Client", "X-Source-Origin"
	for _, tt := range []struct {
		name   string
		header []string
		source greenlane.Source
		kind   greenlane.ErrorKind
		where  string
	}{
		{"the key's own", []string{authorization, "Bearer gl_good"}, greenlane.Source{Client: "warehouse", Origin: greenlane.OriginWarehouse}, "", ""},
		{"no origin", []string{authorization, "Bearer  gl_plain "}, greenlane.Source{Client: "plain", Origin: greenlane.OriginAutomation}, "", ""},
		{"another case of the scheme", []string{authorization, "bearer gl_plain"}, greenlane.Source{Client: "plain", Origin: greenlane.OriginAutomation}, "", ""},
		{"stated", []string{authorization, "Bearer gl_good", client, "erp Ü", origin, "broker"}, greenlane.Source{Client: "erp Ü", Origin: greenlane.OriginBroker}, "", ""},
		{"none", nil, greenlane.Source{}, greenlane.Unauthenticated, ""},
		{"another scheme", []string{authorization, "Basic gl_good"}, greenlane.Source{}, greenlane.Unauthenticated, ""},
		{"unknown", []string{authorization, "Bearer gl_bad"}, greenlane.Source{}, greenlane.Unauthenticated, ""},
		{"no such origin", []string{authorization, "Bearer gl_good", origin, "space"}, greenlane.Source{}, greenlane.Invalid, "header.X-Source-Origin"},
		{"long client", []string{authorization, "Bearer gl_good", client, strings.Repeat("a", 101)}, greenlane.Source{}, greenlane.Invalid, "header.X-Source-Client"},
		{"client with a tab", []string{authorization, "Bearer gl_good", client, "a\tb"}, greenlane.Source{}, greenlane.Invalid, "header.X-Source-Client"},
		{"client with C1 controls", []string{authorization, "Bearer gl_good", client, "a\u0085b"}, greenlane.Source{}, greenlane.Invalid, "header.X-Source-Client"},
		{"client that is no text", []string{authorization, "Bearer gl_good", client, "a\xffb"}, greenlane.Source{}, greenlane.Invalid, "header.X-Source-Client"},
	} {
		h := http.Header{}
		for i := 0; i < len(tt.header); i += 2 {
			h.Set(tt.header[i], tt.header[i+1])
		}
		p, err := web.Identify(h, keys)
		if tt.kind != "" {
			var e *greenlane.Error
			if !errors.As(err, &e) || e.Kind != tt.kind || tt.where != "" && (len(e.Fields) != 1 || e.Fields[0].Location != tt.where) {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		if err != nil || p.Source != tt.source {
			t.Errorf("%s: %+v, %v", tt.name, p, err)
		}
	}
}

func TestMay(t *testing.T) {
	t.Parallel()
	for i, own := range greenlane.Roles() {
		for j, needed := range greenlane.Roles() {
			err := (&web.Principal{Key: &greenlane.Key{Role: own}}).May(needed)
			if allowed := i >= j; (err == nil) != allowed || !allowed && greenlane.KindOf(err) != greenlane.Forbidden {
				t.Errorf("%s where %s is needed: %v", own, needed, err)
			}
		}
	}
}

func TestLoopbackOrKey(t *testing.T) {
	t.Parallel()
	h := web.LoopbackOrKey(http.HandlerFunc(web.Health), keys)
	for _, tt := range []struct {
		remote, header, value string
		status                int
	}{
		{"127.0.0.1:4000", "", "", 200}, {"127.9.9.9:4000", "", "", 200}, {"[::1]:4000", "", "", 200}, {"[::ffff:127.0.0.1]:4000", "", "", 200},
		{"192.0.2.1:4000", "", "", 401}, {"[2001:db8::1]:4000", "", "", 401}, {"@", "", "", 401}, {"", "", "", 401},
		{"127.0.0.1:4000", "X-Forwarded-For", "192.0.2.1", 401}, {"127.0.0.1:4000", "Forwarded", "for=192.0.2.1", 401},
		{"192.0.2.1:4000", "Authorization", "Bearer gl_plain", 200}, {"192.0.2.1:4000", "Authorization", "Bearer gl_bad", 401},
	} {
		r := get("/metrics")
		r.RemoteAddr = tt.remote
		if tt.header != "" {
			r.Header.Set(tt.header, tt.value)
		}
		if w, _ := answered(t, h, r); w.Code != tt.status {
			t.Errorf("%+v: %d: %s", tt, w.Code, w.Body)
		}
	}
}

// lines is a log that can be read.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

// records returns what was logged.
func (l *lines) records(t *testing.T) (out []map[string]any) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		var r map[string]any
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// TestPanic holds that a handler's panic is answered without its text and logged
// once, under the id of the answer.
func TestPanic(t *testing.T) {
	t.Parallel()
	var log lines
	var seen []string
	shell := &web.Shell{Log: slog.New(slog.NewJSONHandler(&log, nil)), Observe: func(pattern, method string, status int, _ time.Duration) {
		seen = append(seen, fmt.Sprint(pattern, " ", method, " ", status))
	}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("password=hunter2") })
	mux.HandleFunc("GET /fine", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, web.RequestID(r.Context())) })
	h := shell.Wrap(mux)
	w, p := answered(t, h, get("/panic"))
	if w.Code != 500 || p.Code != "internal" || strings.Contains(w.Body.String(), "hunter2") || strings.Contains(w.Body.String(), ".go") {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
	records := log.records(t)
	if len(records) != 1 || records[0]["panic"] != "password=hunter2" || !strings.Contains(records[0]["stack"].(string), "web_test.go") ||
		records[0]["request"] != w.Header().Get("X-Request-Id") || records[0]["path"] != "/panic" {
		t.Errorf("logged %v for the request %s", records, w.Header().Get("X-Request-Id"))
	}
	fine, _ := answered(t, h, get("/fine"))
	id := fine.Header().Get("X-Request-Id")
	if fine.Code != 200 || id == "" || id == w.Header().Get("X-Request-Id") || fine.Body.String() != id {
		t.Errorf("%d %q: %s", fine.Code, id, fine.Body)
	}
	if fine.Header().Get("X-Content-Type-Options") != "nosniff" || fine.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%v", fine.Header())
	}
	if diff := cmp.Diff([]string{"GET /panic GET 500", "GET /fine GET 200"}, seen); diff != "" {
		t.Error(diff)
	}
	if len(log.records(t)) != 1 {
		t.Error("what worked was logged")
	}
}

// TestPanicInMidAnswer holds that a part of an answer is not taken for the whole.
func TestPanicInMidAnswer(t *testing.T) {
	t.Parallel()
	var log lines
	mux := http.NewServeMux()
	mux.HandleFunc("/part", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"data":[`)
		http.NewResponseController(w).Flush()
		panic("out of rows")
	})
	mux.HandleFunc("/abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	server := httptest.NewUnstartedServer((&web.Shell{Log: slog.New(slog.NewJSONHandler(&log, nil))}).Wrap(mux))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	server.Start()
	t.Cleanup(server.Close)
	resp, err := server.Client().Get(server.URL + "/part")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("the part %q counts as the whole", body)
	}
	if records := log.records(t); len(records) != 1 || records[0]["panic"] != "out of rows" {
		t.Errorf("%v", records)
	}
	if resp, err := server.Client().Get(server.URL + "/abort"); err == nil {
		t.Errorf("an aborted request is answered with %s", resp.Status)
		resp.Body.Close()
	}
	if len(log.records(t)) != 1 {
		t.Error("an abort was logged")
	}
}
