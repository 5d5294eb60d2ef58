package static

import (
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/exchange/exchangetest"
)

func TestHandle_Contract(t *testing.T) {
	t.Parallel()
	root := makeTree(t, map[string]string{"a.txt": "hello", "a.txt.gz": "h", "big.bin": strings.Repeat("x", smallFile+1), "d/index.html": "<p>", "e/f": "f"})
	h := serve(t, Options{Root: root, Browse: true})
	ask := func(method, target string, options ...exchangetest.Option) exchangetest.Ask {
		return exchangetest.Ask{Method: method, Target: target, Options: options}
	}
	field := exchangetest.Field
	exchangetest.TestHandler(t, h,
		ask("GET", "/a.txt"), ask("HEAD", "/a.txt"), ask("POST", "/a.txt"), ask("OPTIONS", "/a.txt"),
		ask("GET", "/a.txt", field("accept-encoding", "gzip")), ask("GET", "/a.txt", field("if-none-match", "*")),
		ask("GET", "/big.bin"), ask("HEAD", "/big.bin"), ask("GET", "/big.bin", field("range", "bytes=0-9")),
		ask("GET", "/big.bin", field("range", "bytes=0-9,20-29")), ask("HEAD", "/big.bin", field("if-none-match", "*")),
		ask("GET", "/a.txt", field("range", "bytes=0-1,3-3")), ask("GET", "/a.txt", field("range", "bytes=9-")),
		ask("GET", "/none"), ask("GET", "/d"), ask("GET", "/d/"), ask("GET", "/e/"), ask("HEAD", "/e/", field("accept", "text/html")),
	)
	if n := h.cache.files.Load(); n != 1 {
		t.Errorf("open files in the cache: got %d, want 1", n)
	}
	for i := range h.cache.shards {
		for k, e := range h.cache.shards[i].entries {
			if e.files > 0 && e.refs.Load() != 1 {
				t.Errorf("references to %q after all bodies were closed: got %d, want 1", k.name, e.refs.Load())
			}
		}
	}
}

func TestHandle_Paths(t *testing.T) {
	t.Parallel()
	root := makeTree(t, map[string]string{
		"index.html": "home", "a.txt": "A", "a b.txt": "space", "ü.txt": "umlaut", "100%.txt": "percent", "docs/index.html": "docs",
		"docs/sub/x": "x", "empty/": "", ".git/config": "secret", ".env": "secret", "docs/.hidden": "secret",
		".well-known/acme": "token", "docs/.well-known/x": "secret", "colon:name/index.html": "colon",
	})
	h := serve(t, Options{Root: root})
	for _, c := range []struct{ target, want, location string }{
		{"/", "200 home", ""},
		{"/index.html", "200 home", ""},
		{"/a.txt", "200 A", ""},
		{"/a.txt?x=1", "200 A", ""},
		{"/a%20b.txt", "200 space", ""},
		{"/%C3%BC.txt", "200 umlaut", ""},
		{"/100%25.txt", "200 percent", ""},
		{"/docs/", "200 docs", ""},
		{"/docs", "308 ", "./docs/"},
		{"/docs?q=a%20b&c", "308 ", "./docs/?q=a%20b&c"},
		{"/colon:name", "308 ", "./colon%3Aname/"},
		{"/docs/./sub/../", "200 docs", ""},
		{"/a.txt/", "404 ", ""},
		{"/a.txt/b", "404 ", ""},
		{"/none", "404 ", ""},
		{"/empty", "404 ", ""},
		{"/empty/", "404 ", ""},
		{"/docs/sub", "404 ", ""},
		{"/.git/config", "404 ", ""},
		{"/.git", "404 ", ""},
		{"/.env", "404 ", ""},
		{"/docs/.hidden", "404 ", ""},
		{"/.well-known/acme", "200 token", ""},
		{"/docs/.well-known/x", "404 ", ""},
		{"/" + strings.Repeat("x", 300), "404 ", ""},
		{"/" + strings.Repeat("x/", 3000), "404 ", ""},
	} {
		for _, turn := range []string{"cold", "hot"} {
			got := get(t, h, c.target)
			if brief(got) != c.want || got.Header.Get("location") != c.location {
				t.Errorf("%s, %s: got %s, location %q, want %s, location %q", c.target, turn, brief(got), got.Header.Get("location"), c.want, c.location)
			}
		}
	}
}

func TestHandle_RedirectStaysOnHost(t *testing.T) {
	t.Parallel()
	root := makeTree(t, map[string]string{"evil.com/index.html": "x", "a/evil.com/index.html": "x", "javascript:alert(1)/index.html": "x"})
	h := serve(t, Options{Root: root})
	for target, want := range map[string]string{
		"//evil.com":              "./evil.com/",
		"/a//evil.com":            "./evil.com/",
		"/./evil.com":             "./evil.com/",
		"/%2e/evil.com?x=//y":     "./evil.com/?x=//y",
		"/javascript:alert(1)":    "./javascript%3Aalert%281%29/",
		"//a/../evil.com":         "./evil.com/",
		"///a/evil.com":           "./evil.com/",
		"/a/evil.com?%0d%0aset:x": "./evil.com/?%0d%0aset:x",
	} {
		got := get(t, h, target)
		if got.Status != 308 || got.Header.Get("location") != want {
			t.Errorf("%s: got %d to %q, want 308 to %q", target, got.Status, got.Header.Get("location"), want)
		}
	}
}

