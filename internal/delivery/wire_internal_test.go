package delivery

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"greenlane"
)

// trusted makes a certificate for a host and a pool that trusts it.
func trusted(t *testing.T, host string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(made)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// mute is a connection whose other end can be cut off without a word, as by a
// firewall that forgot it: what is written goes nowhere, and nothing comes.
type mute struct {
	net.Conn
	cut chan struct{}
}

func (m *mute) Write(b []byte) (int, error) {
	select {
	case <-m.cut:
		return len(b), nil
	default:
		return m.Conn.Write(b)
	}
}

// TestDeadHTTP2Connection holds that a connection whose other end is gone fails
// the attempt that meets it and not those after.
func TestDeadHTTP2Connection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cert, pool := trusted(t, "receiver.example")
		listener := newPipes()
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) }),
			TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}
		served := make(chan error, 1)
		go func() { served <- server.ServeTLS(listener, "", "") }()
		guard, err := NewGuard(nil)
		if err != nil {
			t.Fatal(err)
		}
		s := NewSender(guard, greenlane.SystemClock, "test")
		s.Trust(pool)
		var dialled []*mute
		s.transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := listener.dial(ctx, network, address)
			m := &mute{c, make(chan struct{})}
			dialled = append(dialled, m)
			return m, err
		}
		send := func() *Answer { return s.Send(t.Context(), internalCall(t, s, "https://receiver.example/")) }
		if a := send(); !a.Success() || a.Wire.Protocol != "HTTP/2.0" {
			t.Fatalf("%+v", a)
		}
		close(dialled[0].cut)
		begin := time.Now()
		if a := send(); a.Success() || a.Status != 0 {
			t.Errorf("%+v", a)
		}
		if took := time.Since(begin); took > pingAfter+pingTimeout {
			t.Errorf("the connection was given up after %s", took)
		}
		if a := send(); !a.Success() || a.Wire.Reused || len(dialled) != 2 {
			t.Errorf("%d connections: %+v", len(dialled), a)
		}
		s.Close()
		server.Close()
		<-served
		for _, c := range dialled {
			c.Conn.Close()
		}
	})
}
