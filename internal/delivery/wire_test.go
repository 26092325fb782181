package delivery_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/store"
)

// rawServer takes connections and lets a test speak on each, as the protocol's
// own library would not let it. n counts connections from 1.
func rawServer(t testing.TB, config *tls.Config, speak func(c net.Conn, n int)) (url string, conns *atomic.Int32) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url, conns = "http://"+listener.Addr().String(), new(atomic.Int32)
	if config != nil {
		url = "https://" + listener.Addr().String()
	}
	var speaking sync.WaitGroup
	var open sync.Map
	speaking.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			open.Store(c, true)
			n := int(conns.Add(1))
			speaking.Go(func() {
				defer c.Close()
				if config != nil {
					speak(tls.Server(c, config), n)
				} else {
					speak(c, n)
				}
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		open.Range(func(c, _ any) bool { c.(net.Conn).Close(); return true })
		speaking.Wait()
	})
	return url, conns
}

// requests reads requests from a connection and hands each to answer, until that
// says no.
func requests(t testing.TB, c net.Conn, answer func(n int, r *http.Request) bool) {
	in := bufio.NewReader(c)
	for n := 1; ; n++ {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		if !answer(n, r) {
			return
		}
	}
}

func newSender(t testing.TB) *delivery.Sender {
	t.Helper()
	sender := delivery.NewSender(guard(t, "127.0.0.0/8"), greenlane.SystemClock, "test")
	t.Cleanup(sender.Close)
	return sender
}

const noContent = "HTTP/1.1 204 No Content\r\n\r\n"

// TestIdleConnectionsMayEnd holds that an event is sent again at once where the
// receiver closed a connection it had answered on before, and that it is not where
// a new connection is closed or the answer had begun. What is no event is never
// sent again by itself.
func TestIdleConnectionsMayEnd(t *testing.T) {
	t.Parallel()
	reset := func(c net.Conn) { c.(*net.TCPConn).SetLinger(0) }
	for name, tt := range map[string]struct {
		// end is what becomes of the second request of the first connection.
		end      func(c net.Conn)
		post     bool
		requests int
		conns    int32
		failure  string
	}{
		"closed":                       {func(net.Conn) {}, false, 3, 2, ""},
		"reset":                        {reset, false, 3, 2, ""},
		"closed amid the answer":       {func(c net.Conn) { io.WriteString(c, "HTTP/1.1 2") }, false, 2, 1, "the connection failed: "},
		"closed after something else":  {func(c net.Conn) { io.WriteString(c, "x") }, false, 2, 1, "the connection failed: "},
		"closed, and it is no event":   {func(net.Conn) {}, true, 2, 1, "the connection failed: "},
		"reset, and it is no event":    {reset, true, 2, 1, "the connection failed: "},
		"answered before it is closed": {func(c net.Conn) { io.WriteString(c, noContent) }, false, 2, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var ids []string
			url, conns := rawServer(t, nil, func(c net.Conn, conn int) {
				requests(t, c, func(n int, r *http.Request) bool {
					mu.Lock()
					ids = append(ids, r.Header.Get("Webhook-Id")+"/"+r.Header.Get("Idempotency-Key"))
					mu.Unlock()
					if conn == 1 && n == 2 {
						tt.end(c)
						return false
					}
					_, err := io.WriteString(c, noContent)
					return err == nil
				})
			})
			sender := newSender(t)
			send := func() *delivery.Answer { return sender.Send(t.Context(), callOf(sender, url)) }
			if tt.post {
				send = func() *delivery.Answer {
					return sender.Post(t.Context(), url, postID, []store.Secret{{Text: secret}}, []byte(postBody))
				}
			}
			if a := send(); !a.Success() || a.Wire.Reused || a.Wire.Repeated {
				t.Fatalf("%+v", a)
			}
			a := send()
			if a.Success() != (tt.failure == "") || !strings.HasPrefix(a.Error, tt.failure) || a.Uncertain != tt.post {
				t.Errorf("%+v", a)
			}
			mu.Lock()
			defer mu.Unlock()
			if len(ids) != tt.requests || conns.Load() != tt.conns || a.Wire.Repeated != (tt.conns > 1) {
				t.Errorf("%d requests on %d connections: %+v", len(ids), conns.Load(), a.Wire)
			}
			for _, id := range ids {
				if id != ids[0] {
					t.Errorf("the repetition is %s, not %s", id, ids[0])
				}
				if !strings.HasSuffix(id, "/") {
					t.Errorf("the header that is for the transport alone is sent: %s", id)
				}
			}
		})
	}
	url, conns := rawServer(t, nil, func(c net.Conn, _ int) {
		requests(t, c, func(int, *http.Request) bool { return false })
	})
	if a := attempt(t, url); a.Success() || conns.Load() != 1 {
		t.Errorf("a new connection that is closed: %d connections, %+v", conns.Load(), a)
	}
}

