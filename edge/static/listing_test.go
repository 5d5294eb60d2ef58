package static

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

const firefox = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

func TestListing_FormByAccept(t *testing.T) {
	t.Parallel()
	root := makeTree(t, map[string]string{"d/b.txt": "hello", "d/A b.txt": "x", "d/sub/x": "", "d/.env": ""})
	check(t, os.Chtimes(filepath.Join(root, "d/sub"), old, old))
	h := serve(t, Options{Root: root, Browse: true})
	for accept, want := range map[string]string{
		firefox: "text/html; charset=utf-8", "": "text/plain; charset=utf-8", "*/*": "text/plain; charset=utf-8",
		"application/json": "application/json", "text/plain": "text/plain; charset=utf-8", "image/png": "text/html; charset=utf-8",
	} {
		var fields []string
		if accept != "" {
			fields = []string{"accept", accept}
		}
		got := get(t, h, "/d/", fields...)
		if kind := got.Header.Get("content-type"); got.Status != 200 || kind != want || got.Header.Get("vary") != "accept" ||
			got.Header.Get("x-content-type-options") != "nosniff" || got.Header.Get("cache-control") != "no-cache" {
			t.Errorf("accept %q: got %d %q, header %v; want %q", accept, got.Status, kind, got.Header, want)
		}
		head := ask(t, h, "HEAD", "/d/", fields...)
		if head.Len != int64(len(got.Body)) || len(head.Body) != 0 {
			t.Errorf("accept %q: HEAD: got length %d, want %d", accept, head.Len, len(got.Body))
		}
		if again := get(t, h, "/d/", append(fields, "if-none-match", got.Header.Get("etag"))...); again.Status != 304 || again.Header.Get("vary") != "accept" {
			t.Errorf("accept %q: with entity tag: got %d, want 304", accept, again.Status)
		}
	}
	if got, want := string(get(t, h, "/d/").Body), ""+
		"2024-05-17 10:20             -  sub/\n"+
		"2024-05-17 10:20             1  A b.txt\n"+
		"2024-05-17 10:20             5  b.txt\n"; got != want {
		t.Errorf("text: got\n%s\nwant\n%s", got, want)
	}
	got := string(get(t, h, "/d/", "accept", "application/json").Body)
	if want := `[{"name":"sub","type":"dir","size":0,"mtime":"2024-05-17T10:20:30Z","url":"sub/"},` +
		`{"name":"A b.txt","type":"file","size":1,"mtime":"2024-05-17T10:20:30Z","url":"A%20b.txt"},` +
		`{"name":"b.txt","type":"file","size":5,"mtime":"2024-05-17T10:20:30Z","url":"b.txt"}]` + "\n"; got != want {
		t.Errorf("json: got\n%s\nwant\n%s", got, want)
	}
}

func TestListing_Order(t *testing.T) {
	t.Parallel()
	root := makeTree(t, map[string]string{"a": "333", "B": "1", "c": "22", "z/": "", "y/": ""})
	for i, name := range []string{"y", "z", "c", "a", "B"} {
		m := old.Add(time.Duration(i) * time.Hour)
		check(t, os.Chtimes(filepath.Join(root, name), m, m))
	}
	h := serve(t, Options{Root: root, Browse: true})
	for query, want := range map[string]string{
		"":                                  "y z a B c",
		"?order=desc":                       "z y c B a",
		"?sort=name&order=asc":              "y z a B c",
		"?sort=size":                        "y z B c a",
		"?sort=size&order=desc":             "z y a c B",
		"?sort=time":                        "y z c a B",
		"?order=desc&sort=time":             "z y B a c",
		"?sort=nonsense&order=up&x=%00&&==": "y z a B c",
	} {
		var list []struct{ Name string }
		check(t, json.Unmarshal(get(t, h, "/"+query, "accept", "application/json").Body, &list))
		var names []string
		for _, e := range list {
			names = append(names, e.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%q: got %q, want %q", query, got, want)
		}
	}
}

// TestSecurity_W8_ListingEscapesNames: whoever may upload a file picks its name.
func TestSecurity_W8_ListingEscapesNames(t *testing.T) {
	t.Parallel()
	names := []string{`<script>alert(1)<`, `"><img src=x onerror=y>`, "javascript:x", "a&b;c", "esc\x1b[31m", "nl\nx: y", "bad\xff", "rtl\u202egpj.exe", "?x#y%z", "'q'", "...", `back\slash`}
	shown := len(names) - 3 + 1 // what no request can name is not shown; a directory
	root := t.TempDir()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(root, name), []byte(name), 0o644); err != nil {
			t.Skipf("the file system refuses %q: %v", name, err)
		}
	}
	check(t, os.MkdirAll(filepath.Join(root, `d<b>`, "e"), 0o755))
	h := serve(t, Options{Root: root, Browse: true, Dotfiles: true})
	got := get(t, h, "/", "accept", "text/html")
	page := string(got.Body)
	body := page[strings.Index(page, "<body>"):]
	for _, bad := range []string{"<script", "<img", "onerror=y>", "\x1b", "\u202e", `href="javascript:`, "\nx: y", "\xff"} {
		if strings.Contains(body, bad) {
			t.Errorf("page holds %q", bad)
		}
	}
	if text := string(get(t, h, "/").Body); strings.ContainsAny(text, "\x1b\u202e") || strings.Count(text, "\n") != shown {
		t.Errorf("text: got %q", text)
	}
	for _, m := range regexp.MustCompile(`<a href="([^"?.][^"]*|\.\.\.)"`).FindAllStringSubmatch(body, -1) {
		r, err := pathOf(m[1])
		check(t, err)
		if !strings.HasSuffix(r.Path, "/") && get(t, h, "/"+m[1]).Status != 200 {
			t.Errorf("link %q leads nowhere", m[1])
		}
	}
	if n := len(regexp.MustCompile(`<tr>|<tr class`).FindAllString(body, -1)); n != shown+1 {
		t.Errorf("rows: got %d, want %d", n, shown+1)
	}
	if page := string(get(t, h, "/d%3Cb%3E/e/", "accept", "text/html").Body); strings.Contains(page, "<b>") || !strings.Contains(page, `<a href="../">d&lt;b&gt;</a>`) {
		t.Errorf("breadcrumbs: got %s", page[strings.Index(page, "<body>"):])
	}
	csp := got.Header.Get("content-security-policy")
	if !strings.HasPrefix(csp, "default-src 'none'; style-src 'sha256-") || strings.Contains(csp, "unsafe") {
		t.Errorf("content-security-policy: got %q", csp)
	}
	if strings.Contains(body, "style=") {
		t.Error("page holds inline styles, which its policy forbids")
	}
}

