package delivery

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
)

// nameServer answers over the network protocol of DNS with what a test says,
// so that the guard's own way of resolving names is used.
func nameServer(t *testing.T, names map[string]string) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	go func() {
		packet := make([]byte, 1500)
		for {
			n, from, err := server.ReadFrom(packet)
			if err != nil {
				return
			}
			server.WriteTo(nameAnswer(packet[:n], names), from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

// nameAnswer makes the answer to a query with one question (RFC 1035 §4).
func nameAnswer(query []byte, names map[string]string) []byte {
	const header, typeA, typeAAAA = 12, 1, 28
	var labels []string
	i := header
	for query[i] != 0 {
		n := int(query[i])
		labels = append(labels, string(query[i+1:i+1+n]))
		i += 1 + n
	}
	end := i + 5
	asked := binary.BigEndian.Uint16(query[i+1:])
	var data []byte
	if addr, err := netip.ParseAddr(names[strings.ToLower(strings.Join(labels, "."))]); err == nil {
		if addr.Is4() == (asked == typeA) && (addr.Is4() || asked == typeAAAA) {
			data = addr.AsSlice()
		}
	}
	out := append([]byte(nil), query[:end]...)
	copy(out[2:], []byte{0x84, 0x00, 0, 1, 0, 0, 0, 0, 0, 0})
	if data != nil {
		out[7] = 1
		out = append(out, 0xC0, header)
		out = binary.BigEndian.AppendUint16(out, asked)
		out = append(out, 0, 1, 0, 0, 0, 60)
		out = binary.BigEndian.AppendUint16(out, uint16(len(data)))
		out = append(out, data...)
	}
	return out
}

// TestGuardRefusesNames holds that a name is judged by the address it resolves
// to, when it is called.
func TestGuardRefusesNames(t *testing.T) {
	t.Parallel()
	names := map[string]string{
		"loopback.example": "127.0.0.1", "private.example": "10.1.2.3", "office.example": "192.168.1.1",
		"metadata.example": "169.254.169.254", "carrier.example": "100.64.0.1", "nowhere.example": "0.0.0.0",
		"mapped.example": "::ffff:127.0.0.1",
	}
	rules := map[string]string{
		"loopback.example": "127.0.0.1 is loopback", "private.example": "10.1.2.3 is private",
		"office.example": "192.168.1.1 is private", "metadata.example": "169.254.169.254 is cloud metadata",
		"carrier.example": "100.64.0.1 is carrier-grade NAT", "nowhere.example": "0.0.0.0 is unspecified",
		"mapped.example": "127.0.0.1 is loopback",
	}
	g, err := NewGuard([]string{"10.0.0.0/24"})
	if err != nil {
		t.Fatal(err)
	}
	g.guarded.Resolver = nameServer(t, names)
	for name, rule := range rules {
		if err := g.CheckHost(name); err != nil {
			t.Errorf("%s is judged before it is resolved: %v", name, err)
		}
		_, err := g.DialContext(t.Context(), "tcp", name+".:9")
		var refused *RefusedError
		if !errors.As(err, &refused) || !strings.Contains(refused.Rule, rule) || refused.Host != name+"." {
			t.Errorf("%s: %v, want a refusal because %s", name, err, rule)
		}
	}
	var unknown *net.DNSError
	if _, err := g.DialContext(t.Context(), "tcp", "unknown.example.:9"); !errors.As(err, &unknown) {
		t.Errorf("a name nobody knows: %v", err)
	}
}

// TestGuardControl judges addresses of IPv6 as a dialer hands them over; the
// machine need not have any.
func TestGuardControl(t *testing.T) {
	t.Parallel()
	g, err := NewGuard([]string{"fd12::/16"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ network, address, rule string }{
		{"tcp6", "[::1]:80", "::1 is loopback"},
		{"tcp6", "[::]:80", ":: is unspecified"},
		{"tcp6", "[fe80::1%eth0]:80", "link-local"},
		{"tcp6", "[fd00:ec2::254]:80", "cloud metadata"},
		{"tcp6", "[fd13::1]:80", "private"},
		{"tcp6", "[fd12::1]:80", ""},
		{"tcp6", "[64:ff9b::a00:1]:80", "NAT64"},
		{"tcp6", "[2002:a00:1::]:80", "6to4"},
		{"tcp6", "[::ffff:10.0.0.1]:80", "mapped into IPv6, 10.0.0.1 is private"},
		{"tcp6", "[2606:4700::1111]:80", ""},
		{"tcp4", "1.1.1.1:80", ""},
		{"tcp4", "10.0.0.1:80", "private"},
		{"udp4", "1.1.1.1:80", "not a public address"},
		{"tcp4", ":80", "not an address"},
	} {
		err := g.control(tt.network, tt.address, nil)
		var refused *RefusedError
		if tt.rule == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.address, err)
			}
			continue
		}
		if !errors.As(err, &refused) || !strings.Contains(refused.Rule, tt.rule) {
			t.Errorf("%s: %v, want %s", tt.address, err, tt.rule)
		}
	}
}
