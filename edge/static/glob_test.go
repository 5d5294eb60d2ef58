package static

import (
	"strings"
	"testing"
)

func TestGlob(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*.js", "/a.js", true},
		{"*.js", "/d/e/a.js", true},
		{"*.js", "/a.js/b", false},
		{"*.JS", "/a.js", false},
		{"a.js", "/d/a.js", true},
		{"/a.js", "/a.js", true},
		{"/a.js", "/d/a.js", false},
		{"d/a.js", "/d/a.js", true},
		{"d/*.js", "/d/e/a.js", false},
		{"d/**/a.js", "/d/a.js", true},
		{"d/**/a.js", "/d/e/f/a.js", true},
		{"d/**/a.js", "/x/d/a.js", false},
		{"**/a/**/b", "/x/a/y/a/z/b", true},
		{"**/a/**/b", "/x/a/y/a/z/c", false},
		{"d/**", "/d/a", true},
		{"**", "/anything", true},
		{"/**", "/a/b/c", true},
		{"[a-c]?", "/b1", true},
		{"[a-c]?", "/d1", false},
	} {
		g, err := parseGlob(c.pattern, false)
		check(t, err)
		if got := g.match(c.name); got != c.want {
			t.Errorf("%q matches %q: got %v, want %v", c.pattern, c.name, got, c.want)
		}
	}
	if got := lower("Ab\u00c4\u212a"); got != "ab\u00c4\u212a" {
		t.Errorf("lower folds more than ASCII: got %q", got)
	}
}

func TestCacheValue(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"none": "no-store", "revalidate": "no-cache", "immutable": "public, max-age=31536000, immutable",
		"5m": "public, max-age=300", "90s": "public, max-age=90", "7d": "public, max-age=604800", "0s": "public, max-age=0",
		"private, max-age=60": "private, max-age=60", "no-cache": "no-cache", "Public, S-MaxAge=1": "Public, S-MaxAge=1", "s-maxage=1, stale-while-revalidate=5": "s-maxage=1, stale-while-revalidate=5",
		"": "", "-5m": "", "imutable": "", "5 m": "", "-1d": "", "99999999d": "", "public\r\nx: y": "", "max-age=1\x00": "", "public,": "",
	} {
		got, err := cacheValue(value)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("cacheValue(%q): got %q, %v, want %q", value, got, err, want)
		}
	}
}

// FuzzGlob: neither a name nor a pattern makes matching fail or take long.
func FuzzGlob(f *testing.F) {
	f.Add("**/a*/**/b", "/x/a/y/a/z/b")
	f.Add("[", "/a")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		g, err := parseGlob(pattern, true)
		if err != nil {
			return
		}
		if a, b := g.match(name), g.match(strings.ToUpper(name)); a != b && lower(strings.ToUpper(name)) == lower(name) {
			t.Fatalf("%q matches %q: %v, in upper case %v", pattern, name, a, b)
		}
	})
}