func pathOf(link string) (*exchange.Request, error) {
	r := new(exchange.Request)
	return r, r.SetTarget("/" + link)
}

func TestListing_OnlyWhereAsked(t *testing.T) {
	t.Parallel()
	root := makeTree(t, map[string]string{"d/x": "", "i/index.html": "index", ".git/x": "", "f": "F"})
	h := serve(t, Options{Root: root})
	b := serve(t, Options{Root: root, Browse: true})
	for _, c := range []struct {
		target      string
		h           *Handler
		want, wantB string
	}{
		{"/d/", h, "404", "200"}, {"/d", h, "404", "308"}, {"/i/", h, "200", "200"}, {"/.git/", h, "404", "404"}, {"/none/", h, "404", "404"}, {"/f/", h, "404", "404"},
	} {
		if got, gotB := fmt.Sprint(get(t, h, c.target).Status), fmt.Sprint(get(t, b, c.target).Status); got != c.want || gotB != c.wantB {
			t.Errorf("%s: got %s, with browse %s; want %s, %s", c.target, got, gotB, c.want, c.wantB)
		}
	}
	if got := brief(get(t, b, "/i/")); got != "200 index" {
		t.Errorf("directory with an index: got %q", got)
	}
}

func TestListing_IsBoundedAndCached(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for i := range maxListed + 5 {
		check(t, os.WriteFile(fmt.Sprintf("%s/%d", root, i), nil, 0o644))
	}
	h := serve(t, Options{Root: root, Browse: true, MaxAgeCheck: time.Hour})
	got := get(t, h, "/")
	if n := strings.Count(string(got.Body), "\n"); n != maxListed || got.Header.Get("x-listing-truncated") != "true" {
		t.Errorf("got %d entries, truncated %q; want %d, true", n, got.Header.Get("x-listing-truncated"), maxListed)
	}
	if page := string(get(t, h, "/", "accept", "text/html").Body); !strings.Contains(page, "there are more") {
		t.Error("page does not say that it is cut")
	}
	check(t, os.WriteFile(root+"/0", []byte("new"), 0o644))
	if again := get(t, h, "/"); again.Header.Get("etag") != got.Header.Get("etag") {
		t.Error("listing was made again within the interval")
	}
}

func TestListing_EmptyRoot(t *testing.T) {
	t.Parallel()
	h := serve(t, Options{Root: t.TempDir(), Browse: true})
	if page := string(get(t, h, "/", "accept", "text/html").Body); !strings.Contains(page, "This folder is empty") || strings.Contains(page, "../") {
		t.Errorf("got %s", page)
	}
	if got := string(get(t, h, "/", "accept", "application/json").Body); got != "[]\n" {
		t.Errorf("json: got %q, want []", got)
	}
}

func TestHumanSize(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 10 << 10: "10 KiB", 1536: "1.5 KiB", 999 << 10: "999 KiB", 1023 << 10: "1.0 MiB",
		1 << 20: "1.0 MiB", 5 << 30: "5.0 GiB", 1<<63 - 1: "8.0 EiB"} {
		if got := humanSize(n); got != want {
			t.Errorf("humanSize(%d) = %q, want %q", n, got, want)
		}
	}
}

func BenchmarkListing(b *testing.B) {
	files := map[string]string{}
	for i := range 1000 {
		files[fmt.Sprintf("file-%d.txt", i)] = ""
	}
	h := serve(b, Options{Root: makeTree(b, files), Browse: true, MaxAgeCheck: -1})
	again := hot(b, h, "/", "accept", "text/html")
	b.ReportAllocs()
	for b.Loop() {
		again()
	}
}
