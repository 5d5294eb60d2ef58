package exchange

import (
	"errors"
	"net/netip"
	"strings"
)

var (
	errHostEmpty = errors.New("host is empty")
	errHostForm  = errors.New("host holds a forbidden character")
	errHostPort  = errors.New("host has a bad port")
	errHostIPv6  = errors.New("host is no valid IPv6 address in brackets")
)

// SetAuthority makes raw, a Host field or :authority, the authority of r, and
// sets Authority and Host by it. It accepts one host with an optional port and
// nothing else: a registered name of letters, digits, "-", "_" and ".", an IPv4
// address, or an IPv6 address in brackets (RFC 9110 §4.2.1 without user
// information; RFC 3986 §3.2.2 without percent escapes, which no host needs and
// which two parsers may read in two ways). Errors are *Error with status 400.
func (r *Request) SetAuthority(raw string) error {
	authority := lowerASCII(raw)
	host, err := hostOf(authority)
	if err != nil {
		return &Error{Fault: Client, Status: 400, Err: err}
	}
	r.Authority, r.Host = authority, host
	return nil
}

// hostOf checks a lower-case authority and returns its host without port,
// brackets and trailing dot.
func hostOf(authority string) (string, error) {
	if strings.HasPrefix(authority, "[") {
		end := strings.IndexByte(authority, ']')
		if end < 0 {
			return "", errHostIPv6
		}
		ip, err := netip.ParseAddr(authority[1:end])
		if err != nil || !ip.Is6() || ip.Zone() != "" {
			return "", errHostIPv6
		}
		if rest := authority[end+1:]; rest != "" && (rest[0] != ':' || !validPort(rest[1:])) {
			return "", errHostPort
		}
		return ip.String(), nil // one spelling: an address has many
	}
	host, port, found := strings.Cut(authority, ":")
	if found && !validPort(port) {
		return "", errHostPort
	}
	for i := range len(host) {
		if c := host[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			return "", errHostForm
		}
	}
	if host = strings.TrimSuffix(host, "."); host == "" || host[0] == '.' || len(host) > 253 || strings.Contains(host, "..") {
		return "", errHostEmpty
	}
	return host, nil
}

func validPort(s string) bool {
	if len(s) == 0 || len(s) > 5 {
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
