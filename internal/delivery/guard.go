package delivery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

// Guard keeps the hub from being made to call its own network. It checks the
// address that is really dialled, on every attempt, so neither a name that
// changes its address nor a redirect gets around it.
//
// What is allowed by address may be called whatever name leads there. A host that
// is allowed by name may be in the operator's own network or on this machine;
// where its name leads elsewhere that nobody means by it, such as to the cloud's
// metadata, it is refused like any other. That address is called only where the
// operator allowed it alone, not with a range around it.
type Guard struct {
	prefixes []netip.Prefix
	hosts    []string
	check    *ssrf.Guardian
	// guarded calls hosts, named those that are allowed by their name.
	guarded, named net.Dialer
}

// connectTimeout is how long connecting may take, name resolution included.
const connectTimeout = 5 * time.Second

// NewGuard makes a guard that lets through public addresses and what is
// allowed: CIDR prefixes, single addresses and host names.
func NewGuard(allowed []string) (*Guard, error) {
	g := &Guard{}
	var v4, v6 []netip.Prefix
	for _, text := range allowed {
		text = strings.TrimSpace(text)
		if prefix, ok := parsePrefix(text); ok {
			g.prefixes = append(g.prefixes, prefix)
			if prefix.Addr().Is4() {
				v4 = append(v4, prefix)
			} else {
				v6 = append(v6, prefix)
			}
			continue
		}
		if text == "" || strings.ContainsAny(text, "/: ") {
			return nil, fmt.Errorf("%q is neither a CIDR prefix such as 10.0.0.0/8 nor a host name", text)
		}
		g.hosts = append(g.hosts, hostName(text))
	}
	g.check = ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...))
	g.guarded = net.Dialer{Timeout: connectTimeout, Control: func(network, address string, _ syscall.RawConn) error {
		return g.control(network, address, false)
	}}
	g.named = net.Dialer{Timeout: connectTimeout, Control: func(network, address string, _ syscall.RawConn) error {
		return g.control(network, address, true)
	}}
	return g, nil
}

// hostName returns a host's name as the list of allowed ones has it: lower case,
// without the dot that ends an absolute name.
func hostName(text string) string { return strings.ToLower(strings.TrimSuffix(text, ".")) }

func parsePrefix(text string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), true
	}
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), true
	}
	return netip.Prefix{}, false
}

// DialContext connects to an address unless it is refused. The error of a
// refusal is a [RefusedError].
func (g *Guard) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	dialer := &g.guarded
	if slices.Contains(g.hosts, hostName(host)) {
		dialer = &g.named
	}
	conn, err := dialer.DialContext(ctx, network, address)
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		return nil, &RefusedError{Host: host, Rule: refused.Rule}
	}
	return conn, err
}

// control judges the address that is about to be called, after the name was
// resolved; named: the name is an allowed one.
func (g *Guard) control(network, address string, named bool) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return &RefusedError{Rule: "it is not an address"}
	}
	if network != "tcp4" && network != "tcp6" {
		return &RefusedError{Rule: "not a public address: it is not called by TCP"}
	}
	return g.judge(target.Addr(), named)
}

// judge refuses an address that is neither public nor allowed.
func (g *Guard) judge(addr netip.Addr, named bool) error {
	kind := kindOf(addr)
	switch {
	case g.allows(addr, kind.metadata):
		return nil
	case named && kind.own && !addr.Is4In6():
		return nil
	case kind.name == "" && g.check.SafeAddr(addr.WithZone("")) == nil:
		return nil
	}
	return &RefusedError{Rule: ruleFor(addr)}
}

// RefusedError says that an endpoint's address is not to be called, and by
// which rule.
type RefusedError struct {
	Host string
	Rule string
}

// Error implements error.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("the address of %s is refused: %s; the operator can allow it with --allow-endpoints", e.Host, e.Rule)
}

// CheckHost refuses at once what needs no name resolution: literal addresses,
// in any notation, and names that mean this machine or the cloud's metadata. Any
// other name is judged by its address whenever it is called.
func (g *Guard) CheckHost(host string) error {
	host = hostName(host)
	if slices.Contains(g.hosts, host) {
		return nil
	}
	if rule := nameRule(host); rule != "" {
		if loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1}); rule == thisMachine && g.allows(loopback, false) {
			return nil
		}
		return &RefusedError{Host: host, Rule: rule}
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		if looksNumeric(host) {
			return &RefusedError{Host: host, Rule: "an address in an unusual notation"}
		}
		return nil
	}
	if addr.Zone() != "" {
		return &RefusedError{Host: host, Rule: "an address with a zone"}
	}
	// What is mapped into IPv6 is called by its IPv4 address.
	if v4 := addr.Unmap(); addr.Is4In6() && g.allows(v4, kindOf(v4).metadata) {
		return nil
	}
	if refused, ok := errors.AsType[*RefusedError](g.judge(addr, false)); ok {
		return &RefusedError{Host: host, Rule: refused.Rule}
	}
	return nil
}

// allows reports whether the operator allowed an address; alone: only one that was
// allowed by itself counts.
func (g *Guard) allows(addr netip.Addr, alone bool) bool {
	return slices.ContainsFunc(g.prefixes, func(p netip.Prefix) bool {
		return p.Contains(addr) && (!alone || p.IsSingleIP())
	})
}

