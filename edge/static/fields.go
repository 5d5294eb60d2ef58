package static

import (
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// describe makes the fields of f, once, so that a request only copies them.
func (h *Handler) describe(f *form, name string, info fs.FileInfo, now time.Time, unsettled bool) {
	kind := h.typeOf(name)
	add := func(name, value string) { f.fields = append(f.fields, exchange.Field{Name: name, Value: value}) }
	add("content-type", kind.value)
	add("x-content-type-options", "nosniff")
	if f.coding != "" {
		add("content-encoding", f.coding)
	}
	if anyMatch(h.attachment, name) {
		add("content-disposition", disposition(name[strings.LastIndexByte(name, '/')+1:]))
	}
	if f.setDate(info.ModTime(), now); f.date != "" {
		add("last-modified", f.date)
	}
	if !unsettled {
		add("accept-ranges", "bytes")
	}
	first := len(f.fields)
	if !unsettled {
		f.etag = f.tag(info)
		add("etag", f.etag)
	}
	if value := h.cacheFor(name); value != "" {
		add("cache-control", value)
	}
	// Where a sibling may turn up later a cache has to know now.
	if !h.plainOnly && !kind.packed {
		add("vary", "accept-encoding")
	}
	f.brief = f.fields[first:]
}

// setDate sets what Last-Modified says. Builds that want to be reproducible set
// all times to the epoch or a second after: that is no date to compare with. A
// time in the future may not be told (RFC 9110 §8.8.2.1).
func (f *form) setDate(modified, now time.Time) {
	f.loaded = now.Unix()
	if modified.Unix() <= 1 {
		return
	}
	if modified.After(now) {
		modified = now
	}
	f.lastMod = modified.Unix()
	f.date = modified.UTC().Format(http.TimeFormat)
}

// disposition names a file to be saved (RFC 6266): in ASCII for old clients,
// and in full if that is something else.
func disposition(name string) string {
	plain := []byte(name)
	for i, c := range plain {
		if c < 0x20 || c > 0x7e || c == '"' || c == '\\' || c == '%' || c == '/' {
			plain[i] = '_'
		}
	}
	value := `attachment; filename="` + string(plain) + `"`
	if string(plain) != name {
		value += "; filename*=UTF-8''" + escape(name)
	}
	return value
}

// escape percent-encodes all of an element of a path but unreserved characters (RFC
// 3986 §2.3), so that it means the same wherever it is put.
func escape(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}
