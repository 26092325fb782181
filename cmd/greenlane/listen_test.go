package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/client"
	"greenlane/internal/delivery"
	"greenlane/internal/store"
	"greenlane/internal/store/sqlite"
)

// The secrets of the endpoints and of what is forwarded.
const (
	listenSecret  = "a secret for this test"
	listenEazeKey = "key of eaze"
)

// hookLog keeps the webhooks of events up to a position, by path and position.
type hookLog struct {
	mu   sync.Mutex
	got  map[string]hook
	last int64
	want int
	full chan struct{}
}

type hook struct {
	header http.Header
	body   string
}

// ServeHTTP keeps a webhook and acknowledges it.
func (l *hookLog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	l.mu.Lock()
	defer l.mu.Unlock()
	key := r.URL.Path + " " + r.Header.Get("Greenlane-Position")
	position, _ := strconv.ParseInt(r.Header.Get("Greenlane-Position"), 10, 64)
	if _, again := l.got[key]; again || position > l.last {
		return
	}
	l.got[key] = hook{r.Header, string(body)}
	if len(l.got) == l.want {
		close(l.full)
	}
}

// appendExamples makes a log with the example of every type in a data folder,
// with all that an event may carry, and returns the last position. No hub would
// let all of that happen.
func appendExamples(t *testing.T, dir string) int64 {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, databaseFile))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var events []*greenlane.Event
	for i, info := range greenlane.EventTypes() {
		at := time.Date(2026, 3, 1, 8, 0, i, 123456000, time.UTC)
		e := &greenlane.Event{
			Type: info.Type, Account: 1, Subject: greenlane.Subject{Kind: info.Subject, Number: int64(1000 + i)}, Version: 1,
			OccurredAt: at, Source: greenlane.Source{Client: "a “client” <&>\u2028", Origin: greenlane.OriginCustoms}, Body: info.Example,
		}
		if i%2 == 0 {
			e.ReceivedAt, e.Late = at.Add(time.Millisecond), true
			e.Cause = greenlane.Cause{Kind: greenlane.CauseMessage, ID: "msg_01K7XJ0000000000000000000A"}
			for _, kind := range greenlane.ReferenceKinds() {
				e.References = append(e.References, greenlane.Reference{Kind: kind, Value: fmt.Sprintf("Ł<%d>", i)})
				if kind.Plural() {
					e.References = append(e.References, greenlane.Reference{Kind: kind, Value: "another"})
				}
			}
		}
		if err := e.Encode(); err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 && e.Detail == nil {
			e.Detail = []byte(`{"big":12345678901234567890.10,"text":"\u003cb\u003e é"}`)
		}
		events = append(events, e)
	}
	w := &store.Write{Events: events, Base: -1}
	w.Seal = func(h store.Head) error {
		for i, e := range events {
			e.Position = h.Position + int64(i) + 1
			e.ID = greenlane.NewID(h.RecordedAt, e.Position, 7)
			e.RecordedAt = h.RecordedAt
			h.Hash = e.ChainHash(h.Hash)
			e.Hash = h.Hash
		}
		return nil
	}
	if err := db.Append(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	return events[len(events)-1].Position
}

// TestListenIsAnEndpoint: what the engine sends to an endpoint of each format is
// what is forwarded, byte for byte and header for header, for every type.
func TestListenIsAnEndpoint(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	startHub(t, dir).stop()
	last := appendExamples(t, dir)
	hub := startHub(t, dir)
	types := greenlane.EventTypes()
	hooks := &hookLog{got: map[string]hook{}, last: last, want: len(types) * len(delivery.Formats()), full: make(chan struct{})}
	server := httptest.NewServer(hooks)
	defer server.Close()
	var names []string
	for _, info := range types {
		names = append(names, string(info.Type))
	}
	first := last - int64(len(types))
	for _, format := range delivery.Formats() {
		hub.must(http.MethodPost, "/v1/webhooks", map[string]any{
			"url": server.URL + "/" + string(format), "events": names, "format": format, "secret": listenSecret,
			"eazeKey": listenEazeKey, "retrySchedule": []string{"0s"}, "from": strconv.FormatInt(first, 10),
		}, nil)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case <-hooks.full:
	case <-ctx.Done():
		t.Fatalf("not all of %d webhooks came\n%s", hooks.want, hub.log)
	}
	forwarders := map[delivery.Format]*forwarder{}
	for _, format := range delivery.Formats() {
		c := &listenCmd{ForwardTo: server.URL + "/" + string(format), Events: names, Format: string(format), Secret: listenSecret, EazeKey: listenEazeKey}
		f, err := c.forwarder(&stdio{})
		if err != nil {
			t.Fatal(err)
		}
		defer f.sender.Close()
		forwarders[format] = f
	}
	hubClient := &client.Client{URL: hub.url, Key: hub.key}
	err := hubClient.Stream(ctx, client.EventQuery{After: first}, func(e client.Event) error {
		for format, f := range forwarders {
			compareForwarded(t, f, e, hooks.got[fmt.Sprintf("/%s %d", format, e.Position)])
		}
		if e.Position == last {
			return errFull
		}
		return nil
	})
	if !errors.Is(err, errFull) {
		t.Error(err)
	}
}

