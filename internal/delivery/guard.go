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
type Guard struct {
	prefixes []netip.Prefix
	hosts    []string
	check    *ssrf.Guardian
	guarded  net.Dialer
	open     net.Dialer
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
	g.guarded = net.Dialer{Timeout: connectTimeout, Control: g.control}
	g.open = net.Dialer{Timeout: connectTimeout}
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
	if slices.Contains(g.hosts, hostName(host)) {
		return g.open.DialContext(ctx, network, address)
	}
	conn, err := g.guarded.DialContext(ctx, network, address)
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		return nil, &RefusedError{Host: host, Rule: refused.Rule}
	}
	return conn, err
}

// control judges the address that is about to be called, after the name was
// resolved.
func (g *Guard) control(network, address string, c syscall.RawConn) error {
	if g.check.Safe(network, address, c) == nil {
		return nil
	}
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return &RefusedError{Rule: "it is not an address"}
	}
	return &RefusedError{Rule: ruleFor(target.Addr())}
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
// in any notation, and names that mean this machine.
func (g *Guard) CheckHost(host string) error {
	host = hostName(host)
	if slices.Contains(g.hosts, host) {
		return nil
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		if g.allows(netip.AddrFrom4([4]byte{127, 0, 0, 1})) {
			return nil
		}
		return &RefusedError{Host: host, Rule: "the name means this machine (loopback)"}
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
	if g.allows(addr.Unmap()) {
		return nil
	}
	if g.check.SafeAddr(addr) != nil {
		return &RefusedError{Host: host, Rule: ruleFor(addr)}
	}
	return nil
}

func (g *Guard) allows(addr netip.Addr) bool {
	return slices.ContainsFunc(g.prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// looksNumeric reports hosts that some resolvers read as an address: decimal,
// octal or hexadecimal, in one to four parts.
func looksNumeric(host string) bool {
	for _, part := range strings.Split(host, ".") {
		digits := strings.TrimPrefix(part, "0x")
		if digits == "" || strings.Trim(digits, "0123456789abcdef") != "" {
			return false
		}
		if digits == part && strings.Trim(part, "0123456789") != "" {
			return false
		}
	}
	return true
}

// Address ranges with a name of their own: IANA special-purpose registries.
var namedRanges = []struct {
	prefix netip.Prefix
	name   string
}{
	{netip.MustParsePrefix("169.254.169.254/32"), "cloud metadata"},
	{netip.MustParsePrefix("fd00:ec2::254/128"), "cloud metadata"},
	{netip.MustParsePrefix("0.0.0.0/8"), "unspecified"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("::1/128"), "loopback"},
	{netip.MustParsePrefix("::/128"), "unspecified"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private"},
	{netip.MustParsePrefix("fc00::/7"), "private"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"},
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("100.64.0.0/10"), "carrier-grade NAT"},
	{netip.MustParsePrefix("64:ff9b::/96"), "NAT64"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "NAT64"},
	{netip.MustParsePrefix("2002::/16"), "6to4"},
}

func ruleFor(addr netip.Addr) string {
	addr = addr.WithZone("")
	if addr.Is4In6() {
		return "an IPv4 address mapped into IPv6, " + ruleFor(addr.Unmap())
	}
	for _, r := range namedRanges {
		if r.prefix.Contains(addr) {
			return fmt.Sprintf("%s is %s (%s)", addr, r.name, r.prefix)
		}
	}
	return fmt.Sprintf("%s is not a public address", addr)
}
