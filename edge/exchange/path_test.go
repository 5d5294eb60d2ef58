package exchange

import (
	"errors"
	"net/url"
	"path"
	"strings"
	"testing"
)

func TestCanonicalPath(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		raw, want string
		opaque    bool
		err       error
	}{
		{"/", "/", false, nil},
		{"/a/b", "/a/b", false, nil},
		{"/a/b/", "/a/b/", false, nil},
		{"//", "/", false, nil},
		{"//login", "/login", false, nil},
		{"/a//b///c//", "/a/b/c/", false, nil},
		{"/debug/foo/../bar", "/debug/bar", false, nil},
		{"/debug/sub/..//foo/../bar/./baz", "/debug/bar/baz", false, nil},
		{"/a/.", "/a/", false, nil},
		{"/a/./", "/a/", false, nil},
		{"/a/..", "/", false, nil},
		{"/a/b/..", "/a/", false, nil},
		{"/a/b/../", "/a/", false, nil},
		{"/.well-known/x", "/.well-known/x", false, nil},
		{"/...", "/...", false, nil},
		{"/..a/.b", "/..a/.b", false, nil},
		{"/a%20b", "/a b", false, nil},
		{"/%41", "/A", false, nil},
		{"/%C3%bc", "/ü", false, nil},
		{"/a%3Fb", "/a?b", false, nil},
		{"/%25", "/%", false, nil},
		{"/%252e%252e/a", "/%2e%2e/a", false, nil}, // decoded once, never twice
		{"/a%2fb", "/a%2Fb", true, nil},
		{"/a%252fb", "/a%2fb", false, nil},
		{"/a%252Fb", "/a%2Fb", false, nil},
		{"/a%25/b%2fc", "/a%/b%2Fc", true, nil},
		{"/a%252Fb/c%2fd", "", false, errPathTwice}, // "%2F" would stand for both
		{"/a%25%32F/c%2fd", "", false, errPathTwice},
		{"/a%2fb/c%255C", "", false, errPathTwice},
		{"/a%2fb/c%255c", "/a%2Fb/c%5c", true, nil}, // lower case: not the escape that stays
		{"/a%5cb", "/a%5Cb", true, nil},
		{"/a/%2e%2e%2fb", "/a/..%2Fb", true, nil}, // one segment: whoever takes it raw has been told
		{"/a;v=1/b", "/a;v=1/b", false, nil},

		{"", "", false, errPathForm},
		{"a", "", false, errPathForm},
		{"*", "", false, errPathForm},
		{"/..", "", false, errPathAbove},
		{"/a/../..", "", false, errPathAbove},
		{"/a/../../b", "", false, errPathAbove},
		{"/%2e%2e/", "", false, errPathAbove},
		{"//../a", "", false, errPathAbove},
		{"/%", "", false, errPathEscape},
		{"/%4", "", false, errPathEscape},
		{"/%4g", "", false, errPathEscape},
		{"/%u0041", "", false, errPathEscape},
		{"/%+1", "", false, errPathEscape},
		{"/a\\b", "", false, errPathSlash},
		{"/a\x00", "", false, errPathControl},
		{"/a%00", "", false, errPathControl},
		{"/a%0d%0aSet-Cookie:x", "", false, errPathControl},
		{"/a%7f", "", false, errPathControl},
		{"/a\x1f", "", false, errPathControl},
		{"/a/..;/b", "", false, errPathParams},
		{"/a/.;x/b", "", false, errPathParams},
		{"/a/%2e.%3bjsessionid=1/b", "", false, errPathParams},
	} {
		got, opaque, err := CanonicalPath(c.raw)
		if got != c.want || opaque != c.opaque && err == nil || !errors.Is(err, c.err) {
			t.Errorf("%q: got %q, %v, %v; want %q, %v, %v", c.raw, got, opaque, err, c.want, c.opaque, c.err)
		}
	}
}

// Every spelling of a path that a rule protects comes to the one form that the
// rule sees, or is refused.
func TestSecurity_P6_SpellingsOfOnePathAgree(t *testing.T) {
	t.Parallel()
	const secret = "/admin/secret"
	for _, raw := range []string{
		"/admin/secret", "//admin/secret", "/admin//secret", "/./admin/secret", "/admin/./secret", "/x/../admin/secret",
		"/%61dmin/secret", "/admin/%73ecret", "/x/%2e%2e/admin/secret", "/x/.%2e/admin/secret", "/x/%2E./admin/secret",
		"/%2e/admin/secret", "/admin/x/y/../../secret",
		"/admin%2fsecret", "/admin%2Fsecret", "/admin%5csecret", "/admin\\secret", "/..\\admin/secret", "/../admin/secret",
		"/x/..;/admin/secret", "/x/..%2fadmin/secret", "/admin/secret%00", "/admin/secret%0a", "/%/../admin/secret",
	} {
		var r Request
		if err := r.SetTarget(raw); err != nil {
			if e, ok := errors.AsType[*Error](err); !ok || e.Status != 400 || e.Fault != Client {
				t.Errorf("%q: got error %#v, want the client's with 400", raw, err)
			}
			continue
		}
		if r.Path != secret && !r.Opaque {
			t.Errorf("%q: got path %q, want %q, opaque, or an error", raw, r.Path, secret)
		}
		if r.Target != raw {
			t.Errorf("%q: got target %q", raw, r.Target)
		}
	}
}

