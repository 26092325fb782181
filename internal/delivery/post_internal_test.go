package delivery

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

// postSlowly posts a body to a receiver that does what a test says and then falls
// silent. Time passes only when nobody has anything to do.
func postSlowly(t *testing.T, body []byte, receive func(io.ReadWriteCloser)) *Answer {
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
	return s.Post(t.Context(), "http://slow.example/", "exp_01.warehouse", []store.Secret{{Text: "secret of ours"}}, body)
}

// TestPostEnds holds that a post takes fifteen seconds in all, and that it may
// have arrived unless it could not be written.
func TestPostEnds(t *testing.T) {
	t.Parallel()
	read := func(c io.ReadWriteCloser) {
		req, err := http.ReadRequest(bufio.NewReader(c))
		if err == nil {
			io.Copy(io.Discard, req.Body)
		}
	}
	large := bytes.Repeat([]byte("x"), 1<<20)
	for _, tt := range []struct {
		name      string
		body      []byte
		receive   func(io.ReadWriteCloser)
		took      time.Duration
		uncertain bool
		failure   string
	}{
		{"silent", []byte("{}"), read, attemptTimeout, true, "no complete answer within 15s"},
		{"silent amid the head", large, func(c io.ReadWriteCloser) { read(c); io.WriteString(c, "HTTP/1.1 2") }, attemptTimeout, true,
			"no complete answer within 15s"},
		{"stops reading", large, func(c io.ReadWriteCloser) { io.CopyN(io.Discard, c, 1<<16) }, attemptTimeout, false,
			"no complete answer within 15s"},
		{"hangs up amid the request", large, func(c io.ReadWriteCloser) { io.CopyN(io.Discard, c, 1<<16); c.Close() }, 0, false,
			"the connection failed: io: read/write on closed pipe"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				a := postSlowly(t, tt.body, tt.receive)
				if took := time.Since(begin); took != tt.took || a.Duration != tt.took {
					t.Errorf("took %s, recorded %s", took, a.Duration)
				}
				if a.Status != 0 || a.Success() || a.Uncertain != tt.uncertain || a.Error != tt.failure {
					t.Errorf("%+v", a)
				}
			})
		})
	}
}
