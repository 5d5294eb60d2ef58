package exchange

// class has a bit set per byte for each of the character sets below.
var class = func() (t [256]uint8) {
	for c := range 256 {
		b := byte(c)
		alnum := b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
		if alnum || contains("!#$%&'*+-.^_`|~", b) {
			t[c] |= isToken
		}
		if b >= 0x20 && b != 0x7f || b == '\t' {
			t[c] |= isValue
		}
		if alnum || contains("-._~/", b) {
			t[c] |= isQuerySafe
		}
		if t[c]&isQuerySafe != 0 || contains("!$&'()*+,;=:@", b) {
			t[c] |= isPathSafe
		}
	}
	return t
}()

const (
	isToken uint8 = 1 << iota
	isValue
	isPathSafe  // stands for itself in a path (RFC 3986 §3.3: pchar and "/")
	isQuerySafe // stands for itself, and for nothing else, in a parameter of a query
)

func contains(s string, b byte) bool {
	for i := range len(s) {
		if s[i] == b {
			return true
		}
	}
	return false
}

// TokenByte tells whether b may stand in a token (RFC 9110 §5.6.2).
func TokenByte(b byte) bool { return class[b]&isToken != 0 }

// ValueByte tells whether b may stand in a field value: a visible character,
// space, tab, or a byte over 127 (RFC 9110 §5.5).
func ValueByte(b byte) bool { return class[b]&isValue != 0 }

// ValidName tells whether s is a field name or a method: a token, not empty.
func ValidName(s string) bool {
	for i := range len(s) {
		if class[s[i]]&isToken == 0 {
			return false
		}
	}
	return s != ""
}

// ValidValue tells whether s may be a field value: no control character but tab,
// and no space or tab at either end (RFC 9110 §5.5).
func ValidValue(s string) bool {
	for i := range len(s) {
		if class[s[i]]&isValue == 0 {
			return false
		}
	}
	if n := len(s); n > 0 {
		return s[0] != ' ' && s[0] != '\t' && s[n-1] != ' ' && s[n-1] != '\t'
	}
	return true
}
