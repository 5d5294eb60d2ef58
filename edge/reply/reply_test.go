package reply_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/edge/reply"
)

func redirect(t testing.TB, to string, params ...string) *reply.Redirect {
	t.Helper()
	d, err := reply.NewRedirect(to, 308, params...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func matched(rest string, params ...exchange.Param) exchangetest.Option {
	return func(r *exchange.Request) { r.Match.Rest, r.Match.Params = rest, params }
}

func TestFixed(t *testing.T) {
	t.Parallel()
	h, err := reply.NewFixed(418, []byte("short and stout"), "text/plain; charset=utf-8", exchange.Field{Name: "X-Pot", Value: "tea"})
	if err != nil {
		t.Fatal(err)
	}
	got := exchangetest.Do(t, h, exchangetest.NewRequest("GET", "/"))
	if got.Status != 418 || string(got.Body) != "short and stout" || got.Header.Get("content-type") != "text/plain; charset=utf-8" || got.Header.Get("x-pot") != "tea" {
		t.Errorf("got %+v", got)
	}
	empty, err := reply.NewFixed(204, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []exchange.Handler{h, empty} {
		exchangetest.TestHandler(t, h, exchangetest.Ask{Method: "GET", Target: "/"}, exchangetest.Ask{Method: "HEAD", Target: "/x"},
			exchangetest.Ask{Method: "POST", Target: "/", Options: []exchangetest.Option{exchangetest.Chunked("body")}})
	}
}

func TestNewFixed_Refuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status     int
		body, kind string
		field      exchange.Field
		want       string
	}{
		{101, "", "", exchange.Field{}, "status 101"},
		{600, "", "", exchange.Field{}, "status 600"},
		{304, "x", "", exchange.Field{Name: "a", Value: "b"}, "no body"},
		{200, "x", "text/html\r\nx: y", exchange.Field{Name: "a", Value: "b"}, "forbidden character"},
		{200, "x", "", exchange.Field{Name: "a b", Value: "b"}, "not a token"},
		{200, "x", "", exchange.Field{Name: "Content-Length", Value: "7"}, "protocol's business"},
	} {
		if _, err := reply.NewFixed(c.status, []byte(c.body), c.kind, c.field); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %q in it", c, err, c.want)
		}
	}
}

func TestRedirect(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ to, target, want string }{
		{"/new", "/old?a=b", "/new"},
		{"https://example.org/x?y=1#z", "/", "https://example.org/x?y=1#z"},
		{"https://example.org", "/", "https://example.org"},
		{"https://{host}{uri}", "http://example.com:8080/a%20b?c=d", "https://example.com/a%20b?c=d"},
		{"https://{host}:8443{uri}", "http://[::1]:80/", "https://[::1]:8443/"},
		{"{scheme}://www.{host}{path}", "https://example.com/a?b", "https://www.example.com/a"},
		{"https://{id}.example.org/{rest}", "/", "https://7.example.org/r/s"},
		{"/new/{rest}?{query}", "/old/r/s?a=b&c", "/new/r/s?a=b&c"},
		{"/new/{rest}?{query}", "/old/r/s", "/new/r/s"},
		{"/login?next={uri}", "/a?b=c&d", "/login?next=/a%3Fb%3Dc%26d"},
		{"{path}/", "/a/b", "/a/b/"},
		{"/{id}", "/", "/7"},
	} {
		got := exchangetest.Do(t, redirect(t, c.to, "id"), exchangetest.NewRequest("GET", c.target, matched("r/s", exchange.Param{Name: "id", Value: "7"})))
		if got.Status != 308 || got.Header.Get("location") != c.want || got.Header.Len() != 1 || len(got.Body) != 0 {
			t.Errorf("%s for %s: got %d %q, want %q", c.to, c.target, got.Status, got.Header.Get("location"), c.want)
		}
	}
}

func TestNewRedirect_Refuses(t *testing.T) {
	t.Parallel()
	for to, want := range map[string]string{
		"":                           "begins neither",
		"new":                        "begins neither",
		"{rest}":                     "begins neither",
		"{id}/x":                     "begins neither",
		"{query}":                    "begins neither",
		"//example.org/":             "two slashes",
		`/\example.org/`:             "two slashes",
		"ftp://example.org/":         "neither http nor https",
		"javascript://%0aalert(1)":   "neither http nor https",
		"{id}://example.org/":        "neither http nor https",
		"https://{id}/":              "followed by a dot",
		"https://example.org{rest}":  "followed by a dot",
		"https://example.org{id}/":   "followed by a dot",
		"https://{host}{id}":         "followed by a dot",
		"https://{id}:8443/":         "followed by a dot",
		"https://{id}./":             "followed by a dot",
		"https://user@example.org/":  "host",
		"https:///x":                 "host",
		"https://exa mple.org/":      "host",
		"/a b":                       "%20",
		"/a\r\nset-cookie: x":        "%0D",
		"/ü":                         "%C3",
		"/{nme}":                     "nothing here is called {nme}",
		"https://{nme}.example.org/": "nothing here is called {nme}",
	} {
		if _, err := reply.NewRedirect(to, 302, "id"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q in it", to, err, want)
		}
	}
	if _, err := reply.NewRedirect("/", 304); err == nil {
		t.Error("status 304: got no error")
	}
	if _, err := reply.NewRedirect("{path}", 302, "path"); err == nil {
		t.Error("{path} that is a parameter: got no error")
	}
}

