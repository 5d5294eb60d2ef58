package access

import (
	"regexp"
	"strings"
	"testing"
)

func TestGlob(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern  string
		yes, not string // paths, by spaces
	}{
		{"/", "/", "/a"},
		{"/*", "/ /a /a/", "/a/b"},
		{"/**", "/ /a /a/b/c/", ""},
		{"/forbidden/**", "/forbidden /forbidden/ /forbidden/a /forbidden/a/b/", "/ /forbiddenx /a/forbidden"},
		{"/a", "/a /a/", "/a/b /ab /b/a"},
		{"/a/", "/a /a/", "/a/b"},
		{"/a/*", "/a/b /a/b/", "/a /a/b/c"},
		{"*.bak", "/x.bak /a/b/.bak /x.bak/", "/x.bak/y /xbak"},
		{"secret", "/secret /a/secret /a/secret/", "/secrets /secret/a"},
		{"**/secret/**", "/secret /a/secret/b/c /secret/secret", "/a/secrets"},
		{"/a/**/z", "/a/z /a/b/z /a/b/c/z/ /a/z/z", "/a /a/zz /b/a/z"},
		{"/**/a/**/b", "/a/b /x/a/y/b /a/a/b/b /a/b/b", "/b/a /a /a/bb"},
		{"/a*b*c", "/abc /axbxc /abcbc", "/ab /abcd /xabc"},
		{"/*a*a", "/aa /xaya /aaa", "/a /ab"},
		{"/ü", "/ü", "/üx /Ü"},
		{"/Private/*.BAK", "/private/x.bak /PRIVATE/X.Bak", "/private/x.bac"},
		{"/a%2Fb", "/a%2Fb", "/a/b"},
		{"/100%", "/100%", "/100"},
	} {
		g, err := parseGlob(c.pattern)
		if err != nil {
			t.Errorf("%q: %v", c.pattern, err)
			continue
		}
		for path := range strings.FieldsSeq(c.yes) {
			if !g.match(path) {
				t.Errorf("%q does not match %q", c.pattern, path)
			}
		}
		for path := range strings.FieldsSeq(c.not) {
			if g.match(path) {
				t.Errorf("%q matches %q", c.pattern, path)
			}
		}
	}
	for _, pattern := range []string{"", "//", "/a//b", "/a/../b", "./a", "/a**", "/**/**/a", "/a\\b", "/a\x00", "**/**", "/a?b", "/a%20b", "/%61dmin", "/%2561"} {
		if g, err := parseGlob(pattern); err == nil {
			t.Errorf("%q: got %q and no error", pattern, g)
		}
	}
}

// FuzzGlob compares with regular expressions.
func FuzzGlob(f *testing.F) {
	for _, s := range [][2]string{{"/a/**/b*", "/a/x/bc"}, {"*.bak", "/x.bak/"}, {"/**/a/**", "/a/a"}, {"/", "/"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, path string) {
		g, err := parseGlob(pattern)
		if err != nil || path == "" || path[0] != '/' || strings.Contains(path, "//") {
			return
		}
		var b strings.Builder
		for _, s := range g {
			if s == "**" {
				b.WriteString(`(/[^/]*)*`)
				continue
			}
			b.WriteString("/" + strings.ReplaceAll(regexp.QuoteMeta(s), `\*`, `[^/]*`))
		}
		re, err := regexp.Compile(`(?s)\A` + b.String() + `\z`)
		if err != nil {
			return // not UTF-8
		}
		trimmed := lower(path)
		if len(path) > 1 {
			trimmed = strings.TrimSuffix(trimmed, "/")
		}
		if want, got := re.MatchString(trimmed), g.match(path); got != want {
			t.Errorf("%q of %q: got %v, want %v by %s", pattern, path, got, want, re)
		}
	})
}
