package delivery

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"greenlane"
	"greenlane/internal/store"
)

// Limits of one attempt.
const (
	attemptTimeout = 15 * time.Second
	// bodyTimeout is how long the body of an answer may take once its head is
	// there. The status has decided by then; what follows is for people, and must
	// not hold up the event that comes next.
	bodyTimeout = 5 * time.Second
	// maxHead is how large the head of an answer may be, informational answers
	// before it included.
	maxHead = 64 << 10
	// keepBody is how much of an answer is kept, drainBody how much is read to
	// save the connection for the next attempt.
	keepBody  = 16 << 10
	drainBody = 64 << 10
	// maxRetryAfter is the longest pause a receiver can ask for.
	maxRetryAfter = 24 * time.Hour
	// maxWords is how much of a receiver's own text goes into an error.
	maxWords = 200
)

// A connection of HTTP/2 is shared by all requests to a receiver, and one whose
// other end is gone would fail each of them until the kernel gives it up, a
// quarter of an hour later. So it is asked whether it lives when nothing came for
// a while, and closed when it does not answer.
const (
	pingAfter   = 10 * time.Second
	pingTimeout = 4 * time.Second
)

// Sender makes attempts over HTTP. It may be used from any goroutine.
type Sender struct {
	transport *http.Transport
	clock     greenlane.Clock
	userAgent string
	// tracer follows attempts at events, nil for nobody.
	tracer Tracer
}

// NewSender makes a sender whose connections go through the guard. Version
// goes into the User-Agent.
func NewSender(g *Guard, clock greenlane.Clock, version string) *Sender {
	return &Sender{
		clock:     clock,
		userAgent: "Greenlane/" + version,
		transport: &http.Transport{
			// No proxy: the guard must see the address that is called.
			DialContext:            traced(g.DialContext),
			TLSHandshakeTimeout:    connectTimeout,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:      true,
			MaxIdleConns:           4096,
			MaxIdleConnsPerHost:    MaxConcurrency,
			IdleConnTimeout:        90 * time.Second,
			MaxResponseHeaderBytes: maxHead,
			// An answer is kept as it came, and a small one that swells is none.
			DisableCompression: true,
			HTTP2:              &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout, WriteByteTimeout: pingAfter},
		},
	}
}

// Close closes idle connections.
func (s *Sender) Close() { s.transport.CloseIdleConnections() }

// Call is an attempt ready to be sent: rebuilt whenever it is needed from the
// event, the revision, the number and the time.
type Call struct {
	URL     string
	Header  http.Header
	Body    []byte
	Sending Sending

	// own are the names of the headers the endpoint's owner added.
	own []string
}

// Build renders and signs one attempt.
func (s *Sender) Build(settings *Settings, in Sending, generation int) *Call {
	in.Fields, in.Omit = settings.Fields, settings.Omit
	body, header := in.Render()
	e := in.Event
	var own []string
	for name, value := range settings.Headers {
		header.Set(name, value)
		own = append(own, name)
	}
	header["Webhook-Id"] = []string{e.EventID()}
	header["Webhook-Timestamp"] = []string{strconv.FormatInt(in.SentAt.Unix(), 10)}
	header["Webhook-Signature"] = []string{signature(in.Secrets, e.EventID(), in.SentAt, body)}
	header["User-Agent"] = []string{s.userAgent}
	header["Greenlane-Event-Type"] = []string{string(e.Type)}
	header["Greenlane-Position"] = []string{strconv.FormatInt(e.Position, 10)}
	header["Greenlane-Subject"] = []string{e.Subject.String()}
	header["Greenlane-Subject-Version"] = []string{strconv.FormatInt(e.Version, 10)}
	header["Greenlane-Attempt"] = []string{strconv.Itoa(in.Attempt)}
	if settings.Granted != nil {
		header["Webhook-Request-Origin"] = []string{settings.Granted.Origin}
	}
	if generation > 1 {
		header["Greenlane-Replay"] = []string{strconv.Itoa(generation)}
	}
	return &Call{URL: settings.URL, Header: header, Body: body, Sending: in, own: own}
}

// Answer is how an attempt ended.
type Answer struct {
	// Status is 0 when there was no answer.
	Status  int
	Outcome Outcome
	Headers []byte
	Body    []byte
	// Error says in words why the attempt failed, empty on success.
	Error    string
	Duration time.Duration
	// Age is how long after its event's commit the attempt ended.
	Age time.Duration
	// RetryAfter is the pause the receiver asked for, zero for none.
	RetryAfter time.Duration
	// Uncertain says that the request was written and no answer was read, so that it
	// may have arrived. Only [Sender.Post] tells.
	Uncertain bool
	// Wire is how it got there.
	Wire Wire

	// call is what was sent, of an attempt at an event.
	call *Call
}

// Success reports whether the receiver acknowledged: any 2xx.
func (a *Answer) Success() bool { return a.Status >= 200 && a.Status < 300 && a.Error == "" }

