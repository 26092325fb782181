package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane/client"
)

func TestEvents(t *testing.T) {
	t.Parallel()
	r := start(t)
	for day := 1; day <= 7; day++ {
		r.record(t, "MEDU1234567", "1H", fmt.Sprintf("2025-07-%02d", day))
	}
	// All pages together are what one page shows, in order, once each.
	whole, err := r.Events(t.Context(), client.EventQuery{Limit: 500})
	if err != nil || whole.NextCursor != "" {
		t.Fatalf("%v, %v", whole, err)
	}
	var got []int64
	q := client.EventQuery{Limit: 2}
	for pages := 0; ; pages++ {
		page, err := r.Events(t.Context(), q)
		if err != nil || len(page.Data) > 2 || pages > len(whole.Data) {
			t.Fatalf("page %d: %v, %v", pages, page, err)
		}
		for _, e := range page.Data {
			got = append(got, e.Position)
		}
		if q.Cursor = page.NextCursor; q.Cursor == "" {
			break
		}
	}
	var want []int64
	for _, e := range whole.Data {
		want = append(want, e.Position)
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) < 9 || !slices.IsSorted(want) {
		t.Errorf("the pages (-want +got):\n%s", diff)
	}
	newest, err := r.Events(t.Context(), client.EventQuery{Newest: true, Limit: 1})
	if err != nil || len(newest.Data) != 1 || newest.Data[0].Position != want[len(want)-1] {
		t.Errorf("the newest is %+v, %v", newest, err)
	}
	e := whole.Data[len(whole.Data)-1]
	if e.Type != "customs.entry.status.updated" || e.Subject.Kind != "entry" || e.Account.Domain != "example.com" || *e.Account.Region != "US" ||
		e.Source.Client != "client test" || e.EventID == "" || e.OccurredAt.IsZero() || e.RecordedAt.IsZero() || !json.Valid(e.Raw) ||
		!strings.Contains(string(e.Raw), e.Hash) || !strings.Contains(string(e.Data), "MEDU1234567") {
		t.Errorf("%+v", e)
	}
	checkSelection(t, r, whole.Data)
}

