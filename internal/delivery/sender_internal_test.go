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
	return sendTo(t, "http://slow.example/", func(c net.Conn) {
		readRequest(c)
		io.WriteString(c, say)
	})
}

// readRequest reads one request and its body.
func readRequest(c io.Reader) {
	req, err := http.ReadRequest(bufio.NewReader(c))
	if err == nil {
		io.Copy(io.Discard, req.Body)
	}
}

// sendTo makes an attempt at a receiver that does what a test says. It is there
// until it has done that and the attempt has ended.
func sendTo(t *testing.T, url string, receive func(net.Conn)) *Answer {
	t.Helper()
	guard, err := NewGuard(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := NewSender(guard, greenlane.SystemClock, "test")
	hub, receiver := net.Pipe()
	s.transport.DialContext = func(context.Context, string, string) (net.Conn, error) { return hub, nil }
	ended := make(chan struct{})
	go func() { defer close(ended); receive(receiver) }()
	defer func() { hub.Close(); receiver.Close(); s.Close(); <-ended }()
	return s.Send(t.Context(), internalCall(t, s, url))
}

// internalCall makes a call of an example event.
func internalCall(t *testing.T, s *Sender, url string) *Call {
	t.Helper()
	info, _ := greenlane.LookupEventType(greenlane.EventShipmentCreated)
	e := &greenlane.Event{Type: info.Type, Body: info.Example}
	if err := e.Encode(); err != nil {
		t.Fatal(err)
	}
	return s.Build(&Settings{URL: url}, Sending{Event: e, Format: FormatEaze, Attempt: 1}, 1)
}

// TestAttemptsEnd holds that an attempt takes fifteen seconds in all, however
// far the receiver has come; that an answer whose status came is an answer; and
// that its body takes no more than five seconds.
func TestAttemptsEnd(t *testing.T) {
	t.Parallel()
	const head = "HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"
	const upgrade = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
	for _, tt := range []struct {
		name, say string
		// drip is repeated every 900 ms; pause comes before all.
		drip    string
		pause   time.Duration
		took    time.Duration
		status  int
		failure string
		body    string
	}{
		{"silent", "", "", 0, attemptTimeout, 0, "no complete answer within 15s", ""},
		{"silent amid the head", "HTTP/1.1 200 OK\r\nContent-", "", 0, attemptTimeout, 0, "no complete answer within 15s", ""},
		{"dripping heads", "HTTP/1.1 200 OK\r\n", "A: b\r\n", 0, attemptTimeout, 0, "no complete answer within 15s", ""},
		{"dripping early hints", "", "HTTP/1.1 103 Early Hints\r\n\r\n", 0, attemptTimeout, 0, "no complete answer within 15s", ""},
		{"silent after the head", head, "", 0, bodyTimeout, 200, "", ""},
		{"dripping body", head, "x", 0, bodyTimeout, 200, "", "xxxxx"},
		{"dripping beyond what is kept", head + strings.Repeat("y", keepBody), "x", 0, bodyTimeout, 200, "", strings.Repeat("y", keepBody)},
		{"silent after a failure", "HTTP/1.1 500 Oops\r\nContent-Length: 9\r\n\r\nso", "", 0, bodyTimeout, 500, "answered 500 Oops", "so"},
		{"late head", head, "", 14 * time.Second, attemptTimeout, 200, "", ""},
		{"other protocol", upgrade, "", 0, 0, 101, "answered 101 Switching Protocols", ""},
		{"other protocol that goes on", upgrade, "x", 0, 0, 101, "answered 101 Switching Protocols", ""},
		{"half of another protocol", "HTTP/1.1 101 Switching Protocols\r\n\r\n", "", 0, 0, 101, "answered 101 Switching Protocols", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				a := sendTo(t, "http://slow.example/", func(c net.Conn) {
					readRequest(c)
					time.Sleep(tt.pause)
					_, err := io.WriteString(c, tt.say)
					for tt.drip != "" && err == nil {
						time.Sleep(900 * time.Millisecond)
						_, err = io.WriteString(c, tt.drip)
					}
				})
				if took := a.Duration; took != tt.took || time.Since(begin) < took {
					t.Errorf("took %s, recorded %s", time.Since(begin), took)
				}
				if a.Status != tt.status || a.Error != tt.failure || a.Success() != (tt.failure == "") || string(a.Body) != tt.body {
					t.Errorf("%+v", a)
				}
			})
		})
	}
}

// TestAgreeingOnTLSEnds holds that a receiver that takes the connection and says
// nothing is given up after five seconds, with words of its own.
func TestAgreeingOnTLSEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := sendTo(t, "https://slow.example/", func(c net.Conn) { io.Copy(io.Discard, c) })
		if a.Duration != connectTimeout || a.Outcome != OutcomeTimeout || a.Error != "the receiver did not agree on TLS within 5s" {
			t.Errorf("%+v", a)
		}
	})
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
	for _, d := range []*net.Dialer{&g.guarded, &g.named} {
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