// Send makes one attempt at an event. Redirects are not followed: they are
// failures. Where the receiver closed a connection that had served before without
// a word of answer, as servers do with idle ones, the request goes out again on a
// new one: it is the same attempt, and the same webhook-id tells the receiver of a
// repetition should the first have arrived.
func (s *Sender) Send(ctx context.Context, r *Call) *Answer {
	header := maps.Clone(r.Header)
	if _, own := header[idempotent]; !own {
		// Without a value it is not sent; it tells the transport alone.
		header[idempotent] = nil
	}
	end := func(*Answer) {}
	if s.tracer != nil {
		end = s.tracer(r, header)
	}
	a, _ := s.exchange(ctx, http.MethodPost, r.URL, header, r.Body)
	a.call = r
	end(a)
	return a
}

// idempotent is the header by which net/http knows that a POST may be repeated
// (see [http.Transport]).
const idempotent = "Idempotency-Key"

// exchange makes one attempt at anything, within the limits of one, and returns
// the headers of the answer as well.
func (s *Sender) exchange(ctx context.Context, method, url string, header http.Header, body []byte) (*Answer, http.Header) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	trace := &tracer{clock: s.clock, begin: s.clock()}
	ctx = httptrace.WithClientTrace(context.WithValue(ctx, tracerKey{}, trace), trace.hooks())
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return &Answer{Outcome: OutcomeConnection, Error: "the URL can't be called: " + err.Error()}, nil
	}
	req.Header = header
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		outcome, words := failure(ctx, err, s.clock())
		return &Answer{Outcome: outcome, Error: words, Duration: s.clock().Sub(trace.begin), Wire: trace.wireSoFar()}, nil
	}
	defer resp.Body.Close()
	a := s.read(resp, cancel, trace)
	a.Duration = s.clock().Sub(trace.begin)
	return a, resp.Header
}

// read takes in an answer; cancel ends reading its body.
func (s *Sender) read(resp *http.Response, cancel func(), trace *tracer) *Answer {
	a := &Answer{Status: resp.StatusCode, Outcome: outcomeOf(resp.StatusCode), Headers: keepHeaders(resp.Header), Wire: trace.wireSoFar()}
	a.Wire.Protocol = resp.Proto
	if resp.TLS != nil {
		a.Wire.TLS = tls.VersionName(resp.TLS.Version)
	}
	switch {
	// 304 and a 3xx without a Location lead nowhere.
	case resp.StatusCode >= 300 && resp.StatusCode < 400 && resp.StatusCode != http.StatusNotModified && resp.Header.Get("Location") != "":
		a.Error = fmt.Sprintf("redirect to %s refused", plain(resp.Header.Get("Location"), maxWords))
	case resp.StatusCode < 200 || resp.StatusCode >= 300:
		a.Error = "answered " + plain(resp.Status, maxWords)
	}
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
		a.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), s.clock())
	}
	// What follows 101 is no body but a connection that nothing would end.
	if resp.Body != http.NoBody && resp.StatusCode != http.StatusSwitchingProtocols {
		limit := time.AfterFunc(bodyTimeout, cancel)
		defer limit.Stop()
		a.Body = readBody(resp.Body)
	}
	return a
}

// readBody reads what is kept of an answer's body. The status decided before,
// even if the rest breaks off or never comes.
func readBody(r io.Reader) []byte {
	body, err := io.ReadAll(io.LimitReader(r, keepBody))
	if err == nil && len(body) == keepBody {
		// Reading a little more may save the connection; a longer answer loses it.
		// How that ends is of no account.
		_, _ = io.CopyN(io.Discard, r, drainBody)
	}
	return body
}

// retryAfter reads the header's seconds or date.
func retryAfter(text string, now time.Time) time.Duration {
	var d time.Duration
	seconds, err := strconv.Atoi(text)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		d = time.Duration(max(0, min(seconds, int(maxRetryAfter/time.Second)))) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		d = at.Sub(now)
	}
	return max(0, min(d, maxRetryAfter))
}

// dull headers say nothing about why an attempt ended as it did.
var dull = []string{"Date", "Content-Length", "Connection", "Keep-Alive", "Transfer-Encoding", "Vary"}

// keepHeaders returns the telling headers of an answer as lines, in order, and
// within the same bound as the body.
func keepHeaders(h http.Header) []byte {
	names := make([]string, 0, len(h))
	for name := range h {
		if !slices.Contains(dull, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var out []byte
	for _, name := range names {
		for _, value := range h[name] {
			if len(out)+len(name)+len(value) > keepBody {
				return out
			}
			out = append(out, name...)
			out = append(out, ": "...)
			out = append(out, value...)
			out = append(out, '\n')
		}
	}
	return out
}

func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// plain returns a receiver's own text as it may stand in an error: of bounded
// length, in valid UTF-8 and without control characters.
func plain(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return truncate(s, n)
}

// record makes the attempt's row.
func (a *Answer) record(r *Call, endpoint int64, generation, revision int) *store.Attempt {
	return &store.Attempt{
		Endpoint: endpoint, Position: r.Sending.Event.Position, Generation: generation, Number: r.Sending.Attempt,
		Revision: revision, SentAt: r.Sending.SentAt, Duration: a.Duration.Truncate(time.Microsecond), Status: a.Status,
		Error: a.Error, BodyDigest: sha256.Sum256(r.Body), Headers: a.Headers, Body: a.Body, Done: a.Success(),
	}
}
