package web

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"greenlane"
)

// answerPatience is how long another node may take to begin its answer: longer than
// anything it does for one, such as a test of a receiver that does not answer.
const answerPatience = 30 * time.Second

// forwardedHeader marks a request that a node has handed on: it goes no further.
const forwardedHeader = "Greenlane-Forwarded"

// Forwarder hands requests about an endpoint on to the node that serves it, so that
// any node answers any request.
type Forwarder struct {
	// Owner returns the address of the node that serves an endpoint, empty when it
	// is this one.
	Owner func(ctx context.Context, endpoint int64) (string, error)
	// Find finds the key of a request: whose is none is not handed on.
	Find Authenticator
	Log  *slog.Logger

	transport *http.Transport
}

// NewForwarder makes a forwarder with connections of its own.
func NewForwarder(owner func(ctx context.Context, endpoint int64) (string, error), find Authenticator, log *slog.Logger) *Forwarder {
	return &Forwarder{Owner: owner, Find: find, Log: log, transport: &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 32, IdleConnTimeout: time.Minute, ResponseHeaderTimeout: answerPatience, DisableCompression: true,
	}}
}

// Close closes idle connections.
func (f *Forwarder) Close() { f.transport.CloseIdleConnections() }

// Wrap hands on what is about an endpoint of another node. The rest is answered by
// next, whose requests carry a [Relay].
func (f *Forwarder) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(forwardedHeader) != "" {
			next.ServeHTTP(w, r)
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), relayKey{}, &Relay{f, r}))
		endpoint := endpointOf(r.URL.Path)
		if _, stranger := Identify(r.Header, f.Find); endpoint == 0 || stranger != nil {
			next.ServeHTTP(w, r)
			return
		}
		address, err := f.Owner(r.Context(), endpoint)
		switch {
		case err != nil:
			WriteError(w, err)
		case address == "":
			next.ServeHTTP(w, r)
		default:
			f.forward(w, r, address)
		}
	})
}

// endpointOf returns the number of the endpoint that a path is about: that of the
// endpoint itself, or of a delivery; 0 when it is about none.
func endpointOf(path string) int64 {
	rest, ok := strings.CutPrefix(path, "/v1/")
	if !ok {
		return 0
	}
	resource, rest, _ := strings.Cut(rest, "/")
	text, _, _ := strings.Cut(rest, "/")
	switch resource {
	case "webhooks":
		if id, err := greenlane.ParseID(greenlane.EndpointPrefix, text); err == nil {
			return id.Number()
		}
	case "deliveries":
		if endpoint, _, _, err := greenlane.ParseDeliveryID(text); err == nil && endpoint > 0 {
			return endpoint
		}
	}
	return 0
}

// forward lets another node answer.
func (f *Forwarder) forward(w http.ResponseWriter, r *http.Request, address string) {
	target, err := url.Parse(address)
	if err != nil {
		f.Log.Error("a node's address is no URL", "address", address, "error", err)
		WriteError(w, unreachable())
		return
	}
	// The answer brings its own, among them the id under which the other node logs.
	own := maps.Clone(w.Header())
	clear(w.Header())
	proxy := httputil.ReverseProxy{
		Transport: f.transport, ErrorLog: slog.NewLogLogger(f.Log.Handler(), slog.LevelDebug),
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(target)
			p.Out.Host = p.In.Host
			p.Out.Header.Set(forwardedHeader, "1")
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			maps.Copy(w.Header(), own)
			if tooLarge := (*http.MaxBytesError)(nil); r.Context().Err() == nil && !errors.As(err, &tooLarge) {
				f.Log.Warn("a request could not be handed on", "request", RequestID(r.Context()), "node", address, "error", err)
			}
			WriteError(w, unreachable())
		},
	}
	proxy.ServeHTTP(w, r)
}

func unreachable() error {
	e := greenlane.Errorf(greenlane.Unavailable, "node_unreachable",
		"the node that serves this endpoint did not answer; whether it did what was asked is not known. Ask again, with the same Idempotency-Key if it has one")
	e.RetryAfter = time.Second
	return e
}

type relayKey struct{}

// Relay puts a request to other nodes as well.
type Relay struct {
	forwarder *Forwarder
	request   *http.Request
}

// RelayOf returns the relay of the request a context belongs to, nil where there
// are no other nodes or one of them asks.
func RelayOf(ctx context.Context) *Relay {
	r, _ := ctx.Value(relayKey{}).(*Relay)
	return r
}

// Owner returns the address of the node that serves an endpoint, empty when it is
// this one.
func (r *Relay) Owner(ctx context.Context, endpoint int64) (string, error) {
	return r.forwarder.Owner(ctx, endpoint)
}

// Ask puts the request, which must have no body, to another node, which answers for
// itself alone. The caller closes the answer's body.
func (r *Relay) Ask(ctx context.Context, address string) (*http.Response, error) {
	target, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	target = target.JoinPath(r.request.URL.Path)
	target.RawQuery = r.request.URL.RawQuery
	out, err := http.NewRequestWithContext(ctx, r.request.Method, target.String(), nil)
	if err != nil {
		return nil, err
	}
	out.Header = r.request.Header.Clone()
	out.Header.Set(forwardedHeader, "1")
	return r.forwarder.transport.RoundTrip(out)
}
