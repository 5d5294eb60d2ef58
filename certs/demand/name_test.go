package demand

import (
	"strings"
	"testing"

	"golang.org/x/net/publicsuffix"
)

func TestRegistrable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		domain string
		err    error
	}{
		{"example.com", "example.com", nil},
		{"a.b.example.co.uk", "example.co.uk", nil},
		{"xn--bcher-kva.example.de", "example.de", nil},
		{"1-2.example.com", "example.com", nil},
		{"1.2.3.example.com", "example.com", nil},
		{"user.github.io", "user.github.io", nil},
		{"www.user.github.io", "user.github.io", nil},
		{"shop.amazonaws.com", "amazonaws.com", nil}, // on the way to private suffixes
		{"a.b.ck", "a.b.ck", nil},                    // only *.ck is listed
		{"www.ck", "www.ck", nil},                    // an exception
		{"weir.xn--p1ai", "weir.xn--p1ai", nil},
		{strings.Repeat("a", 63) + ".example.com", "example.com", nil},
		{strings.Repeat("a.", 121) + "example.com", "example.com", nil},

		{"", "", errEmpty},
		{strings.Repeat("a.", 122) + "example.com", "", errLong},
		{strings.Repeat("a", 64) + ".example.com", "", errLabel},
		{"Example.com", "", errLabel},
		{"example.com.", "", errLabel},
		{".example.com", "", errLabel},
		{"a..example.com", "", errLabel},
		{"*.example.com", "", errLabel},
		{"a_b.example.com", "", errLabel},
		{"-a.example.com", "", errLabel},
		{"a-.example.com", "", errLabel},
		{"bücher.example.com", "", errLabel},
		{"a.example.com\x00", "", errLabel},
		{"a.example.com:443", "", errLabel},
		{"a b.example.com", "", errLabel},
		{"ab--c.example.com", "", errReserved},
		{"127.0.0.1", "", errAddress},
		{"8.8.8.8", "", errAddress},
		{"::1", "", errAddress},
		{"2001:db8::1", "", errAddress},
		{"1.2.3.4.5", "", errUnlisted},
		{"localhost", "", errInternal},
		{"app.localhost", "", errInternal},
		{"printer.local", "", errInternal},
		{"db.internal", "", errInternal},
		{"nas.home.arpa", "", errInternal},
		{"1.0.0.127.in-addr.arpa", "", errInternal},
		{"x.onion", "", errInternal},
		{"x.invalid", "", errInternal},
		{"nas", "", errOneLabel},
		{"com", "", errOneLabel},
		{"a.nosuchtop", "", errUnlisted},
		{"co.uk", "", errSuffix},
		{"github.io", "", errSuffix},
		{"x.ck", "", errSuffix},
		{"s3.amazonaws.com", "", errSuffix},
	} {
		domain, err := registrable(c.name)
		if domain != c.domain || err != c.err {
			t.Errorf("registrable(%q) = %q, %v; want %q, %v", c.name, domain, err, c.domain, c.err)
		}
	}
}

func FuzzRegistrable(f *testing.F) {
	for _, s := range []string{"a.example.co.uk", "x.github.io", "127.0.0.1", "a..b", "xn--a.com", "s3.amazonaws.com", "::1", "www.ck"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		domain, err := registrable(name)
		if err != nil {
			return
		}
		if len(name) > 253 || name != strings.ToLower(name) || strings.ContainsAny(name, "*_:/%[] \x00") || strings.Count(name, ".") < 1 {
			t.Fatalf("registrable(%q) takes it", name)
		}
		if domain != name && !strings.HasSuffix(name, "."+domain) {
			t.Fatalf("registrable(%q) = %q, which it is not below", name, domain)
		}
		if want, err := publicsuffix.EffectiveTLDPlusOne(name); err != nil || domain != want {
			t.Fatalf("registrable(%q) = %q; the list has %q, %v", name, domain, want, err)
		}
		if again, err := registrable(domain); err != nil || again != domain {
			t.Fatalf("registrable(%q) = %q, %v", domain, again, err)
		}
	})
}
