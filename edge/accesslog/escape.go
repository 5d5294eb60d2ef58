package accesslog

import (
	"unicode"
	"unicode/utf8"
)

// Escapers append client's data so that it stays within its place. They can be fed
// piece by piece, as long as no character is torn.
type escaper func(b []byte, s string) []byte

const hex = "0123456789abcdef"

// tame has, for each escaper, a bit per byte that stands for itself. Nearly all
// bytes are such, and are copied in runs.
var tame = func() (t [256]uint8) {
	for c := byte(' '); c < 0x7f; c++ {
		t[c] = inText
		if c != ' ' {
			t[c] |= inWord
		}
		if c != '"' && c != '\\' {
			t[c] |= inQuotes
		}
	}
	return t
}()

const (
	inText uint8 = 1 << iota
	inWord
	inQuotes
)

// appendTame appends the tame beginning of s, and returns the rest.
func appendTame(b []byte, s string, bit uint8) ([]byte, string) {
	i := 0
	for i < len(s) && tame[s[i]]&bit != 0 {
		i++
	}
	return append(b, s[:i]...), s[i:]
}

// escapeJSON appends the inside of a JSON string. Besides what JSON asks for it
// escapes whatever does not print (control characters of all kinds, line
// separators, switches of writing direction): logs are read on terminals too.
func escapeJSON(b []byte, s string) []byte {
	for {
		if b, s = appendTame(b, s, inQuotes); s == "" {
			return b
		}
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == utf8.RuneError && size == 1:
			b = append(b, `\ufffd`...)
		case !unicode.IsPrint(r):
			b = appendUnicode(b, r)
		default:
			b = append(b, s[:size]...)
		}
		s = s[size:]
	}
}

func appendUnicode(b []byte, r rune) []byte {
	if r > 0xffff { // a surrogate pair
		r -= 0x10000
		b = appendUnicode(b, 0xd800|r>>10)
		r = 0xdc00 | r&0x3ff
	}
	return append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}

// escapeCLF appends what may stand between quotes in the common log format, as
// Apache does: every byte that is not printable ASCII as \xhh.
func escapeCLF(b []byte, s string) []byte {
	for {
		if b, s = appendTame(b, s, inQuotes); s == "" {
			return b
		}
		if c := s[0]; c == '"' || c == '\\' {
			b = append(b, '\\', c)
		} else {
			b = appendByte(b, c)
		}
		s = s[1:]
	}
}

// escapeWord appends a word for people: one without spaces, in which everything
// that prints is left as it is.
func escapeWord(b []byte, s string) []byte { return escapePrintable(b, s, inWord) }

// escapeText appends text for people.
func escapeText(b []byte, s string) []byte { return escapePrintable(b, s, inText) }

func escapePrintable(b []byte, s string, bit uint8) []byte {
	for {
		if b, s = appendTame(b, s, bit); s == "" {
			return b
		}
		r, size := utf8.DecodeRuneInString(s)
		if r >= utf8.RuneSelf && unicode.IsPrint(r) && (r != utf8.RuneError || size > 1) {
			b = append(b, s[:size]...)
		} else {
			for i := range size {
				b = appendByte(b, s[i])
			}
		}
		s = s[size:]
	}
}

func appendByte(b []byte, c byte) []byte { return append(b, '\\', 'x', hex[c>>4], hex[c&15]) }

// Longest pieces of a client's data that are logged, in bytes. They bound a line.
const (
	maxTarget = 4096
	maxText   = 1024
)

// clip cuts s to n bytes, between characters, and tells whether it had to.
func clip(s string, n int) (string, bool) {
	if len(s) <= n {
		return s, false
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n], true
}
