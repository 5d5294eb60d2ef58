package main

import (
	"errors"
	"testing"
	"time"

	"github.com/weirproxy/weir/sdk/sdktest"
)

const config = `{"service": "auth", "tell": "x-user", "timeout": "1s"}`

func TestForwardAuth_AsksBeforeItLetsThrough(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Configured(configured, config))
	h.Upstream("auth", func(c *sdktest.Call) *sdktest.Answer {
		if c.Header.Get("x-forwarded-uri") != "/a?b" || c.Header.Get("x-forwarded-method") != "GET" {
			t.Errorf("the service is asked with\n%s", c.Header)
		}
		if c.Header.Get("authorization") != "Bearer ada" {
			return &sdktest.Answer{Status: 302, Header: sdktest.Fields("location", "/login", "x-secret", "1")}
		}
		return &sdktest.Answer{Header: sdktest.Fields("x-user", "ada"), Delay: 100 * time.Millisecond}
	})
	h.Next(func(r *sdktest.Request) *sdktest.Answer {
		if got := r.Header.Values("x-user"); len(got) != 1 || got[0] != "ada" {
			t.Errorf("the application is told %q", got)
		}
		return &sdktest.Answer{Body: "in"}
	})
	if resp := h.Get("/a?b", sdktest.Field("authorization", "Bearer ada"), sdktest.Field("x-user", "root")); resp.Body != "in" {
		t.Errorf("got %d %q", resp.Status, resp.Body)
	}
	resp := h.Get("/a?b", sdktest.Field("x-user", "root"))
	if resp.Status != 302 || resp.Header.Get("location") != "/login" || resp.Header.Has("x-secret") {
		t.Errorf("got %d\n%s", resp.Status, resp.Header)
	}
}

func TestForwardAuth_LetsNobodyInWhenNobodyDecides(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]*sdktest.Answer{
		"refused": {Err: errors.New("connection refused")},
		"silent":  {Delay: time.Minute},
	} {
		h := sdktest.New(t, sdktest.Configured(configured, config))
		h.Upstream("auth", func(*sdktest.Call) *sdktest.Answer { return answer })
		if resp := h.Get("/"); resp.Status != 503 || len(h.Requests()) > 0 || h.Now() > time.Second {
			t.Errorf("%s: got %d after %v", name, resp.Status, h.Now())
		}
	}
}

// TestForwardAuth_CookiesOfHTTP2: a client may send each in a field of its own.
func TestForwardAuth_CookiesOfHTTP2(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Configured(configured, config))
	h.Upstream("auth", func(c *sdktest.Call) *sdktest.Answer {
		if got := c.Header.Values("cookie"); len(got) != 1 || got[0] != "a=1; session=2" {
			t.Errorf("the service is sent %q", got)
		}
		return &sdktest.Answer{}
	})
	h.Get("/", sdktest.Field("cookie", "a=1"), sdktest.Field("cookie", "session=2"))
}
