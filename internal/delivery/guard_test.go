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
	{"2002:7f00:1::", "6to4"}, {"64:ff9b::7f00:1", "NAT64"}, {"64:ff9b:1::7f00:1", "NAT64"},
	// Other notations of 127.0.0.1.
	{"127.1", "unusual notation"}, {"2130706433", "unusual notation"}, {"0x7f000001", "unusual notation"},
	{"0177.0.0.1", "unusual notation"}, {"0x7F.0.0.0x1", "unusual notation"},
	{"127.0.0.1.", "loopback"}, {"1.2.3.4.5", "unusual notation"}, {"256.1.1.1", "unusual notation"}, {"a.0x7f", "unusual notation"},
	{"0x", "unusual notation"}, {"017700000001", "unusual notation"}, {"127.0.0.01", "unusual notation"}, {"1.a", ""}, {"a.0xg", ""},
	// Names that mean this machine or the cloud's metadata.
	{"localhost.localdomain", "loopback"}, {"ip6-localhost", "loopback"}, {"a.b.LOCALHOST.", "loopback"}, {"notlocalhost", ""},
	{"metadata.google.internal", "cloud metadata"}, {"Metadata.Google.Internal.", "cloud metadata"}, {"instance-data", "cloud metadata"},
	{"metadata.example", ""}, {"100.100.100.200", "cloud metadata"}, {"168.63.129.16", "cloud metadata"}, {"168.63.129.17", ""},
	{"fd20:ce::254", "cloud metadata"}, {"192.0.0.192", "cloud metadata"},
	// Nobody's.
	{"224.0.0.1", "multicast (224.0.0.0/4)"}, {"255.255.255.255", "broadcast (255.255.255.255/32)"}, {"240.0.0.1", "reserved (240.0.0.0/4)"},
	{"198.18.0.1", "benchmarking (198.18.0.0/15)"}, {"198.19.255.255", "benchmarking"}, {"198.20.0.0", ""},
	{"192.0.2.1", "documentation (192.0.2.0/24)"}, {"198.51.100.7", "documentation"}, {"203.0.113.255", "documentation"},
	{"2001:db8::1", "documentation (2001:db8::/32)"}, {"3fff::1", "documentation"}, {"ff02::1", "multicast (ff00::/8)"},
	{"2001::1", "Teredo (2001::/32)"}, {"2001:10::1", "IETF protocol assignments (2001::/23)"}, {"192.0.0.8", "IETF protocol assignments"},
	{"192.88.99.1", "6to4 (192.88.99.0/24)"}, {"192.31.196.1", "not a public address"}, {"2620:4f:8000::1", "not a public address"},
	{"fec0::1", "site-local (fec0::/10)"}, {"::127.0.0.1", "IPv4-compatible (::/96)"}, {"100::1", "not a public address"},
	{"2606:4700::5efe:7f00:1", "ISATAP for 127.0.0.1"}, {"2606:4700::200:5efe:a00:1", "ISATAP for 10.0.0.1"},
	{"2606:4700::5efe:808:808", ""}, {"64:ff9b::808:808", "NAT64"},
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
		"169.254.169.254": "cloud metadata", "100.64.0.1": "carrier-grade NAT", "0.0.0.0": "unspecified", "224.0.0.1": "multicast",
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
	if err := guard(t, "fd00::/8").CheckHost("fd00:ec2::253"); err != nil {
		t.Errorf("a prefix of IPv6: %v", err)
	}
	// Who allows a network does not mean the cloud's metadata in it.
	for allowed, host := range map[string]string{"fd00::/8": "fd00:ec2::254", "169.254.0.0/16": "169.254.169.254", "100.64.0.0/10": "100.100.100.200",
		"0.0.0.0/0": "::ffff:169.254.169.254", "::/0": "fd00:ec2::254"} {
		if err := guard(t, allowed).CheckHost(host); err == nil {
			t.Errorf("%s allowed, %s too", allowed, host)
		}
		if err := guard(t, allowed, strings.TrimPrefix(host, "::ffff:")).CheckHost(host); err != nil {
			t.Errorf("%s is allowed by itself: %v", host, err)
		}
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

// TestCheckURL holds which URLs an endpoint can have; the words say what is wrong.
// Each of those refused here is one that some program reads as another host than
// others do, or that is no URL.
func TestCheckURL(t *testing.T) {
	t.Parallel()
	g := guard(t)
	for url, says := range map[string]string{
		"https://example.com": "", "HTTPS://EXAMPLE.com./a?b=c": "", "http://under_score.example:8080/": "", "http://xn--bcher-kva.example/": "",
		"http://[2606:4700::1111]:8080/": "", "http://8.8.8.8/": "", "http://example.com:/": "", "http://example.com/@127.0.0.1/": "",
		"http://example.com?@127.0.0.1/": "",
		// Users.
		"http://127.0.0.1@example.com/": "user", "http://example.com@127.0.0.1/": "user", "http://example.com:80@127.0.0.1/": "user",
		"http://@example.com/": "user", "http://a:b@c:d@127.0.0.1/": "user",
		// Fragments, backslashes, spaces.
		"http://example.com#@127.0.0.1/": "fragment", `http://example.com\@127.0.0.1/`: "absolute", "http://example.com /": "absolute",
		"http://127.0.0.1\t/": "absolute", " http://example.com": "absolute", "http://exam\nple.com/": "absolute",
		// No host, or not one.
		"http:///127.0.0.1/": "absolute", "http:127.0.0.1": "absolute", "//127.0.0.1/": "absolute", "127.0.0.1": "absolute",
		"http://example..com/": "host name", "http://.example.com/": "host name", "http://127.0.0.1../": "host name", "http://./": "host name",
		"http://" + strings.Repeat("a", 64) + ".example/": "host name", "http://" + strings.Repeat("a.", 127) + "example/": "host name",
		"http://exa,mple.com/": "character", "http://exa$mple.com/": "character", "http://(example).com/": "character",
		// Percent-encoding.
		"http://%31%32%37.0.0.1/": "absolute", "http://127.0.0.1%00.example.com/": "absolute", "http://example.com%2f@127.0.0.1/": "user",
		"http://127%2e0.0.1/": "absolute",
		// Other scripts, some of which Unicode's compatibility forms turn into 127.0.0.1.
		"http://bücher.example/": "ASCII", "http://１２７.0.0.1/": "ASCII", "http://⑯⑨.254.169.254/": "ASCII", "http://127。0。0。1/": "ASCII",
		"http://%EF%BC%91%EF%BC%92%EF%BC%97.0.0.1/": "ASCII", "http://ⓛocalhost/": "ASCII", "http://localho\u017ft/": "ASCII", "http://exam\u00adple.com/": "ASCII",
		// Addresses.
		"http://127.1/": "notation", "http://0177.0.0.1/": "notation", "http://0x7f.1/": "notation", "http://2130706433/": "notation",
		"http://[::]/": "unspecified", "http://0.0.0.0:8080/": "unspecified", "http://0/": "notation", "http://[::ffff:7f00:1]/": "loopback",
		"http://[fe80::1%25eth0]/": "zone", "http://[::1%25lo]/": "zone", "http://[::1": "absolute", "http://::1/": "absolute", "http://[127.0.0.1]/": "absolute",
		// Schemes and ports.
		"file:///etc/passwd": "absolute", "gopher://example.com/": "absolute", "http+unix://%2Fvar%2Frun%2Fdocker.sock/": "absolute",
		"http://example.com:0/": "port", "http://example.com:70000/": "port", "http://example.com:80:90/": "absolute", "http://example.com:+80/": "absolute",
	} {
		err := delivery.CheckURL(url, g)
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", url, err, says)
		}
	}
}
