package exchange

import (
	"bytes"
	"errors"
	"strings"
)

// Errors of CanonicalPath. All mean 400.
var (
	errPathForm    = errors.New("path does not start with a slash")
	errPathEscape  = errors.New("path holds a broken percent escape")
	errPathControl = errors.New("path holds a control character")
	errPathAbove   = errors.New("path climbs above the root")
	errPathSlash   = errors.New("path holds a backslash")
	errPathTwice   = errors.New("path holds an encoded slash both once and twice encoded")
	errPathParams  = errors.New("path holds a dot segment with parameters")
	errTarget      = errors.New("target holds a character that has to be escaped")
)

// SetTarget makes target, a request target in origin form, the one of r, and
// sets Path, Query and Opaque by it. Protocols use it, and whoever rewrites: a
// target that could not go on a wire as it is, one with spaces, control or
// non-ASCII characters or a fragment, is refused (RFC 9112 §3.2.1). Errors are
// *Error with status 400, and leave r as it was.
func (r *Request) SetTarget(target string) error {
	if target == "*" {
		r.Target, r.Path, r.Query, r.Opaque = "*", "*", "", false
		return nil
	}
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c >= 0x7f || c == '#' {
			return &Error{Fault: Client, Status: 400, Err: errTarget}
		}
	}
	raw, query, _ := strings.Cut(target, "?")
	path, opaque, err := CanonicalPath(raw)
	if err != nil {
		return &Error{Fault: Client, Status: 400, Err: err}
	}
	r.Target, r.Path, r.Query, r.Opaque = target, path, query, opaque
	return nil
}

// CanonicalPath turns the path of a request target into the one form that
// routing, access rules, files and filters agree on: escapes decoded once,
// empty and dot segments resolved (RFC 3986 §5.2.4, after decoding, so that
// "%2e%2e" is ".."), a trailing slash kept. Whatever could be read in two ways is
// refused (security P6): control characters, backslashes, climbing above the
// root, broken escapes, "..;", which Java servers take for "..", and slashes encoded
// both once and twice. An encoded slash or backslash stays encoded, in upper case,
// and opaque is true. A path that is canonical already is returned as it is, without
// a copy.
func CanonicalPath(raw string) (path string, opaque bool, err error) {
	if raw == "" || raw[0] != '/' {
		return "", false, errPathForm
	}
	if isCanonical(raw) {
		return raw, false, nil
	}
	decoded, opaque, err := decodePath(raw)
	if err != nil {
		return "", false, err
	}
	path, err = resolveDots(decoded)
	return path, opaque, err
}

func isCanonical(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '%' || c == '\\' || c < 0x20 || c == 0x7f:
			return false
		case c == '/' && i+1 < len(s) && (s[i+1] == '/' || s[i+1] == '.'):
			return false
		}
	}
	return true
}

func decodePath(raw string) ([]byte, bool, error) {
	out, kept := make([]byte, 0, len(raw)), 0
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '%' {
			if i+2 >= len(raw) || Unhex(raw[i+1]) > 15 || Unhex(raw[i+2]) > 15 {
				return nil, false, errPathEscape
			}
			c = Unhex(raw[i+1])<<4 | Unhex(raw[i+2])
			i += 2
			if c == '/' || c == '\\' {
				kept++
				out = append(out, '%', '0'+c>>4, "0123456789ABCDEF"[c&15])
				continue
			}
		} else if c == '\\' {
			return nil, false, errPathSlash
		}
		if c < 0x20 || c == 0x7f {
			return nil, false, errPathControl
		}
		out = append(out, c)
	}
	// Nobody could tell "%252F", decoded, from a "%2F" that was kept.
	if kept > 0 && bytes.Count(out, []byte("%2F"))+bytes.Count(out, []byte("%5C")) > kept {
		return nil, false, errPathTwice
	}
	return out, kept > 0, nil
}

// resolveDots resolves in place: what is written never overtakes what is read.
func resolveDots(p []byte) (string, error) {
	out := p[:0]
	for i := 0; i < len(p); {
		j := i + 1
		for j < len(p) && p[j] != '/' {
			j++
		}
		segment, last := p[i+1:j], j == len(p)
		switch s := string(segment); {
		case s == "" || s == ".":
			if last {
				out = append(out, '/')
			}
		case strings.HasPrefix(s, ".;") || strings.HasPrefix(s, "..;"):
			return "", errPathParams
		case s == "..":
			k := bytes.LastIndexByte(out, '/')
			if k < 0 {
				return "", errPathAbove
			}
			if out = out[:k]; last {
				out = append(out, '/')
			}
		default:
			out = append(append(out, '/'), segment...)
		}
		i = j
	}
	return string(out), nil
}

// Unhex returns the value of a hexadecimal digit, or 255 for any other byte.
func Unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}
