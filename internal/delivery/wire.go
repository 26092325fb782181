package delivery

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptrace"
	"sync"
	"time"

	"greenlane"
)

// Wire is what an attempt met on its way to the receiver, for whoever looks for
// the part of it that is slow or broken.
type Wire struct {
	// Remote is the address that was called, with its port: of the connection that
	// was used or, without one, of the last that was tried. Empty when none was.
	Remote string
	// Reused: the connection had served before. Repeated: a connection that had
	// served before was closed by the receiver without an answer, and the request
	// was written again on another.
	Reused, Repeated bool
	// Protocol is that of the answer, such as "HTTP/2.0", TLS its version, such as
	// "TLS 1.3"; empty where there was none.
	Protocol, TLS string
	// DNS, Connect and Handshake are how long finding the address, connecting and
	// agreeing on TLS took; 0 where a connection was there already.
	DNS, Connect, Handshake time.Duration
	// FirstByte is the time from the attempt's begin to the answer's first byte, 0
	// without an answer.
	FirstByte time.Duration
}

// tracer gathers a [Wire]. The transport calls it from several goroutines, also
// after the attempt has ended: a connection that came too late is kept for the
// next.
type tracer struct {
	clock greenlane.Clock
	begin time.Time

	mu                      sync.Mutex
	wire                    Wire
	taken                   int
	dns, connect, handshake time.Time
}

// wireSoFar returns what is known by now.
func (t *tracer) wireSoFar() Wire {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.wire
}

// note runs f with the lock held.
func (t *tracer) note(f func(now time.Time)) {
	now := t.clock()
	t.mu.Lock()
	defer t.mu.Unlock()
	f(now)
}

// hooks returns what the transport calls for a request. There is none for
// informational answers: one that is looked at no longer counts towards the
// transport's limit on heads.
func (t *tracer) hooks() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn:           t.got,
		TLSHandshakeStart: func() { t.note(func(now time.Time) { t.handshake = now }) },
		TLSHandshakeDone: func(tls.ConnectionState, error) {
			t.note(func(now time.Time) { t.wire.Handshake = now.Sub(t.handshake) })
		},
		GotFirstResponseByte: func() { t.note(func(now time.Time) { t.wire.FirstByte = now.Sub(t.begin) }) },
	}
}

// tracerKey finds the tracer of a request in the context of the dial made for it.
type tracerKey struct{}

// dialHooks returns what a dial calls. They are made for dials alone: most requests
// find a connection.
func (t *tracer) dialHooks() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		DNSStart: func(httptrace.DNSStartInfo) { t.note(func(now time.Time) { t.dns = now }) },
		DNSDone:  func(httptrace.DNSDoneInfo) { t.note(func(now time.Time) { t.wire.DNS = now.Sub(t.dns) }) },
		ConnectStart: func(_, address string) {
			t.note(func(now time.Time) {
				if t.connect.IsZero() {
					t.connect = now
				}
				if t.taken == 0 {
					t.wire.Remote = address
				}
			})
		},
		ConnectDone: func(string, string, error) {
			t.note(func(now time.Time) { t.wire.Connect = now.Sub(t.connect) })
		},
	}
}

// traced returns a dial that tells the tracer of the request it is made for.
func traced(dial func(ctx context.Context, network, address string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if t, ok := ctx.Value(tracerKey{}).(*tracer); ok {
			ctx = httptrace.WithClientTrace(ctx, t.dialHooks())
		}
		return dial(ctx, network, address)
	}
}

// got takes in the connection that is used.
func (t *tracer) got(info httptrace.GotConnInfo) {
	t.note(func(time.Time) {
		t.taken++
		t.wire.Reused, t.wire.Repeated = info.Reused, t.taken > 1
		t.wire.Remote = info.Conn.RemoteAddr().String()
	})
}