// Rules for names.
const (
	thisMachine = "the name means this machine (loopback)"
	metadata    = "the name means the cloud metadata"
)

// nameRule returns the rule by which a name is refused before it is resolved,
// empty for none. RFC 6761 §6.3 reserves localhost and all below it; hosts files
// have some more.
func nameRule(host string) string {
	switch host {
	case "localhost", "localhost.localdomain", "localhost4", "localhost6", "ip6-localhost", "ip6-loopback":
		return thisMachine
	case "metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal":
		return metadata
	}
	if strings.HasSuffix(host, ".localhost") {
		return thisMachine
	}
	return ""
}

// looksNumeric reports hosts that some resolvers read as an address: decimal,
// octal or hexadecimal, in any number of parts. The last part tells, as in the URL
// standard of the WHATWG (§3.5, "ends in a number"): no domain at the top is a
// number.
func looksNumeric(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	if digits, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(digits, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

// kind is what a range of addresses is for.
type kind struct {
	prefix netip.Prefix
	name   string
	// own: it is the operator's own network or machine, which a name that is
	// allowed may lead to. metadata: only the address itself can be allowed.
	own, metadata bool
}

// kinds are address ranges with a name of their own, the narrower before the wider:
// IANA's special-purpose registries for IPv4 and IPv6 and, before them, what the
// providers of clouds publish as addresses of their own.
var kinds = []kind{
	metadataAt("169.254.169.254/32"), metadataAt("fd00:ec2::254/128"), metadataAt("fd20:ce::254/128"),
	metadataAt("100.100.100.200/32"), metadataAt("192.0.0.192/32"), metadataAt("168.63.129.16/32"),
	kindAt("255.255.255.255/32", "broadcast"), kindAt("0.0.0.0/8", "unspecified"), kindAt("::/128", "unspecified"),
	ownAt("127.0.0.0/8", "loopback"), ownAt("::1/128", "loopback"),
	ownAt("10.0.0.0/8", "private"), ownAt("172.16.0.0/12", "private"), ownAt("192.168.0.0/16", "private"),
	ownAt("fc00::/7", "private"), ownAt("100.64.0.0/10", "carrier-grade NAT"),
	kindAt("169.254.0.0/16", "link-local"), kindAt("fe80::/10", "link-local"), kindAt("fec0::/10", "site-local"),
	kindAt("192.0.2.0/24", "documentation"), kindAt("198.51.100.0/24", "documentation"), kindAt("203.0.113.0/24", "documentation"),
	kindAt("2001:db8::/32", "documentation"), kindAt("3fff::/20", "documentation"), kindAt("198.18.0.0/15", "benchmarking"),
	kindAt("192.0.0.0/24", "IETF protocol assignments"), kindAt("192.88.99.0/24", "6to4"),
	kindAt("224.0.0.0/4", "multicast"), kindAt("ff00::/8", "multicast"), kindAt("240.0.0.0/4", "reserved"),
	kindAt("64:ff9b::/96", "NAT64"), kindAt("64:ff9b:1::/48", "NAT64"), kindAt("2002::/16", "6to4"),
	kindAt("2001::/32", "Teredo"), kindAt("2001::/23", "IETF protocol assignments"), kindAt("::/96", "IPv4-compatible"),
}

func kindAt(prefix, name string) kind { return kind{prefix: netip.MustParsePrefix(prefix), name: name} }

func ownAt(prefix, name string) kind {
	k := kindAt(prefix, name)
	k.own = true
	return k
}

func metadataAt(prefix string) kind {
	k := kindAt(prefix, "cloud metadata")
	k.metadata = true
	return k
}

// kindOf returns what an address is for, without a name for those of no special
// kind and what is mapped into IPv6.
func kindOf(addr netip.Addr) kind {
	addr = addr.WithZone("")
	for _, k := range kinds {
		if k.prefix.Contains(addr) {
			return k
		}
	}
	if inner, ok := isatap(addr); ok && kindOf(inner).name != "" {
		return kind{prefix: netip.PrefixFrom(addr, 128), name: "ISATAP for " + inner.String()}
	}
	return kind{}
}

// isatap returns the IPv4 address that an address of IPv6 carries in an interface
// identifier of ISATAP (RFC 5214 §6.1).
func isatap(addr netip.Addr) (netip.Addr, bool) {
	if !addr.Is6() || addr.Is4In6() {
		return netip.Addr{}, false
	}
	b := addr.As16()
	if b[8]&^2 != 0 || b[9] != 0 || b[10] != 0x5e || b[11] != 0xfe {
		return netip.Addr{}, false
	}
	return netip.AddrFrom4([4]byte(b[12:])), true
}

func ruleFor(addr netip.Addr) string {
	addr = addr.WithZone("")
	if addr.Is4In6() {
		return "an IPv4 address mapped into IPv6, " + ruleFor(addr.Unmap())
	}
	if k := kindOf(addr); k.name != "" {
		return fmt.Sprintf("%s is %s (%s)", addr, k.name, k.prefix)
	}
	return fmt.Sprintf("%s is not a public address", addr)
}
