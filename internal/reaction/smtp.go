package reaction

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// SMTPOptions are what a relay needs beside its URL. The zero value of each field
// is the default named.
type SMTPOptions struct {
	// Hello is the name given with EHLO: this machine's, fully qualified. Without
	// one it is the address the connection comes from (RFC 5321, 4.1.4).
	Hello string
	// Limit is how long one Send may take in all, for a message of up to 1 MiB; 20
	// seconds. A larger one may take a second more for each further 128 KiB.
	Limit time.Duration
	// Answer is how long the server may take to answer once it has the whole
	// message; 2 minutes, or Limit where that is set. Giving up earlier means
	// copies: servers that scan what they take are slow here, and RFC 5321
	// (4.5.3.2.6) asks clients for patience.
	Answer time.Duration
	// RootCAs judge the server's certificate; those of the system.
	RootCAs *x509.CertPool
	// Dial connects; by the system's resolver.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// SMTP hands messages to a mail server, the relay. It keeps no connection: each
// [SMTP.Send] opens its own. It may be used from any goroutine.
//
// Whatever is not on this machine is spoken to over TLS alone, with a certificate
// that verifies. STARTTLS that is offered must succeed, and it must be offered
// except by a relay on this machine, so nobody on the way can talk the hub out of
// it (RFC 8314, 3.3). Name and password follow the same rule.
type SMTP struct {
	host, address  string
	user, password string
	policy         tlsPolicy
	// loopback says that the URL names this machine.
	loopback bool
	tls      *tls.Config
	options  SMTPOptions
}

// tlsPolicy is when TLS begins.
type tlsPolicy string

const (
	// tlsAuto: STARTTLS, except on this machine where it is not offered.
	tlsAuto tlsPolicy = "auto"
	// tlsRequired: STARTTLS, also on this machine.
	tlsRequired tlsPolicy = "required"
	// tlsOff: none; on this machine alone.
	tlsOff tlsPolicy = "off"
	// tlsImplicit: from the first byte (RFC 8314, 3.3).
	tlsImplicit tlsPolicy = "implicit"
)

// errSMTPURL has nothing of the URL in it: what looks like a host may be half of
// a password.
var errSMTPURL = errors.New("the SMTP URL must have the form smtp://user:password@host:port or smtps://user:password@host:port, " +
	"with %40 for @, %2F for / and %25 for % in user and password; ?tls=required, auto or off may follow")

// NewSMTP reads a relay's URL: smtp://[user:password@]host[:port][?tls=auto|required|off],
// by default on port 587, or smtps:// with TLS from the first byte, by default on
// port 465. No error repeats the URL.
func NewSMTP(rawURL string, o SMTPOptions) (*SMTP, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Hostname() == "" || u.Opaque != "" || strings.Trim(u.Path, "/") != "" || u.Fragment != "" ||
		checkHeaderText("", u.Host) != nil || strings.Contains(u.Host, " ") {
		return nil, errSMTPURL
	}
	if o.Answer <= 0 {
		o.Answer = cmp.Or(max(o.Limit, 0), 2*time.Minute)
	}
	if o.Limit <= 0 {
		o.Limit = 20 * time.Second
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	if checkHeaderText("", o.Hello) != nil || strings.Contains(o.Hello, " ") {
		return nil, errors.New("the EHLO name must be a host name")
	}
	s := &SMTP{host: u.Hostname(), loopback: isLoopback(u.Hostname()), options: o}
	s.tls = &tls.Config{ServerName: s.host, RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12}
	port, err := s.setPolicy(u)
	if err != nil {
		return nil, err
	}
	if u.Port() != "" {
		port = u.Port()
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return nil, errSMTPURL
	}
	s.address = net.JoinHostPort(s.host, port)
	if u.User != nil {
		s.user = u.User.Username()
		s.password, _ = u.User.Password()
		if s.user == "" || s.password == "" {
			return nil, errors.New("the SMTP URL must have both a user and a password, or neither")
		}
	}
	return s, nil
}

// setPolicy reads when TLS is to begin, and returns the default port.
func (s *SMTP) setPolicy(u *url.URL) (string, error) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || len(query["tls"]) > 1 || len(query) > 1 || len(query) == 1 && !query.Has("tls") {
		return "", errSMTPURL
	}
	s.policy = tlsAuto
	if query.Has("tls") {
		s.policy = tlsPolicy(query.Get("tls"))
	}
	switch s.policy {
	case tlsAuto, tlsRequired, tlsOff:
	default:
		return "", errors.New("tls in the SMTP URL must be auto, required or off")
	}
	switch {
	case u.Scheme == "smtps" && s.policy == tlsOff:
		return "", errors.New("an smtps URL is TLS from the first byte: tls=off contradicts it")
	case u.Scheme == "smtps":
		s.policy = tlsImplicit
		return "465", nil
	case u.Scheme != "smtp":
		return "", errSMTPURL
	case s.policy == tlsOff && !s.loopback:
		return "", errors.New("tls=off in the SMTP URL is for a server on this machine alone (127.0.0.0/8, ::1, localhost)")
	}
	return "587", nil
}

// isLoopback reports hosts that name this machine.
func isLoopback(host string) bool {
	if strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// String returns the URL without the password.
func (s *SMTP) String() string {
	u := url.URL{Scheme: "smtp", Host: s.address}
	if s.policy == tlsImplicit {
		u.Scheme = "smtps"
	} else if s.policy != tlsAuto {
		u.RawQuery = "tls=" + string(s.policy)
	}
	if s.user != "" {
		u.User = url.User(s.user)
	}
	return u.String()
}

// GoString keeps the password out of %#v too.
func (s *SMTP) GoString() string { return s.String() }

// SendError says why something could not be sent, in words that may be shown to
// the operator of the export.
type SendError struct {
	Message string
	// Uncertain says that it may have arrived all the same: all of it was handed
	// over, and the answer was not received.
	Uncertain bool
	// RetryAfter is the pause that the receiver of a webhook asked for, zero for
	// none. Mail servers ask for none.
	RetryAfter time.Duration

	cause error
}

// Error implements error.
func (e *SendError) Error() string { return e.Message }

// Unwrap returns what ended the attempt where that was the context, the network or
// the disk: never anything the receiver said.
func (e *SendError) Unwrap() error { return e.cause }

// sendErrorf makes an error of the hub's own, of which nothing was sent.
func sendErrorf(format string, args ...any) *SendError {
	return &SendError{Message: fmt.Sprintf(format, args...)}
}
