package delivery

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

// Limits of one attempt.
const (
	attemptTimeout = 15 * time.Second
	// keepBody is how much of an answer is kept, drainBody how much is read to
	// save the connection for the next attempt.
	keepBody  = 16 << 10
	drainBody = 64 << 10
	// maxRetryAfter is the longest pause a receiver can ask for.
	maxRetryAfter = 24 * time.Hour
)

// Sender makes attempts over HTTP. It may be used from any goroutine.
type Sender struct {
	transport *http.Transport
	clock     greenlane.Clock
	userAgent string
}

// NewSender makes a sender whose connections go through the guard. Version
// goes into the User-Agent.
func NewSender(g *Guard, clock greenlane.Clock, version string) *Sender {
	return &Sender{
		clock:     clock,
		userAgent: "Greenlane/" + version,
		transport: &http.Transport{
			// No proxy: the guard must see the address that is called.
			DialContext:            g.DialContext,
			TLSHandshakeTimeout:    connectTimeout,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:      true,
			MaxIdleConns:           4096,
			MaxIdleConnsPerHost:    MaxConcurrency,
			IdleConnTimeout:        90 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			DisableCompression:     true,
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
}

// Success reports whether the receiver acknowledged: any 2xx.
func (a *Answer) Success() bool { return a.Status >= 200 && a.Status < 300 && a.Error == "" }

// Send makes one attempt. Redirects are not followed: they are failures.
func (s *Sender) Send(ctx context.Context, r *Call) *Answer {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	begin := s.clock()
	a := s.send(ctx, r)
	a.Duration = s.clock().Sub(begin)
	return a
}

func (s *Sender) send(ctx context.Context, r *Call) *Answer {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return &Answer{Outcome: OutcomeConnection, Error: "the URL can't be called: " + err.Error()}
	}
	req.Header = r.Header
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		outcome, words := failure(ctx, err, s.clock())
		return &Answer{Outcome: outcome, Error: words}
	}
	defer resp.Body.Close()
	a := &Answer{Status: resp.StatusCode, Outcome: outcomeOf(resp.StatusCode), Headers: keepHeaders(resp.Header)}
	// The status decides, even if the rest of the answer breaks off.
	body, err := io.ReadAll(io.LimitReader(resp.Body, keepBody))
	a.Body = body
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		a.Error = fmt.Sprintf("redirect to %s refused", truncate(resp.Header.Get("Location"), 200))
	case resp.StatusCode < 200 || resp.StatusCode >= 300:
		a.Error = "answered " + resp.Status
	}
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
		a.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), s.clock())
	}
	if err == nil && len(body) == keepBody {
		// Reading a little more may save the connection; a longer answer loses it.
		io.CopyN(io.Discard, resp.Body, drainBody)
	}
	return a
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

// record makes the attempt's row.
func (a *Answer) record(r *Call, endpoint int64, generation, revision int) *store.Attempt {
	return &store.Attempt{
		Endpoint: endpoint, Position: r.Sending.Event.Position, Generation: generation, Number: r.Sending.Attempt,
		Revision: revision, SentAt: r.Sending.SentAt, Duration: a.Duration.Truncate(time.Microsecond), Status: a.Status,
		Error: a.Error, BodyDigest: sha256.Sum256(r.Body), Headers: a.Headers, Body: a.Body, Done: a.Success(),
	}
}
