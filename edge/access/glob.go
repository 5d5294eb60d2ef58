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
// slash at the end of a path makes no difference. Paths are canonical, and case matters.
type glob []string // segments

func parseGlob(pattern string) (glob, error) {
	text, rooted := strings.CutPrefix(pattern, "/")
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
			if c := s[j]; c < 0x20 || c == 0x7f || c == '\\' {
				return nil, fmt.Errorf("has the character %q, which no canonical path has", c)
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
		case i < len(pattern) && pattern[i] == s[at]:
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
