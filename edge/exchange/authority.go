package exchange

import (
	"errors"
	"net/netip"
	"strings"
)

var (
	errHostEmpty = errors.New("host is empty or has an empty label")
	errHostLong  = errors.New("host is longer than 253 characters")
	errHostForm  = errors.New("host holds a forbidden character")
	errHostPort  = errors.New("host has a bad port")
	errHostIPv6  = errors.New("host is no valid IPv6 address in brackets")
)

// SetAuthority makes raw, a Host field or :authority, the authority of r, and
// sets Authority and Host by it, as ParseAuthority reads it. Errors are *Error with
// status 400, and leave r as it was.
func (r *Request) SetAuthority(raw string) error {
	authority, host, _, err := ParseAuthority(raw)
	if err != nil {
		return &Error{Fault: Client, Status: 400, Err: err}
	}
	r.Authority, r.Host = authority, host
	return nil
}

// ParseAuthority reads one host with an optional port and nothing else: a
// registered name of letters, digits, "-", "_" and ".", an IPv4 address, or an IPv6
// address in brackets (RFC 9110 §4.2.1 without user information; RFC 3986 §3.2.2
// without percent escapes and sub-delims, which no host needs and which two parsers
// may read in two ways). It returns the authority in lower case, without the colon
// of an empty port (RFC 9110 §4.2.3); the host alone, in the form sites are matched
// by (no port, brackets or trailing dot, addresses in one spelling); and the port's
// digits, or "". It copies only what is not in that form already.
func ParseAuthority(raw string) (authority, host, port string, err error) {
	authority = lowerASCII(raw)
	end := strings.LastIndexByte(authority, ']') + 1 // of an address in brackets
	if i := strings.IndexByte(authority[end:], ':'); i >= 0 {
		if port = authority[end+i+1:]; !validPort(port) {
			return "", "", "", errHostPort
		}
		host = authority[:end+i]
		if port == "" {
			authority = host
		}
	} else {
		host = authority
	}
	if strings.HasPrefix(host, "[") {
		host, err = parseIPv6(host)
	} else {
		host, err = parseName(host)
	}
	if err != nil {
		return "", "", "", err
	}
	return authority, host, port, nil
}

func parseIPv6(s string) (string, error) {
	ip, err := netip.ParseAddr(strings.TrimSuffix(s[1:], "]"))
	if err != nil || s[len(s)-1] != ']' || !ip.Is6() || ip.Zone() != "" {
		return "", errHostIPv6
	}
	return ip.String(), nil
}

func parseName(s string) (string, error) {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			return "", errHostForm
		}
	}
	s = strings.TrimSuffix(s, ".")
	switch {
	// An empty label has no meaning in DNS, and "..example.com" must not look like a
	// name under a wildcard.
	case s == "" || s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, ".."):
		return "", errHostEmpty
	case len(s) > 253:
		return "", errHostLong
	}
	return s, nil
}

func validPort(s string) bool {
	if len(s) > 5 {
		return false
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n <= 65535
}

// lowerASCII folds ASCII letters only: other scripts change their length when
// folded, which has confused parsers before (security P10).
func lowerASCII(s string) string {
	for i := range len(s) {
		if c := s[i]; 'A' <= c && c <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if c := b[i]; 'A' <= c && c <= 'Z' {
					b[i] = c + 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