func TestHandle_Methods(t *testing.T) {
	t.Parallel()
	h := serve(t, Options{Root: makeTree(t, map[string]string{"a": "A"})})
	for _, c := range []struct {
		method, want, allow string
		length              int64
	}{
		{"GET", "200 A", "", 1},
		{"HEAD", "200 ", "", 1},
		{"OPTIONS", "204 ", allowed, 0},
		{"POST", "405 ", allowed, 0},
		{"PUT", "405 ", allowed, 0},
		{"get", "405 ", allowed, 0},
		{"TRACE", "405 ", allowed, 0},
	} {
		got := ask(t, h, c.method, "/a")
		if brief(got) != c.want || field(got, "allow") != c.allow || got.Len != c.length {
			t.Errorf("%s: got %s, allow %q, length %d; want %s, %q, %d", c.method, brief(got), field(got, "allow"), got.Len, c.want, c.allow, c.length)
		}
	}
}

func TestHandle_StripPrefix(t *testing.T) {
	t.Parallel()
	root := makeTree(t, map[string]string{"index.html": "home", "a": "A", "d/index.html": "D"})
	h := serve(t, Options{Root: root, StripPrefix: "/static/"})
	for target, want := range map[string]string{
		"/static/": "200 home", "/static/a": "200 A", "/static": "308 ./static/", "/static/d": "308 ./d/",
		"/statica": "404 ", "/a": "404 ", "/": "404 ", "/static/static/a": "404 ",
	} {
		got := get(t, h, target)
		if s := brief(got) + got.Header.Get("location"); s != want {
			t.Errorf("%s: got %q, want %q", target, s, want)
		}
	}
}

func TestHandle_Try(t *testing.T) {
	t.Parallel()
	root := makeTree(t, map[string]string{"index.html": "app", "about.html": "about", "js/app.js": "js", "d/index.html": "D", "x/": ""})
	for _, c := range []struct {
		try          []string
		target, want string
	}{
		{[]string{"{path}", "/index.html"}, "/", "200 app"},
		{[]string{"{path}", "/index.html"}, "/js/app.js", "200 js"},
		{[]string{"{path}", "/index.html"}, "/deep/link", "200 app"},
		{[]string{"{path}", "/index.html"}, "/js", "200 app"},
		{[]string{"{path}", "/index.html"}, "/.env", "200 app"},
		{[]string{"{path}", "/index.html"}, "/d", "308 "},
		{[]string{"{path}", "{path}.html", "=404"}, "/about", "200 about"},
		{[]string{"{path}", "{path}.html", "=410"}, "/none", "410 "},
		{[]string{"{path}", "{path}/", "=404"}, "/d/", "200 D"},
		{[]string{"{path}/index.html"}, "/d/", "200 D"},
		{[]string{"{path}/index.html"}, "/d", "200 D"},
		{[]string{"/js{path}"}, "/app.js", "200 js"},
		{[]string{"/js/{path}"}, "/app.js", "200 js"},
		{[]string{"/"}, "/whatever", "200 app"},
		{[]string{"/x"}, "/whatever", "404 "},
		{[]string{"=403"}, "/about.html", "403 "},
		{[]string{}, "/about.html", "200 about"},
	} {
		h := serve(t, Options{Root: root, Try: c.try})
		if got := brief(get(t, h, c.target)); got != c.want {
			t.Errorf("try %q, %s: got %q, want %q", c.try, c.target, got, c.want)
		}
	}
}

func TestHandle_Hide(t *testing.T) {
	t.Parallel()
	root := makeTree(t, map[string]string{"a.bak": "", "A.BAK": "", "d/a.Bak": "", "private/x/y": "", "node_modules/m": "", "ok": "", ".dot": "", "a/b/c/secret": ""})
	h := serve(t, Options{Root: root, Hide: []string{"*.bak", "/private", "node_modules", "a/**/secret"}, Dotfiles: true, Browse: true})
	for target, want := range map[string]int{
		"/a.bak": 404, "/A.BAK": 404, "/d/a.Bak": 404, "/private/x/y": 404, "/PRIVATE/x": 404, "/private/": 404, "/private": 404,
		"/node_modules/m": 404, "/ok": 200, "/.dot": 200, "/a/b/c/secret": 404,
	} {
		if got := get(t, h, target); got.Status != want {
			t.Errorf("%s: got %d, want %d", target, got.Status, want)
		}
	}
	list := string(get(t, h, "/").Body)
	for _, name := range []string{"bak", "BAK", "private", "node_modules"} {
		if strings.Contains(list, name) {
			t.Errorf("listing shows %q, which is hidden:\n%s", name, list)
		}
	}
}