// TestClosedWhileIdle holds that a connection the receiver closed before anything
// was written costs no attempt.
func TestClosedWhileIdle(t *testing.T) {
	t.Parallel()
	url, conns := rawServer(t, nil, func(c net.Conn, _ int) {
		requests(t, c, func(int, *http.Request) bool {
			io.WriteString(c, noContent)
			return false
		})
	})
	sender := newSender(t)
	for i := range 50 {
		if a := sender.Send(t.Context(), callOf(sender, url)); !a.Success() {
			t.Fatalf("attempt %d: %+v", i, a)
		}
	}
	if n := conns.Load(); n != 50 {
		t.Errorf("%d connections", n)
	}
}

// TestCutBodies holds that a connection whose answer was not read to its end is
// not used again: what was left of it is not taken for the next answer.
func TestCutBodies(t *testing.T) {
	t.Parallel()
	poison := strings.Repeat("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 30<<10)
	url, conns := rawServer(t, nil, func(c net.Conn, _ int) {
		requests(t, c, func(int, *http.Request) bool {
			_, err := io.WriteString(c, "HTTP/1.1 503 Poisoned\r\nContent-Length: 99999999\r\n\r\n"+poison)
			return err == nil
		})
	})
	sender := newSender(t)
	for i := range 20 {
		if a := sender.Send(t.Context(), callOf(sender, url)); a.Status != 503 || a.Wire.Reused {
			t.Fatalf("attempt %d: %d, %+v", i, a.Status, a.Wire)
		}
	}
	if n := conns.Load(); n != 20 {
		t.Errorf("%d connections for 20 attempts", n)
	}
}

// TestInformationalAnswers holds that a few of them are passed over and that
// many are too many.
func TestInformationalAnswers(t *testing.T) {
	t.Parallel()
	const hint = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
	for name, tt := range map[string]struct {
		before  string
		flood   string
		status  int
		failure string
	}{
		"one":          {hint, "", 204, ""},
		"some":         {strings.Repeat(hint, 100), "", 204, ""},
		"unasked 100":  {"HTTP/1.1 100 Continue\r\n\r\n", "", 204, ""},
		"flood":        {"", hint, 0, "the head of the answer is longer than 64 KiB"},
		"endless head": {"HTTP/1.1 200 OK\r\n", "X-Long: and longer\r\n", 0, "the head of the answer is longer than 64 KiB"},
		"endless line": {"HTTP/1.1 200 ", strings.Repeat("so fine ", 1000), 0, "the head of the answer is longer than 64 KiB"},
		"odd words":    {"HTTP/1.1 500 not\x1b[2J \xff fine " + strings.Repeat("at all ", 100) + "\r\nContent-Length: 0\r\n\r\n", "", 500, "answered 500 not [2J \uFFFD fine at all at all"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, _ := rawServer(t, nil, func(c net.Conn, _ int) {
				requests(t, c, func(int, *http.Request) bool {
					_, err := io.WriteString(c, tt.before)
					for tt.flood != "" && err == nil {
						_, err = io.WriteString(c, tt.flood)
					}
					io.WriteString(c, noContent)
					return false
				})
			})
			a := attempt(t, url)
			if a.Status != tt.status || !strings.HasPrefix(a.Error, tt.failure) || a.Success() != (tt.failure == "") || len(a.Error) > 300 {
				t.Errorf("%+v", a)
			}
		})
	}
}

