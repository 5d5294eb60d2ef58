package accesslog

import (
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

const redacted = "REDACTED"

// appendURL appends a request target or a Referer. Of query parameters with
// secrets, and of a user name with password, the place is left and the value goes.
func (l *Log) appendURL(b []byte, s string, escape escaper) []byte {
	s, clipped := clip(s, maxTarget)
	i := strings.IndexAny(s, "?#")
	if i < 0 {
		i = len(s)
	}
	b = appendPath(b, s[:i], escape)
	for s = s[i:]; s != ""; {
		// s begins with what separates parameters.
		end := 1 + nextParam(s[1:])
		name, _, assigned := strings.Cut(s[1:end], "=")
		if !assigned || !l.secret(name) {
			b = escape(b, s[:end])
			s = s[end:]
			continue
		}
		b = escape(b, s[:1+len(name)+1])
		b = append(b, redacted...)
		// Only "&" surely ends a value; any other sign may be part of it.
		if end = strings.IndexByte(s[1:], '&'); end < 0 {
			break
		}
		s = s[1+end:]
	}
	if clipped {
		b = append(b, "..."...)
	}
	return b
}

func nextParam(s string) int {
	for i := range len(s) {
		switch s[i] {
		case '&', ';', '?', '#':
			return i
		}
	}
	return len(s)
}

// appendPath appends what comes before the query, without "user:password@".
func appendPath(b []byte, s string, escape escaper) []byte {
	_, rest, ok := strings.Cut(s, "://")
	if !ok {
		return escape(b, s)
	}
	authority, _, _ := strings.Cut(rest, "/")
	at := strings.LastIndexByte(authority, '@')
	if at < 0 {
		return escape(b, s)
	}
	b = escape(b, s[:len(s)-len(rest)])
	b = append(b, redacted...)
	return escape(b, rest[at:])
}

// secret tells whether a parameter of that name has a value that lets people in.
func (l *Log) secret(name string) bool {
	var buffer [64]byte
	n := normalise(buffer[:0], name)
	switch string(n) {
	case "key", "code", "sig", "hmac", "auth", "pass", "pwd", "pin", "otp", "totp", "sid", "jwt", "ticket", "assertion":
		return true
	}
	for i := range n {
		if speaksOfSecrets(n[i:]) {
			return true
		}
	}
	return len(l.redact) > 0 && l.redact[string(n)]
}

// speaksOfSecrets tells whether n begins with a word that gives a secret away. The
// shortest has five letters, and few letters begin one: most names are through at once.
func speaksOfSecrets(n []byte) bool {
	if len(n) < 5 {
		return false
	}
	switch n[0] {
	case 'a':
		return begins(n, "apikey") || begins(n, "accesskey") || begins(n, "authorization")
	case 'c':
		return begins(n, "credential")
	case 'p':
		return begins(n, "passw") || begins(n, "passphrase") || begins(n, "privatekey")
	case 's':
		return begins(n, "secret") || begins(n, "session") || begins(n, "signature")
	case 't':
		return begins(n, "token")
	}
	return false
}

func begins(n []byte, word string) bool { return len(n) >= len(word) && string(n[:len(word)]) == word }

// normalise appends to b, as far as it has room or 64 bytes, the letters and digits
// of name in lower case, with escapes decoded: "Access-Token", "access_token" and
// "access%5Ftoken" are one.
func normalise(b []byte, name string) []byte {
	for i := 0; i < len(name) && len(b) < 64; i++ {
		c := name[i]
		if c == '%' && i+2 < len(name) {
			hi, lo := exchange.Unhex(name[i+1]), exchange.Unhex(name[i+2])
			if hi < 16 && lo < 16 {
				c = hi<<4 | lo
				i += 2
			}
		}
		switch {
		case 'A' <= c && c <= 'Z':
			b = append(b, c+'a'-'A')
		case 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c >= 0x80:
			b = append(b, c)
		}
	}
	return b
}
