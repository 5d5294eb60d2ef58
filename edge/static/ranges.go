package static

import (
	"strconv"
	"strings"
)

// maxRanges is how many ranges of one file a request may name. Readers of large
// documents ask for a handful; more is a way to make a small request costly (RFC
// 9110 §17.15).
const maxRanges = 16

// span is a part of a file.
type span struct{ off, n int64 }

func (s span) contentRange(size int64) string {
	b := make([]byte, 0, 64)
	b = strconv.AppendInt(append(b, "bytes "...), s.off, 10)
	b = strconv.AppendInt(append(b, '-'), s.off+s.n-1, 10)
	b = strconv.AppendInt(append(b, '/'), size, 10)
	return string(b)
}

// parseRange appends to list what a Range field selects of size bytes. No span
// means that none of its ranges is satisfiable; ok is false if the field is to be
// ignored, since it is not valid, of another unit, or not worth serving in parts:
// too many ranges, ranges that overlap, or an empty file, of which no
// Content-Range can tell (RFC 9110 §14.2).
func parseRange(list []span, field string, size int64) (_ []span, ok bool) {
	unit, set, found := strings.Cut(field, "=")
	if !found || !strings.EqualFold(unit, "bytes") || size == 0 {
		return nil, false
	}
	members := 0
	for more := true; more; {
		var item string
		item, set, more = strings.Cut(set, ",")
		if item = strings.Trim(item, " \t"); item == "" {
			continue // empty members of a list are passed over (RFC 9110 §5.6.1.2)
		}
		if members++; members > maxRanges {
			return nil, false
		}
		s, satisfiable, valid := parseSpan(item, size)
		if !valid {
			return nil, false
		}
		if !satisfiable {
			continue
		}
		for _, o := range list {
			if s.off < o.off+o.n && o.off < s.off+s.n {
				return nil, false
			}
		}
		list = append(list, s)
	}
	return list, members > 0
}

// parseSpan reads "first-last", "first-" or "-length".
func parseSpan(item string, size int64) (s span, satisfiable, valid bool) {
	first, last, found := strings.Cut(item, "-")
	if !found {
		return span{}, false, false
	}
	if first == "" {
		n, ok := parseDigits(last)
		n = min(n, size)
		return span{size - n, n}, n > 0, ok
	}
	from, ok := parseDigits(first)
	if !ok {
		return span{}, false, false
	}
	to := size - 1
	if last != "" {
		end, ok := parseDigits(last)
		if !ok || end < from {
			return span{}, false, false
		}
		to = min(to, end)
	}
	return span{from, to - from + 1}, from < size, true
}

// parseDigits reads 1*DIGIT. A number beyond all files is as good as the largest.
func parseDigits(s string) (n int64, ok bool) {
	const most = 1<<63 - 1
	for i := range len(s) {
		d := int64(s[i] - '0')
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		if n > (most-d)/10 {
			n = most
			continue
		}
		n = n*10 + d
	}
	return n, s != ""
}
