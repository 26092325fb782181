package delivery

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"greenlane"
)

// Grant is a receiver's permission to send to it, as the handshake against abuse
// of "HTTP 1.1 Web Hooks for Event Delivery" (CloudEvents, §4) gave it. It is kept
// with the settings that needed it.
type Grant struct {
	// URL is where it was asked for, Origin the name it was asked by, which each
	// request has to carry.
	URL    string `json:"url"`
	Origin string `json:"origin"`
	// PerMinute is how many requests the receiver allows in a minute; 0 for no
	// limit.
	PerMinute int `json:"perMinute,omitzero"`
	// At is when it was given.
	At time.Time `json:"at"`
}

// maxPerMinute is the largest rate a grant keeps: more is no limit, because an
// endpoint's own rate can't be higher.
const maxPerMinute = 60 * maxRate

// rate returns how many attempts may begin in a second by the owner's wish and
// the receiver's grant; 0 is no limit.
func (s *Settings) rate() float64 {
	if s.Granted == nil || s.Granted.PerMinute == 0 {
		return s.RateLimit
	}
	granted := float64(s.Granted.PerMinute) / 60
	if s.RateLimit == 0 {
		return granted
	}
	return min(s.RateLimit, granted)
}

// agreed reports whether the settings have what they need of their receiver's
// permission.
func (s *Settings) agreed() bool {
	return !s.Handshake || s.Granted != nil && s.Granted.URL == s.URL
}

// Agree asks the receiver of settings that want a handshake for its permission,
// and puts the grant into them; settings that want none lose theirs. It calls the
// receiver once, on the way and within the limits of an attempt. A refusal is an
// error of code handshake_refused that says what the receiver answered.
//
// The origin is the domain of the account. A grant by callback is not supported:
// the hub has no address of its own that a receiver could call.
func (e *Engine) Agree(ctx context.Context, account int64, s *Settings) error {
	if !s.Handshake {
		s.Granted = nil
		return nil
	}
	grant, err := e.sender.handshake(ctx, s, e.hub.Account(account).Domain)
	if err != nil {
		return err
	}
	s.Granted = grant
	return nil
}

// handshake makes the validation request (§4.1) and reads its answer (§4.2).
func (s *Sender) handshake(ctx context.Context, settings *Settings, origin string) (*Grant, error) {
	header := http.Header{}
	for name, value := range settings.Headers {
		header.Set(name, value)
	}
	header["User-Agent"] = []string{s.userAgent}
	header["Webhook-Request-Origin"] = []string{origin}
	if settings.RateLimit > 0 {
		// The specification knows whole requests in a minute, and at least one.
		header["Webhook-Request-Rate"] = []string{strconv.Itoa(max(1, int(math.Round(settings.RateLimit*60))))}
	}
	a, answered := s.exchange(ctx, http.MethodOptions, settings.URL, header, nil)
	grant := &Grant{URL: settings.URL, Origin: origin, At: s.clock()}
	if err := grant.read(a, answered); err != nil {
		return nil, greenlane.Errorf(greenlane.Conflict, "handshake_refused", "%s did not allow requests from %s: %v", settings.URL, origin, err)
	}
	return grant, nil
}

// read takes in an answer. Its status says nothing, by the specification: a
// receiver that knows no handshake may answer OPTIONS with any.
func (g *Grant) read(a *Answer, header http.Header) error {
	if a.Status == 0 {
		return fmt.Errorf("%s", a.Error)
	}
	allowed := header.Get("WebHook-Allowed-Origin")
	switch {
	case allowed == "":
		return fmt.Errorf("it answered OPTIONS with status %d and without WebHook-Allowed-Origin", a.Status)
	case allowed != "*" && !strings.EqualFold(allowed, g.Origin):
		return fmt.Errorf("it answered WebHook-Allowed-Origin: %s, which is neither that name nor *", plain(allowed, maxWords))
	}
	rate := header.Get("WebHook-Allowed-Rate")
	if rate == "" || rate == "*" {
		return nil
	}
	n, err := strconv.ParseUint(rate, 10, 64)
	if n == 0 {
		return fmt.Errorf("it answered WebHook-Allowed-Rate: %s, which is neither a number of requests per minute from 1 on nor *", plain(rate, maxWords))
	}
	if err == nil && n < maxPerMinute {
		g.PerMinute = int(n)
	}
	return nil
}

// Equal reports whether two grants allow the same, whenever they were given.
func (g *Grant) Equal(other *Grant) bool {
	if g == nil || other == nil {
		return g == other
	}
	return g.URL == other.URL && g.Origin == other.Origin && g.PerMinute == other.PerMinute
}

// notAgreed refuses settings whose receiver was not asked for its permission.
func notAgreed(url string) error {
	return greenlane.Errorf(greenlane.Conflict, "handshake_missing", "the receiver of %s was not asked for its permission; the endpoint was changed meanwhile, try again", url)
}
