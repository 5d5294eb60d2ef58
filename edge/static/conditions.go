package static

import (
	"net/http"
	"strings"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// wishes are the fields of a request that matter for a file, found in one pass.
type wishes struct {
	acceptEncoding    string
	ifMatch           string
	ifNoneMatch       string
	ifModifiedSince   string
	ifUnmodifiedSince string
	ifRange           string
	ranges            string
}

func (w *wishes) read(h *exchange.Header) {
	for i := range h.Len() {
		f := h.At(i)
		switch f.Name {
		case "accept-encoding":
			join(&w.acceptEncoding, f.Value)
		case "if-match":
			join(&w.ifMatch, f.Value)
		case "if-none-match":
			join(&w.ifNoneMatch, f.Value)
		case "if-modified-since":
			join(&w.ifModifiedSince, f.Value)
		case "if-unmodified-since":
			join(&w.ifUnmodifiedSince, f.Value)
		case "if-range":
			join(&w.ifRange, f.Value)
		case "range":
			join(&w.ranges, f.Value)
		}
	}
}

// join makes several fields one list. Of those that are no lists, several make a
// value that is not valid, and so count as none.
func join(to *string, value string) {
	if *to != "" {
		value = *to + ", " + value
	}
	*to = value
}

type verdict uint8

const (
	modified verdict = iota
	unmodified
	failed
)

// verdict evaluates the preconditions of a GET or HEAD in the order of RFC 9110
// §13.2.2, If-Range aside.
func (w *wishes) verdict(f *form) verdict {
	switch {
	case w.ifMatch != "":
		if !matches(w.ifMatch, f.etag, true) {
			return failed
		}
	case w.ifUnmodifiedSince != "" && f.lastMod != 0:
		if since, ok := parseDate(w.ifUnmodifiedSince, f); ok && f.lastMod > since {
			return failed
		}
	}
	switch {
	case w.ifNoneMatch != "":
		if matches(w.ifNoneMatch, f.etag, false) {
			return unmodified
		}
	case w.ifModifiedSince != "" && f.lastMod != 0:
		if since, ok := parseDate(w.ifModifiedSince, f); ok && f.lastMod <= since {
			return unmodified
		}
	}
	return modified
}

// rangeHolds evaluates If-Range (RFC 9110 §13.1.5): both kinds of validator have to
// be strong and equal. A date is, once a second has passed in which the file could
// have changed again (§8.8.2.2).
func (w *wishes) rangeHolds(f *form) bool {
	if w.ifRange == "" {
		return true
	}
	if w.ifRange[0] == '"' {
		return w.ifRange == f.etag
	}
	return f.lastMod != 0 && w.ifRange == f.date && f.loaded-f.lastMod > 1
}

// parseDate reads an HTTP date in any of its three forms. What clients send is
// nearly always what they were given.
func parseDate(s string, f *form) (seconds int64, ok bool) {
	if s == f.date {
		return f.lastMod, true
	}
	t, err := http.ParseTime(s)
	if err != nil || t.Before(time.Unix(0, 0)) {
		return 0, false
	}
	return t.Unix(), true
}

// matches tells whether a list of entity tags, or "*", names etag, which is strong.
// The strong comparison passes over weak members (RFC 9110 §8.8.3.2). What is no
// list ends where that shows.
func matches(list, etag string, strong bool) bool {
	if list == "*" {
		return true
	}
	for etag != "" {
		list = strings.TrimLeft(list, " \t,")
		tag, weak := strings.CutPrefix(list, "W/")
		if len(tag) < 2 || tag[0] != '"' {
			return false
		}
		end := strings.IndexByte(tag[1:], '"')
		if end < 0 {
			return false
		}
		if end += 2; tag[:end] == etag && !(weak && strong) {
			return true
		}
		list = strings.TrimLeft(tag[end:], " \t")
		if list != "" && list[0] != ',' {
			return false
		}
	}
	return false
}
