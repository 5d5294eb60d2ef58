package main

import (
	"testing"

	"github.com/weirproxy/weir/sdk/sdktest"
)

func TestHello(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Filter(hello))
	resp := h.Get("/")
	if got, want := resp.Header.Get("x-hello"), "from {{name}}"; got != want || resp.Status != 200 {
		t.Errorf("got %d with x-hello %q, want 200 with %q", resp.Status, got, want)
	}
}

// TestHello_LeavesTheRestAlone has something behind the filter that answers by itself.
func TestHello_LeavesTheRestAlone(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Filter(hello))
	h.Next(func(r *sdktest.Request) *sdktest.Answer {
		return &sdktest.Answer{Status: 404, Header: sdktest.Fields("content-type", "text/plain"), Body: "nothing at " + r.Path}
	})
	resp := h.Get("/missing")
	if resp.Status != 404 || resp.Body != "nothing at /missing" || resp.Header.Get("content-type") != "text/plain" {
		t.Errorf("got %d, %v, %q", resp.Status, resp.Header, resp.Body)
	}
}
