package weir_test

import (
	"strings"
	"testing"

	"github.com/weirproxy/weir/sdk/sdktest"
	"github.com/weirproxy/weir/sdk/weir"
)

// What a filter takes over from a client, decoded, may hold the end of a line. Hosts differ
// in what they make of it: so it never gets to them.

const evil = "/\r\nset-cookie: session=theirs\r\n\r\n<script>"

func clean(t *testing.T, what string, all ...sdktest.Header) {
	t.Helper()
	for _, h := range all {
		for _, f := range h {
			if strings.ContainsAny(f.Name+f.Value, "\r\n\x00") {
				t.Errorf("%s: %q", what, f)
			}
		}
	}
}

func TestHeader_EndsOfLinesAreNotSent(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		switch r.Path() {
		case "/redirect":
			return weir.Redirect(302, evil), nil
		case "/reply":
			return weir.Reply(200, "", weir.Field{Name: "x-a", Value: evil}, weir.Field{Name: "x\r\n-b", Value: "1"}, weir.Field{Name: "x-c", Value: "2"}), nil
		case "/respond":
			w, err := r.Respond(200, weir.Field{Name: "x-a", Value: evil}, weir.Field{Name: "x-c", Value: "2"})
			if err != nil {
				return weir.Reply(200, "", weir.Field{Name: "x-c", Value: "2"}), nil
			}
			return nil, w.Close()
		}
		r.Header.Set("x-a", evil)
		r.Header.Add("x-a", evil)
		r.Header.Add("x\r\n-b", "1")
		r.Header.Add("", "1")
		r.SetAuthority("example.com\r\nx: y")
		r.SetPath("/a b\r\nx: y")
		resp, err := next(r)
		if err == nil {
			resp.Header.Set("x-a", evil)
			resp.Header.Add("x-c", "2")
		}
		return resp, err
	}, func(t *testing.T, h *sdktest.Host) {
		for _, path := range []string{"/redirect", "/reply", "/respond", "/on"} {
			resp := h.Get(path)
			clean(t, path, resp.Header)
			if path != "/redirect" && resp.Header.Get("x-c") != "2" {
				t.Errorf("%s: got\n%s", path, resp.Header)
			}
		}
		r := h.Requests()[0]
		clean(t, "request", r.Header, sdktest.Fields("path", r.Path, "authority", r.Authority))
	})
}

func TestFetch_RefusesEndsOfLines(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, _ weir.Next) (*weir.Response, error) {
		for _, c := range []*weir.Call{
			{Path: "/a b"}, {Path: evil}, {Method: "GET / HTTP/1.1\r\nx: y"}, {Authority: "a\r\nb"},
			{Header: []weir.Field{{Name: "x-a", Value: evil}}}, {Header: []weir.Field{{Name: "x a", Value: "b"}}}, {Header: []weir.Field{{Name: ":path", Value: "/other"}}},
		} {
			if _, err := weir.Fetch("u", c); err == nil {
				t.Errorf("%+v is sent", c)
			}
		}
		return weir.Reply(200, ""), nil
	}, func(t *testing.T, h *sdktest.Host) {
		h.Upstream("u", func(*sdktest.Call) *sdktest.Answer { return &sdktest.Answer{} })
		h.Get("/")
		same(t, "calls", len(h.Calls()), 0)
	})
}
