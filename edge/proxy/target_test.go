package proxy

import (
	"errors"
	"strings"
	"testing"
	"unsafe"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
)

// TestSecurity_P6: what is forwarded is the path that rules have judged, and reads as
// that path.
func TestSecurity_P6_TheJudgedPathIsForwarded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ target, strip, add, want, prefix string }{
		{target: "/", want: "/"},
		{target: "/a/b?x=1&y=%20", want: "/a/b?x=1&y=%20"},
		{target: "/a?", want: "/a?"},
		{target: "/a??b", want: "/a??b"},
		{target: "/a%20b", want: "/a%20b"},
		{target: "/%61dmin", want: "/admin"},
		{target: "/a/%2e%2e/admin?q", want: "/admin?q"},
		{target: "/a/./b//c/", want: "/a/b/c/"},
		{target: "/a|b", want: "/a%7Cb"},
		{target: "/a%2fb", want: "/a%2Fb"},
		{target: "/a%3Fb?c", want: "/a%3Fb?c"},
		{target: "/a%23b", want: "/a%23b"},
		{target: "/a%25b", want: "/a%25b"},
		{target: "/%C3%A9", want: "/%C3%A9"},
		{target: "/%c3%a9?%c3%a9", want: "/%C3%A9?%c3%a9"},
		{target: "/api/x?y", strip: "/api", want: "/x?y", prefix: "/api"},
		{target: "/api?y", strip: "/api", want: "/?y", prefix: "/api"},
		{target: "/api/", strip: "/api/", want: "/", prefix: "/api"},
		{target: "/apis", strip: "/api", want: "/apis"},
		{target: "/other", strip: "/api", want: "/other"},
		{target: "/api/../api/x", strip: "/api", want: "/x", prefix: "/api"},
		{target: "/%61pi/x", strip: "/api", want: "/x", prefix: "/api"},
		{target: "/api%2Fx", strip: "/api", want: "/api%2Fx"},
		{target: "/a%20b/x", strip: "/a%20b", want: "/x", prefix: "/a%20b"},
		{target: "/x?y", add: "/base/", want: "/base/x?y"},
		{target: "/", add: "/base", want: "/base/"},
		{target: "/x", add: "/a b", want: "/a%20b/x"},
		{target: "/api/x", strip: "/api", add: "/v2", want: "/v2/x", prefix: "/api"},
		{target: "/x", strip: "/", add: "/", want: "/x"},
	} {
		r := exchangetest.NewRequest("GET", c.target)
		got := forwarded(t, Options{StripPrefix: c.strip, AddPrefix: c.add}, r)
		if got.Target != c.want || got.Header.Get("x-forwarded-prefix") != c.prefix {
			t.Errorf("%s, strip %q, add %q: got %s with prefix %q, want %s with %q", c.target, c.strip, c.add, got.Target, got.Header.Get("x-forwarded-prefix"), c.want, c.prefix)
		}
		again := exchangetest.NewRequest("GET", "/")
		if err := again.SetTarget(got.Target); err != nil || c.strip+c.add == "" && (again.Path != r.Path || again.Query != r.Query) {
			t.Errorf("%s: what is forwarded reads as %q %q (%v), judged was %q %q", c.target, again.Path, again.Query, err, r.Path, r.Query)
		}
	}
	r := exchangetest.NewRequest("OPTIONS", "*")
	if got := forwarded(t, Options{StripPrefix: "/x", AddPrefix: "/y"}, r); got.Target != "*" {
		t.Errorf("OPTIONS *: got %s", got.Target)
	}
}

// TestSecurity_G12: the query goes on byte for byte, well-formed or not.
func TestSecurity_G12_QueryIsForwardedUnchanged(t *testing.T) {
	t.Parallel()
	for _, query := range []string{"a=1;b=2", "%zz", "a=%", "&&&", "a=1&a=2", "?", "x=%0d%0aHost:%20evil", "[]{}|\\^`\"<>"} {
		for _, path := range []string{"/a", "/%61"} {
			r := exchangetest.NewRequest("GET", path+"?"+query)
			if got := forwarded(t, Options{}, r); got.Target != "/a?"+query {
				t.Errorf("%s?%s: got %s", path, query, got.Target)
			}
		}
	}
}

func TestUnchangedTargetIsNotCopied(t *testing.T) {
	t.Parallel()
	r := exchangetest.NewRequest("GET", "/a%20b/c?x=1")
	if got := forwarded(t, Options{}, r); unsafe.StringData(got.Target) != unsafe.StringData(r.Target) {
		t.Errorf("target %s: copied", got.Target)
	}
}

