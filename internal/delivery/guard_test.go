package delivery_test

import (
	"errors"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"greenlane/internal/delivery"
	"greenlane/internal/store"
)

// hosts are hosts of URLs with the words the refusal must say; empty for those
// that nothing refuses before the name is resolved.
var hosts = []struct{ host, rule string }{
	{"example.com", ""}, {"EXAMPLE.com.", ""}, {"xn--bcher-kva.example", ""}, {"10.example.com", ""}, {"face", ""},
	{"8.8.8.8", ""}, {"2606:2800:220:1:248:1893:25c8:1946", ""},
	// The neighbours of ranges.
	{"9.255.255.255", ""}, {"11.0.0.0", ""}, {"172.15.255.255", ""}, {"172.32.0.0", ""}, {"192.167.255.255", ""},
	{"192.169.0.0", ""}, {"126.255.255.255", ""}, {"128.0.0.0", ""}, {"169.253.255.255", ""}, {"169.255.0.0", ""},
	{"100.63.255.255", ""}, {"100.128.0.0", ""}, {"1.0.0.0", ""},
	// Private.
	{"10.0.0.0", "private (10.0.0.0/8)"}, {"10.255.255.255", "private"}, {"172.16.0.0", "private (172.16.0.0/12)"},
	{"172.31.255.255", "private"}, {"192.168.0.0", "private (192.168.0.0/16)"}, {"192.168.255.255", "private"},
	{"fc00::1", "private (fc00::/7)"}, {"fdff::1", "private"},
	// This machine.
	{"127.0.0.1", "loopback (127.0.0.0/8)"}, {"127.255.255.255", "loopback"}, {"::1", "loopback (::1/128)"},
	{"localhost", "loopback"}, {"LocalHost.", "loopback"}, {"a.localhost", "loopback"},
	{"0.0.0.0", "unspecified"}, {"0.255.255.255", "unspecified"}, {"::", "unspecified"},
	// The neighbourhood.
	{"169.254.0.1", "link-local (169.254.0.0/16)"}, {"fe80::1", "link-local (fe80::/10)"}, {"fe80::1%eth0", "zone"},
	{"100.64.0.0", "carrier-grade NAT (100.64.0.0/10)"}, {"100.127.255.255", "carrier-grade NAT"},
	{"169.254.169.254", "cloud metadata"}, {"fd00:ec2::254", "cloud metadata"},
	// IPv4 inside IPv6.
	{"::ffff:127.0.0.1", "mapped into IPv6, 127.0.0.1 is loopback"}, {"::ffff:7f00:1", "127.0.0.1 is loopback"},
	{"::ffff:169.254.169.254", "mapped into IPv6, 169.254.169.254 is cloud metadata"}, {"::ffff:8.8.8.8", "mapped into IPv6"},
	{"2002:7f00:1::", "6to4"}, {"64:ff9b::7f00:1", "NAT64"}, {"64:ff9b:1::7f00:1", "NAT64"}, {"::127.0.0.1", "not a public address"},
	// Other notations of 127.0.0.1.
	{"127.1", "unusual notation"}, {"2130706433", "unusual notation"}, {"0x7f000001", "unusual notation"},
	{"0177.0.0.1", "unusual notation"}, {"0x7F.0.0.0x1", "unusual notation"},
	// Nobody's.
	{"224.0.0.1", "not a public address"}, {"255.255.255.255", "not a public address"}, {"198.18.0.1", "not a public address"},
	{"192.0.2.1", "not a public address"}, {"2001:db8::1", "not a public address"}, {"ff02::1", "not a public address"},
	{"2001::1", "not a public address"},
}

func TestGuardRefusesHosts(t *testing.T) {
	t.Parallel()
	g := guard(t)
	for _, tt := range hosts {
		err := g.CheckHost(tt.host)
		if tt.rule == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.host, err)
			}
			continue
		}
		var refused *delivery.RefusedError
		if !errors.As(err, &refused) || !strings.Contains(refused.Rule, tt.rule) {
			t.Errorf("%s: %v, want a refusal because of %s", tt.host, err, tt.rule)
			continue
		}
		if !strings.Contains(err.Error(), "--allow-endpoints") {
			t.Errorf("%s: the error does not say what to do: %v", tt.host, err)
		}
	}
}

