// Package cors is the bundled filter that tells browsers which pages of other origins may
// read what a site answers (the Fetch standard's CORS protocol).
package cors

import (
	"slices"
	"strconv"
	"time"

	"github.com/weirproxy/weir/sdk/weir"
)

// New reads
//
//	origins: ["https://app.example.com", "https://*.example.com"]   # or "*", any
//	methods: [GET, HEAD, POST]      # that pages may use; these by default; "*": whatever they ask for
//	headers: [content-type]         # fields that they may send; "*": whatever they ask for
//	expose: [x-total]               # fields that they may read
//	credentials: false              # may they send cookies
//	max_age: 10m                    # how long browsers remember this
//
// Preflights of origins that are allowed are answered here; other requests go on, and
// their answers say who may read them, in place of what the application says of that.
func New(c *weir.Config) (weir.Filter, error) {
	p := &policy{
		methods: c.Tokens("methods"), headers: c.Tokens("headers"),
		expose: join(c.Tokens("expose")), credentials: c.Bool("credentials", false),
		age: strconv.Itoa(int(c.Duration("max_age", 10*time.Minute) / time.Second)),
	}
	if len(p.methods) == 0 {
		p.methods = []string{"GET", "HEAD", "POST"}
	}
	p.anyMethod, p.anyField = slices.Contains(p.methods, "*"), slices.Contains(p.headers, "*")
	if p.credentials && p.expose == "*" {
		c.Fail("expose", `browsers take "*" for the name of a field when there are credentials; name the fields`)
	}
	p.readOrigins(c)
	return p.filter, nil
}

type policy struct {
	any         bool
	anyMethod   bool
	anyField    bool
	origins     map[string]bool
	suffixes    []pattern
	methods     []string
	headers     []string
	expose      string
	credentials bool
	age         string
}

// pattern is an origin with an asterisk for one or more labels of its host.
type pattern struct{ before, after string }

func (p *policy) readOrigins(c *weir.Config) {
	list := c.Strings("origins")
	if len(list) == 0 {
		c.Fail("origins", `is missing: name the origins of pages that may read, like "https://app.example.com", or "*" for any`)
	}
	p.origins = map[string]bool{}
	for _, o := range list {
		switch star := index(o, '*'); {
		case o == "*":
			p.any = true
		case !isOrigin(o):
			c.Fail("origins", strconv.Quote(o)+" is no origin: scheme and host, and no path: https://app.example.com")
		case star < 0:
			p.origins[plain(o)] = true
		case hasSuffix(o[:star], "://") && star+1 < len(o) && o[star+1] == '.' && index(o[star+1:], '*') < 0:
			p.suffixes = append(p.suffixes, pattern{lower(o[:star]), plain(o)[star+1:]})
			if p.credentials && index(o[star+2:], '.') < 0 && lower(o[star+2:]) != "localhost" {
				c.Fail("origins", strconv.Quote(o)+" would let every page of "+o[star+1:]+" act for whoever is logged in; name a domain")
			}
		default:
			c.Fail("origins", strconv.Quote(o)+" has an asterisk in a place other than for the first labels: https://*.example.com")
		}
	}
	if p.any && p.credentials {
		c.Fail("credentials", `would let every page of the web act for whoever is logged in, with origins "*"; name the origins`)
	}
}

// plain returns an origin as browsers write it: in lower case, and without the port that
// goes without saying.
func plain(o string) string {
	o = lower(o)
	for _, p := range [...][2]string{{"https://", ":443"}, {"http://", ":80"}} {
		if len(o) > len(p[0]) && o[:len(p[0])] == p[0] && hasSuffix(o, p[1]) {
			return o[:len(o)-len(p[1])]
		}
	}
	return o
}

// allows tells whether pages of an origin may read.
func (p *policy) allows(origin string) bool {
	if p.any {
		return true
	}
	origin = lower(origin)
	if p.origins[origin] {
		return true
	}
	for _, s := range p.suffixes {
		n := len(origin) - len(s.after)
		if n > len(s.before) && origin[:len(s.before)] == s.before && origin[n:] == s.after && labels(origin[len(s.before):n]) {
			return true
		}
	}
	return false
}

// labels tells whether s can be what stands for an asterisk: letters, digits, hyphens and
// dots. Nothing else may come between a scheme and a domain.
func labels(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

func (p *policy) filter(r *weir.Request, next weir.Next) (*weir.Response, error) {
	origin := r.Header.Get("origin")
	wanted := r.Header.Get("access-control-request-method")
	if r.Method() == "OPTIONS" && origin != "" && wanted != "" && p.allows(origin) {
		return p.preflight(r, origin), nil
	}
	resp, err := next(r)
	if err != nil {
		return nil, err
	}
	h := resp.Header
	for _, name := range [...]string{"access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers"} {
		h.Del(name)
	}
	if !p.any {
		h.Add("vary", "origin") // also where there is none: caches must not mix them up
	}
	if origin == "" || !p.allows(origin) {
		return resp, nil
	}
	h.Set("access-control-allow-origin", p.shown(origin))
	if p.credentials {
		h.Set("access-control-allow-credentials", "true")
	}
	if p.expose != "" {
		h.Set("access-control-expose-headers", p.expose)
	}
	return resp, nil
}

// shown is the origin that an answer names.
func (p *policy) shown(origin string) string {
	if p.any {
		return "*"
	}
	return origin
}

// preflight answers a browser that asks before it sends something.
func (p *policy) preflight(r *weir.Request, origin string) *weir.Response {
	resp := weir.Reply(204, "")
	resp.Details = "cors_preflight"
	h := resp.Header
	h.Set("access-control-allow-origin", p.shown(origin))
	methods := join(p.methods)
	if p.anyMethod { // an asterisk would be a name, where there are credentials
		methods = r.Header.Get("access-control-request-method")
	}
	h.Set("access-control-allow-methods", methods)
	switch asked := r.Header.Get("access-control-request-headers"); {
	case p.anyField:
		if asked != "" {
			h.Set("access-control-allow-headers", asked)
		}
	case len(p.headers) > 0:
		h.Set("access-control-allow-headers", join(p.headers))
	}
	if p.credentials {
		h.Set("access-control-allow-credentials", "true")
	}
	h.Set("access-control-max-age", p.age)
	h.Set("vary", "origin, access-control-request-method, access-control-request-headers")
	return resp
}

// isOrigin tells whether s has the form of an origin, asterisks aside.
func isOrigin(s string) bool {
	i := 0
	for i < len(s) && s[i] != ':' {
		i++
	}
	if i == 0 || i+3 >= len(s) || s[i:i+3] != "://" {
		return false
	}
	for _, c := range []byte(s[i+3:]) {
		if c == '/' || c == '?' || c == '#' || c == '@' || c <= ' ' {
			return false
		}
	}
	return true
}

func join(list []string) (s string) {
	for i, v := range list {
		if i > 0 {
			s += ", "
		}
		s += v
	}
	return s
}

func index(s string, c byte) int {
	for i := range len(s) {
		if s[i] == c {
			return i
		}
	}
	return -1
}

func hasSuffix(s, suffix string) bool {
	return len(s) >= len(suffix) && s[len(s)-len(suffix):] == suffix
}

func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
