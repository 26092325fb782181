package delivery_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"greenlane/internal/delivery"
	"greenlane/internal/store"
)

// attempt makes one attempt at a server, on the seed example's clock.
func attempt(t testing.TB, url string) *delivery.Answer {
	t.Helper()
	sender := delivery.NewSender(guard(t, "127.0.0.0/8"), newWatch().time, "test")
	t.Cleanup(sender.Close)
	return sender.Send(t.Context(), callOf(sender, url))
}

func callOf(sender *delivery.Sender, url string) *delivery.Call {
	return sender.Build(&delivery.Settings{URL: url}, delivery.Sending{
		Event: cleared(), Account: account(), Format: delivery.FormatEaze, Attempt: 1, SentAt: newWatch().time(),
		Secrets: []store.Secret{{Text: secret}},
	}, 1)
}

// serve starts a server for one test.
func serve(t testing.TB, f http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return server.URL
}

// TestAnswers holds that any 2xx acknowledges and nothing else does.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for status, says := range map[int]string{
		200: "", 201: "", 202: "", 204: "", 299: "",
		300: "redirect", 304: "answered 304 Not Modified", 301: "redirect to /elsewhere refused", 307: "redirect", 308: "redirect", 399: "redirect",
		400: "answered 400 Bad Request", 404: "answered 404", 410: "answered 410 Gone", 429: "answered 429", 500: "answered 500",
		503: "answered 503", 599: "answered 599",
	} {
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		})
		a := attempt(t, url)
		if a.Status != status || a.Success() != (says == "") || !strings.Contains(a.Error, says) || says == "" && a.Error != "" {
			t.Errorf("%d: %+v", status, a)
		}
	}
}

// TestRedirectToNowhere: a status of redirects that names no place is said as it is.
func TestRedirectToNowhere(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(302) })
	if a := attempt(t, url); a.Error != "answered 302 Found" {
		t.Errorf("%+v", a)
	}
}

// TestRedirectsAreNotFollowed holds that what a redirect names is not called.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	other := newReceiver(t)
	for _, status := range []int{301, 302, 303, 307, 308} {
		url := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, status) })
		if a := attempt(t, url); a.Success() || a.Status != status || !strings.Contains(a.Error, other.URL) {
			t.Errorf("%d: %+v", status, a)
		}
	}
	if n := len(other.arrivals()); n != 0 {
		t.Errorf("redirects were followed %d times", n)
	}
}

// TestRetryAfter holds that a receiver's wish is read from 429 and 503, in
// seconds or as a date, and that no pause is longer than a day.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := newWatch().time()
	date := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for _, tt := range []struct {
		status int
		header string
		want   time.Duration
	}{
		{429, "120", 2 * time.Minute}, {503, "120", 2 * time.Minute}, {500, "120", 0}, {502, "120", 0}, {200, "120", 0}, {410, "120", 0},
		{429, "", 0}, {429, "0", 0}, {429, "-5", 0}, {429, "soon", 0}, {429, "1.5", 0},
		{503, "86400", 24 * time.Hour}, {503, "86401", 24 * time.Hour}, {503, "99999999999999999999999", 24 * time.Hour},
		{503, "-99999999999999999999999", 0}, {503, "-9999999999", 0},
		// A date has whole seconds; the clock is at 654 milliseconds.
		{503, date(5 * time.Minute), 5*time.Minute - 654*time.Millisecond},
		{429, date(-time.Hour), 0}, {429, date(48 * time.Hour), 24 * time.Hour},
		{429, now.Add(time.Minute).Format(time.ANSIC), time.Minute - 654*time.Millisecond},
	} {
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", tt.header)
			w.WriteHeader(tt.status)
		})
		if a := attempt(t, url); a.RetryAfter != tt.want {
			t.Errorf("%d with Retry-After %q: %s, want %s", tt.status, tt.header, a.RetryAfter, tt.want)
		}
	}
}

// TestAnswersAreKeptInPart holds that the first 16 KiB are kept and that an
// answer without end does not hold the hub.
func TestAnswersAreKeptInPart(t *testing.T) {
	t.Parallel()
	const kept = 16 << 10
	text := bytes.Repeat([]byte("0123456789abcdef"), 8<<10)
	for _, size := range []int{0, 1, kept - 1, kept, kept + 1, len(text)} {
		url := serve(t, func(w http.ResponseWriter, r *http.Request) { w.Write(text[:size]) })
		if a := attempt(t, url); !a.Success() || !bytes.Equal(a.Body, text[:min(size, kept)]) {
			t.Errorf("of %d bytes %d are kept: %s", size, len(a.Body), a.Error)
		}
	}
	ended := make(chan struct{})
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		for {
			if _, err := w.Write(text); err != nil {
				return
			}
		}
	})
	if a := attempt(t, url); !a.Success() || len(a.Body) != kept {
		t.Errorf("of an answer without end %d bytes are kept: %s", len(a.Body), a.Error)
	}
	<-ended
}

