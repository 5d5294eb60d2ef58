package cache

import (
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// unsaid stands for a directive that is not there; forever is the greatest number of
// seconds that anybody may mean (RFC 9111 §1.2.2).
const (
	unsaid  int64 = -1
	forever int64 = 1 << 31
)

// directives are what a Cache-Control field says, of a request or a response. Numbers
// are seconds.
type directives struct {
	noStore, noCache, private, public, mustRevalidate, proxyRevalidate bool
	mustUnderstand, onlyIfCached                                       bool
	surrogate                                                          bool // it is Surrogate-Control, which may speak to others
	// broken says that what was sent is not a list of directives: what it allows is not
	// believed, what it forbids is.
	broken                                                        bool
	maxAge, sMaxAge, maxStale, minFresh, whileRevalidate, ifError int64
	omit                                                          []string // fields that no-cache="…" keeps out of the cache
}

// parseDirectives reads all fields called name. Of a directive that is said twice
// the stricter counts, and a number that is none makes the response stale (RFC 9111
// §4.2.1): who is sloppy here is not served stale content for it.
func parseDirectives(h *exchange.Header, name string) directives {
	d := directives{maxAge: unsaid, sMaxAge: unsaid, maxStale: unsaid, minFresh: unsaid, whileRevalidate: unsaid, ifError: unsaid}
	d.surrogate = name == "surrogate-control"
	for i := range h.Len() {
		if f := h.At(i); f.Name == name {
			d.read(f.Value)
		}
	}
	if d.broken {
		d.maxAge, d.sMaxAge, d.maxStale, d.whileRevalidate, d.ifError = 0, unsaid, unsaid, unsaid, unsaid
		d.public = false
	}
	return d
}

func (d *directives) read(list string) {
	quotes := true
	for list != "" {
		item, rest, ok := cutItem(list, quotes)
		if !ok {
			// A quote that is not closed hides what comes after it: look at that too.
			d.broken, quotes = true, false
			continue
		}
		list = rest
		if item != "" && (!d.surrogate || forUs(item)) {
			d.add(item)
		}
	}
}

// forUs tells whether a directive of Surrogate-Control names no other cache than weir,
// by the token that Surrogate-Capability had.
func forUs(item string) bool {
	_, target, targeted := strings.Cut(item, ";")
	return !targeted || strings.Trim(target, " \t") == capability
}

// capability is weir's token in Surrogate-Capability.
const capability = "weir"

// cutItem cuts the first member off a list. ok is false if a quoted string does not end.
func cutItem(list string, quotes bool) (item, rest string, ok bool) {
	quoted := false
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case c == '"' && quotes:
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == ',' && !quoted:
			return strings.Trim(list[:i], " \t"), list[i+1:], true
		}
	}
	return strings.Trim(list, " \t"), "", !quoted
}

// add reads one directive. Those that forbid are seen whatever is around them; those
// that allow have to be well-formed.
func (d *directives) add(item string) {
	item, _, _ = strings.Cut(item, ";") // parameters of targeted fields (RFC 9213 §2.1)
	name, value, valued := strings.Cut(item, "=")
	exact := len(name)
	name = strings.TrimRight(name, " \t")
	proper := len(name) == exact
	switch {
	case is(name, "no-store"):
		d.noStore = true
	case is(name, "private"): // the form with fields is rare, and private enough
		d.private = true
	case is(name, "no-cache"):
		if fields, ok := unquote(value); valued && ok && fields != "" {
			d.omitFields(fields)
		} else {
			d.noCache = true
		}
	case is(name, "must-revalidate"):
		d.mustRevalidate = true
	case is(name, "proxy-revalidate"):
		d.proxyRevalidate = true
	case is(name, "must-understand"):
		d.mustUnderstand = true
	case is(name, "only-if-cached"):
		d.onlyIfCached = true
	case is(name, "public"):
		d.public = d.public || proper && !valued
	case is(name, "max-age"):
		least(&d.maxAge, value, proper)
	case is(name, "s-maxage"):
		least(&d.sMaxAge, value, proper)
	case is(name, "min-fresh"):
		d.minFresh = max(d.minFresh, number(value, forever))
	case is(name, "max-stale"):
		if !valued {
			value = "2147483648" // however stale
		}
		least(&d.maxStale, value, proper)
	case is(name, "stale-while-revalidate"):
		least(&d.whileRevalidate, value, proper)
	case is(name, "stale-if-error"):
		least(&d.ifError, value, proper)
	}
}

func (d *directives) omitFields(list string) {
	for list != "" {
		var name string
		name, list, _ = strings.Cut(list, ",")
		if name = strings.ToLower(strings.Trim(name, " \t")); name != "" {
			d.omit = append(d.omit, name)
		}
	}
}

// is compares with a name in lower case.
func is(s, name string) bool { return len(s) == len(name) && strings.EqualFold(s, name) }

func unquote(s string) (string, bool) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s, false
	}
	return s[1 : len(s)-1], true
}

// least makes n the smaller of itself and value; one that is no number is 0.
func least(n *int64, value string, proper bool) {
	v := int64(0)
	if proper {
		v = number(value, 0)
	}
	if *n == unsaid || v < *n {
		*n = v
	}
}

// number reads delta-seconds, in quotes or not (RFC 9111 §5.2). More than forever is
// forever; what is no number is otherwise.
func number(s string, otherwise int64) int64 {
	s, _ = unquote(s)
	n := int64(0)
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return otherwise
		}
		n = min(n*10+int64(s[i]-'0'), forever)
	}
	if s == "" {
		return otherwise
	}
	return n
}
