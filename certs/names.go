package certs

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// internalSuffixes are the names that no public authority may certify: kept for
// private use by RFC 6761, RFC 6762 (with its appendix G), RFC 8375 and ICANN.
func internalSuffixes() []string {
	return []string{
		"localhost", "local", "internal", "test", "home.arpa",
		"localdomain", "lan", "home", "corp", "intranet", "private",
	}
}

// internalNets are the addresses that the Internet does not route: the machine's
// own, RFC 1918, RFC 3927, RFC 6598, RFC 4193, RFC 4291.
func internalNets() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"),
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
		netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("100.64.0.0/10"),
		netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("fe80::/10"),
	}
}

// IsInternal tells whether the internal authority may issue for name: localhost,
// a name under a private suffix (also a wildcard), or a private address, in any
// case and with or without a trailing dot or brackets. A name of one label other
// than localhost is not: name constraints cannot tell "nas" from a top-level
// domain, so it has to be nas.lan or nas.internal.
func IsInternal(name string) bool {
	s, err := parseSubject(name)
	return err == nil && s.internal()
}

// subject is a checked name for a certificate: either an address or a host name
// in lower case.
type subject struct {
	ip   netip.Addr
	host string
}

func (s subject) String() string {
	if s.ip.IsValid() {
		return s.ip.String()
	}
	return s.host
}

func (s subject) internal() bool {
	if s.ip.IsValid() {
		return slices.ContainsFunc(internalNets(), func(p netip.Prefix) bool { return p.Contains(s.ip) })
	}
	return slices.ContainsFunc(internalSuffixes(), func(suffix string) bool { return under(s.host, suffix) })
}

func under(host, suffix string) bool {
	rest, ok := strings.CutSuffix(host, suffix)
	return ok && (rest == "" || rest[len(rest)-1] == '.')
}

// parseSubject takes nothing that two readers could see differently: no NUL,
// which once ended a name early (security P17), no empty label, no Unicode.
func parseSubject(name string) (subject, error) {
	literal := name
	if n := len(name); n > 2 && name[0] == '[' && name[n-1] == ']' {
		literal = name[1 : n-1]
	}
	if ip, err := netip.ParseAddr(literal); err == nil && ip.Zone() == "" {
		return subject{ip: ip.Unmap()}, nil
	}
	host := strings.ToLower(strings.TrimSuffix(name, "."))
	if len(host) > 253 {
		return subject{}, fmt.Errorf("name %.40q…: longer than 253 bytes", name)
	}
	for i, label := range strings.Split(host, ".") {
		wildcard := i == 0 && label == "*" && len(host) > 1
		if err := checkLabel(label); err != nil && !wildcard {
			return subject{}, fmt.Errorf("name %q: %w", name, err)
		}
	}
	return subject{host: host}, nil
}

var errLabel = errors.New("labels are 1 to 63 letters, digits, hyphens and underscores, with no hyphen at an end")

func checkLabel(label string) error {
	if len(label) == 0 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return errLabel
	}
	for i := range len(label) {
		c := label[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return errLabel
		}
	}
	return nil
}

// isAddress tells whether name is an IP address.
func isAddress(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil
}

func ipNets(prefixes []netip.Prefix) []*net.IPNet {
	var nets []*net.IPNet
	for _, p := range prefixes {
		nets = append(nets, &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())})
	}
	return nets
}
