package static

import (
	"runtime"
	"strings"
)

const wellKnown = ".well-known"

// hidden tells whether name ("/a/b", no slash at the end but for the root) or a
// directory above it is hidden. It refuses what is no plain name as well, though
// canonical paths hold none of it: a second lock costs nothing off the hot path.
func (h *Handler) hidden(name string) bool {
	if name == "/" {
		return false
	}
	for start := 1; start <= len(name); {
		end := len(name)
		if i := strings.IndexByte(name[start:], '/'); i >= 0 {
			end = start + i
		}
		element := name[start:end]
		if !plainElement(element) {
			return true
		}
		if element[0] == '.' && !h.dotfiles && (start != 1 || element != wellKnown) {
			return true
		}
		if anyMatch(h.hide, name[:end]) {
			return true
		}
		start = end + 1
	}
	return false
}

func plainElement(s string) bool {
	if s == "" || s == "." || s == ".." || strings.IndexByte(s, 0) >= 0 {
		return false
	}
	if runtime.GOOS == "windows" { // streams, short names (GIT~1 is .git), dropped ends
		last := s[len(s)-1]
		return !strings.ContainsAny(s, `:\~`) && last != '.' && last != ' '
	}
	return true
}
