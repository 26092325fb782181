package web_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/web"
)

// nodeAt starts a node that says its name, what it was asked, and whether it may ask
// others.
func nodeAt(t *testing.T, name string, owner func(ctx context.Context, endpoint int64) (string, error)) *httptest.Server {
	t.Helper()
	f := web.NewForwarder(owner, keys, slog.New(slog.DiscardHandler))
	t.Cleanup(f.Close)
	shell := &web.Shell{Log: slog.New(slog.DiscardHandler)}
	s := httptest.NewServer(shell.Wrap(f.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if relay := web.RelayOf(r.Context()); relay != nil && r.URL.Path == "/v1/webhooks" {
			address, err := relay.Owner(r.Context(), 2)
			if err != nil {
				t.Error(err)
				return
			}
			answer, err := relay.Ask(r.Context(), address)
			if err != nil {
				t.Error(err)
				return
			}
			defer answer.Body.Close()
			theirs, _ := io.ReadAll(answer.Body)
			fmt.Fprintf(w, "%s and %s", name, theirs)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		w.Header().Set("Greenlane-Position", "7")
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, "%s %s %s %s %q %s", name, r.Method, r.URL.RequestURI(), r.Host, body, r.Header.Get("Authorization"))
	}))))
	t.Cleanup(s.Close)
	return s
}

func text(t *testing.T, method, url, body string) (*http.Response, string) {
	t.Helper()
	return textOf(t, "gl_good", method, url, body)
}

func textOf(t *testing.T, key, method, url, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Host, req.Header["Authorization"] = "hub.example", []string{"Bearer " + key}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

// TestForward: what is about an endpoint of another node is answered by that one, as
// it came and as it answers; everything else here.
func TestForward(t *testing.T) {
	t.Parallel()
	var second *httptest.Server
	owner := func(here string) func(context.Context, int64) (string, error) {
		return func(_ context.Context, endpoint int64) (string, error) {
			switch {
			case endpoint == 3:
				e := greenlane.Errorf(greenlane.Unavailable, "moving", "moving")
				e.RetryAfter = time.Second
				return "", e
			case endpoint == 4:
				return "http://127.0.0.1:1", nil
			case endpoint == 2 && here == "first", here == "lost":
				return second.URL, nil
			}
			return "", nil
		}
	}
	first := nodeAt(t, "first", owner("first"))
	// It thinks that the other serves everything: what was handed to it goes no further.
	second = nodeAt(t, "second", owner("lost"))
	webhook := func(n int64) string { return greenlane.NewID(time.Unix(1, 0), n, 1).Text(greenlane.EndpointPrefix) }
	delivery := greenlane.DeliveryID(2, 500, 1)
	for path, want := range map[string]string{
		"/v1/webhooks/" + webhook(2):                     "second",
		"/v1/webhooks/" + webhook(2) + "/enable?x=a%2Fb": "second",
		"/v1/deliveries/" + delivery + "/retry":          "second",
		"/v1/webhooks/" + webhook(1):                     "first",
		"/v1/webhooks/wh_nonsense":                       "first",
		"/v1/webhooks/check":                             "first",
		"/v1/deliveries/dlv_x":                           "first",
		"/v1/entries/" + webhook(2):                      "first",
		"/v2/webhooks/" + webhook(2):                     "first",
		"/webhooks":                                      "first",
	} {
		resp, body := text(t, http.MethodPost, first.URL+path, `{"a": 1}`)
		if want := fmt.Sprintf(`%s POST %s hub.example "{\"a\": 1}" Bearer gl_good`, want, path); resp.StatusCode != http.StatusAccepted || body != want {
			t.Errorf("%s: %d %s, want %s", path, resp.StatusCode, body, want)
		}
		for _, name := range []string{"X-Request-Id", "Cache-Control", "X-Content-Type-Options", "Greenlane-Position"} {
			if len(resp.Header[name]) != 1 {
				t.Errorf("%s: header %s is %q", path, name, resp.Header[name])
			}
		}
	}
	// Whoever has no key is answered, and refused, where he asks.
	if _, body := textOf(t, "gl_bad", http.MethodPost, first.URL+"/v1/webhooks/"+webhook(2), "x"); !strings.HasPrefix(body, "first ") {
		t.Errorf("a stranger's request was handed on: %s", body)
	}
	for n, want := range map[int64]string{3: "moving", 4: "node_unreachable"} {
		resp, body := text(t, http.MethodGet, first.URL+"/v1/webhooks/"+webhook(n), "")
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "1" || len(resp.Header["X-Request-Id"]) != 1 ||
			!strings.Contains(body, want) || strings.Contains(body, "127.0.0.1") {
			t.Errorf("endpoint %d: %d %v %s", n, resp.StatusCode, resp.Header, body)
		}
	}
	if _, body := text(t, http.MethodGet, first.URL+"/v1/webhooks?limit=5", ""); body != `first and second GET /v1/webhooks?limit=5 `+strings.TrimPrefix(second.URL, "http://")+` "" Bearer gl_good` {
		t.Errorf("what both say: %s", body)
	}
}
