package cache

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
)

// What was meant for one client does not reach another: cookies, fields of the
// connection, the request's id.
func TestHostile_CachedResponsesCarryNobodysFields(t *testing.T) {
	t.Parallel()
	private := []string{"set-cookie", "set-cookie2", "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
		"te", "trailer", "transfer-encoding", "upgrade", "x-request-id", "x-secret", "content-length", "age"}
	f, o := newFilter(t, Options{}), &origin{}
	o.answer = func(n int64, r *exchange.Request) (*exchange.Response, error) {
		resp := o.respond(n, r)
		resp.Header.Append("cache-control", `public, max-age=60, no-cache="x-secret"`)
		resp.Header.Append("x-open", "yes")
		for _, name := range private {
			if name == "age" || name == "content-length" || exchangeForbids(name) {
				continue
			}
			resp.Header.Append(name, "of the first client")
		}
		return resp, nil
	}
	first := get(t, f, o, "/")
	if !first.Header.Has("set-cookie") || !first.Header.Has("x-secret") {
		t.Errorf("the first client lacks what is its own: %v", first.Header)
	}
	second := get(t, f, o, "/")
	for name, value := range second.Header.All() {
		if strings.Contains(value, "first client") {
			t.Errorf("the second client got %s: %s", name, value)
		}
	}
	if second.Header.Get("x-open") != "yes" || o.asked.Load() != 1 {
		t.Errorf("the second client was not answered from the store: %v", second.Header)
	}
}

// exchangeForbids names what no handler may return.
func exchangeForbids(name string) bool {
	switch name {
	case "transfer-encoding", "connection", "keep-alive", "proxy-connection":
		return true
	}
	return false
}

// A client that shows credentials never gets, or makes, what others get, unless the
// upstream says that it may be shared (RFC 9111 §3.5).
func TestHostile_CredentialsPassBy(t *testing.T) {
	t.Parallel()
	f, o := newFilter(t, Options{TTL: time.Minute}), &origin{body: "v", header: []string{"cache-control", "max-age=60"}}
	authorized := exchangetest.Field("authorization", "Bearer x")
	for i, tt := range []struct {
		options []exchangetest.Option
		want    string
	}{
		{[]exchangetest.Option{authorized}, "v1"},
		{nil, "v2"},
		{nil, "v2"},
		{[]exchangetest.Option{authorized}, "v3"},
		{nil, "v2"},
	} {
		if got := get(t, f, o, "/", tt.options...); string(got.Body) != tt.want {
			t.Errorf("request %d: got %q, want %q", i, got.Body, tt.want)
		}
	}
}

// Web cache deception: the ending of a path means nothing to the cache, and two ways to
// write a path are one key, so that "/account/..%2fx.css" and the like find nothing
// that was kept for somebody else's reason.
func TestSecurity_P6_OnePathOneKey(t *testing.T) {
	t.Parallel()
	f, o := newFilter(t, Options{}), &origin{body: "v"}
	for i, target := range []string{"/account/x.css", "/account/x.css", "/static/../account/x.css"} {
		if got, want := get(t, f, o, target), fmt.Sprint("v", i+1); string(got.Body) != want {
			t.Errorf("%s: got %q, want %q: kept for its name", target, got.Body, want)
		}
	}
	o.header = []string{"cache-control", "max-age=60"}
	for _, target := range []string{"/a/b", "/a/./b", "/a//b", "/x/../a/b", "/%61/b"} {
		if got := get(t, f, o, target); string(got.Body) != "v4" {
			t.Errorf("%s: got %q, want what is kept of /a/b", target, got.Body)
		}
	}
}

// A flood of variants or of URLs pushes others out, and no more.
func TestHostile_FloodsStayWithinBounds(t *testing.T) {
	t.Parallel()
	const limit = 256 << 10
	s := newStore(t, StoreOptions{Memory: limit})
	f, o := newFilter(t, Options{Store: s}), &origin{header: []string{"cache-control", "max-age=60", "vary", "x-a, accept-language"}}
	for i := range 2000 {
		get(t, f, o, fmt.Sprintf("/?%d", i%100), exchangetest.Field("x-a", fmt.Sprint(i, strings.Repeat("x", i))))
	}
	if got := s.Stats(); got.Memory > limit {
		t.Errorf("holds %+v", got)
	}
	s.check(t)
}

// An upstream that lies about times makes nothing fresh for ever.
func TestHostile_Times(t *testing.T) {
	t.Parallel()
	for _, fields := range [][]string{
		{"cache-control", "max-age=9223372036854775807", "age", "9223372036854775807"},
		{"cache-control", "max-age=60", "age", "18446744073709551616"},
		{"cache-control", "max-age=60", "date", "Thu, 01 Jan 0001 00:00:00 GMT"},
		{"expires", "Fri, 31 Dec 9999 23:59:59 GMT", "date", "Fri, 31 Dec 9999 23:59:59 GMT"},
		{"expires", "Mon, 01 Jan 0001 00:00:00 GMT"},
		{"cache-control", "max-age=60, max-age=0"},
	} {
		f, o := newFilter(t, Options{}), &origin{header: fields}
		get(t, f, o, "/")
		get(t, f, o, "/")
		if o.asked.Load() != 2 {
			t.Errorf("%q: was taken for fresh", fields)
		}
	}
	f, o := newFilter(t, Options{MaxTTL: time.Minute}), &origin{header: []string{"cache-control", "max-age=999999999999"}}
	get(t, f, o, "/")
	if got := get(t, f, o, "/").Header.Get("cache-status"); got != "weir; hit; ttl=60" && got != "weir; hit; ttl=59" {
		t.Errorf("MaxTTL: Cache-Status %q", got)
	}
}
