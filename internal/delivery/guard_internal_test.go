package delivery

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"greenlane"
)

// nameServer is a name server whose answers a test changes: addresses by name,
// separated by spaces.
type nameServer struct {
	mu    sync.Mutex
	names map[string]string
}

func (n *nameServer) set(name, addresses string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.names[name] = addresses
}

// resolver answers over the network protocol of DNS, so that the guard's own way
// of resolving names is used.
func (n *nameServer) resolver(t *testing.T) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() { server.Close(); <-ended })
	go func() {
		defer close(ended)
		packet := make([]byte, 1500)
		for {
			length, from, err := server.ReadFrom(packet)
			if err != nil {
				return
			}
			server.WriteTo(n.answer(packet[:length]), from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

// answer makes the answer to a query with one question (RFC 1035 §4).
func (n *nameServer) answer(query []byte) []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
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
	out := append([]byte(nil), query[:end]...)
	copy(out[2:], []byte{0x84, 0x00, 0, 1, 0, 0, 0, 0, 0, 0})
	for text := range strings.FieldsSeq(n.names[strings.ToLower(strings.Join(labels, "."))]) {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Is4() != (asked == typeA) || !addr.Is4() && asked != typeAAAA {
			continue
		}
		data := addr.AsSlice()
		out[7]++
		out = append(out, 0xC0, header)
		out = binary.BigEndian.AppendUint16(out, asked)
		out = append(out, 0, 1, 0, 0, 0, 60)
		out = binary.BigEndian.AppendUint16(out, uint16(len(data)))
		out = append(out, data...)
	}
	return out
}

// guardAt makes a guard that asks a name server of the test.
func guardAt(t *testing.T, names map[string]string, allowed ...string) (*Guard, *nameServer) {
	t.Helper()
	g, err := NewGuard(allowed)
	if err != nil {
		t.Fatal(err)
	}
	n := &nameServer{names: names}
	g.guarded.Resolver = n.resolver(t)
	g.named.Resolver = g.guarded.Resolver
	return g, n
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
	g, _ := guardAt(t, names, "10.0.0.0/24")
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
		{"tcp6", "[fd12::1%eth0]:80", "private"},
		{"tcp6", "[2001:0:a00:1::1]:80", "Teredo"},
		{"tcp6", "[2606:4700::5efe:a00:1]:80", "ISATAP for 10.0.0.1"},
		{"tcp6", "[2606:4700::200:5efe:7f00:1]:80", "ISATAP for 127.0.0.1"},
		{"tcp6", "[2606:4700::200:5efe:808:808]:80", ""},
		{"tcp6", "[::127.0.0.1]:80", "IPv4-compatible"},
		{"tcp6", "[fec0::1]:80", "site-local"},
		{"tcp6", "[ff05::1]:80", "multicast"},
		{"tcp6", "[100::1]:80", "not a public address"},
		{"tcp6", "[5f00::1]:80", "not a public address"},
		{"tcp4", "168.63.129.16:80", "cloud metadata"},
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
		err := g.control(tt.network, tt.address, false)
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

// TestGuardJudgesEachCall holds that a name that changes its address is judged
// anew by each connection, and that of several addresses only those are called that
// may be. A connection that is used again leads where it did.
func TestGuardJudgesEachCall(t *testing.T) {
	t.Parallel()
	called := make(chan string, 100)
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { called <- r.Host })
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	g, names := guardAt(t, map[string]string{"shifty.example": "127.0.0.1"}, "127.0.0.1")
	s := NewSender(g, greenlane.SystemClock, "test")
	t.Cleanup(s.Close)
	send := func() *Answer { return s.Send(t.Context(), internalCall(t, s, "http://shifty.example.:"+port+"/")) }
	for _, tt := range []struct {
		addresses string
		keep      bool
		rule      string
	}{
		{"127.0.0.1", false, ""},
		{"127.0.0.2", true, ""},
		{"127.0.0.2", false, "127.0.0.2 is loopback"},
		{"10.0.0.1 127.0.0.1", false, ""},
		{"127.0.0.2 10.0.0.1 169.254.169.254", false, "127.0.0.2 is loopback"},
		{"::1 127.0.0.1", false, ""},
		{"::ffff:127.0.0.2 fd00:ec2::254", false, "127.0.0.2 is loopback"},
	} {
		names.set("shifty.example", tt.addresses)
		if !tt.keep {
			s.Close()
		}
		a := send()
		if a.Success() != (tt.rule == "") || !strings.Contains(a.Error, tt.rule) || tt.rule != "" && a.Outcome != OutcomeGuard {
			t.Errorf("%s: %+v", tt.addresses, a)
		}
		if a.Success() && (a.Wire.Remote != "127.0.0.1:"+port || <-called == "") {
			t.Errorf("%s: called %s", tt.addresses, a.Wire.Remote)
		}
	}
	if len(called) != 0 {
		t.Error("something was called that was refused")
	}
}

// TestAllowedName holds what allowing a host by its name means: it may be in the
// operator's own network, whatever its address there; it does not open what nobody
// means by it.
func TestAllowedName(t *testing.T) {
	t.Parallel()
	g, _ := guardAt(t, nil, "erp.example", "169.254.169.253")
	for address, rule := range map[string]string{
		"127.0.0.1": "", "10.1.2.3": "", "192.168.1.1": "", "100.64.0.1": "", "fd12::1": "", "8.8.8.8": "", "169.254.169.253": "",
		"169.254.169.254": "cloud metadata", "100.100.100.200": "cloud metadata", "fd00:ec2::254": "cloud metadata",
		"169.254.1.1": "link-local", "fe80::1": "link-local", "0.0.0.0": "unspecified", "224.0.0.1": "multicast", "255.255.255.255": "broadcast",
		"64:ff9b::a00:1": "NAT64", "2002:a00:1::": "6to4", "192.0.2.1": "documentation",
	} {
		addr := netip.MustParseAddr(address)
		err := g.judge(addr, true)
		if (err == nil) != (rule == "") || err != nil && !strings.Contains(err.Error(), rule) {
			t.Errorf("%s: %v, want %q", address, err, rule)
		}
	}
	g, _ = guardAt(t, map[string]string{"erp.example": "169.254.169.254 127.0.0.1"}, "erp.example")
	server := httptest.NewServer(nil)
	t.Cleanup(server.Close)
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	conn, err := g.DialContext(t.Context(), "tcp", "erp.example.:"+port)
	if err != nil {
		t.Fatal(err)
	}
	if got := conn.RemoteAddr().String(); got != "127.0.0.1:"+port {
		t.Errorf("called %s", got)
	}
	conn.Close()
	var refused *RefusedError
	if _, err := g.DialContext(t.Context(), "tcp", "10.0.0.1:"+port); !errors.As(err, &refused) {
		t.Errorf("an allowed name allows others: %v", err)
	}
}

// TestProxiesOfTheEnvironment holds that a proxy is not used: it would resolve and
// call what the guard has not seen. Go's own reading of the environment leaves out
// addresses of this machine, hence the name.
func TestProxiesOfTheEnvironment(t *testing.T) {
	var proxied atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { proxied.Add(1) }))
	t.Cleanup(proxy.Close)
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	direct := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
	t.Cleanup(direct.Close)
	_, port, _ := net.SplitHostPort(direct.Listener.Addr().String())
	g, _ := guardAt(t, map[string]string{"receiver.example": "127.0.0.1"}, "receiver.example")
	s := NewSender(g, greenlane.SystemClock, "test")
	t.Cleanup(s.Close)
	if a := s.Send(t.Context(), internalCall(t, s, "http://receiver.example:"+port+"/")); a.Status != 204 || proxied.Load() != 0 {
		t.Errorf("%d requests to the proxy: %+v", proxied.Load(), a)
	}
}
