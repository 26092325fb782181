package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// guest is a caller that has a request open when the hub shuts down.
type guest struct {
	what string
	// answer and err are what the request came to.
	answer []byte
	err    error
}

// openGuests opens streams and long polls, and returns once they are on their
// way.
func openGuests(t *testing.T, p *process) (guests []*guest, left *sync.WaitGroup) {
	t.Helper()
	left = &sync.WaitGroup{}
	for _, path := range []string{"/v1/events/stream", "/v1/events/stream?after=0", "/v1/events?type=export.*&wait=60",
		"/v1/events?type=declaration.created&wait=60", "/v1/events?ref=NOBODY&wait=50"} {
		g := &guest{what: path}
		guests = append(guests, g)
		sent := make(chan struct{})
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			WroteRequest: func(httptrace.WroteRequestInfo) { close(sent) },
		})
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+p.key)
		left.Go(func() {
			var resp *http.Response
			if resp, g.err = http.DefaultClient.Do(req); g.err != nil {
				return
			}
			defer resp.Body.Close()
			g.answer, g.err = io.ReadAll(resp.Body)
		})
		<-sent
	}
	return guests, left
}

// idle opens a connection that makes one request and then keeps still.
func idle(t *testing.T, p *process) {
	t.Helper()
	conn, err := net.Dial("tcp", hostPort(p.url))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
}

// TestShutdown ends a busy hub as a service manager does: with streams and long
// polls open, requests arriving and deliveries under way. It is gone within
// seconds with exit code 0, breaks no answer off, and loses nothing.
func TestShutdown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startHub(t, dir, "--log-level", "error")
	receiver := newWitness(t, 0.05)
	p.must("POST", "/v1/webhooks", map[string]any{"url": receiver.URL, "retrySchedule": []string{"50ms", "50ms", "100ms", "200ms", "1s", "1s"}}, nil)
	idle(t, p)
	guests, left := openGuests(t, p)
	load := &writers{}
	stop := make(chan struct{})
	writing := load.run(p, stop)
	awaitDeliveries(t, receiver, 500)

	begin := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.gone:
	case <-time.After(patience):
		t.Fatalf("the hub does not end: %s", p.log)
	}
	t.Logf("gone after %v", time.Since(begin))
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %v to end", took)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != exitOK || p.log.String() != "" {
		t.Errorf("the hub ended with %d: %s", code, p.log)
	}
	close(stop)
	writing.Wait()
	left.Wait()
	judgeGuests(t, guests)

	p = startHub(t, dir, "--log-level", "error")
	log := p.wholeLog()
	load.judge(t, log)
	receiver.awaitAll(t, log)
	receiver.judge(t)
	p.stop()
	verifies(t, "--data", dir)
}

// awaitDeliveries waits until the receiver has taken n events.
func awaitDeliveries(t *testing.T, w *witness, n int) {
	t.Helper()
	limit := time.Now().Add(patience)
	for {
		w.mu.Lock()
		got := len(w.first)
		w.mu.Unlock()
		if got >= n {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("only %d events were delivered", got)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// judgeGuests holds that each request was answered to its end: streams with
// whole events, polls with a page.
func judgeGuests(t *testing.T, guests []*guest) {
	t.Helper()
	for _, g := range guests {
		switch {
		case g.err != nil:
			t.Errorf("%s was broken off: %v", g.what, g.err)
		case strings.Contains(g.what, "stream"):
			if len(g.answer) == 0 || !strings.HasSuffix(string(g.answer), "\n\n") {
				t.Errorf("%s ends in the middle of an event: %q", g.what, g.answer[max(0, len(g.answer)-200):])
			}
		default:
			var page struct{ Data []loggedEvent }
			if err := json.Unmarshal(g.answer, &page); err != nil || page.Data == nil {
				t.Errorf("%s was answered with %q: %v", g.what, g.answer, err)
			}
		}
	}
}
