package delivery_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"greenlane/internal/delivery"
	"greenlane/internal/store"
)

const (
	postID   = "exp_01.warehouse"
	postBody = `{"type":"export.shipping_instruction"}`
)

// post sends a body to a URL, signed with two secrets of which one is over.
func post(t testing.TB, ctx context.Context, url, body string) *delivery.Answer {
	t.Helper()
	sender := delivery.NewSender(guard(t, "127.0.0.0/8"), newWatch().time, "test")
	t.Cleanup(sender.Close)
	return sender.Post(ctx, url, postID, []store.Secret{{Text: secret}, {Text: "former secret", Until: newWatch().time()}}, []byte(body))
}

// TestPost lets the library of the Standard Webhooks specification judge what a
// warehouse gets.
func TestPost(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body []byte
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
	})
	a := post(t, t.Context(), url+"/dock?door=4", postBody)
	if !a.Success() || a.Status != 202 || a.Uncertain || a.Error != "" {
		t.Fatalf("%+v", a)
	}
	if got.Method != "POST" || got.RequestURI != "/dock?door=4" || string(body) != postBody || got.ContentLength != int64(len(postBody)) {
		t.Errorf("%s %s: %s", got.Method, got.RequestURI, body)
	}
	if err := verifier(t, secret).VerifyIgnoringTimestamp(body, got.Header); err != nil {
		t.Error(err)
	}
	if err := verifier(t, "former secret").VerifyIgnoringTimestamp(body, got.Header); err == nil {
		t.Error("a secret signs when its time is over")
	}
	for name, want := range map[string]string{
		"webhook-id": postID, "webhook-timestamp": strconv.FormatInt(newWatch().time().Unix(), 10), "User-Agent": "Greenlane/test", "Content-Type": "application/json",
		"Greenlane-Event-Type": "",
	} {
		if value := got.Header.Get(name); value != want {
			t.Errorf("%s: %q, want %q", name, value, want)
		}
	}
}

// TestPostAnswers holds that any 2xx is a success, nothing else is, and that
// whatever was answered is certain.
func TestPostAnswers(t *testing.T) {
	t.Parallel()
	for status, says := range map[int]string{
		200: "", 204: "", 301: "redirect to /elsewhere refused", 307: "redirect", 400: "answered 400", 410: "answered 410 Gone",
		429: "answered 429", 503: "answered 503",
	} {
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				t.Error("a redirect was followed")
			}
			w.Header().Set("Location", "/elsewhere")
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(status)
		})
		a := post(t, t.Context(), url, postBody)
		if a.Status != status || a.Success() != (says == "") || !strings.Contains(a.Error, says) || a.Uncertain {
			t.Errorf("%d: %+v", status, a)
		}
		if want := status == 429 || status == 503; (a.RetryAfter == 2*time.Minute) != want {
			t.Errorf("%d: after %s", status, a.RetryAfter)
		}
	}
}

// TestPostUncertain holds which failures may have arrived: those after all was
// written.
func TestPostUncertain(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(nil)
	closed.Close()
	for url, says := range map[string]string{
		closed.URL:                  "connection refused",
		"http://10.0.0.1/":          "the address of 10.0.0.1 is refused: 10.0.0.1 is private",
		"http://127.0.0.1:1/\x7f":   "the URL can't be called",
		"https" + serve(t, nil)[4:]: "does not speak TLS",
	} {
		if a := post(t, t.Context(), url, postBody); a.Success() || a.Uncertain || !strings.Contains(a.Error, says) {
			t.Errorf("%s: %+v, want %s", url, a, says)
		}
	}
	hangUp := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conn.Close()
	})
	for _, body := range []string{postBody, strings.Repeat("x", 1<<20)} {
		if a := post(t, t.Context(), hangUp, body); a.Success() || !a.Uncertain || !strings.HasPrefix(a.Error, "the connection failed: ") {
			t.Errorf("%d bytes: %+v", len(body), a)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	stopping := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done()
	})
	if a := post(t, ctx, stopping, postBody); a.Success() || !a.Uncertain || a.Error != "the hub was stopping" {
		t.Errorf("%+v", a)
	}
}

// TestPostKeepsAnswers holds that what a warehouse says is kept for people, in
// part.
func TestPostKeepsAnswers(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", "7")
		w.WriteHeader(422)
		w.Write(bytes.Repeat([]byte("no"), 16<<10))
	})
	if a := post(t, t.Context(), url, postBody); a.Uncertain || len(a.Body) != 16<<10 || !strings.Contains(string(a.Headers), "X-Request-Id: 7") {
		t.Errorf("%d bytes, %s", len(a.Body), a.Headers)
	}
}
