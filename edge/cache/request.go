package cache

import (
	"net/http"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// query is what matters of a request, found in one pass.
type query struct {
	directives
	said        bool // there was Cache-Control
	authorized  bool
	conditional bool // If-None-Match, If-Modified-Since
	state       bool // If-Match, If-Unmodified-Since: for the origin alone (RFC 9111 §4.3.2)
	ranged      bool
	cookies     bool
}

func (q *query) read(h *exchange.Header) {
	for i := range h.Len() {
		switch h.At(i).Name {
		case "cache-control":
			q.said = true
		case "authorization":
			q.authorized = true
		case "if-none-match", "if-modified-since":
			q.conditional = true
		case "if-match", "if-unmodified-since":
			q.state = true
		case "range":
			q.ranged = true
		case "cookie":
			q.cookies = true
		}
	}
	if q.said {
		q.directives = parseDirectives(h, "cache-control")
	} else {
		q.directives = directives{maxAge: unsaid, maxStale: unsaid, minFresh: unsaid}
	}
}

// passes tells whether a request has nothing to do with the cache, and why, as
// Cache-Status has it.
func (f *Filter) passes(r *exchange.Request, q *query) (why string) {
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return "method"
	case r.Path == "*" || r.Upgrade != "" || r.Body.Len() != 0 || q.state:
		return "bypass"
	case q.cookies && f.hasCookie(&r.Header):
		return "bypass"
	}
	return ""
}

// hasCookie tells whether the request has a cookie that makes it personal.
func (f *Filter) hasCookie(h *exchange.Header) bool {
	if len(f.cookies) == 0 {
		return false
	}
	for v := range h.Values("cookie") {
		for v != "" {
			var pair string
			pair, v, _ = strings.Cut(v, ";")
			name, _, _ := strings.Cut(pair, "=")
			if matchAny(f.cookies, strings.Trim(name, " \t")) {
				return true
			}
		}
	}
	return false
}
