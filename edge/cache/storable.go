package cache

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// offer is a response that came for a request: what newEntry needs to know.
type offer struct {
	key        string
	r          *exchange.Request
	authorized bool // the request had Authorization
	status     int
	header     *exchange.Header
	now        time.Time
	delay      time.Duration
}

// newEntry returns what is kept of a response, without its body, or nil if nothing may
// be (RFC 9111 §3).
func (f *Filter) newEntry(o offer) *entry {
	h, p := o.header, policyOf(o.header, o.now, o.delay)
	understood := p.mustUnderstand && slices.Contains(understoodStatuses[:], o.status)
	etag, modified := entityTag(h), h.Get("last-modified")
	switch {
	case o.status == 206 || o.status == 304 || h.Has("content-range"):
		return nil
	case p.private, p.noStore && !understood, p.mustUnderstand && !understood:
		return nil
	case o.authorized && !p.public && !p.mustRevalidate && p.sMaxAge == unsaid: // §3.5
		return nil
	case (h.Has("set-cookie") || h.Has("set-cookie2")) && !p.public && p.sMaxAge == unsaid:
		return nil // nobody meant a cookie to be shared who did not say so
	case strings.HasPrefix(h.Get("content-type"), "text/event-stream"):
		return nil // it has no end to wait for
	}
	switch {
	case p.lifetime != unsaid:
	case p.noCache: // which is to say: keep it, and ask each time
		p.lifetime = 0
	default:
		if f.ttl == 0 || !slices.Contains(heuristicStatuses[:], o.status) {
			return nil
		}
		p.lifetime = f.ttl
	}
	if f.maxTTL > 0 {
		p.lifetime = min(p.lifetime, f.maxTTL)
	}
	if (p.lifetime <= 0 || p.noCache) && etag == "" && modified == "" {
		return nil // it could never be used
	}
	vary, ok := varyNames(h)
	if !ok {
		return nil
	}
	e := &entry{facts: facts{
		key: o.key, site: o.r.Record.Site, route: o.r.Record.Route, vary: vary,
		status: o.status, received: o.now, age: p.age, lifetime: p.lifetime,
		whileRevalidate: given(p.whileRevalidate, f.whileRevalidate), ifError: given(p.ifError, f.ifError),
		shared:  p.public || p.mustRevalidate || p.sMaxAge != unsaid,
		noCache: p.noCache,
		// §4.2.4: s-maxage has the meaning of proxy-revalidate (§5.2.2.10).
		strict: p.noCache || p.mustRevalidate || p.proxyRevalidate || p.sMaxAge != unsaid && p.whileRevalidate == unsaid && p.ifError == unsaid,
	}}
	if e.strict {
		e.whileRevalidate, e.ifError = 0, 0
	}
	variant := appendVariant(nil, vary, o.r)
	if len(variant) > maxVaryText {
		return nil
	}
	e.variant = string(variant)
	f.describe(e, h, p.omit)
	return e
}

// describe fills in what depends on the header.
func (f *Filter) describe(e *entry, h *exchange.Header, omit []string) {
	e.fields = copyFields(h, func(name string) bool {
		return ephemeral(name) || slices.Contains(omit, name) || name == f.tags && name != ""
	})
	if !h.Has("date") { // RFC 9110 §6.6.1
		e.fields = append(e.fields, exchange.Field{Name: "date", Value: e.received.UTC().Format(http.TimeFormat)})
	}
	e.tags = f.tagsOf(h)
	e.etag, e.modified = entityTag(h), e.get("last-modified")
	e.basis = e.received
	for _, name := range [...]string{"date", "last-modified"} {
		if t, err := http.ParseTime(e.get(name)); err == nil {
			e.basis = t
		}
	}
}

// entityTag returns ETag, if it is one.
func entityTag(h *exchange.Header) string {
	tag := strings.Clone(h.Get("etag"))
	if opaque := strings.TrimPrefix(tag, "W/"); len(opaque) >= 2 && opaque[0] == '"' && strings.IndexByte(opaque[1:], '"') == len(opaque)-2 {
		return tag
	}
	return ""
}

func given(said, otherwise int64) int64 {
	if said == unsaid {
		return otherwise
	}
	return said
}

const maxTags = 64

// tagsOf reads the field that lists tags, separated by commas or spaces.
func (f *Filter) tagsOf(h *exchange.Header) (tags []string) {
	if f.tags == "" {
		return nil
	}
	for v := range h.Values(f.tags) {
		for tag := range strings.FieldsFuncSeq(v, func(c rune) bool { return c == ',' || c == ' ' || c == '\t' }) {
			if len(tags) < maxTags && !slices.Contains(tags, tag) {
				tags = append(tags, strings.Clone(tag))
			}
		}
	}
	return tags
}

// ephemeral names fields that belong to one connection or one exchange, and so are
// no part of what is kept (RFC 9111 §3.1), nor for another client's eyes.
func ephemeral(name string) bool {
	switch name {
	case "connection", "proxy-connection", "keep-alive", "te", "transfer-encoding", "upgrade", "trailer",
		"content-length", "proxy-authenticate", "proxy-authentication-info", "proxy-authorization",
		"set-cookie", "set-cookie2", "age", "cache-status", "x-request-id":
		return true
	}
	return false
}

// heuristicStatuses may be kept without being told (RFC 9110 §15.1).
var heuristicStatuses = [...]int{200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501}

// understoodStatuses are those whose meaning for caches weir implements.
var understoodStatuses = [...]int{200, 203, 204, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 410, 414, 500, 501, 502, 503, 504}