// TestHTTP2Floods holds the same of HTTP/2.
func TestHTTP2Floods(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	sender, server := secure(t, a, &tls.Config{Certificates: []tls.Certificate{a.issue(t, nil)}}, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hints":
			for r.Context().Err() == nil {
				w.Header().Set("Link", "</style.css>; rel=preload")
				w.WriteHeader(http.StatusEarlyHints)
			}
		case "/head":
			w.Header().Set("X-Long", strings.Repeat("and longer ", 10<<10))
		case "/abort":
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(204)
	})
	for path, says := range map[string]string{"/hints": "the head of the answer is longer than 64 KiB",
		// One header of that size is an error of the connection to net/http.
		"/head": "the connection failed: connection error: ", "/abort": "the connection failed: stream error: ", "/": ""} {
		got := sender.Send(t.Context(), callOf(sender, server.URL+path))
		if !strings.HasPrefix(got.Error, says) || got.Success() != (says == "") {
			t.Errorf("%s: %+v", path, got)
		}
	}
}

// TestHTTP2ConnectionIsShared holds that a receiver that speaks HTTP/2 gets all
// its attempts over one connection, also those at once, those that failed, and
// those whose answers were not read to the end; and that each gets its own answer.
func TestHTTP2ConnectionIsShared(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	var conns atomic.Int32
	config := &tls.Config{Certificates: []tls.Certificate{a.issue(t, nil)}, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		conns.Add(1)
		return nil, nil
	}}
	sender, server := secure(t, a, config, func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Webhook-Id")[0] {
		case 'c':
			w.WriteHeader(503)
			w.Write(bytes.Repeat([]byte("cut"), 1<<20))
		case 'a':
			panic(http.ErrAbortHandler)
		}
		io.WriteString(w, r.Header.Get("Webhook-Id"))
	})
	send := func(id string) *delivery.Answer {
		call := callOf(sender, server.URL)
		call.Header["Webhook-Id"] = []string{id}
		return sender.Send(t.Context(), call)
	}
	first := send("first")
	if !first.Success() || first.Wire.Protocol != "HTTP/2.0" || first.Wire.TLS != "TLS 1.3" || first.Wire.Reused || first.Wire.Handshake <= 0 ||
		first.Wire.Connect <= 0 || first.Wire.FirstByte <= first.Wire.Handshake || first.Wire.Remote != server.Listener.Addr().String() {
		t.Errorf("%+v", first.Wire)
	}
	var attempts sync.WaitGroup
	for i := range 60 {
		attempts.Go(func() {
			switch i % 3 {
			case 0:
				if got := send("cut"); got.Status != 503 || len(got.Body) != 16<<10 {
					t.Errorf("cut: %d, %d bytes", got.Status, len(got.Body))
				}
			case 1:
				if got := send("abort"); got.Status != 0 || got.Outcome != delivery.OutcomeConnection {
					t.Errorf("abort: %+v", got)
				}
			default:
				id := "e" + strings.Repeat("x", i)
				if got := send(id); !got.Success() || string(got.Body) != id || !got.Wire.Reused {
					t.Errorf("%s: %+v", id, got)
				}
			}
		})
	}
	attempts.Wait()
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// Frames of HTTP/2 (RFC 9113 §4.1), as far as a test needs them.
const (
	frameData, frameHeaders, frameRST, frameSettings, frameGoAway = 0, 1, 3, 4, 7

	endStream = 0x1
	// endHead is END_STREAM and END_HEADERS.
	endHead = 0x5
	// refusedStream is the error of a request that was not processed.
	refusedStream = 7
)

