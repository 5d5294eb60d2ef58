package compress

import (
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// A compressed body is another representation than the plain one, so it must not
// carry the same strong ETag (RFC 9110 §8.8.3.3). The filter weakens the tag: W/"x"
// says "the same content, not the same bytes", handlers find it by themselves in
// If-None-Match, whose comparison is weak, and If-Range, whose comparison is
// strong, refuses it, so that no range of the plain file is ever glued to a
// compressed beginning.

// markEncoded makes h the header of a body that has been encoded with e.
func markEncoded(h *exchange.Header, e encoding) {
	h.DelFunc(func(name, _ string) bool {
		switch name {
		case "content-length", "accept-ranges", "content-md5", "digest", "content-digest", "repr-digest":
			return true
		}
		return false
	})
	h.Append("content-encoding", e.String())
	weaken(h)
}

func weaken(h *exchange.Header) {
	if tag := h.Get("etag"); strings.HasPrefix(tag, `"`) {
		_ = h.Set("etag", "W/"+tag) // cannot fail: the tag was valid before
	}
}

// judge304 looks at a 304: it repeats the ETag of the response that the client
// holds (RFC 9110 §15.4.5), which is the weakened one if the client asks by that.
func judge304(r *exchange.Request, h *exchange.Header) verdict {
	tag := h.Get("etag")
	if !strings.HasPrefix(tag, `"`) {
		return untouched
	}
	for v := range r.Header.Values("if-none-match") {
		if i := strings.Index(v, tag); i >= 2 && v[i-2:i] == "W/" {
			weaken(h)
			return varies
		}
	}
	return untouched
}

// strengthenIfMatch takes back the weakening for a client that changes what it
// had read compressed. If-Match compares strongly (RFC 9110 §13.1.1), so W/"x"
// would never match and every such write would end in 412. A tag that the origin
// itself made weak still never matches.
func strengthenIfMatch(r *exchange.Request) {
	v, ok := r.Header.Lookup("if-match")
	if !ok || !strings.Contains(v, `W/"`) {
		return
	}
	v = r.Header.Joined("if-match")
	out := make([]byte, 0, len(v))
	quoted := false
	for i := 0; i < len(v); i++ {
		if !quoted && strings.HasPrefix(v[i:], `W/"`) {
			i += 2
		}
		if v[i] == '"' {
			quoted = !quoted
		}
		out = append(out, v[i])
	}
	_ = r.Header.Set("if-match", string(out)) // cannot fail: nothing but prefixes went
}

// addVary tells caches that the answer depends on Accept-Encoding, also when this
// client got it plain.
func addVary(h *exchange.Header) {
	if !hasToken(h, "vary", "accept-encoding") && !hasToken(h, "vary", "*") {
		h.Append("vary", "Accept-Encoding")
	}
}
