package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"greenlane"
	"greenlane/internal/delivery"
)

// otlpReceiver is a collector: it takes OTLP over HTTP.
type otlpReceiver struct {
	*httptest.Server
	mu  sync.Mutex
	got []*spans.ResourceSpans
}

func newOTLP(t *testing.T) *otlpReceiver {
	t.Helper()
	o := &otlpReceiver{}
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var in collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &in)
		}
		if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("%s %s: %v", r.URL.Path, r.Header.Get("Content-Type"), err)
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		o.got = append(o.got, in.ResourceSpans...)
	}))
	t.Cleanup(o.Close)
	return o
}

// exportedSpan is a span as a test reads it: its attributes as text, with those of its
// resource.
type exportedSpan struct {
	*spans.Span
	attributes map[string]string
}

func (o *otlpReceiver) spans() []exportedSpan {
	o.mu.Lock()
	defer o.mu.Unlock()
	var list []exportedSpan
	for _, r := range o.got {
		for _, s := range r.ScopeSpans {
			for _, span := range s.Spans {
				e := exportedSpan{span, map[string]string{"scope": s.Scope.Name}}
				for _, kv := range append(span.Attributes, r.Resource.Attributes...) {
					_, value, _ := strings.Cut(kv.Value.String(), ":")
					e.attributes[kv.Key] = strings.Trim(value, `"`)
				}
				list = append(list, e)
			}
		}
	}
	return list
}

// TestSpans holds that a hub with a collector exports a span for each attempt when
// it stops, that the receiver can go on with it, and that it tells no secrets.
func TestSpans(t *testing.T) {
	t.Parallel()
	o := newOTLP(t)
	arrived := make(chan http.Header, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Greenlane-Attempt") == "1" {
			w.WriteHeader(503)
		}
		arrived <- r.Header
	}))
	t.Cleanup(receiver.Close)
	p := startHub(t, t.TempDir(), "--log-level", "error", "--otlp-endpoint", o.URL)
	p.must("POST", "/v1/webhooks", map[string]any{"url": receiver.URL + "/hooks/a-secret?key=b-secret", "headers": map[string]string{"Authorization": "c-secret"},
		"events": []string{"shipment.created"}, "retrySchedule": []string{"1ms"}}, nil)
	p.must("POST", "/v1/shipments", map[string]any{"shipmentNo": "S-1", "shipmentType": "IMPORT"}, nil)
	headers := []http.Header{<-arrived, <-arrived}
	p.stop()
	list := o.spans()
	if len(list) != 2 {
		t.Fatalf("%d spans: %v", len(list), list)
	}
	host, port, _ := strings.Cut(strings.TrimPrefix(receiver.URL, "http://"), ":")
	for i, s := range list {
		if got, want := headers[i].Get("traceparent"), fmt.Sprintf("00-%s-%s-01", hex.EncodeToString(s.TraceId), hex.EncodeToString(s.SpanId)); got != want {
			t.Errorf("traceparent %s, want %s", got, want)
		}
		want := map[string]string{"http.request.method": "POST", "server.address": host, "server.port": port, "url.scheme": "http",
			"network.peer.address": host, "network.peer.port": port, "network.protocol.version": "1.1", "service.name": "greenlane",
			"cloudevents.event_type": "shipment.created", "cloudevents.event_id": headers[i].Get("webhook-id"), "greenlane.attempt": fmt.Sprint(i + 1),
			"greenlane.position": headers[i].Get("Greenlane-Position")}
		if i == 0 {
			want["http.response.status_code"], want["error.type"], want["greenlane.outcome"] = "503", "503", "server_error"
		} else {
			want["http.response.status_code"], want["http.request.resend_count"], want["greenlane.outcome"] = "200", "1", "acknowledged"
		}
		for name, value := range want {
			if s.attributes[name] != value {
				t.Errorf("span %d: %s is %q, want %q", i, name, s.attributes[name], value)
			}
		}
		if s.Name != "POST" || s.Kind != spans.Span_SPAN_KIND_CLIENT || s.EndTimeUnixNano <= s.StartTimeUnixNano ||
			(s.Status.GetCode() == spans.Status_STATUS_CODE_ERROR) != (i == 0) {
			t.Errorf("span %d: %v", i, s.Span)
		}
		if text := s.String(); strings.Contains(text, "secret") {
			t.Errorf("span %d tells a secret: %s", i, text)
		}
	}
}

// TestOwnTraceparent holds that the owner's own header goes before ours.
func TestOwnTraceparent(t *testing.T) {
	t.Parallel()
	o := newOTLP(t)
	tr, err := newTracing(t.Context(), o.URL, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{"Traceparent": {"theirs"}}
	call := &delivery.Call{URL: "https://example.com/", Sending: delivery.Sending{Event: &greenlane.Event{}, Account: &greenlane.Account{}, Attempt: 1}}
	tr.attempt(call, header)(&delivery.Answer{Outcome: delivery.OutcomeTLS, Error: "no TLS"})
	tr.close(time.Minute)
	if got := header.Get("traceparent"); got != "theirs" {
		t.Errorf("traceparent %s", got)
	}
	if list := o.spans(); len(list) != 1 || list[0].attributes["error.type"] != "tls" || list[0].attributes["server.port"] != "443" || list[0].Status.Message != "no TLS" {
		t.Errorf("%v", list)
	}
}

// TestCollectorIsAway holds that a collector that does not answer, or is not there,
// keeps nothing from ending, and that the log says so.
func TestCollectorIsAway(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	gone := httptest.NewServer(nil)
	gone.Close()
	t.Cleanup(silent.Close)
	t.Cleanup(func() { close(release) })
	for _, url := range []string{silent.URL, gone.URL} {
		var out syncBuffer
		tr, err := newTracing(t.Context(), url, slog.New(slog.NewTextHandler(&out, nil)))
		if err != nil {
			t.Fatal(err)
		}
		call := &delivery.Call{URL: "https://example.com/", Sending: delivery.Sending{Event: &greenlane.Event{}, Account: &greenlane.Account{}, Attempt: 1}}
		tr.attempt(call, http.Header{})(&delivery.Answer{Status: 200})
		tr.close(20 * time.Millisecond)
		if !strings.Contains(out.String(), "could not be exported") {
			t.Errorf("%s: the log says %q", url, out.String())
		}
	}
	if _, err := newTracing(t.Context(), "localhost:4318", nil); err == nil || !strings.Contains(err.Error(), "--otlp-endpoint") {
		t.Errorf("without a scheme: %v", err)
	}
}