// TestGuardRefusesToCall dials what CheckHost has not seen: the address itself
// decides, before anything is sent.
func TestGuardRefusesToCall(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(nil)
	t.Cleanup(server.Close)
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	g := guard(t)
	for host, rule := range map[string]string{
		"127.0.0.1": "loopback", "localhost": "loopback", "LOCALHOST": "loopback", "::ffff:127.0.0.1": "loopback",
		"10.0.0.1": "private", "172.16.0.1": "private", "192.168.0.1": "private", "169.254.1.1": "link-local",
		"169.254.169.254": "cloud metadata", "100.64.0.1": "carrier-grade NAT", "0.0.0.0": "unspecified", "224.0.0.1": "not a public address",
	} {
		conn, err := g.DialContext(t.Context(), "tcp", net.JoinHostPort(host, port))
		var refused *delivery.RefusedError
		if !errors.As(err, &refused) || !strings.Contains(refused.Rule, rule) || refused.Host != host {
			t.Errorf("%s: %v, want a refusal because it is %s", host, err, rule)
		}
		if conn != nil {
			conn.Close()
			t.Errorf("%s was called", host)
		}
	}
}

func TestGuardAllows(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(nil)
	t.Cleanup(server.Close)
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	for _, tt := range []struct {
		allowed string
		yes, no []string
	}{
		{"127.0.0.0/8", []string{"127.0.0.1", "localhost", "::ffff:127.0.0.1"}, []string{"10.0.0.1", "::1", "169.254.169.254"}},
		{" 127.0.0.1 ", []string{"127.0.0.1", "localhost"}, []string{"127.0.0.2"}},
		{"::ffff:127.0.0.1", []string{"127.0.0.1"}, []string{"127.0.0.2"}},
		{"127.9.9.9/8", []string{"127.0.0.1"}, nil},
		{"localhost", []string{"localhost", "LOCALHOST"}, []string{"127.0.0.1", "a.localhost"}},
		{"LocalHost.", []string{"localhost"}, nil},
		{"10.0.0.0/8", nil, []string{"127.0.0.1", "localhost", "192.168.0.1"}},
	} {
		g := guard(t, tt.allowed)
		for _, host := range tt.yes {
			if err := g.CheckHost(host); err != nil {
				t.Errorf("%s allowed, %s: %v", tt.allowed, host, err)
			}
			conn, err := g.DialContext(t.Context(), "tcp", net.JoinHostPort(host, port))
			if err != nil {
				t.Errorf("%s allowed, dial %s: %v", tt.allowed, host, err)
				continue
			}
			conn.Close()
		}
		for _, host := range tt.no {
			if err := g.CheckHost(host); err == nil {
				t.Errorf("%s allowed, %s too", tt.allowed, host)
			}
		}
	}
	if err := guard(t, "localhost").CheckHost("LOCALHOST."); err != nil {
		t.Errorf("an absolute name: %v", err)
	}
	if err := guard(t, "fd00::/8").CheckHost("fd00:ec2::254"); err != nil {
		t.Errorf("a prefix of IPv6: %v", err)
	}
	for _, text := range []string{"", "http://localhost", "a b", "10.0.0.0/33", "localhost:80", "[::1]:80"} {
		if _, err := delivery.NewGuard([]string{text}); err == nil {
			t.Errorf("%q is allowed as a prefix or host", text)
		}
	}
}

// TestGuardSeesTheCall holds that an endpoint whose name means a refused address
// is made, that its attempts fail with the rule, and that nothing reaches the
// address.
func TestGuardSeesTheCall(t *testing.T) {
	t.Parallel()
	rec := newReceiver(t)
	_, port, _ := net.SplitHostPort(rec.Listener.Addr().String())
	s := delivery.Settings{URL: "http://localhost:" + port + "/"}
	sender := delivery.NewSender(guard(t), newWatch().time, "test")
	t.Cleanup(sender.Close)
	call := sender.Build(&s, delivery.Sending{Event: cleared(), Account: account(), Format: delivery.FormatEaze, Attempt: 1,
		Secrets: []store.Secret{{Text: secret}}}, 1)
	a := sender.Send(t.Context(), call)
	if a.Success() || a.Status != 0 || !strings.Contains(a.Error, "loopback") || !strings.Contains(a.Error, "localhost") {
		t.Errorf("answer %+v", a)
	}
	if n := len(rec.arrivals()); n != 0 {
		t.Errorf("%d arrivals", n)
	}
}