// TestSecurity_G14: what upstreams are asked for is one valid host, or nothing.
func TestSecurity_G14_HostIsValid(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ host, want string }{
		{"", "example.com:8080"}, {"client", "example.com:8080"}, {"upstream", ""}, {"App.internal:9000", "app.internal:9000"}, {"[::1]:80", "[::1]:80"},
	} {
		got := forwarded(t, Options{Host: c.host}, exchangetest.NewRequest("GET", "http://example.com:8080/"))
		if got.Authority != c.want || got.Header.Has("host") {
			t.Errorf("host %q: got %q, want %q", c.host, got.Authority, c.want)
		}
		if v := got.Header.Get("x-forwarded-host") + " " + got.Header.Get("x-forwarded-port"); v != "example.com:8080 8080" {
			t.Errorf("host %q: forwarded host and port %q", c.host, v)
		}
	}
	for _, host := range []string{"a b", "a\r\nX: y", "a/b", "user@a", "a:99999", "a,b"} {
		if _, err := assemble(Options{Host: host}, shares{}, nil); err == nil {
			t.Errorf("host %q: accepted", host)
		}
	}
	for url, want := range map[string]string{"http://[::1]/": "80", "https://[::1]/": "443", "https://[::1]:8443/": "8443", "https://a.test/": "443"} {
		got := forwarded(t, Options{}, exchangetest.NewRequest("GET", url))
		if v := got.Header.Get("x-forwarded-port"); v != want {
			t.Errorf("%s: forwarded port %q, want %q", url, v, want)
		}
	}
}

func TestPrefixOfTrustedPeerIsContinued(t *testing.T) {
	t.Parallel()
	r := exchangetest.NewRequest("GET", "/api/x", exchangetest.Field("x-forwarded-prefix", "/outer/"), trusted)
	if got := forwarded(t, Options{StripPrefix: "/api"}, r); got.Header.Get("x-forwarded-prefix") != "/outer/api" {
		t.Errorf("got %q, want /outer/api", got.Header.Get("x-forwarded-prefix"))
	}
}

func TestOptionsThatCannotBeMeant(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{
		{StripPrefix: "api"}, {AddPrefix: "/a%2fb"}, {AddPrefix: "/a%25b"}, {StripPrefix: "/.."}, {Via: "a b"}, {Via: "a,b"},
		{Intercept: [][2]int{{200, 599}}}, {Intercept: [][2]int{{500, 404}}}, {Identity: []string{"a b"}}, {Identity: []string{"*"}}, {Identity: make([]string, 201)},
	} {
		if _, err := assemble(o, shares{}, nil); err == nil {
			t.Errorf("%+v: accepted", o)
		}
	}
	for _, o := range []Options{{}, {Shares: []Share{{}}}} {
		if _, err := New(o); err == nil {
			t.Errorf("New(%+v): accepted", o)
		}
	}
	for _, list := range [][]Share{{{Weight: -1}}, {{Name: "a b", Value: "*"}}} {
		var s shares
		if err := s.add(&scriptedPool{}, list[0]); err == nil {
			t.Errorf("share %+v: accepted", list[0])
		}
	}
	var s shares
	if err := errors.Join(s.add(&scriptedPool{}, Share{Name: "x", Value: "*"}), s.check()); err == nil {
		t.Error("no share for requests without a field: accepted")
	}
	for _, m := range []Mirror{{}, {Percent: 101}, {Percent: -1}, {Body: -1}} {
		if _, err := newMirror(&m); err == nil {
			t.Errorf("mirror %+v: accepted", m)
		}
	}
}

func FuzzTarget(f *testing.F) {
	f.Add("/a/%2e%2e/b?c=d", "/api", "/v1")
	f.Add("/%2F%5c", "", "/")
	f.Fuzz(func(t *testing.T, target, strip, add string) {
		r := exchangetest.NewRequest("GET", "/")
		if r.SetTarget(target) != nil {
			return
		}
		p, err := assemble(Options{StripPrefix: strip, AddPrefix: add}, shares{}, nil)
		if err != nil {
			return
		}
		c, err := p.compose(r)
		if err != nil {
			t.Fatal(err)
		}
		again := new(exchange.Request)
		if err := again.SetTarget(c.Target); err != nil {
			t.Fatalf("%q, strip %q, add %q: forwarded %q cannot be read: %v", target, strip, add, c.Target, err)
		}
		if again.Query != r.Query || again.Opaque != r.Opaque {
			t.Errorf("%q: forwarded %q: query %q opaque %v, want %q %v", target, c.Target, again.Query, again.Opaque, r.Query, r.Opaque)
		}
		want := r.Path
		if want != "*" {
			if s := canonical(strip); s != "" && strings.HasPrefix(want+"/", s+"/") {
				want = "/" + strings.TrimPrefix(want[len(s):], "/")
			}
			want = canonical(add) + want
		}
		if again.Path != want {
			t.Errorf("%q, strip %q, add %q: forwarded %q reads as %q, judged was %q", target, strip, add, c.Target, again.Path, want)
		}
	})
}

// canonical is a prefix as it reads, without a slash at its end.
func canonical(prefix string) string {
	path, _, _ := exchange.CanonicalPath(prefix)
	return strings.TrimSuffix(path, "/")
}
