package weir

// sendable tells whether a field could be sent. Hosts differ in what they make of others,
// up to what ends the header where its author did not mean to: so they never get them.
func sendable(name, value string) bool {
	if name != "" && name[0] == ':' {
		return name == ":method" && isToken(value) || name != ":method" && isWord(value)
	}
	return isToken(name) && isValue(value)
}

// cannot says that a field was left out.
func cannot(name string) { LogError("set field " + printable(name) + ": it could not be sent") }

// printable returns a name without what would end a line.
func printable(name string) string {
	b := []byte(name)
	for i, c := range b {
		if c < ' ' || c == 0x7f {
			b[i] = '?'
		}
	}
	return quote(string(b))
}

// isToken tells whether s is one (RFC 9110 §5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && !inToken(c) {
			return false
		}
	}
	return s != ""
}

// inToken tells whether a token may have c, which is neither letter, digit nor hyphen.
func inToken(c byte) bool {
	const others = "!#$%&'*+.^_`|~"
	for i := range len(others) {
		if others[i] == c {
			return true
		}
	}
	return false
}

// isValue tells whether s may be the value of a field.
func isValue(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// isWord tells whether s has neither spaces nor control characters: a path, a host.
func isWord(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// framing tells whether a field says where a message ends, or what becomes of the
// connection: hosts leave it out.
func framing(name string) bool {
	switch name {
	case "connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade":
		return true
	}
	return false
}
