// Package web is the HTTP shell around the API and the pages: who asks, what
// they may do, how large a request may be, and how errors become answers. It
// knows the vocabulary and nothing of how the hub works.
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"greenlane"
)

// Principal is who makes a request.
type Principal struct {
	Key *greenlane.Key
	// Source is what the events the request causes will name.
	Source greenlane.Source
}

// May refuses a principal whose role is too small.
func (p *Principal) May(needed greenlane.Role) error {
	if p.Key.Role.Allows(needed) {
		return nil
	}
	return greenlane.Errorf(greenlane.Forbidden, "forbidden",
		"this needs a key with the role %s; this key has the role %s", needed, p.Key.Role)
}

// Authenticator finds the living key of a token.
type Authenticator func(token string) (*greenlane.Key, error)

// maxClient is the longest client name, in bytes.
const maxClient = 100

// Identify returns the principal of a request: the key of its bearer token, and
// the source its X-Source-Client and X-Source-Origin headers state, by default
// the key's name and default origin.
func Identify(h http.Header, find Authenticator) (*Principal, error) {
	// The scheme's case does not matter (RFC 9110, section 11.1).
	scheme, token, ok := strings.Cut(h.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return nil, greenlane.Errorf(greenlane.Unauthenticated, "invalid_api_key",
			"send an API key in the header Authorization: Bearer gl_…")
	}
	key, err := find(strings.TrimSpace(token))
	if err != nil {
		return nil, err
	}
	p := &Principal{Key: key, Source: greenlane.Source{Client: key.Name, Origin: key.DefaultOrigin}}
	if p.Source.Origin == "" {
		p.Source.Origin = greenlane.OriginAutomation
	}
	if client := h.Get("X-Source-Client"); client != "" {
		if len(client) > maxClient || !utf8.ValidString(client) || strings.ContainsFunc(client, unicode.IsControl) {
			return nil, greenlane.InvalidField("header.X-Source-Client", nil, "must be at most %d bytes of UTF-8 without control characters", maxClient)
		}
		p.Source.Client = client
	}
	if origin := greenlane.Origin(h.Get("X-Source-Origin")); origin != "" {
		if !origin.Valid() {
			return nil, greenlane.InvalidField("header.X-Source-Origin", origin, "must be one of %v", greenlane.Origins())
		}
		p.Source.Origin = origin
	}
	return p, nil
}

type principalKey struct{}

// WithPrincipal returns a context that carries the principal.
func WithPrincipal(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalOf returns the principal a context carries. It panics without one:
// every route that asks is behind the authentication.
func PrincipalOf(ctx context.Context) *Principal { return ctx.Value(principalKey{}).(*Principal) }

// Shell wraps the routes with what every request needs.
type Shell struct {
	Log *slog.Logger
	// Observe is told of each finished request: the pattern of its route, its
	// status and how long it took.
	Observe func(pattern, method string, status int, took time.Duration)
}

// Wrap returns the handler with panics contained, security headers set, and
// failures of ours logged once, under the id the answer carries.
func (s *Shell) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		rec := &recorder{ResponseWriter: w}
		id := fmt.Sprintf("%016x", rand.Uint64())
		h := w.Header()
		h["X-Request-Id"] = []string{id}
		h["X-Content-Type-Options"] = []string{"nosniff"}
		h["Cache-Control"] = []string{"no-store"}
		r = r.WithContext(context.WithValue(r.Context(), requestKey{}, id))
		if s.Observe != nil {
			defer func() { s.Observe(r.Pattern, r.Method, rec.status, time.Since(begin)) }()
		}
		defer func() {
			if p := recover(); p != nil {
				s.contain(rec, r, p)
			}
		}()
		next.ServeHTTP(rec, r)
	})
}

type requestKey struct{}

// RequestID returns the id of the request a context belongs to, which its answer
// carries as X-Request-Id; empty outside of a [Shell].
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestKey{}).(string)
	return id
}

// contain answers a request that panicked. One that was answered in part is
// broken off, so that nobody takes the part for the whole. http.ErrAbortHandler
// goes on: it is how a handler breaks a connection off.
func (s *Shell) contain(w *recorder, r *http.Request, p any) {
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p)
	}
	s.Log.Error("panic in a request", "request", RequestID(r.Context()), "method", r.Method, "path", r.URL.Path,
		"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	if w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	WriteError(w, greenlane.Errorf(greenlane.Internal, "internal", "the request failed for a reason of ours"))
}

// recorder remembers the status that was written.
type recorder struct {
	http.ResponseWriter
	status int
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach flushing and deadlines.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// NewServer returns an HTTP server with the limits of this program. Handlers
// that answer for long extend their own deadline.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       60 * time.Second,
		// A long poll may take a minute before it answers.
		WriteTimeout:   75 * time.Second,
		IdleTimeout:    120 * time.Second,
		MaxHeaderBytes: 64 << 10,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// Health answers /healthz: the process runs.
func Health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintln(w, `{"status":"ok"}`)
}

// Ready answers /readyz: 200 when check finds nothing, else 503 with the reason
// in public words.
func Ready(check func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if err := check(); err != nil {
			WriteError(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintln(w, `{"status":"ready"}`)
	}
}

// LoopbackOrKey lets requests from this machine through, and others with a key.
// A request that was forwarded is not from this machine.
func LoopbackOrKey(next http.Handler, find Authenticator) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !fromLoopback(r) {
			if _, err := Identify(r.Header, find); err != nil {
				WriteError(w, err)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func fromLoopback(r *http.Request) bool {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && remote.Addr().Unmap().IsLoopback() &&
		r.Header.Get("X-Forwarded-For") == "" && r.Header.Get("Forwarded") == ""
}
