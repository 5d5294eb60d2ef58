package http1

import (
	"net/netip"
	"strings"
)

// hostByte has a bit set for what may stand in a registered name (RFC 3986
// §3.2.2): unreserved and sub-delims. Percent escapes may stand there by the
// grammar, but "%65xample.com" has two readings, so they are refused.
var hostByte = func() (t [256]bool) {
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=") {
		t[c] = true
	}
	return t
}()

// parseHost checks that s is host[:port] and returns it as an authority in lower
// case, the host alone in the form sites are matched by (no port, brackets, or
// trailing dot), and the port or "". It copies only what is not canonical.
func parseHost(s string) (authority, host, port string, ok bool) {
	if strings.HasPrefix(s, "[") {
		return parseHost6(s)
	}
	end := len(s)
	for i := range len(s) {
		if hostByte[s[i]] {
			continue
		}
		if s[i] != ':' {
			return "", "", "", false
		}
		end = i
		break
	}
	if end < len(s) {
		if port, ok = parsePort(s[end:]); !ok {
			return "", "", "", false
		}
	}
	host = strings.TrimSuffix(s[:end], ".")
	// An empty label has no meaning in DNS, and "..example.com" must not look
	// like a name under a wildcard.
	if host == "" || host[0] == '.' || host[len(host)-1] == '.' || strings.Contains(host, "..") {
		return "", "", "", false
	}
	if port == "" {
		return strings.ToLower(s[:end]), strings.ToLower(host), "", true
	}
	authority = strings.ToLower(s)
	return authority, authority[:len(host)], port, true
}

func parseHost6(s string) (authority, host, port string, ok bool) {
	end := strings.IndexByte(s, ']')
	if end < 0 {
		return "", "", "", false
	}
	addr, err := netip.ParseAddr(s[1:end])
	if err != nil || !addr.Is6() || addr.Zone() != "" {
		return "", "", "", false
	}
	if end+1 < len(s) {
		if port, ok = parsePort(s[end+1:]); !ok {
			return "", "", "", false
		}
	}
	if port == "" {
		s = s[:end+1]
	}
	return strings.ToLower(s), addr.String(), port, true
}

// parsePort reads ":" *DIGIT. The grammar allows the digits to be missing.
func parsePort(s string) (port string, ok bool) {
	if s[0] != ':' || len(s) > 6 {
		return "", false
	}
	n := 0
	for i := 1; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return "", false
		}
		n = n*10 + int(s[i]-'0')
	}
	return s[1:], n <= 65535
}

// sameAuthority compares two parsed authorities, of which either may name the
// default port of the scheme.
func sameAuthority(hostA, portA, hostB, portB, scheme string) bool {
	standard := "80"
	if scheme == "https" {
		standard = "443"
	}
	if portA == "" {
		portA = standard
	}
	if portB == "" {
		portB = standard
	}
	return hostA == hostB && portA == portB
}
