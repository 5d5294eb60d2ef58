package cors_test

import (
	"strings"
	"testing"

	"github.com/weirproxy/weir/filters/cors"
	"github.com/weirproxy/weir/sdk/sdktest"
)

const policy = `{"origins": ["https://app.example.com", "https://*.example.org", "http://localhost:3000"],
	"methods": ["GET", "PUT"], "headers": ["content-type", "x-token"], "expose": ["x-total"], "credentials": true, "max_age": "1h"}`

func preflight(h *sdktest.Host, origin string) *sdktest.Response {
	return h.Do(&sdktest.Request{Method: "OPTIONS", Path: "/a", Header: sdktest.Fields("origin", origin, "access-control-request-method", "PUT", "access-control-request-headers", "x-token")})
}

func TestCORS_AnswersPreflights(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Configured(cors.New, policy))
	for origin, allowed := range map[string]bool{
		"https://app.example.com": true, "https://APP.example.com": true, "https://a.example.org": true, "https://a.b.example.org": true, "http://localhost:3000": true,
		"http://app.example.com": false, "https://app.example.com.evil.test": false, "https://example.org": false, "https://evilexample.org": false,
		"https://app.example.com:8443": false, "null": false, "https://x/.example.org": false, "https://evil.test#.example.org": false, "https://.example.org": false, "": false,
	} {
		before := len(h.Requests())
		resp := preflight(h, origin)
		got := resp.Header.Get("access-control-allow-origin")
		switch {
		case allowed && (resp.Status != 204 || got != origin || resp.Header.Get("access-control-allow-methods") != "GET, PUT" ||
			resp.Header.Get("access-control-allow-headers") != "content-type, x-token" || resp.Header.Get("access-control-max-age") != "3600" ||
			resp.Header.Get("access-control-allow-credentials") != "true" || len(h.Requests()) != before):
			t.Errorf("%s: got %d\n%s", origin, resp.Status, resp.Header)
		case !allowed && (got != "" || len(h.Requests()) == before):
			t.Errorf("%s: got %d\n%s; want it to go on, and nothing allowed", origin, resp.Status, resp.Header)
		}
	}
}

func TestCORS_SaysWhoMayRead(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Configured(cors.New, policy))
	h.Next(func(*sdktest.Request) *sdktest.Answer {
		return &sdktest.Answer{Header: sdktest.Fields("access-control-allow-origin", "*", "vary", "accept")}
	})
	for origin, want := range map[string]string{"https://app.example.com": "https://app.example.com", "https://evil.test": "", "": ""} {
		got := h.Get("/", sdktest.Field("origin", origin)).Header
		if got.Get("access-control-allow-origin") != want || len(got.Values("access-control-allow-origin")) > 1 || strings.Join(got.Values("vary"), ", ") != "accept, origin" {
			t.Errorf("%q: got\n%s", origin, got)
		}
		if want != "" && got.Get("access-control-expose-headers") != "x-total" {
			t.Errorf("%q: got\n%s", origin, got)
		}
	}
}

func TestCORS_AnyOrigin(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Configured(cors.New, `{"origins": "*", "headers": "*"}`))
	if got := preflight(h, "https://evil.test").Header; got.Get("access-control-allow-origin") != "*" || got.Get("access-control-allow-headers") != "x-token" || got.Has("access-control-allow-credentials") {
		t.Errorf("got\n%s", got)
	}
	if got := h.Get("/", sdktest.Field("origin", "https://evil.test")).Header; got.Get("access-control-allow-origin") != "*" || got.Has("vary") {
		t.Errorf("got\n%s", got)
	}
}

func TestCORS_RefusesWhatWouldOpenASite(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]string{
		`{}`:                                                "origins: is missing",
		`{"origins": "*", "credentials": true}`:             "every page of the web",
		`{"origins": "https://a.test/path"}`:                "is no origin",
		`{"origins": "a.test"}`:                             "is no origin",
		`{"origins": "https://a*.test"}`:                    "asterisk",
		`{"origins": "https://*"}`:                          "asterisk",
		`{"origins": "https://*.a.*.test"}`:                 "asterisk",
		`{"origins": "https://a.test", "max_age": "x"}`:     "max_age",
		`{"origins": "null"}`:                               "is no origin",
		`{"origins": "https://*.com", "credentials": true}`: "every page of",
		`{"origins": "https://a.test", "credentials": true, "expose": "*"}`: "expose: ",
		`{"origins": "https://a.test", "headers": ["a b"]}`:                 "headers: ",
		`{"origins": "https://a.test", "methods": ["GE T"]}`:                "methods: ",
		`{"origins": "https://a.test", "expose": ["a\nb"]}`:                 "expose: ",
	} {
		if err := sdktest.New(t, sdktest.Configured(cors.New, config)).Refused(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", config, err, want)
		}
	}
}

func TestCORS_AnyMethodAndField(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Configured(cors.New, `{"origins": "https://a.test", "methods": "*", "headers": ["*", "authorization"], "credentials": true}`))
	got := preflight(h, "https://a.test").Header
	if got.Get("access-control-allow-methods") != "PUT" || got.Get("access-control-allow-headers") != "x-token" {
		t.Errorf("got\n%s", got) // with credentials, an asterisk is a name like others
	}
}

func TestCORS_PortsThatGoWithoutSaying(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Configured(cors.New, `{"origins": ["https://a.test:443", "http://b.test:80", "https://*.c.test:443"]}`))
	for _, origin := range []string{"https://a.test", "http://b.test", "https://x.c.test"} {
		if got := h.Get("/", sdktest.Field("origin", origin)).Header.Get("access-control-allow-origin"); got != origin {
			t.Errorf("%s: got %q", origin, got)
		}
	}
}
