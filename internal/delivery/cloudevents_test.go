package delivery_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"greenlane"
	"greenlane/internal/delivery"
)

// TestCloudEventsBinary holds the rules of binary mode (HTTP protocol binding
// 1.0.2 §3.1) for an event of every type: each attribute of the structured event
// is a header, the body is the data, Content-Type its type.
func TestCloudEventsBinary(t *testing.T) {
	t.Parallel()
	for _, info := range greenlane.EventTypes() {
		e := cleared()
		e.Type, e.Body, e.Data = info.Type, info.Example, nil
		structured := build(t, delivery.Sending{Event: e, Format: delivery.FormatCloudEvents, Attempt: 1}, delivery.Settings{})
		call := build(t, delivery.Sending{Event: e, Format: delivery.FormatCloudEventsBinary, Attempt: 1}, delivery.Settings{})
		if !bytes.Equal(call.Body, e.Data) || call.Header.Get("Content-Type") != "application/json" || call.Header.Get("ce-datacontenttype") != "" {
			t.Errorf("%s: %s %s", info.Type, call.Header, call.Body)
		}
		var attributes map[string]any
		if err := json.Unmarshal(structured.Body, &attributes); err != nil {
			t.Fatal(err)
		}
		delete(attributes, "data")
		delete(attributes, "datacontenttype")
		n := 0
		for name, values := range call.Header {
			if strings.HasPrefix(strings.ToLower(name), "ce-") {
				n++
				if name != http.CanonicalHeaderKey(name) || len(values) != 1 {
					t.Errorf("header %s: %q", name, values)
				}
			}
		}
		for name, value := range attributes {
			got, err := url.PathUnescape(call.Header.Get("ce-" + name))
			if err != nil || got != value {
				t.Errorf("%s: ce-%s is %q, want %q", info.Type, name, got, value)
			}
		}
		if n != len(attributes) || n == 0 {
			t.Errorf("%s: %d headers for %d attributes", info.Type, n, len(attributes))
		}
	}
}

// TestCloudEventsBinaryText holds the encoding of header values: the example of
// the binding, §3.1.3.2, and what else it says must be encoded. A real server gets
// them.
func TestCloudEventsBinaryText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Euro € 😀":          "Euro%20%E2%82%AC%20%F0%9F%98%80",
		`a"b%c d`:           "a%22b%25c%20d",
		"!~&'()*+,/:;=?@[]": "!~&'()*+,/:;=?@[]",
		"a\u007f\u0080\n":   "a%7F%C2%80%0A",
		"broken\xff":        "broken%EF%BF%BD",
	} {
		a := account()
		a.Domain = text
		got := make(chan string, 1)
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Get("ce-source") }))
		sender := delivery.NewSender(guard(t, "127.0.0.0/8"), greenlane.SystemClock, "test")
		call := sender.Build(&delivery.Settings{URL: server.URL}, delivery.Sending{Event: cleared(), Account: a,
			Format: delivery.FormatCloudEventsBinary, Attempt: 1}, 1)
		if answer := sender.Send(t.Context(), call); !answer.Success() {
			t.Fatalf("%q: %+v", text, answer)
		}
		if source := <-got; source != "/accounts/"+want {
			t.Errorf("%q is sent as %s", text, source)
		}
		sender.Close()
		server.Close()
	}
}

// TestCloudEventsBinarySelection holds that parts of the data can be chosen as in
// structured mode, and that nothing is said of the type of data that is not there.
func TestCloudEventsBinarySelection(t *testing.T) {
	t.Parallel()
	for fields, want := range map[string]string{"data.to": `{"to":"cleared"}`, "data": string(cleared().Data), "": string(cleared().Data)} {
		s := delivery.Settings{URL: "https://example.com", Format: delivery.FormatCloudEventsBinary, Fields: strings.Fields(fields)}
		if err := s.WithDefaults().Check(guard(t)); err != nil {
			t.Errorf("%s: %v", fields, err)
		}
		if got := build(t, delivery.Sending{Event: cleared(), Format: s.Format, Attempt: 1}, s).Body; string(got) != want {
			t.Errorf("%s: %s", fields, got)
		}
	}
	without := delivery.Settings{URL: "https://example.com", Format: delivery.FormatCloudEventsBinary, Omit: []string{"data"}}
	call := build(t, delivery.Sending{Event: cleared(), Format: without.Format, Attempt: 1}, without)
	if _, typed := call.Header["Content-Type"]; len(call.Body) != 0 || typed {
		t.Errorf("%s: %q", call.Header, call.Body)
	}
	for _, wrong := range []delivery.Settings{{Fields: []string{"source"}}, {Headers: map[string]string{"Ce-Id": "7"}}} {
		wrong.URL, wrong.Format = "https://example.com", delivery.FormatCloudEventsBinary
		if err := wrong.WithDefaults().Check(guard(t)); err == nil {
			t.Errorf("%+v is right", wrong)
		}
	}
}
