package weir_test

import (
	"strings"
	"testing"

	"github.com/weirproxy/weir/sdk/sdktest"
	"github.com/weirproxy/weir/sdk/weir"
)

// in runs f as a filter that answers nothing of its own.
func in(t *testing.T, r *sdktest.Request, f func(r *weir.Request)) {
	t.Helper()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		f(r)
		return next(r)
	}, func(t *testing.T, h *sdktest.Host) {
		h.Do(r)
		quiet(t, h)
	})
}

func TestHeader_Reads(t *testing.T) {
	t.Parallel()
	in(t, &sdktest.Request{Header: sdktest.Fields("X-A", "1", "x-b", "", "x-a", "2")}, func(r *weir.Request) {
		same(t, "Get", r.Header.Get("x-A"), "1")
		same(t, "Get of none", r.Header.Get("x-none"), "")
		same(t, "Values", strings.Join(r.Header.Values("X-a"), ","), "1,2")
		same(t, "Values of none", len(r.Header.Values("x-none")), 0)
		same(t, "Has", r.Header.Has("X-B"), true)
		same(t, "Has of none", r.Header.Has("x-none"), false)
		v, ok := r.Header.Lookup("x-b")
		same(t, "Lookup", v, "")
		same(t, "Lookup", ok, true)
		var all strings.Builder
		for name, value := range r.Header.All() {
			all.WriteString(name + "=" + value + ";")
		}
		same(t, "All", all.String(), "x-a=1;x-b=;x-a=2;")
		for range r.Header.All() {
			break
		}
	})
}

func TestHeader_Writes(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		r.Header.Set("x-a", "3")
		r.Header.Add("X-C", "4")
		r.Header.Add("x-c", "5")
		r.Header.Del("X-D")
		r.Header.Del("x-none")
		return next(r)
	}, func(t *testing.T, h *sdktest.Host) {
		h.Do(&sdktest.Request{Header: sdktest.Fields("x-a", "1", "x-d", "1", "x-a", "2")})
		same(t, "header", h.Requests()[0].Header.String(), "x-a: 3\nx-c: 4\nx-c: 5\n")
		quiet(t, h)
	})
}

func TestHeader_AfterItHasGoneOn(t *testing.T) {
	t.Parallel()
	var seen string
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		resp, err := next(r)
		seen = r.Header.Get("x-a")
		r.Header.Set("x-a", "late")
		return resp, err
	}, func(t *testing.T, h *sdktest.Host) {
		h.Get("/", sdktest.Field("x-a", "1"))
		same(t, "x-a that went on", h.Requests()[0].Header.Get("x-a"), "1")
		same(t, "warnings", len(h.Warnings()), 1)
	})
	_ = seen
}

func TestRequest_SaysWhoAsksWhat(t *testing.T) {
	t.Parallel()
	in(t, &sdktest.Request{Method: "GET", Path: "/a%20b?x=1&y=a%2Bb+c&x=2&z&%zz=%q", Scheme: "http", Authority: "weir.example:8080"}, func(r *weir.Request) {
		same(t, "Method", r.Method(), "GET")
		same(t, "Path", r.Path(), "/a%20b?x=1&y=a%2Bb+c&x=2&z&%zz=%q")
		same(t, "URLPath", r.URLPath(), "/a%20b")
		same(t, "Scheme", r.Scheme(), "http")
		same(t, "Authority", r.Authority(), "weir.example:8080")
		same(t, "Query x", r.Query("x"), "1")
		same(t, "Query y", r.Query("y"), "a+b c")
		same(t, "Query z", r.Query("z"), "")
		same(t, "Query none", r.Query("none"), "")
		same(t, "Query %zz", r.Query("%zz"), "%q")
	})
}

func TestRequest_Client(t *testing.T) {
	t.Parallel()
	for at, want := range map[string]string{
		"192.0.2.7:1234": "192.0.2.7", "[2001:db8::7]:1234": "2001:db8::7", "2001:db8::7": "2001:db8::7",
		"192.0.2.7": "192.0.2.7", "[2001:db8::7]": "2001:db8::7", "": "192.0.2.1",
	} {
		t.Run(at, func(t *testing.T) {
			in(t, &sdktest.Request{Client: at}, func(r *weir.Request) { same(t, "Client", r.Client(), want) })
		})
	}
}

func TestRequest_Cookies(t *testing.T) {
	t.Parallel()
	in(t, &sdktest.Request{Header: sdktest.Fields("cookie", `a=1; b="two"; =3; c; d=x=y;a=2`, "cookie", " e = 5 ")}, func(r *weir.Request) {
		for name, want := range map[string]string{"a": "1", "b": "two", "c": "", "d": "x=y", "e": "5"} {
			got, ok := r.Cookie(name)
			same(t, "cookie "+name, got, want)
			same(t, "cookie "+name, ok, true)
		}
		_, ok := r.Cookie("none")
		same(t, "cookie none", ok, false)
		n := 0
		for range r.Cookies() {
			n++
		}
		same(t, "cookies", n, 6)
	})
}

func TestRequest_Properties(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		b, ok := r.Property("connection", "tls_version")
		same(t, "tls_version", string(b), "TLSv1.3")
		same(t, "tls_version", ok, true)
		_, ok = r.Property("connection", "none")
		same(t, "none", ok, false)
		b, _ = r.Property("request", "url_path")
		same(t, "url_path", string(b), "/a")
		if err := r.SetProperty([]byte("ada"), "auth", "user"); err != nil {
			t.Error(err)
		}
		resp, err := next(r)
		b, _ = r.Property("auth", "user")
		same(t, "auth.user", string(b), "ada")
		return resp, err
	}, func(t *testing.T, h *sdktest.Host) {
		x := h.Begin(&sdktest.Request{Path: "/a?b", Properties: map[string]string{"connection.tls_version": "TLSv1.3"}})
		x.Wait()
		v, _ := x.Property("auth.user")
		same(t, "auth.user", v, "ada")
	})
}