// compareForwarded holds what is made of an event that was read against what an
// endpoint got, as if both had been sent at one moment.
func compareForwarded(t *testing.T, f *forwarder, e client.Event, sent hook) {
	t.Helper()
	event, account, exact, err := readEvent(e)
	if err != nil || !exact {
		t.Fatalf("%s is read otherwise: %v, %v", e.Type, exact, err)
	}
	seconds, err := strconv.ParseInt(sent.header.Get("Webhook-Timestamp"), 10, 64)
	if err != nil {
		t.Fatalf("%s, %s: %v", f.settings.Format, e.Type, err)
	}
	at := time.Unix(seconds, 0)
	var body struct{ SentAt time.Time }
	if json.Unmarshal([]byte(sent.body), &body) == nil && !body.SentAt.IsZero() {
		at = body.SentAt
	}
	call := f.call(event, account, 1, at)
	if diff := cmp.Diff(sent.body, string(call.Body)); diff != "" {
		t.Errorf("%s, %s (-endpoint +forwarded):\n%s", f.settings.Format, e.Type, diff)
	}
	want := sent.header.Clone()
	if want.Get("Greenlane-Subject-Version") == "" {
		t.Errorf("%s has no version to leave out", e.Type)
	}
	want.Del("Greenlane-Subject-Version")
	want.Del("Content-Length")
	if diff := cmp.Diff(want, call.Header); diff != "" {
		t.Errorf("%s, %s (-endpoint +forwarded):\n%s", f.settings.Format, e.Type, diff)
	}
}

// TestListenNotices: an event that a newer hub writes is forwarded as well as
// can be, and said so once; what is no event ends the command.
func TestListenNotices(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(&hookLog{got: map[string]hook{}})
	defer server.Close()
	var out, notes strings.Builder
	f, err := (&listenCmd{ForwardTo: server.URL}).forwarder(&stdio{out: &out, err: &notes})
	if err != nil {
		t.Fatal(err)
	}
	defer f.sender.Close()
	event := func(references string) client.Event {
		var e client.Event
		text := `{"eventId":"evt_01K7XJ0000000000000000000A","position":7,"hash":"` + strings.Repeat("ab", 32) + `","type":"declaration.created",
			"account":{"domain":"localhost","region":null},"subject":{"kind":"declaration","id":"3"},"occurredAt":"2026-03-01T08:00:00Z",
			"recordedAt":"2026-03-01T08:00:00Z","source":{"client":"x","origin":"customs"},"references":` + references + `,"data":{},"new":1}`
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatal(err)
		}
		return e
	}
	for range 2 {
		if err := f.forward(t.Context(), event(`{"lrn":"A","masterBills":["B","C"]}`)); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Count(notes.String(), "in another form") != 1 || f.forwarded != 2 || f.failed != 0 {
		t.Errorf("%q %d %d", notes.String(), f.forwarded, f.failed)
	}
	for _, references := range []string{`{"colour":"red"}`, `{"lrn":["A"]}`, `{"masterBills":"A"}`} {
		if err := f.forward(t.Context(), event(references)); err == nil || !strings.HasPrefix(err.Error(), "event 7 can't be forwarded: ") {
			t.Errorf("%s: %v", references, err)
		}
	}
	broken := event(`{}`)
	broken.Hash = "ab"
	if err := f.forward(t.Context(), broken); err == nil || !strings.Contains(err.Error(), `"ab" is no hash`) {
		t.Error(err)
	}
}

// TestListenEazeKey: with the form of eaze named, one's own secret is the key, as
// for an endpoint; a secret that is made here is not.
func TestListenEazeKey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		listenCmd
		want string
	}{
		{listenCmd{Format: "eaze", Secret: listenSecret}, listenSecret},
		{listenCmd{Format: "eaze"}, ""},
		{listenCmd{Secret: listenSecret}, ""},
		{listenCmd{Format: "eaze", Secret: listenSecret, EazeKey: listenEazeKey}, listenEazeKey},
	} {
		c.ForwardTo = "localhost:3000/hook"
		f, err := c.forwarder(&stdio{})
		if err != nil {
			t.Fatal(err)
		}
		if f.eazeKey != c.want || f.settings.URL != "http://localhost:3000/hook" {
			t.Errorf("%q, %q", f.eazeKey, f.settings.URL)
		}
		f.sender.Close()
	}
}

// TestFollowAsksForTheRest: a hub that hangs up on a slow reader is asked for
// what comes after the last event, at once and without a word.
func TestFollowAsksForTheRest(t *testing.T) {
	t.Parallel()
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after := r.URL.Query().Get("after")
		asked = append(asked, after)
		n, _ := strconv.Atoi(after)
		fmt.Fprintf(w, "id: %d\ndata: {\"position\":%d}\n\n", n+1, n+1)
	}))
	defer server.Close()
	var notes strings.Builder
	var got []int64
	err := follow(t.Context(), &client.Client{URL: server.URL}, client.EventQuery{After: 4}, &notes, func(e client.Event) error {
		if got = append(got, e.Position); len(got) == 3 {
			return errFull
		}
		return nil
	})
	server.Close() // which waits for its handler
	if !errors.Is(err, errFull) || notes.Len() > 0 {
		t.Errorf("%v %s", err, notes.String())
	}
	if diff := cmp.Diff([]int64{5, 6, 7}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"4", "5", "6"}, asked); diff != "" {
		t.Error(diff)
	}
}
