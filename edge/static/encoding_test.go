package static

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestEncoding(t *testing.T) {
	t.Parallel()
	plain := strings.Repeat("plain ", 100)
	root := makeTree(t, map[string]string{
		"a.js": plain, "a.js.br": "br", "a.js.gz": "gzip", "a.js.zst": "zst",
		"b.css": plain, "b.css.gz": "gzip",
		"stale.js": plain, "stale.js.gz": "gzip",
		"larger.js": "x", "larger.js.gz": "gzip larger than that",
		"hidden.js": plain, "hidden.js.gz": "gzip",
		"dir.js": plain, "dir.js.gz/x": "",
		"p.png": plain, "p.png.gz": "gzip",
		"none.js": plain,
	})
	past := old.Add(-time.Second)
	check(t, os.Chtimes(filepath.Join(root, "stale.js.gz"), past, past))
	h := serve(t, Options{Root: root, Hide: []string{"hidden.js.gz"}})
	const browser = "gzip, deflate, br, zstd"
	for _, c := range []struct{ target, accept, coding, vary string }{
		{"/a.js", "", "", "accept-encoding"},
		{"/a.js", browser, "br", "accept-encoding"}, // the smallest
		{"/a.js", "gzip, zstd", "zstd", "accept-encoding"},
		{"/a.js", "gzip", "gzip", "accept-encoding"},
		{"/a.js", "GZIP", "gzip", "accept-encoding"},
		{"/a.js", "x-gzip", "gzip", "accept-encoding"},
		{"/a.js", "gzip;q=1, br;q=0.5", "gzip", "accept-encoding"},
		{"/a.js", "br;q=0, *", "zstd", "accept-encoding"},
		{"/a.js", "*;q=0", "", "accept-encoding"},
		{"/a.js", "identity;q=0", "", "accept-encoding"},
		{"/a.js", "identity, gzip;q=0.5", "", "accept-encoding"},
		{"/a.js", "deflate", "", "accept-encoding"},
		{"/b.css", browser, "gzip", "accept-encoding"},
		{"/b.css", "br", "", "accept-encoding"},
		{"/stale.js", browser, "", "accept-encoding"},
		{"/larger.js", browser, "", "accept-encoding"},
		{"/hidden.js", browser, "", "accept-encoding"},
		{"/dir.js", browser, "", "accept-encoding"},
		{"/none.js", browser, "", "accept-encoding"},
		{"/p.png", browser, "", ""},
	} {
		got := get(t, h, c.target, "accept-encoding", c.accept)
		body := map[string]string{"": plain, "br": "br", "gzip": "gzip", "zstd": "zst"}[c.coding]
		if c.target == "/larger.js" {
			body = "x"
		}
		if got.Status != 200 || got.Header.Get("content-encoding") != c.coding || string(got.Body) != body || got.Header.Get("vary") != c.vary {
			t.Errorf("%s, accept-encoding %q: got %d, coding %q, %d bytes, vary %q; want coding %q, %d bytes, vary %q", c.target, c.accept,
				got.Status, got.Header.Get("content-encoding"), len(got.Body), got.Header.Get("vary"), c.coding, len(body), c.vary)
		}
		if kind := got.Header.Get("content-type"); strings.HasSuffix(c.target, ".js") && kind != "text/javascript; charset=utf-8" {
			t.Errorf("%s: got content-type %q, want the original's", c.target, kind)
		}
	}
	plainOnly := serve(t, Options{Root: root, PlainOnly: true})
	if got := get(t, plainOnly, "/a.js", "accept-encoding", browser); got.Header.Has("content-encoding") || got.Header.Has("vary") {
		t.Errorf("plain only: got header %v", got.Header)
	}
}

func TestEncoding_EachFormIsARepresentation(t *testing.T) {
	t.Parallel()
	root := makeTree(t, map[string]string{"a.js": "0123456789", "a.js.gz": "abcdefg"})
	h := serve(t, Options{Root: root})
	gz := []string{"accept-encoding", "gzip"}
	plainTag, gzTag := get(t, h, "/a.js").Header.Get("etag"), get(t, h, "/a.js", gz...).Header.Get("etag")
	if plainTag == gzTag {
		t.Errorf("entity tags: got %s for both", plainTag)
	}
	if got := get(t, h, "/a.js", append(gz, "if-none-match", gzTag)...); got.Status != 304 || got.Header.Get("vary") != "accept-encoding" {
		t.Errorf("tag of the coding asked for: got %d, vary %q, want 304", got.Status, got.Header.Get("vary"))
	}
	if got := get(t, h, "/a.js", append(gz, "if-none-match", plainTag)...); got.Status != 200 {
		t.Errorf("tag of another coding: got %d, want 200", got.Status)
	}
	got := get(t, h, "/a.js", append(gz, "range", "bytes=1-2")...)
	if brief(got) != "206 bc" || got.Header.Get("content-range") != "bytes 1-2/7" || got.Header.Get("content-encoding") != "gzip" {
		t.Errorf("range of a coding: got %s, header %v", brief(got), got.Header)
	}
}
