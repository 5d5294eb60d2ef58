package static

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	earlier = "Fri, 17 May 2024 10:20:29 GMT"
	later   = "Fri, 17 May 2024 10:20:31 GMT"
)

// TestConditions follows RFC 9110 §13.1 and the order of §13.2.2. E stands for the
// file's entity tag.
func TestConditions(t *testing.T) {
	t.Parallel()
	root := makeTree(t, map[string]string{"a": "hello"})
	h := serve(t, Options{Root: root})
	etag := get(t, h, "/a").Header.Get("etag")
	for _, c := range []struct {
		name   string
		fields []string
		want   int
	}{
		{"If-None-Match equal", []string{"if-none-match", "E"}, 304},
		{"If-None-Match weak", []string{"if-none-match", "W/E"}, 304},
		{"If-None-Match star", []string{"if-none-match", "*"}, 304},
		{"If-None-Match list", []string{"if-none-match", `"a", W/"b" ,E`}, 304},
		{"If-None-Match list without space", []string{"if-none-match", `"a","b",,E,"c"`}, 304},
		{"If-None-Match on two lines", []string{"if-none-match", `"a"`, "if-none-match", "E"}, 304},
		{"If-None-Match other", []string{"if-none-match", `"a"`}, 200},
		{"If-None-Match comma in a tag", []string{"if-none-match", `"a,b", E`}, 304},
		{"If-None-Match not quoted", []string{"if-none-match", "a, E"}, 200},
		{"If-None-Match not closed", []string{"if-none-match", `"a, E`}, 200},
		{"If-None-Match lower-case w", []string{"if-none-match", "w/E"}, 200},
		{"If-None-Match no comma", []string{"if-none-match", `"a" E`}, 200},
		{"If-None-Match wins over If-Modified-Since", []string{"if-none-match", `"a"`, "if-modified-since", oldDate}, 200},
		{"If-Modified-Since equal", []string{"if-modified-since", oldDate}, 304},
		{"If-Modified-Since later", []string{"if-modified-since", later}, 304},
		{"If-Modified-Since earlier", []string{"if-modified-since", earlier}, 200},
		{"If-Modified-Since RFC 850", []string{"if-modified-since", "Friday, 17-May-24 10:20:30 GMT"}, 304},
		{"If-Modified-Since asctime", []string{"if-modified-since", "Fri May 17 10:20:30 2024"}, 304},
		{"If-Modified-Since nonsense", []string{"if-modified-since", "yesterday"}, 200},
		{"If-Modified-Since twice", []string{"if-modified-since", oldDate, "if-modified-since", oldDate}, 200},
		{"If-Match equal", []string{"if-match", "E"}, 200},
		{"If-Match star", []string{"if-match", "*"}, 200},
		{"If-Match weak", []string{"if-match", "W/E"}, 412},
		{"If-Match weak then strong", []string{"if-match", "W/E, E"}, 200},
		{"If-Match other", []string{"if-match", `"a"`}, 412},
		{"If-Match wins over If-Unmodified-Since", []string{"if-match", "E", "if-unmodified-since", earlier}, 200},
		{"If-Match before If-None-Match", []string{"if-match", `"a"`, "if-none-match", "E"}, 412},
		{"If-Match and If-None-Match", []string{"if-match", "E", "if-none-match", "E"}, 304},
		{"If-Unmodified-Since equal", []string{"if-unmodified-since", oldDate}, 200},
		{"If-Unmodified-Since earlier", []string{"if-unmodified-since", earlier}, 412},
		{"If-Unmodified-Since nonsense", []string{"if-unmodified-since", "x"}, 200},
		{"If-Unmodified-Since and If-Modified-Since", []string{"if-unmodified-since", oldDate, "if-modified-since", oldDate}, 304},
		{"If-None-Match before Range", []string{"if-none-match", "E", "range", "bytes=0-1"}, 304},
		{"If-Match before Range", []string{"if-match", `"a"`, "range", "bytes=0-1"}, 412},
		{"If-Range equal", []string{"if-range", "E", "range", "bytes=0-1"}, 206},
		{"If-Range weak", []string{"if-range", "W/E", "range", "bytes=0-1"}, 200},
		{"If-Range other", []string{"if-range", `"a"`, "range", "bytes=0-1"}, 200},
		{"If-Range list", []string{"if-range", "E, E", "range", "bytes=0-1"}, 200},
		{"If-Range date", []string{"if-range", oldDate, "range", "bytes=0-1"}, 206},
		{"If-Range later date", []string{"if-range", later, "range", "bytes=0-1"}, 200},
		{"If-Range other and unsatisfiable", []string{"if-range", `"a"`, "range", "bytes=9-"}, 200},
		{"If-Range alone", []string{"if-range", `"a"`}, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fields := make([]string, len(c.fields))
			for i, f := range c.fields {
				fields[i] = strings.ReplaceAll(f, "E", etag)
				if strings.Contains(f, " GMT") {
					fields[i] = f
				}
			}
			for _, method := range []string{"GET", "HEAD"} {
				want := c.want
				if method == "HEAD" && want == 206 {
					want = 200 // Range is defined for GET alone (RFC 9110 §14.2)
				}
				got := ask(t, h, method, "/a", fields...)
				if got.Status != want {
					t.Errorf("%s %q: got %d, want %d", method, fields, got.Status, want)
				}
				if want == 304 && (got.Header.Get("etag") != etag || got.Header.Get("vary") == "" || got.Header.Has("content-type")) {
					t.Errorf("%s %q: got header %v", method, fields, got.Header)
				}
			}
		})
	}
}

