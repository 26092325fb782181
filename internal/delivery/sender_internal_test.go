package delivery

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

// sendSlowly makes an attempt at a receiver that reads the request, writes what
// it has to say and then falls silent. Time passes only when nobody has
// anything to do.
func sendSlowly(t *testing.T, say string) *Answer {
	t.Helper()
	guard, err := NewGuard(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := NewSender(guard, greenlane.SystemClock, "test")
	hub, receiver := net.Pipe()
	s.transport.DialContext = func(context.Context, string, string) (net.Conn, error) { return hub, nil }
	go func() {
		req, err := http.ReadRequest(bufio.NewReader(receiver))
		if err == nil {
			io.Copy(io.Discard, req.Body)
		}
		io.WriteString(receiver, say)
	}()
	defer func() { hub.Close(); receiver.Close(); s.Close() }()
	info, _ := greenlane.LookupEventType(greenlane.EventShipmentCreated)
	e := &greenlane.Event{Type: info.Type, Body: info.Example}
	if err := e.Encode(); err != nil {
		t.Fatal(err)
	}
	call := s.Build(&Settings{URL: "http://slow.example/"}, Sending{Event: e, Format: FormatEaze, Attempt: 1}, 1)
	return s.Send(t.Context(), call)
}

// TestAttemptsEnd holds that an attempt takes fifteen seconds in all, however
// far the receiver has come; an answer whose status came is an answer.
func TestAttemptsEnd(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, say string
		status    int
		failure   string
	}{
		{"silent", "", 0, "no complete answer within 15s"},
		{"silent amid the head", "HTTP/1.1 200 OK\r\nContent-", 0, "no complete answer within 15s"},
		{"silent after the head", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 200, ""},
		{"silent after a failure", "HTTP/1.1 500 Oops\r\nContent-Length: 9\r\n\r\nso", 500, "answered 500 Oops"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				a := sendSlowly(t, tt.say)
				if took := time.Since(begin); took != attemptTimeout || a.Duration != attemptTimeout {
					t.Errorf("took %s, recorded %s", took, a.Duration)
				}
				if a.Status != tt.status || a.Error != tt.failure || a.Success() != (tt.failure == "") {
					t.Errorf("%+v", a)
				}
			})
		})
	}
}

// TestPromptAnswer holds that an answer that comes takes no longer than it does.
func TestPromptAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		if a := sendSlowly(t, "HTTP/1.1 204 No Content\r\n\r\n"); !a.Success() || time.Since(begin) != 0 {
			t.Errorf("after %s: %+v", time.Since(begin), a)
		}
	})
}

// TestConnectingEnds holds that connecting is given up, with words of its own.
func TestConnectingEnds(t *testing.T) {
	t.Parallel()
	g, err := NewGuard([]string{"127.0.0.1", "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []*net.Dialer{&g.guarded, &g.open} {
		if d.Timeout != connectTimeout || connectTimeout != 5*time.Second {
			t.Errorf("connecting may take %s", d.Timeout)
		}
	}
	// A limit that has passed when it begins gives the error of one that passes.
	g.guarded.Timeout = time.Nanosecond
	_, err = g.DialContext(t.Context(), "tcp", "127.0.0.1:9")
	var late net.Error
	if !errors.As(err, &late) || !late.Timeout() {
		t.Fatalf("got %v", err)
	}
	if _, got := failure(t.Context(), err, time.Now()); got != "could not connect within 5s" {
		t.Errorf("in words: %s", got)
	}
}

// TestPublishedSignature holds the example that the Standard Webhooks
// specification's libraries are tested with.
func TestPublishedSignature(t *testing.T) {
	t.Parallel()
	secrets := []store.Secret{{Text: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}}
	at := time.Unix(1614265330, 999_999_999)
	got := signature(secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := signature(nil, "id", at, nil); got != "" {
		t.Errorf("without a secret: %s", got)
	}
	if got := strings.Fields(signature(append(secrets, store.Secret{Text: "old", Until: at}), "id", at, nil)); len(got) != 1 {
		t.Errorf("a secret signs when its time is over: %v", got)
	}
}
