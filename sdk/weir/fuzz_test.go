package weir_test

import (
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/weirproxy/weir/sdk/sdktest"
	"github.com/weirproxy/weir/sdk/weir"
)

// slices reads s in pieces as long as the bytes of cuts say.
type slices struct {
	s    string
	cuts []byte
	at   int
}

func (r *slices) Read(p []byte) (int, error) {
	if r.s == "" {
		return 0, io.EOF
	}
	n := len(r.s)
	if r.at < len(r.cuts) {
		n = min(n, int(r.cuts[r.at]%16))
		r.at++
	}
	n = copy(p, r.s[:n])
	r.s = r.s[n:]
	return n, nil
}

// FuzzEvents reads the same events however they are cut, and what is written as what it
// was.
func FuzzEvents(f *testing.F) {
	for _, s := range []string{"data: a\n\n", "data: a\r\n\r\n", "data: a\r\rdata", "\ufeffevent: x\nid:1\nretry: 5\ndata\ndata:\n\n:c\n\n", "\r\n\n\r"} {
		f.Add(s, []byte{1, 2, 0, 3})
	}
	f.Fuzz(func(t *testing.T, s string, cuts []byte) {
		whole := readEvents(t, strings.NewReader(s))
		if cut := readEvents(t, &slices{s: s, cuts: cuts}); !reflect.DeepEqual(cut, whole) {
			t.Fatalf("%q: %+v, and cut %v: %+v", s, whole, cuts, cut)
		}
		var again []byte
		for _, e := range whole {
			again = e.Append(again)
		}
		if got := readEvents(t, strings.NewReader(string(again))); !reflect.DeepEqual(got, whole) {
			t.Fatalf("%+v: written and read: %+v", whole, got)
		}
	})
}

// FuzzQuery finds what net/url finds, wherever that takes the query for one.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{"a=1&b=2&a=3", "a+b=%41%2b", "=&&x", "%zz=1", "a=%", "%41=1"} {
		f.Add(s, "a")
	}
	f.Fuzz(func(t *testing.T, query, name string) {
		if strings.ContainsAny(query, "\x00\r\n") {
			return
		}
		var got string
		h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
			got = r.Query(name)
			return next(r)
		}))
		h.Get("/?" + query)
		want, err := url.ParseQuery(query)
		if err == nil && got != want.Get(name) {
			t.Fatalf("%q of %q: got %q, want %q", name, query, got, want.Get(name))
		}
	})
}

// FuzzCookies finds what net/http finds.
func FuzzCookies(f *testing.F) {
	for _, s := range []string{"a=1; b=2", `a="x y"; c`, "=1; ;a==", " a = 1 ", "a=1;a=2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if strings.ContainsAny(line, "\x00\r\n") {
			return
		}
		got := map[string][]string{}
		h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
			for name, value := range r.Cookies() {
				got[name] = append(got[name], value)
				if v, ok := r.Cookie(name); !ok || v != got[name][0] {
					t.Errorf("cookie %q: %q, %v", name, v, ok)
				}
			}
			return next(r)
		}))
		h.Get("/", sdktest.Field("cookie", line))
		cookies, err := http.ParseCookie(line)
		if err != nil {
			return
		}
		for _, c := range cookies {
			if len(got[c.Name]) == 0 {
				t.Fatalf("%q: %q is not found", line, c.Name)
			}
		}
	})
}