// status204 is ":status: 204" in HPACK, entry 9 of the static table (RFC 7541,
// appendix A).
var status204 = []byte{0x89}

func writeFrame(w io.Writer, kind, flags byte, stream uint32, payload []byte) error {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	head = binary.BigEndian.AppendUint32(append(head, flags), stream)
	_, err := w.Write(append(head, payload...))
	return err
}

// speakHTTP2 begins a connection of HTTP/2 and hands the stream of each complete
// request to answer, until that says no.
func speakHTTP2(c net.Conn, answer func(stream uint32) bool) error {
	if _, err := io.CopyN(io.Discard, c, int64(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))); err != nil {
		return err
	}
	if err := writeFrame(c, frameSettings, 0, 0, nil); err != nil {
		return err
	}
	head := make([]byte, 9)
	for {
		if _, err := io.ReadFull(c, head); err != nil {
			return err
		}
		length := int64(binary.BigEndian.Uint32(head) >> 8)
		if _, err := io.CopyN(io.Discard, c, length); err != nil {
			return err
		}
		if kind, flags := head[3], head[4]; (kind == frameData || kind == frameHeaders) && flags&endStream != 0 {
			if !answer(binary.BigEndian.Uint32(head[5:])) {
				return nil
			}
		}
	}
}

// TestHTTP2NotProcessed holds that a request the receiver says it did not process
// goes out again at once, as RFC 9113 §8.7 allows: GOAWAY with a lower stream,
// REFUSED_STREAM. One that was reset or whose connection ended is a failure.
func TestHTTP2NotProcessed(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{a.issue(t, nil)}, NextProtos: []string{"h2"}}
	code := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	for name, tt := range map[string]struct {
		// end answers the first request of all.
		end     func(c net.Conn, stream uint32) bool
		conns   int32
		failure string
	}{
		"going away": {func(c net.Conn, _ uint32) bool {
			writeFrame(c, frameGoAway, 0, 0, append(code(0), code(0)...))
			return true
		}, 2, ""},
		"going away after": {func(c net.Conn, s uint32) bool {
			writeFrame(c, frameGoAway, 0, 0, append(code(s), code(0)...))
			return false
		}, 1, "the connection failed: "},
		"refused":        {func(c net.Conn, s uint32) bool { writeFrame(c, frameRST, 0, s, code(refusedStream)); return true }, 1, ""},
		"internal error": {func(c net.Conn, s uint32) bool { writeFrame(c, frameRST, 0, s, code(2)); return true }, 1, "the connection failed: stream error: "},
		"hung up":        {func(net.Conn, uint32) bool { return false }, 1, "the connection failed: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got atomic.Int32
			url, conns := rawServer(t, config, func(c net.Conn, _ int) {
				err := speakHTTP2(c, func(stream uint32) bool {
					if got.Add(1) == 1 {
						return tt.end(c, stream)
					}
					return writeFrame(c, frameHeaders, endHead, stream, status204) == nil
				})
				if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
					t.Log(err) // how the sender ends a connection is its own business
				}
				c.Close()
			})
			sender := newSender(t)
			sender.Trust(a.pool)
			begin := time.Now()
			answer := sender.Send(t.Context(), callOf(sender, url))
			if answer.Success() != (tt.failure == "") || !strings.HasPrefix(answer.Error, tt.failure) {
				t.Errorf("%+v", answer)
			}
			if want := int32(1); tt.failure == "" && got.Load() != want+1 || tt.failure != "" && got.Load() != want || conns.Load() != tt.conns {
				t.Errorf("%d requests on %d connections after %s", got.Load(), conns.Load(), time.Since(begin))
			}
		})
	}
}