// checkSelection holds that each field of a query selects.
func checkSelection(t *testing.T, r *running, all []client.Event) {
	t.Helper()
	last := all[len(all)-1]
	for name, tt := range map[string]struct {
		query client.EventQuery
		keep  func(client.Event) bool
	}{
		"types": {client.EventQuery{Types: []string{"customs.*", "shipment.created"}}, func(e client.Event) bool {
			return strings.HasPrefix(e.Type, "customs.") || e.Type == "shipment.created"
		}},
		"subject": {client.EventQuery{Subject: last.Subject.String()}, func(e client.Event) bool { return e.Subject == last.Subject }},
		"ref":     {client.EventQuery{Ref: "MEDU1234567"}, func(e client.Event) bool { return e.Subject.Kind == "shipment" }},
		"after":   {client.EventQuery{After: last.Position - 1}, func(e client.Event) bool { return e.Position >= last.Position }},
		"known":   {client.EventQuery{KnownAt: last.RecordedAt.Add(-time.Microsecond)}, func(e client.Event) bool { return e.RecordedAt.Before(last.RecordedAt) }},
	} {
		page, err := r.Events(t.Context(), tt.query)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := slices.DeleteFunc(slices.Clone(all), func(e client.Event) bool { return !tt.keep(e) })
		if diff := cmp.Diff(want, page.Data); diff != "" || len(want) == 0 {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	// Nothing is there yet, and something comes while we wait.
	done := make(chan *client.Page[client.Event], 1)
	go func() {
		page, err := r.Events(t.Context(), client.EventQuery{After: last.Position, Wait: 20 * time.Second})
		if err != nil {
			t.Error(err)
		}
		done <- page
	}()
	r.record(t, "MEDU1234567", "1C", "2025-07-20")
	if page := <-done; len(page.Data) == 0 || page.Data[0].Position <= last.Position {
		t.Errorf("%+v", page)
	}
}

// TestStream holds that a stream that broke goes on where it was, with nothing
// left out and nothing twice.
func TestStream(t *testing.T) {
	t.Parallel()
	r := start(t)
	var seen []int64
	enough := errors.New("enough")
	q := client.EventQuery{Types: []string{"customs.*"}}
	follow := func(until int, broken func()) error {
		return r.Stream(t.Context(), q, func(e client.Event) error {
			if e.Type != "customs.entry.status.updated" {
				t.Errorf("the stream brings %s", e.Type)
			}
			seen = append(seen, e.Position)
			q.After = e.Position
			if len(seen) == until {
				if broken == nil {
					return enough
				}
				broken()
			}
			return nil
		})
	}
	r.record(t, "A", "1H", "2025-07-01")
	r.record(t, "B", "1H", "2025-07-01")
	err := follow(2, func() {
		r.record(t, "C", "1H", "2025-07-01")
		r.server.CloseClientConnections()
		r.HTTP.CloseIdleConnections()
	})
	if err == nil || errors.Is(err, enough) {
		t.Fatalf("the broken stream ended with %v", err)
	}
	r.record(t, "D", "1H", "2025-07-01")
	if err := follow(4, nil); !errors.Is(err, enough) {
		t.Fatal(err)
	}
	page, err := r.Events(t.Context(), client.EventQuery{Types: q.Types})
	if err != nil {
		t.Fatal(err)
	}
	var want []int64
	for _, e := range page.Data {
		want = append(want, e.Position)
	}
	if diff := cmp.Diff(want, seen); diff != "" || len(want) != 4 {
		t.Errorf("the stream (-want +got):\n%s", diff)
	}
}

// TestStreamFromNow holds that a negative position means the log's end.
func TestStreamFromNow(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.record(t, "OLD", "1H", "2025-07-01")
	page, err := r.Events(t.Context(), client.EventQuery{Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	head := page.Data[len(page.Data)-1].Position
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	first := make(chan int64, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- r.Stream(ctx, client.EventQuery{After: -1}, func(e client.Event) error {
			select {
			case first <- e.Position:
			default:
			}
			return nil
		})
	}()
	// The stream begins at a moment of its own: something new until it tells.
	for i := 0; ; i++ {
		r.record(t, fmt.Sprint("NEW", i), "1H", "2025-07-01")
		select {
		case position := <-first:
			if position <= head {
				t.Errorf("the stream begins at %d, the log ended at %d", position, head)
			}
		default:
			continue
		}
		break
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the stream ended with %v", err)
	}
}

func TestStreamRefused(t *testing.T) {
	t.Parallel()
	r := start(t)
	err := r.Stream(t.Context(), client.EventQuery{Types: []string{"nonsense"}}, func(client.Event) error { return nil })
	if client.CodeOf(err) != "validation_error" {
		t.Errorf("%v", err)
	}
}

func TestTimeline(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.record(t, "MEDU1234567", "1H", "2025-07-02")
	got, err := r.Timeline(t.Context(), "MEDU1234567", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	known := got.Data[len(got.Data)-1].RecordedAt
	before := len(got.Data)
	r.record(t, "MEDU1234567", "1C", "2025-07-01")
	if got, err = r.Timeline(t.Context(), "MEDU1234567", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if got.Ref != "MEDU1234567" || len(got.Subjects) != 2 || got.Truncated || len(got.Data) <= before ||
		!slices.IsSortedFunc(got.Data, func(x, y client.Event) int { return x.OccurredAt.Compare(y.OccurredAt) }) {
		t.Errorf("%+v", got)
	}
	if then, err := r.Timeline(t.Context(), "MEDU1234567", known); err != nil || len(then.Data) != before {
		t.Errorf("as known at %v: %+v, %v; want %d events", known, then, err, before)
	}
	if _, err := r.Timeline(t.Context(), "NOWHERE", time.Time{}); client.CodeOf(err) != "not_found" {
		t.Errorf("%v", err)
	}
}

// response is a synthetic WCO response.
const response = `<MetaData><WCOTypeName>RES</WCOTypeName><Response><FunctionCode>01</FunctionCode>` +
	`<FunctionalReferenceID>r1</FunctionalReferenceID><IssueDateTime><DateTimeString formatCode="304">20260301120001Z</DateTimeString></IssueDateTime>` +
	`<Declaration><FunctionalReferenceID>LRN-1</FunctionalReferenceID><ID>26GBTEST0000000010</ID></Declaration></Response></MetaData>`

func TestSendMessage(t *testing.T) {
	t.Parallel()
	r := start(t)
	waiting, err := r.SendMessage(t.Context(), []byte(response), "", false)
	if err != nil || len(waiting.Results) != 1 || waiting.Results[0].Outcome != "unmatched" || waiting.Results[0].Subject != nil {
		t.Fatalf("%+v, %v", waiting, err)
	}
	got, err := r.SendMessage(t.Context(), []byte(response), "wco-dms", true)
	if err != nil {
		t.Fatal(err)
	}
	result := got.Results[0]
	if got.MessageID != waiting.MessageID || got.Format != "wco-dms" || got.Duplicate || len(got.Digest) != 64 || result.Outcome != "applied" ||
		result.Subject == nil || result.Subject.Kind != "declaration" || result.Status != "acknowledged" || result.LRN != "LRN-1" ||
		result.MRN != "26GBTEST0000000010" || result.MessageType != "DMSACC" || len(result.Events) == 0 || result.IssuedAt.IsZero() {
		t.Errorf("%+v", got)
	}
	if again, err := r.SendMessage(t.Context(), []byte(response), "", true); err != nil || !again.Duplicate || again.MessageID != got.MessageID {
		t.Errorf("%+v, %v", again, err)
	}
}

// TestSendUnreadable holds that the problem says where the message is wrong and
// under which id it is kept.
func TestSendUnreadable(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, tt := range []struct {
		raw, format, code string
		status            int
	}{
		{"<MetaData>\n<Response>", "", "unreadable_message", 422},
		{"<MetaData>\n<Response>", "wco-dms", "unreadable_message", 422},
		{response, "nonsense", "unsupported_format", 415},
	} {
		_, err := r.SendMessage(t.Context(), []byte(tt.raw), tt.format, true)
		var e *client.Error
		if !errors.As(err, &e) || e.Code != tt.code || e.Status != tt.status || !strings.HasPrefix(e.MessageID, "msg_") || e.Detail == "" ||
			client.CodeOf(fmt.Errorf("in a chain: %w", err)) != tt.code {
			t.Errorf("%q as %q: %+v", tt.raw, tt.format, err)
			continue
		}
		var kept struct{ State, Problem string }
		if err := r.Call(t.Context(), "GET", "/v1/customs/messages/"+e.MessageID, nil, nil, &kept); err != nil || kept.State != "unreadable" || kept.Problem == "" {
			t.Errorf("kept as %+v, %v", kept, err)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	r := start(t)
	var e *client.Error
	err := r.Call(t.Context(), "POST", "/v1/shipments", nil, map[string]any{"shipmentNo": "", "shipmentType": "X"}, nil)
	if !errors.As(err, &e) || e.Status != 422 || e.Code != "validation_error" || len(e.Errors) != 2 || !strings.Contains(err.Error(), "\n  body.shipmentNo: ") {
		t.Errorf("%v", err)
	}
	stranger := client.Client{URL: r.URL, Key: "gl_nothing"}
	if err := stranger.Call(t.Context(), "GET", "/v1/events", nil, nil, nil); client.CodeOf(err) != "invalid_api_key" {
		t.Errorf("%v", err)
	}
	if client.CodeOf(io.EOF) != "" {
		t.Error("what is no problem has a code")
	}
	// In front of a hub may stand something else.
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		http.Error(w, "<html>busy</html>", http.StatusServiceUnavailable)
	}))
	t.Cleanup(proxy.Close)
	behind := client.Client{URL: proxy.URL, HTTP: proxy.Client()}
	err = behind.Call(t.Context(), "GET", "/v1/events", nil, nil, nil)
	if !errors.As(err, &e) || e.Status != 503 || e.RetryAfter != 7*time.Second || err.Error() != "the hub answered 503 Service Unavailable" {
		t.Errorf("%v", err)
	}
}

// onTheWay notes what requests ask for and what they are answered.
type onTheWay struct {
	http.RoundTripper
	asked, told []string
}

func (o *onTheWay) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := o.RoundTripper.RoundTrip(r)
	if err == nil {
		o.asked = append(o.asked, r.URL.Query().Get("min_position"))
		o.told = append(o.told, resp.Header.Get("Greenlane-Position"))
	}
	return resp, err
}

// TestReadsWhatItWrote: reads ask for the latest write, whatever else they ask
// for; writes ask for nothing.
func TestReadsWhatItWrote(t *testing.T) {
	t.Parallel()
	r := start(t)
	way := &onTheWay{RoundTripper: r.server.Client().Transport}
	c := &client.Client{URL: r.URL, Key: r.Key, HTTP: &http.Client{Transport: way}}
	read := func() {
		t.Helper()
		if page, err := c.Events(t.Context(), client.EventQuery{Limit: 1}); err != nil || len(page.Data) != 1 {
			t.Errorf("%v, %v", page, err)
		}
	}
	write := func(number string, want bool) {
		t.Helper()
		body := map[string]any{"shipmentNo": number, "shipmentType": "IMPORT"}
		if err := c.Call(t.Context(), http.MethodPost, "/v1/shipments", nil, body, nil); (err == nil) != want {
			t.Errorf("%q: %v", number, err)
		}
	}
	read()
	write("FIRST", true)
	write("SECOND", true)
	read()
	write("", false)
	if err := c.Call(t.Context(), http.MethodGet, "/v1/events?limit=1", nil, nil, nil); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"", "", "", way.told[2], "", way.told[2]}, way.asked); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]bool{false, true, true, false, false, false}, told(way.told)); diff != "" || way.told[1] == way.told[2] {
		t.Errorf("told %v", way.told)
	}
}

// TestEndLost: a client whose latest write the hub has lost is told so once, and then
// reads what is there.
func TestEndLost(t *testing.T) {
	t.Parallel()
	r, ahead := start(t), httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Greenlane-Position", "1000")
	}))
	t.Cleanup(ahead.Close)
	c := &client.Client{URL: ahead.URL, Key: r.Key, HTTP: r.server.Client()}
	if err := c.Call(t.Context(), http.MethodPost, "/v1/shipments", nil, map[string]any{}, nil); err != nil {
		t.Fatal(err)
	}
	c.URL = r.URL
	if _, err := c.Events(t.Context(), client.EventQuery{Limit: 1}); client.CodeOf(err) != "beyond_log" {
		t.Errorf("the write is lost: %v", err)
	}
	if page, err := c.Events(t.Context(), client.EventQuery{Limit: 1}); err != nil || len(page.Data) != 1 {
		t.Errorf("afterwards: %v, %v", page, err)
	}
}

func told(positions []string) (out []bool) {
	for _, p := range positions {
		out = append(out, p != "")
	}
	return out
}
