package cache

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// unmodified tells whether the client has e already, by its preconditions (RFC 9111
// §4.3.2).
func (e *entry) unmodified(h *exchange.Header) bool {
	if list := h.Joined("if-none-match"); list != "" {
		return list == "*" || matches(list, e.etag)
	}
	since, err := http.ParseTime(h.Get("if-modified-since"))
	return err == nil && !e.basis.After(since)
}

// matches tells whether a list of entity tags names tag, weak or not. What is no list
// ends where that shows.
func matches(list, tag string) bool {
	tag = strings.TrimPrefix(tag, "W/")
	for tag != "" {
		list = strings.TrimPrefix(strings.TrimLeft(list, " \t,"), "W/")
		if list == "" || list[0] != '"' {
			return false
		}
		end := strings.IndexByte(list[1:], '"')
		if end < 0 {
			return false
		}
		if end += 2; list[:end] == tag {
			return true
		}
		list = strings.TrimLeft(list[end:], " \t")
		if list != "" && list[0] != ',' {
			return false
		}
	}
	return false
}

// rangeHolds evaluates If-Range (RFC 9110 §13.1.5): validators have to be strong and
// equal. Last-Modified is, if it was a while ago when the response was made (§8.8.2.2).
func (e *entry) rangeHolds(h *exchange.Header) bool {
	validator, there := h.Lookup("if-range")
	switch {
	case !there:
		return true
	case strings.HasPrefix(validator, `"`):
		return validator == e.etag
	}
	modified, err := http.ParseTime(e.modified)
	return err == nil && validator == e.modified && e.received.Sub(modified).Seconds() > 1
}

// span is a part of a body.
type span struct{ off, n int64 }

func (s span) contentRange(size int64) string {
	b := strconv.AppendInt(append(make([]byte, 0, 64), "bytes "...), s.off, 10)
	b = strconv.AppendInt(append(b, '-'), s.off+s.n-1, 10)
	return string(strconv.AppendInt(append(b, '/'), size, 10))
}

type sought uint8

const (
	whole   sought = iota // the field is not valid, or of several ranges: all is sent
	part                  // the span
	nothing               // what is asked for lies beyond the end
)

// span returns what a Range field asks for (RFC 9110 §14.2).
func (e *entry) span(h *exchange.Header) (span, sought) {
	unit, set, found := strings.Cut(h.Joined("range"), "=")
	if set = strings.Trim(set, " \t"); !found || !strings.EqualFold(unit, "bytes") || e.size == 0 {
		return span{}, whole
	}
	first, last, found := strings.Cut(set, "-")
	from, to := digits(first), digits(last)
	switch {
	case !found || from == unsaid && to == unsaid || from == unsaid && first != "" || to == unsaid && last != "":
		return span{}, whole
	case first == "" && to == 0:
		return span{}, nothing
	case first == "":
		n := min(to, e.size)
		return span{e.size - n, n}, part
	case to != unsaid && to < from:
		return span{}, whole
	case from >= e.size:
		return span{}, nothing
	case to == unsaid || to >= e.size:
		to = e.size - 1
	}
	return span{from, to - from + 1}, part
}

// digits reads 1*DIGIT, else it is unsaid. What is beyond all files is as good as the
// largest.
func digits(s string) int64 {
	if s == "" {
		return unsaid
	}
	n := int64(0)
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return unsaid
		}
		n = min(n*10+int64(s[i]-'0'), 1<<58)
	}
	return n
}