func TestConditions_DatesThatTellNothing(t *testing.T) {
	t.Parallel()
	root := makeTree(t, map[string]string{"epoch": "1", "one": "1", "future": "1", "young": "1"})
	touch := func(name string, m time.Time) { check(t, os.Chtimes(filepath.Join(root, name), m, m)) }
	touch("epoch", time.Unix(0, 0))
	touch("one", time.Unix(1, 0))
	touch("future", time.Now().Add(time.Hour))
	touch("young", time.Now())
	h := serve(t, Options{Root: root})
	for _, name := range []string{"/epoch", "/one"} {
		got := get(t, h, name, "if-modified-since", time.Unix(1, 0).UTC().Format(http.TimeFormat))
		if got.Status != 200 || got.Header.Has("last-modified") || !got.Header.Has("etag") {
			t.Errorf("%s: got %d %v, want 200 without last-modified", name, got.Status, got.Header)
		}
	}
	got := get(t, h, "/future")
	if d, err := http.ParseTime(got.Header.Get("last-modified")); err != nil || d.After(time.Now()) {
		t.Errorf("future: got last-modified %v, %v, want one that is not in the future", d, err)
	}
	date := get(t, h, "/young").Header.Get("last-modified")
	if got := get(t, h, "/young", "range", "bytes=0-0", "if-range", date); got.Status != 200 {
		t.Errorf("if-range with a date that is no strong validator yet: got %d, want 200", got.Status)
	}
}

func TestETag(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("b", mediumFile+1)
	one := makeTree(t, map[string]string{"a": "same", "b": "other", "big": big, "big2": big})
	two := makeTree(t, map[string]string{"a": "same", "b": "same", "big": big})
	later := old.Add(time.Hour)
	check(t, os.Chtimes(filepath.Join(two, "a"), later, later))
	h1, h2 := serve(t, Options{Root: one}), serve(t, Options{Root: two})
	tag := func(h *Handler, name string) string { return get(t, h, name).Header.Get("etag") }
	if a, b := tag(h1, "/a"), tag(h2, "/a"); a != b || len(a) != 18 || a[0] != '"' {
		t.Errorf("same content, other time: got %s and %s, want equal", a, b)
	}
	if a, b := tag(h1, "/b"), tag(h2, "/b"); a == b {
		t.Errorf("other content, same time: got %s twice", a)
	}
	if a, b := tag(h1, "/big"), tag(h1, "/big2"); a == b {
		t.Errorf("other large file of the same size and time: got %s twice", a)
	}
	if a, b := tag(h1, "/big"), tag(serve(t, Options{Root: one}), "/big"); a != b {
		t.Errorf("large file by another handler: got %s and %s, want equal", a, b)
	}
}

func FuzzConditional(f *testing.F) {
	for _, s := range []string{`"a"`, `W/"a", "b"`, "*", `"a`, `,,"x",W/`, `"a" "b"`} {
		f.Add(s)
	}
	const etag = `"abc"`
	f.Fuzz(func(t *testing.T, list string) {
		strong, weak := matches(list, etag, true), matches(list, etag, false)
		if strong && !weak {
			t.Fatalf("matches(%q, %s): strong but not weak", list, etag)
		}
		if weak && list != "*" && !strings.Contains(list, etag) {
			t.Fatalf("matches(%q, %s): got true", list, etag)
		}
		if after := list + "," + etag; strings.Trim(list, ", \t") == "" && !matches(after, etag, true) {
			t.Fatalf("matches(%q, %s): got false", after, etag)
		}
		if matches(list, "", false) && list != "*" {
			t.Fatalf("matches(%q) of no tag: got true", list)
		}
	})
}
