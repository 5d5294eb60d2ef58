package demand

import (
	"regexp"
	"strings"
	"testing"
)

func TestAllow_Matches(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		globs string
		yes   string
		no    string
	}{
		{"example.com", "example.com", "a.example.com xample.com example.org"},
		{"*.example.com", "a.example.com 1-2.example.com", "example.com a.b.example.com aexample.com a.example.org"},
		{"**.example.com", "a.example.com a.b.c.example.com", "example.com badexample.com"},
		{"**.*.example.com", "a.b.example.com a.b.c.example.com", "a.example.com"},
		{"shop-*.example.com", "shop-1.example.com shop-a-b.example.com", "shop.example.com ashop-1.example.com shop-1.a.example.com"},
		{"*-shop-*.example.com", "a-shop-b.example.com a-shop-shop-b.example.com", "a-shop.example.com shop-a.example.com"},
		{"*.eu.*.example.com", "a.eu.b.example.com", "a.us.b.example.com eu.b.example.com a.eu.example.com"},
		{"**.eu.*.example.com", "a.eu.b.example.com x.a.eu.b.example.com", "eu.b.example.com"},
		{"*.a.example.com *.example.com", "x.a.example.com x.example.com", "x.b.example.com"},
		{"*.user.github.io", "a.user.github.io", "user.github.io a.other.github.io"},
	} {
		l, err := parseAllow(strings.Fields(c.globs))
		if err != nil {
			t.Errorf("allow %s: %v", c.globs, err)
			continue
		}
		for name := range strings.FieldsSeq(c.yes) {
			if !l.match(name) {
				t.Errorf("%s does not match %s", c.globs, name)
			}
		}
		for name := range strings.FieldsSeq(c.no) {
			if l.match(name) {
				t.Errorf("%s matches %s", c.globs, name)
			}
		}
	}
}

func TestAllow_RefusesPatternsForNamesOfEverybody(t *testing.T) {
	t.Parallel()
	for glob, hint := range map[string]string{
		"*": "everybody", "**": "first label", "**.com": "everybody", "*.com": "everybody", "*.co.uk": "everybody", "*.github.io": "everybody",
		"example.*": "everybody", "shop*.com": "everybody", "*.*": "everybody", "**.*.com": "everybody", "*.localhost": "everybody",
		"a.**.example.com": "first label", "***.example.com": "first label", "a**.example.com": "first label",
		"Example.com": "lower-case", "*.Example.com": "lower-case", "": "empty", "com": "one label", "10.0.0.1": "address",
		"*..example.com": "labels", ".example.com": "labels", "https://example.com": "labels", "[a-z].example.com": "labels",
	} {
		_, err := parseAllow([]string{glob})
		if err == nil || !strings.Contains(err.Error(), hint) || !strings.HasPrefix(err.Error(), "allow ") {
			t.Errorf("allow %q: %v; want an error with %q", glob, err, hint)
		}
	}
}

func FuzzAllow(f *testing.F) {
	for _, s := range [][2]string{
		{"*.example.com", "a.example.com"}, {"**.example.com", "a.b.example.com"}, {"a*b*c.example.com", "aabbcc.example.com"},
		{"**.*a.*.example.com", "ba.c.example.com"}, {"*a*a*a*b.example.com", "aaaaaaaaaaaaaaaa.example.com"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, glob, name string) {
		l, err := parseAllow([]string{glob})
		if err != nil {
			return
		}
		if _, err := registrable(name); err != nil {
			return
		}
		expr := regexp.QuoteMeta(glob)
		expr = strings.Replace(expr, `\*\*\.`, `(?:[a-z0-9-]+\.)+`, 1)
		expr = strings.ReplaceAll(expr, `\*`, `[a-z0-9-]*`)
		if want := regexp.MustCompile(`\A` + expr + `\z`).MatchString(name); l.match(name) != want {
			t.Fatalf("%q matches %q = %v; want %v", glob, name, !want, want)
		}
	})
}