// A path is bytes: nothing folds case by Unicode, so lengths do not change.
func TestSecurity_P10_PathsKeepTheirBytes(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"/%E2%84%AAelvin": "/\u212aelvin",
		"/%C4%B0":         "/İ",
		"/ABC":            "/ABC",
		"/%c0%ae%c0%ae/a": "/\xc0\xae\xc0\xae/a", // overlong dots are no dots
	} {
		if got, _, err := CanonicalPath(raw); got != want || err != nil {
			t.Errorf("%q: got %q, %v, want %q", raw, got, err, want)
		}
	}
}

func TestSetTarget(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ target, path, query string }{
		{"/a/../b?x=/../y", "/b", "x=/../y"},
		{"/a?", "/a", ""},
		{"/a?b?c", "/a", "b?c"},
		{"*", "*", ""},
		{"/?", "/", ""},
	} {
		r := Request{Opaque: true}
		if err := r.SetTarget(c.target); err != nil || r.Path != c.path || r.Query != c.query || r.Target != c.target || r.Opaque {
			t.Errorf("%q: got %q %q %v %v, want %q %q", c.target, r.Path, r.Query, r.Opaque, err, c.path, c.query)
		}
	}
	for _, target := range []string{"", "a", "?a", "/a b", "/a?b c", "/a?\r\nx: y", "/a?\x00", "/a#b", "/a?b#c", "/ü", "/a?ü", "/a\x7f", "http://a/b", "**"} {
		r := Request{Target: "/old", Path: "/old"}
		if err := r.SetTarget(target); err == nil || r.Target != "/old" || r.Path != "/old" {
			t.Errorf("%q: got error %v, target %q; want an error and nothing changed", target, err, r.Target)
		}
	}
}

func FuzzCanonicalPath(f *testing.F) {
	for _, s := range []string{"/", "/a/../b", "/%2e%2e/", "/a%2fb", "//a/.//", "/a/..;/", "/%25%32%65", "/\xff%ff", "/a/%5c..", "/..%00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, opaque, err := CanonicalPath(raw)
		if err != nil {
			if got != "" {
				t.Errorf("%q: got path %q with error %v", raw, got, err)
			}
			return
		}
		checkCanonical(t, raw, got)
		decoded, uerr := url.PathUnescape(raw)
		if uerr != nil {
			t.Fatalf("%q: accepted, net/url says %v", raw, uerr)
		}
		if opaque {
			// It stays opaque where the segment is gone: "/%5C/.." could be read in two ways.
			if !strings.ContainsAny(decoded, `\`) && strings.Count(decoded, "/") == strings.Count(raw, "/") {
				t.Errorf("%q: opaque, but holds no encoded slash", raw)
			}
			return
		}
		want := path.Clean(decoded)
		if last := decoded[strings.LastIndexByte(decoded, '/')+1:]; want != "/" && (last == "" || last == "." || last == "..") {
			want += "/"
		}
		if got != want {
			t.Errorf("%q: got %q, net/url and path.Clean %q", raw, got, want)
		}
		if !strings.Contains(got, "%") {
			if again, _, err := CanonicalPath(got); again != got || err != nil {
				t.Errorf("%q: got %q, and of that %q, %v", raw, got, again, err)
			}
		}
	})
}

// checkCanonical holds a result to what everyone who sees a path relies on.
func checkCanonical(t *testing.T, raw, got string) {
	t.Helper()
	if got == "" || got[0] != '/' || strings.Contains(got, "//") {
		t.Errorf("%q: got %q", raw, got)
	}
	for segment := range strings.SplitSeq(got, "/") {
		if segment == "." || segment == ".." {
			t.Errorf("%q: got %q with a dot segment", raw, got)
		}
	}
	for i := range len(got) {
		if c := got[i]; c < 0x20 || c == 0x7f || c == '\\' {
			t.Errorf("%q: got %q with %q", raw, got, c)
		}
	}
}

func TestCanonicalPath_CanonicalIsNotCopied(t *testing.T) {
	raw := "/assets/app/index.html"
	if n := testing.AllocsPerRun(100, func() { _, _, _ = CanonicalPath(raw) }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func BenchmarkCanonicalPath(b *testing.B) {
	for name, raw := range map[string]string{"canonical": "/assets/app/index.html", "escaped": "/a%20b/../c%20d/./e"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _, _ = CanonicalPath(raw)
			}
		})
	}
}
