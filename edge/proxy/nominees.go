package proxy

import (
	"net/http"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// nominees are the fields that Connection declares to belong to the connection alone,
// besides those that do anyway (RFC 9110 §7.6.1). All Connection lines count (security
// G10). The zero nominees are none.
type nominees struct {
	list [16]string
	n    int
}

var errNominees = exchange.Reason(http.StatusBadRequest, "Connection names too many fields")

// read takes the nominees from h. There may be no more than fit: with thousands, each
// of them looked for among all fields, a head would cost what it is not worth.
func (o *nominees) read(h *exchange.Header, known *names) error {
	for i := range h.Len() {
		f := h.At(i)
		if f.Name != "connection" {
			continue
		}
		for rest := f.Value; rest != ""; {
			var name string
			name, rest, _ = strings.Cut(rest, ",")
			name = strings.Trim(name, " \t")
			if name == "" || known.fate(name) != passes || endToEnd(name) || o.has(name) {
				continue
			}
			if o.n == len(o.list) {
				return errNominees
			}
			o.list[o.n] = name
			o.n++
		}
	}
	return nil
}

func (o *nominees) has(name string) bool {
	for _, nominee := range o.list[:o.n] {
		if len(nominee) == len(name) && strings.EqualFold(nominee, name) {
			return true
		}
	}
	return false
}

// endToEnd tells of fields that are for all recipients, so that nominating them is an
// error (RFC 9110 §7.6.1) or an attack: what an upstream decides by must not vanish
// because a client says so (security P5).
func endToEnd(name string) bool {
	lower := strings.ToLower(name)
	switch lower {
	case "authorization", "cookie", "set-cookie", "cache-control", "origin", "referer", "range", "date", "age", "etag", "vary", "expires", "location", "user-agent":
		return true
	}
	for _, prefix := range [...]string{"content-", "accept", "access-control-", "if-", "sec-", "strict-transport-"} {
		if strings.HasPrefix(lower, prefix) {
			return true
		}
	}
	return false
}

// HopByHop returns a filter that takes away what Connection declares to belong to the
// client's connection alone. It stands before all others: what rules and filters set
// afterwards is not the client's to take away (security P5).
func HopByHop() exchange.Filter {
	return exchange.FilterFunc(func(r *exchange.Request, next exchange.Handler) (*exchange.Response, error) {
		if r.Proto < exchange.HTTP2 && r.Header.Has("connection") { // the others know no such field
			var n nominees
			if err := n.read(&r.Header, common); err != nil {
				return nil, err
			}
			r.Header.DelFunc(func(name, _ string) bool { return name == "connection" || n.n > 0 && n.has(name) })
		}
		return next.Handle(r)
	})
}
