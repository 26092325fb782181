package delivery_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/delivery"
)

// authority issues certificates for a test.
type authority struct {
	pool *x509.CertPool
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{pool: x509.NewCertPool()}
	a.cert, a.key = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test Authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}, newTLSKey(t)
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pool.AddCert(a.cert)
	return a
}

func newTLSKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue makes a certificate for 127.0.0.1 and receiver.example, changed by set.
func (a *authority) issue(t testing.TB, set func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "receiver"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"receiver.example"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if set != nil {
		set(c)
	}
	key := newTLSKey(t)
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// secure starts a TLS server and returns a sender that trusts the authority.
func secure(t testing.TB, a *authority, config *tls.Config, f http.HandlerFunc) (*delivery.Sender, *httptest.Server) {
	t.Helper()
	server := httptest.NewUnstartedServer(f)
	server.TLS, server.EnableHTTP2 = config, true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	sender := delivery.NewSender(guard(t, "127.0.0.0/8"), greenlane.SystemClock, "test")
	sender.Trust(a.pool)
	t.Cleanup(sender.Close)
	return sender, server
}

// TestTLSFailures holds that an attempt says what is wrong with a receiver's TLS,
// because each has another remedy.
func TestTLSFailures(t *testing.T) {
	t.Parallel()
	a, stranger := newAuthority(t), newAuthority(t)
	long := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	of := func(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }
	for name, tt := range map[string]struct {
		config *tls.Config
		says   string
	}{
		"fine":    {of(a.issue(t, nil)), ""},
		"expired": {of(a.issue(t, func(c *x509.Certificate) { c.NotAfter = long; c.NotBefore = long.Add(-time.Hour) })), "the TLS certificate expired on 2020-01-02 03:04:05"},
		"early": {of(a.issue(t, func(c *x509.Certificate) { c.NotBefore = long.AddDate(80, 0, 0); c.NotAfter = long.AddDate(81, 0, 0) })),
			"the TLS certificate is not valid before 2100-01-02 03:04:05"},
		"other host": {of(a.issue(t, func(c *x509.Certificate) { c.IPAddresses = nil })), "the TLS certificate is for another host: receiver.example, not 127.0.0.1"},
		"no host":    {of(a.issue(t, func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, nil })), "the TLS certificate is for another host: it names none, not 127.0.0.1"},
		"stranger":   {of(stranger.issue(t, nil)), "the TLS certificate was issued by an unknown authority: CN=Test Authority"},
		"old protocol": {&tls.Config{Certificates: []tls.Certificate{a.issue(t, nil)}, MaxVersion: tls.VersionTLS11},
			"the receiver refused the TLS handshake: protocol version not supported"},
		"wants a certificate": {&tls.Config{Certificates: []tls.Certificate{a.issue(t, nil)}, ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12},
			"the receiver refused the TLS handshake: "},
		"for clients": {of(a.issue(t, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })),
			"the TLS certificate was not accepted: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sender, server := secure(t, a, tt.config, func(http.ResponseWriter, *http.Request) {})
			got := sender.Send(t.Context(), callOf(sender, server.URL))
			if want := delivery.OutcomeTLS; tt.says != "" && got.Outcome != want || !strings.HasPrefix(got.Error, tt.says) || got.Success() != (tt.says == "") {
				t.Errorf("%s: %q", got.Outcome, got.Error)
			}
		})
	}
	plain := serve(t, func(http.ResponseWriter, *http.Request) {})
	sender := delivery.NewSender(guard(t, "127.0.0.0/8"), greenlane.SystemClock, "test")
	if got := sender.Send(t.Context(), callOf(sender, strings.Replace(plain, "http:", "https:", 1))); got.Outcome != delivery.OutcomeTLS ||
		got.Error != "the receiver does not speak TLS on this port" {
		t.Errorf("%s: %q", got.Outcome, got.Error)
	}
}

// TestOutcomes counts an attempt by how it ended.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]delivery.Outcome{
		200: delivery.OutcomeAcknowledged, 299: delivery.OutcomeAcknowledged, 302: delivery.OutcomeRedirect,
		404: delivery.OutcomeClientError, 503: delivery.OutcomeServerError, 600: delivery.OutcomeServerError,
	} {
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		if got := attempt(t, url); got.Outcome != want {
			t.Errorf("%d is %s", status, got.Outcome)
		}
	}
	for url, want := range map[string]delivery.Outcome{
		"http://10.0.0.1/": delivery.OutcomeGuard, "http://127.0.0.1:1/": delivery.OutcomeConnection,
		"http://nowhere.invalid/": delivery.OutcomeDNS,
	} {
		if got := attempt(t, url); got.Outcome != want {
			t.Errorf("%s is %s: %s", url, got.Outcome, got.Error)
		}
	}
	seen := map[string]bool{}
	for _, o := range delivery.Outcomes() {
		if seen[o.String()] || o.String() == "" {
			t.Errorf("outcome %d is %q", o, o)
		}
		seen[o.String()] = true
	}
}

// TestConnectionsAreUsedAgain holds that a failure whose answer was read costs no
// new connection, and that what can't be read in full does.
func TestConnectionsAreUsedAgain(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body  int
		conns int32
	}{"empty": {0, 1}, "short": {100, 1}, "longer than is kept": {40 << 10, 1}, "endless": {1 << 20, 5}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var conns atomic.Int32
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(503)
				w.Write(make([]byte, tt.body))
			}))
			server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
				if s == http.StateNew {
					conns.Add(1)
				}
			}
			server.Start()
			t.Cleanup(server.Close)
			sender := delivery.NewSender(guard(t, "127.0.0.0/8"), greenlane.SystemClock, "test")
			t.Cleanup(sender.Close)
			for range 5 {
				if a := sender.Send(t.Context(), callOf(sender, server.URL)); a.Status != 503 || len(a.Body) > 16<<10 {
					t.Fatalf("%+v", a)
				}
			}
			if n := conns.Load(); n != tt.conns {
				t.Errorf("%d connections for 5 attempts", n)
			}
		})
	}
}

// TestHTTP2WhereOffered holds that a receiver that speaks HTTP/2 is spoken to in
// it, over one connection, and one that does not in HTTP/1.1.
func TestHTTP2WhereOffered(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for proto, offers := range map[string][]string{"HTTP/2.0": nil, "HTTP/1.1": {"http/1.1"}} {
		var got atomic.Pointer[string]
		sender, server := secure(t, a, &tls.Config{Certificates: []tls.Certificate{a.issue(t, nil)}, NextProtos: offers},
			func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				said := r.Proto
				if len(body) == 0 {
					said = "no body"
				}
				got.Store(&said)
				w.WriteHeader(204)
			})
		if a := sender.Send(t.Context(), callOf(sender, server.URL)); !a.Success() || *got.Load() != proto {
			t.Errorf("%s: %+v", proto, a)
		}
	}
}
