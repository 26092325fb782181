package delivery

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// Outcome is the kind of an attempt's end, for counting.
type Outcome int

// The outcomes of an attempt.
const (
	// OutcomeAcknowledged is any 2xx.
	OutcomeAcknowledged Outcome = iota
	// OutcomeRedirect, OutcomeClientError and OutcomeServerError are the other
	// answers.
	OutcomeRedirect
	OutcomeClientError
	OutcomeServerError
	// OutcomeTimeout had no complete answer in time.
	OutcomeTimeout
	// OutcomeGuard was refused by the hub itself, for the address.
	OutcomeGuard
	// OutcomeDNS found no address, OutcomeTLS did not trust who answered or could
	// not agree with it, OutcomeConnection broke off or never came about.
	OutcomeDNS
	OutcomeTLS
	OutcomeConnection
	outcomes
)

// Outcomes returns all outcomes.
func Outcomes() []Outcome {
	list := make([]Outcome, outcomes)
	for i := range list {
		list[i] = Outcome(i)
	}
	return list
}

// String returns the outcome's name in metrics.
func (o Outcome) String() string {
	return [...]string{"acknowledged", "redirect", "client_error", "server_error", "timeout", "guard", "dns", "tls", "connection"}[o]
}

// outcomeOf returns the outcome of an answer with a status.
func outcomeOf(status int) Outcome {
	switch {
	case status >= 200 && status < 300:
		return OutcomeAcknowledged
	case status >= 300 && status < 400:
		return OutcomeRedirect
	case status >= 400 && status < 500:
		return OutcomeClientError
	}
	return OutcomeServerError
}

// failure says in words why no answer came.
func failure(ctx context.Context, err error, now time.Time) (Outcome, string) {
	var refused *RefusedError
	var dns *net.DNSError
	var late net.Error
	switch {
	case errors.As(err, &refused):
		return OutcomeGuard, refused.Error()
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return OutcomeTimeout, fmt.Sprintf("no complete answer within %s", attemptTimeout)
	case errors.Is(ctx.Err(), context.Canceled):
		return OutcomeConnection, "the hub was stopping"
	case errors.As(err, &dns):
		return OutcomeDNS, "the host name could not be resolved: " + dns.Err
	}
	if words := tlsFailure(err, now); words != "" {
		return OutcomeTLS, words
	}
	// net/http keeps the types of these errors to itself.
	switch text := err.Error(); {
	case strings.Contains(text, "TLS handshake timeout"):
		return OutcomeTimeout, fmt.Sprintf("the receiver did not agree on TLS within %s", connectTimeout)
	case errors.As(err, &late) && late.Timeout():
		return OutcomeTimeout, fmt.Sprintf("could not connect within %s", connectTimeout)
	case strings.Contains(text, "server response headers exceeded"), strings.Contains(text, "header list too large"):
		return OutcomeConnection, fmt.Sprintf("the head of the answer is longer than %d KiB", maxHead>>10)
	default:
		return OutcomeConnection, "the connection failed: " + plain(text, maxWords)
	}
}

// tlsFailure says in words what is wrong with a receiver's TLS, empty if it is
// something else. Each has another remedy.
func tlsFailure(err error, now time.Time) string {
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	var authority x509.UnknownAuthorityError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var remote *net.OpError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return validity(invalid.Cert, now)
	case errors.As(err, &host):
		return "the TLS certificate is for another host: " + names(host)
	case errors.As(err, &authority):
		return "the TLS certificate was issued by an unknown authority" + issuer(authority.Cert)
	case errors.As(err, &certificate):
		return "the TLS certificate was not accepted: " + plain(certificate.Err.Error(), maxWords)
	case errors.As(err, &record):
		return "the receiver does not speak TLS on this port"
	case errors.As(err, &remote) && remote.Op == "remote error":
		// An alert of the receiver's side.
		return "the receiver refused the TLS handshake: " + strings.TrimPrefix(remote.Err.Error(), "tls: ")
	case strings.Contains(err.Error(), "tls: server selected unsupported protocol version"):
		return "the receiver offers no TLS version from 1.2 on"
	}
	return ""
}

// validity says on which side of its time a certificate is used.
func validity(c *x509.Certificate, now time.Time) string {
	if now.Before(c.NotBefore) {
		return "the TLS certificate is not valid before " + c.NotBefore.UTC().Format(time.DateTime)
	}
	return "the TLS certificate expired on " + c.NotAfter.UTC().Format(time.DateTime)
}

// names says for which hosts a certificate is, and for which it is not.
func names(e x509.HostnameError) string {
	var is []string
	is = append(is, e.Certificate.DNSNames...)
	for _, ip := range e.Certificate.IPAddresses {
		is = append(is, ip.String())
	}
	const most = 5
	if more := len(is) - most; more > 0 {
		is = append(is[:most], fmt.Sprintf("%d more", more))
	}
	if len(is) == 0 {
		return "it names none, not " + e.Host
	}
	return fmt.Sprintf("%s, not %s", plain(strings.Join(is, ", "), 300), e.Host)
}

func issuer(c *x509.Certificate) string {
	if c == nil {
		return ""
	}
	if name := c.Issuer.String(); name != "" {
		return ": " + plain(name, maxWords)
	}
	return ""
}