func TestHandle_Fields(t *testing.T) {
	t.Parallel()
	root := makeTree(t, map[string]string{"a.html": "<p>", "b.js": "1", "c.PNG": "p", "d": "?", "e.foo": "f", "r\"ä.zip": "z", "g.json": "{}", "h.txt": "t"})
	h := serve(t, Options{Root: root, Types: map[string]string{".FOO": "text/x-foo"}, Attachment: []string{"*.zip", "d"},
		CacheControl: []CacheRule{{"*.html", "revalidate"}, {"*.js", "immutable"}, {"h.txt", "none"}, {"**", "5m"}}})
	for target, want := range map[string][4]string{ // type, disposition, cache-control, vary
		"/a.html":         {"text/html; charset=utf-8", "", "no-cache", "accept-encoding"},
		"/b.js":           {"text/javascript; charset=utf-8", "", "public, max-age=31536000, immutable", "accept-encoding"},
		"/c.PNG":          {"image/png", "", "public, max-age=300", ""},
		"/d":              {"application/octet-stream", `attachment; filename="d"`, "public, max-age=300", "accept-encoding"},
		"/e.foo":          {"text/x-foo; charset=utf-8", "", "public, max-age=300", "accept-encoding"},
		"/r%22%C3%A4.zip": {"application/zip", `attachment; filename="r___.zip"; filename*=UTF-8''r%22%C3%A4.zip`, "public, max-age=300", ""},
		"/g.json":         {"application/json", "", "public, max-age=300", "accept-encoding"},
		"/h.txt":          {"text/plain; charset=utf-8", "", "no-store", "accept-encoding"},
	} {
		got := get(t, h, target)
		for i, name := range []string{"content-type", "content-disposition", "cache-control", "vary"} {
			if v := got.Header.Get(name); v != want[i] {
				t.Errorf("%s: %s: got %q, want %q", target, name, v, want[i])
			}
		}
		if got.Header.Get("x-content-type-options") != "nosniff" || got.Header.Get("last-modified") != oldDate || got.Header.Get("accept-ranges") != "bytes" {
			t.Errorf("%s: got header %v", target, got.Header)
		}
	}
}

func TestNew_NamesAllMistakes(t *testing.T) {
	t.Parallel()
	_, err := New(Options{Root: t.TempDir() + "/none", StripPrefix: "x", Index: []string{"a/b"}, Try: []string{"=404", "{foo}", "=99"}, Hide: []string{"[", "a//b"},
		Symlinks: "maybe", Types: map[string]string{"md": "text/markdown", ".x": "text\r\n"}, Charset: "a b", Attachment: []string{""},
		CacheControl: []CacheRule{{"*", "fore ver"}, {"*", "5 m"}}})
	if err == nil {
		t.Fatal("got no error")
	}
	for _, want := range []string{"open root", `strip prefix "x"`, `index "a/b"`, `try "=404"`, `try "{foo}"`, `try "=99"`, `hide "["`, `hide "a//b"`,
		`symlinks "maybe"`, `type of "md"`, `type "text\r\n"`, `charset "a b"`, `attachment ""`, `"fore ver"`, `"5 m"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
	if _, err := New(Options{}); err == nil {
		t.Error("no root: got no error")
	}
	file := makeTree(t, map[string]string{"f": ""}) + "/f"
	if _, err := New(Options{Root: file}); err == nil {
		t.Error("root is a file: got no error")
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	h := serve(t, Options{Root: makeTree(t, map[string]string{"big": strings.Repeat("x", 1<<20), "a": "A"})})
	r := exchangetest.NewRequest("GET", "/big")
	resp, err := h.Handle(r)
	check(t, err)
	get(t, h, "/a")
	check(t, h.Close())
	check(t, h.Close())
	if n, err := resp.Body.Read(make([]byte, 10)); n != 10 || err != nil {
		t.Errorf("read of a response under way: got %d, %v, want 10", n, err)
	}
	check(t, resp.Body.Close())
	if got := get(t, h, "/a"); got.Err == nil {
		t.Errorf("after Close: got %s, want an error", brief(got))
	}
	if b, f := h.cache.bytes.Load(), h.cache.files.Load(); b != 0 || f != 0 {
		t.Errorf("cache after Close: got %d bytes, %d files, want none", b, f)
	}
}

func TestHandle_PrefixInAnyCase(t *testing.T) {
	t.Parallel()
	root := makeTree(t, map[string]string{"a": "A"})
	exact := serve(t, Options{Root: root, StripPrefix: "/static"})
	any := serve(t, Options{Root: root, StripPrefix: "/static", AnyCase: true})
	for target, want := range map[string][2]int{
		"/static/a": {200, 200}, "/STATIC/a": {404, 200}, "/Static/A": {404, 404}, "/Staticx/a": {404, 404}, "/S": {404, 404}, "/STATIC": {404, 308},
	} {
		if got := [2]int{ask(t, exact, "GET", target).Status, ask(t, any, "GET", target).Status}; got != want {
			t.Errorf("%s: got %d, want %d", target, got, want)
		}
	}
}
