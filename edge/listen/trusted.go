package listen

import (
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strings"
)

// Trusted is a set of addresses whose word is taken: load balancers that may send
// a PROXY header or Forwarded fields. It does not change once made; a nil Trusted
// is empty.
type Trusted struct {
	nets []netip.Prefix // sorted, none within another
	unix bool
}

// preset returns the prefixes that a name stands for. "private" is what no router
// of the Internet passes on (RFC 1918, RFC 4193) and the machine itself.
func preset(name string) []string {
	switch name {
	case "loopback":
		return []string{"127.0.0.0/8", "::1/128"}
	case "private":
		return []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "127.0.0.0/8", "::1/128"}
	}
	return []string{name}
}

// ParseTrusted makes a set of prefixes ("10.0.0.0/8"), addresses ("192.0.2.1") and
// presets: "loopback", "private", and "unix" for every peer on a unix socket.
func ParseTrusted(list []string) (*Trusted, error) {
	t := &Trusted{}
	for _, entry := range list {
		if entry == "unix" {
			t.unix = true
			continue
		}
		for _, s := range preset(entry) {
			p, err := parsePrefix(s)
			if err != nil {
				return nil, err
			}
			t.nets = append(t.nets, p)
		}
	}
	slices.SortFunc(t.nets, netip.Prefix.Compare)
	kept := t.nets[:0]
	for _, p := range t.nets {
		if n := len(kept); n == 0 || !kept[n-1].Overlaps(p) {
			kept = append(kept, p)
		}
	}
	t.nets = kept
	return t, nil
}

func parsePrefix(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return p, fmt.Errorf(`trusted %q: not an address, a prefix like 10.0.0.0/8, or one of "loopback", "private", "unix"`, s)
		}
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
	}
	// ::ffff:10.0.0.0/104 would never match: clients are compared as IPv4.
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	if p.Masked() != p {
		return p, fmt.Errorf("trusted %q: bits are set behind the prefix; write %s, or the address alone", s, p.Masked())
	}
	return p, nil
}

// Contains tells whether a is in the set. The zero Addr stands for the peer on a
// unix socket.
func (t *Trusted) Contains(a netip.Addr) bool {
	if t == nil {
		return false
	}
	if !a.IsValid() {
		return t.unix
	}
	a = a.Unmap().WithZone("")
	// Of prefixes that do not overlap, only the last that begins at or before a
	// can hold it.
	i := sort.Search(len(t.nets), func(i int) bool { return t.nets[i].Addr().Compare(a) > 0 })
	return i > 0 && t.nets[i-1].Contains(a)
}

// String lists the set, for logs and the printed configuration.
func (t *Trusted) String() string {
	if t == nil {
		return ""
	}
	var all []string
	for _, p := range t.nets {
		all = append(all, p.String())
	}
	if t.unix {
		all = append(all, "unix")
	}
	return strings.Join(all, " ")
}