// TestAnswerHeadersAreKept holds that the telling headers are kept, in order,
// and not more than fits.
func TestAnswerHeadersAreKept(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", "7")
		w.Header().Set("Content-Type", "text/plain")
		w.Header()["Server"] = []string{"one", "two"}
		w.WriteHeader(503)
		io.WriteString(w, "down for the night")
	})
	a := attempt(t, url)
	if got, want := string(a.Headers), "Content-Type: text/plain\nServer: one\nServer: two\nX-Request-Id: 7\n"; got != want {
		t.Errorf("headers %q, want %q", got, want)
	}
	if string(a.Body) != "down for the night" {
		t.Errorf("body %q", a.Body)
	}
	url = serve(t, func(w http.ResponseWriter, r *http.Request) {
		for i := range 20 {
			w.Header().Set(fmt.Sprintf("X-Long-%02d", i), strings.Repeat("v", 1000))
		}
	})
	if a := attempt(t, url); !a.Success() || len(a.Headers) > 16<<10 || len(a.Headers) < 15<<10 {
		t.Errorf("%d bytes of headers are kept", len(a.Headers))
	}
}

// TestBrokenAnswers holds that the status decides: what breaks off behind it was
// acknowledged, what breaks off before it was not.
func TestBrokenAnswers(t *testing.T) {
	t.Parallel()
	broken := func(text string) string {
		return serve(t, func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(conn, text)
			conn.Close()
		})
	}
	if a := attempt(t, broken("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nthanks")); !a.Success() || string(a.Body) != "thanks" {
		t.Errorf("broken behind 200: %+v", a)
	}
	if a := attempt(t, broken("HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\nsorry")); a.Success() || !strings.Contains(a.Error, "500") {
		t.Errorf("broken behind 500: %+v", a)
	}
	for _, text := range []string{"", "HTTP/1.1 2", "SSH-2.0-OpenSSH_9.6\r\n"} {
		if a := attempt(t, broken(text)); a.Success() || a.Status != 0 || !strings.HasPrefix(a.Error, "the connection failed: ") {
			t.Errorf("%q: %+v", text, a)
		}
	}
}

// TestFailuresInWords holds what a person reads when there was no answer.
func TestFailuresInWords(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(nil)
	closed.Close()
	secure := httptest.NewUnstartedServer(nil)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	plain := newReceiver(t)
	for url, says := range map[string]string{
		closed.URL:                "connection refused",
		secure.URL:                "the TLS certificate was issued by an unknown authority",
		"https" + plain.URL[4:]:   "does not speak TLS",
		"http://127.0.0.1:1/\x7f": "the URL can't be called",
		"http://10.0.0.1/":        "the address of 10.0.0.1 is refused: 10.0.0.1 is private",
	} {
		if a := attempt(t, url); a.Success() || a.Status != 0 || !strings.Contains(a.Error, says) {
			t.Errorf("%s: %+v, want %s", url, a, says)
		}
	}
}

// TestStoppedAttempt holds that an attempt the hub cuts off says so.
func TestStoppedAttempt(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		cancel(errors.New("enough"))
		<-r.Context().Done()
	})
	sender := delivery.NewSender(guard(t, "127.0.0.0/8"), newWatch().time, "test")
	t.Cleanup(sender.Close)
	if a := sender.Send(ctx, callOf(sender, url)); a.Success() || a.Error != "the hub was stopping" {
		t.Errorf("%+v", a)
	}
}

// TestRequest holds what goes over the wire beside the headers: one POST, with
// its length, and no wish for compression.
func TestRequest(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body []byte
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
	})
	sender := delivery.NewSender(guard(t, "127.0.0.0/8"), newWatch().time, "test")
	t.Cleanup(sender.Close)
	call := callOf(sender, url+"/hooks?a=b")
	if a := sender.Send(t.Context(), call); !a.Success() {
		t.Fatalf("%+v", a)
	}
	if got.Method != "POST" || got.RequestURI != "/hooks?a=b" || got.ContentLength != int64(len(call.Body)) || !bytes.Equal(body, call.Body) {
		t.Errorf("%s %s with %d bytes: %s", got.Method, got.RequestURI, got.ContentLength, body)
	}
	if encodings := got.Header.Get("Accept-Encoding"); encodings != "" {
		t.Errorf("Accept-Encoding %q", encodings)
	}
}
