package access

import (
	"errors"
	"fmt"
	"strings"
)

// glob is a pattern of paths: "*" stands for any text within a segment, a segment
// "**" for any number of segments, none included. A pattern that does not begin with
// a slash may match anywhere: "*.bak" is "/**/*.bak".
//
// Globs protect, so in doubt they match: "/private/**" matches "/private" too, and a
// slash at the end of a path makes no difference, nor does the case of ASCII letters:
// routes may ignore it, and so do some file systems, which would answer "/Private"
// with what "/private" protects (security P6, P10). Paths are canonical.
type glob []string // segments, in lower case

func parseGlob(pattern string) (glob, error) {
	text, rooted := strings.CutPrefix(lower(pattern), "/")
	segments := strings.Split(strings.TrimSuffix(text, "/"), "/")
	if !rooted && segments[0] != "**" {
		segments = append([]string{"**"}, segments...)
	}
	for i, s := range segments {
		switch {
		case s == "" && pattern != "/":
			return nil, errors.New("has an empty segment")
		case s == "." || s == "..":
			return nil, errors.New("has a dot segment, which no canonical path has")
		case s != "**" && strings.Contains(s, "**"):
			return nil, errors.New("has ** within a segment: it stands alone")
		}
		for j := range len(s) {
			switch c := s[j]; {
			case c < 0x20 || c == 0x7f || c == '\\':
				return nil, fmt.Errorf("has the character %q, which no canonical path has", c)
			case c == '?':
				return nil, errors.New("has a question mark: the query is not part of the path, and any text is *")
			case c == '%' && isEscape(s[j:]):
				return nil, fmt.Errorf("has the escape %s: paths are matched decoded, write the character itself", s[j:j+3])
			}
		}
		if i > 0 && s == "**" && segments[i-1] == "**" {
			return nil, errors.New("has ** twice in a row")
		}
	}
	return segments, nil
}

// match takes time in the length of the path times that of the glob, however
// many "**" there are: only the last one is ever gone back to.
func (g glob) match(path string) bool {
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	i, at := 0, 1 // the next segment of the glob, and where that of the path begins
	back, backAt := -1, 0
	for {
		switch {
		case i < len(g) && g[i] == "**":
			i++
			back, backAt = i, at
			continue
		case i == len(g) && at > len(path):
			return true
		case i < len(g) && at <= len(path):
			segment, next := segmentAt(path, at)
			if matchText(g[i], segment) {
				i, at = i+1, next
				continue
			}
		}
		if back < 0 || backAt > len(path) {
			return false
		}
		_, backAt = segmentAt(path, backAt) // the "**" takes one segment more
		i, at = back, backAt
	}
}

// segmentAt returns the segment of path that starts at, and where the next one
// does: beyond len(path) after the last.
func segmentAt(path string, at int) (string, int) {
	if i := strings.IndexByte(path[at:], '/'); i >= 0 {
		return path[at : at+i], at + i + 1
	}
	return path[at:], len(path) + 1
}

// matchText matches one segment, where "*" stands for any text.
func matchText(pattern, s string) bool {
	i, at := 0, 0
	star, starAt := -1, 0
	for at < len(s) {
		switch {
		case i < len(pattern) && pattern[i] == '*':
			star, starAt = i, at
			i++
		case i < len(pattern) && pattern[i] == lowerByte(s[at]):
			i, at = i+1, at+1
		case star >= 0:
			starAt++
			i, at = star+1, starAt
		default:
			return false
		}
	}
	return strings.Trim(pattern[i:], "*") == ""
}

// isEscape tells whether s, in lower case, begins with a percent escape that no
// canonical path has: it keeps those of slash and backslash.
func isEscape(s string) bool {
	return len(s) > 2 && isHex(s[1]) && isHex(s[2]) && s[:3] != "%2f" && s[:3] != "%5c"
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' }

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// lower folds ASCII letters only: other scripts change their length when folded.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		b[i] = lowerByte(c)
	}
	return string(b)
}