// Nothing in a request leads to another host or into another field.
func TestRedirect_NoOpenRedirect(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ to, target, rest, id, want string }{
		{"{uri}", "//evil.example/x", "", "", "/evil.example/x"},
		{"{path}", "///evil.example", "", "", "/evil.example"},
		{"/{path}", "/evil.example", "", "", "/evil.example"},
		{"/{rest}", "/", "/evil.example", "", "/evil.example"},
		{"/{id}/x", "/", "", "", "/x"},
		{"/{id}/{rest}", "/", "evil.example", "", "/evil.example"},
		{"/{rest}", "/", "\\evil.example", "", "/%5Cevil.example"},
		{"/{rest}", "/", "a\r\nset-cookie: b=c", "", "/a%0D%0Aset-cookie:%20b=c"},
		{"https://{id}.example.org/", "/", "", "a.b", "https://a.b.example.org/"},
		{"https://{id}.example.org/", "/", "", "evil.example/", ""},
		{"https://{id}.example.org/", "/", "", "evil.example:80", ""},
		{"https://{id}.example.org/", "/", "", "u@evil.example", ""},
		{"https://{id}.example.org/", "/", "", "evil.example?", ""},
		{"https://{id}.example.org/", "/", "", "", ""},
	} {
		got := exchangetest.Do(t, redirect(t, c.to, "id"), exchangetest.NewRequest("GET", c.target, matched(c.rest, exchange.Param{Name: "id", Value: c.id})))
		if c.want == "" && got.Err != exchange.ErrNotFound || got.Header.Get("location") != c.want {
			t.Errorf("%s for %s, rest %q, id %q: got %q, %v, want %q", c.to, c.target, c.rest, c.id, got.Header.Get("location"), got.Err, c.want)
		}
	}
	noHost := exchangetest.NewRequest("GET", "/", func(r *exchange.Request) { r.Host, r.Authority = "", "" })
	if got := exchangetest.Do(t, redirect(t, "https://{host}{uri}"), noHost); got.Err == nil {
		t.Errorf("HTTP/1.0 without Host: got %q, want an error", got.Header.Get("location"))
	}
}

func TestRedirect_Contract(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"/new", "https://{host}{uri}", "/x/{rest}?{query}"} {
		exchangetest.TestHandler(t, redirect(t, to), exchangetest.Ask{Method: "GET", Target: "/a?b"}, exchangetest.Ask{Method: "HEAD", Target: "https://example.com/"},
			exchangetest.Ask{Method: "POST", Target: "/", Options: []exchangetest.Option{exchangetest.Body("x")}})
	}
}

func FuzzRedirect(f *testing.F) {
	f.Add("/{rest}", "/a", "/evil", "7")
	f.Add("https://{id}.example.org{uri}", "//evil?x", "", "@evil")
	f.Add("{path}?{query}", "/a%2f..?%0d", "\r\n", "")
	f.Fuzz(func(t *testing.T, to, target, rest, id string) {
		d, err := reply.NewRedirect(to, 302, "id")
		if err != nil {
			return
		}
		r := exchangetest.NewRequest("GET", "/", matched(rest, exchange.Param{Name: "id", Value: id}))
		if r.SetTarget(target) != nil || r.Path == "*" {
			return
		}
		resp, err := d.Handle(r)
		if err != nil {
			return
		}
		got := resp.Header.Get("location")
		u, err := url.Parse(got)
		if err != nil {
			return // an author may write "/%zz"
		}
		if rooted := !strings.Contains(to, "://"); rooted && (u.Host != "" || u.Scheme != "" || strings.HasPrefix(got, "//")) {
			t.Fatalf("%q, target %q, rest %q, id %q: got %q", to, target, rest, id, got)
		}
		if !exchange.ValidValue(got) || strings.Contains(got, `\`) {
			t.Fatalf("%q, target %q, rest %q, id %q: got %q", to, target, rest, id, got)
		}
	})
}

func TestAllocations(t *testing.T) {
	fixed, err := reply.NewFixed(200, []byte("hello"), "text/plain")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		h    exchange.Handler
		want float64
	}{
		{"fixed", fixed, 0},
		{"literal redirect", redirect(t, "/new"), 0},
		{"redirect", redirect(t, "https://{host}{uri}"), 1}, // its address
	} {
		r := exchangetest.NewRequest("GET", "/a?b")
		conn, stream := r.Conn, r.Stream()
		got := testing.AllocsPerRun(100, func() {
			host, path, query := r.Host, r.Path, r.Query
			r.Reset(conn, stream)
			r.Host, r.Path, r.Query = host, path, query
			if _, err := c.h.Handle(r); err != nil {
				t.Fatal(err)
			}
		})
		if got != c.want {
			t.Errorf("%s: got %v allocations, want %v", c.name, got, c.want)
		}
	}
}

func BenchmarkFixed(b *testing.B) {
	h, err := reply.NewFixed(200, []byte("hello"), "text/plain")
	if err != nil {
		b.Fatal(err)
	}
	r := exchangetest.NewRequest("GET", "/")
	conn, stream := r.Conn, r.Stream()
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(conn, stream)
		if _, err := h.Handle(r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRedirect(b *testing.B) {
	h := redirect(b, "https://{host}{uri}")
	r := exchangetest.NewRequest("GET", "/a?b")
	conn, stream := r.Conn, r.Stream()
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(conn, stream)
		r.Host, r.Path = "example.com", "/a"
		if _, err := h.Handle(r); err != nil {
			b.Fatal(err)
		}
	}
}
