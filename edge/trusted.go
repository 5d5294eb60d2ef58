package edge

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// Names of fields in which proxies tell who asked them. Any other is taken to hold
// one address and nothing else.
const (
	forwardedFor = "x-forwarded-for"
	forwarded    = "forwarded" // RFC 7239
)

// identify finds out who asks, where proxies that the snapshot trusts stand between.
// Every proxy appends whom it was asked by, so the list is read from its end, up to
// the first address that is not a trusted proxy's: what stands before it, anybody may
// have written. An element that cannot be read ends it as well; the last one that
// could be counts then.
func (snap *Snapshot) identify(r *exchange.Request) {
	if !snap.trusts(r.Conn.Client.Addr()) {
		return
	}
	r.Trusted = true
	name := snap.TrustedHeader
	if name == "" {
		name = forwardedFor
	}
	if name != forwardedFor && name != forwarded {
		snap.identifyBy(r, name)
		return
	}
	for i := r.Header.Len() - 1; i >= 0; i-- {
		if f := r.Header.At(i); f.Name == name && !snap.walk(r, f.Value, name == forwarded) {
			return
		}
	}
}

// trusts tells whether a peer is one of the trusted proxies. A peer without an address
// came over a unix socket.
func (snap *Snapshot) trusts(peer netip.Addr) bool {
	if !peer.IsValid() {
		return snap.TrustUnix
	}
	return slices.ContainsFunc(snap.Trusted, func(p netip.Prefix) bool { return p.Contains(peer) })
}

// identifyBy takes the one address in the one field of that name.
func (snap *Snapshot) identifyBy(r *exchange.Request, name string) {
	value, seen := "", false
	for v := range r.Header.Values(name) {
		if seen { // one of them is not the proxy's
			return
		}
		value, seen = v, true
	}
	if client, ok := parseNode(value, true); ok {
		r.Client = client
	}
}

// walk reads one field from its end. It returns false where the list ends.
func (snap *Snapshot) walk(r *exchange.Request, list string, structured bool) bool {
	for more := true; more; {
		var element string
		element, list, more = lastElement(list, structured)
		if element == "" { // RFC 9110 §5.6.1.2
			continue
		}
		node, ok := element, true
		if structured {
			node, ok = forNode(element)
		}
		client, valid := parseNode(node, !structured)
		if !ok || !valid {
			return false
		}
		if r.Client = client; !snap.trusts(client.Addr()) {
			return false
		}
	}
	return true
}

// lastElement cuts the last element off a list, and tells whether more stand before
// it. In a structured one commas may stand in quotes. Reading backwards, a quote that
// a client has left open cannot swallow what proxies appended.
func lastElement(list string, structured bool) (element, rest string, more bool) {
	i, quoted := len(list)-1, false
	for ; i >= 0; i-- {
		switch c := list[i]; {
		case c == '"' && structured && !(quoted && escaped(list, i)):
			quoted = !quoted
		case c == ',' && !quoted:
			return strings.Trim(list[i+1:], " \t"), list[:i], true
		}
	}
	return strings.Trim(list, " \t"), "", false
}

// escaped tells whether an odd number of backslashes stands before s[i].
func escaped(s string, i int) bool {
	n := 0
	for n < i && s[i-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}

// forNode returns the value of the parameter "for" of one element of Forwarded
// (RFC 7239 §4). The whole element must be well-formed, and name it once.
func forNode(element string) (node string, ok bool) {
	found := false
	for rest := element; ; {
		name, after, _ := strings.Cut(rest, "=")
		name = strings.TrimLeft(name, " \t")
		if !exchange.ValidName(name) {
			return "", false
		}
		value, after, ok := forwardedValue(after)
		if !ok {
			return "", false
		}
		if strings.EqualFold(name, "for") {
			if found {
				return "", false
			}
			node, found = value, true
		}
		after = strings.TrimLeft(after, " \t")
		if after == "" {
			return node, found
		}
		if after[0] != ';' {
			return "", false
		}
		rest = after[1:]
	}
}

// forwardedValue reads a token or a quoted string at the start of s (RFC 9110 §5.6.4).
func forwardedValue(s string) (value, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		n := 0
		for n < len(s) && exchange.TokenByte(s[n]) {
			n++
		}
		return s[:n], s[n:], n > 0
	}
	var unescaped []byte
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return string(unescaped), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		unescaped = append(unescaped, s[i])
	}
	return "", "", false
}

// parseNode reads an address, with a port or without; a port that is hidden does not
// matter (RFC 7239 §6). Outside of Forwarded an IPv6 address may go without brackets.
func parseNode(s string, bare bool) (client netip.AddrPort, ok bool) {
	host, port := s, ""
	switch colon := strings.LastIndexByte(s, ':'); {
	case strings.HasPrefix(s, "["):
		end := strings.IndexByte(s, ']')
		if end < 0 || end+1 < len(s) && s[end+1] != ':' {
			return client, false
		}
		host, port = s[1:end], strings.TrimPrefix(s[end+1:], ":")
		if !strings.Contains(host, ":") || end+2 == len(s) {
			return client, false
		}
	case strings.Count(s, ":") == 1:
		host, port = s[:colon], s[colon+1:]
		if port == "" {
			return client, false
		}
	case colon >= 0 && !bare:
		return client, false
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Zone() != "" {
		return client, false
	}
	number, ok := parsePort(port)
	return netip.AddrPortFrom(addr.Unmap(), number), ok
}

// parsePort reads up to five digits; an obfuscated port (RFC 7239 §6.3) and none are 0.
func parsePort(s string) (port uint16, ok bool) {
	if s == "" || s[0] == '_' {
		return 0, s == "" || exchange.ValidName(s)
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' || i == 5 {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return uint16(n), n <= 65535
}
