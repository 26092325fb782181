package web_test

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"greenlane/internal/web"
)

// pipes is a listener without a network: under a fake clock a real one would
// hold the time up.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

func (l *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func (l *pipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	l.conns <- theirs
	return ours
}

// impatience measures, by a fake clock, how long the program's server bears with
// a caller who sends a request and then does nothing. A handler's part in it ends
// with an error, which is told, too.
func impatience(t *testing.T, request string, readAnswer bool) (waited time.Duration, failed error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ends := make(chan error, 1)
		mux := http.NewServeMux()
		mux.HandleFunc("/body", func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			ends <- err
		})
		mux.HandleFunc("/endless", func(w http.ResponseWriter, _ *http.Request) {
			var err error
			for err == nil {
				_, err = w.Write(make([]byte, 1<<16))
			}
			ends <- err
		})
		mux.HandleFunc("/quick", web.Health)
		l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		server := web.NewServer(mux, slog.New(slog.DiscardHandler))
		served := make(chan error, 1)
		go func() { served <- server.Serve(l) }()
		begin := time.Now()
		c := l.dial()
		defer c.Close()
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
		switch {
		case readAnswer:
			io.Copy(io.Discard, c)
		default:
			failed = <-ends
		}
		waited = time.Since(begin)
		c.Close()
		server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return waited, failed
}

func TestImpatience(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, request string
		within        time.Duration
		readAnswer    bool
	}{
		{"nothing", "", 10 * time.Second, true},
		{"half a header", "GET /quick HTTP/1.1\r\nHost: hub\r\nX-A:", 10 * time.Second, true},
		{"half a body", "POST /body HTTP/1.1\r\nHost: hub\r\nContent-Length: 10\r\n\r\nabc", 60 * time.Second, false},
		{"an answer nobody reads", "GET /endless HTTP/1.1\r\nHost: hub\r\n\r\n", 75 * time.Second, false},
		{"no further request", "GET /quick HTTP/1.1\r\nHost: hub\r\n\r\n", 120 * time.Second, true},
	} {
		waited, failed := impatience(t, tt.request, tt.readAnswer)
		if waited != tt.within {
			t.Errorf("%s: the server waited %v, want %v", tt.name, waited, tt.within)
		}
		if !tt.readAnswer && !errors.Is(failed, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the handler ended with %v", tt.name, failed)
		}
	}
}

func TestLargeHeaders(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(nil)
	server.Config = web.NewServer(http.HandlerFunc(web.Health), slog.New(slog.DiscardHandler))
	server.Start()
	t.Cleanup(server.Close)
	for size, status := range map[int]int{32 << 10: 200, 128 << 10: http.StatusRequestHeaderFieldsTooLarge} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-A", strings.Repeat("a", size))
		resp, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != status {
			t.Errorf("a header of %d bytes is answered with %s", size, resp.Status)
		}
	}
}
