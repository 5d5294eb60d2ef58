package weirhttp_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/sdk/sdktest"
	"github.com/weirproxy/weir/sdk/weirhttp"
)

func serving(t *testing.T, h http.HandlerFunc) *sdktest.Host {
	t.Helper()
	return sdktest.New(t, sdktest.Filter(weirhttp.Filter(h)))
}

// TestServe_WhatAHandlerLeavesBehindIsAlone: a goroutine that goes on with a request after
// its handler has returned reaches nobody else's.
func TestServe_WhatAHandlerLeavesBehindIsAlone(t *testing.T) {
	t.Parallel()
	use, used := make(chan struct{}), make(chan string)
	h := serving(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/first" {
			io.WriteString(w, "for the first")
			go func() {
				<-use
				b, _ := io.ReadAll(r.Body)
				w.(http.Flusher).Flush()
				_, err := io.WriteString(w, "for the first")
				if err == nil {
					b = append(b, "; written"...)
				}
				used <- string(b)
			}()
			return
		}
		close(use)
		if got := <-used; got != "" {
			t.Errorf("what was left behind has got %q", got)
		}
		io.Copy(w, r.Body)
	})
	if resp := h.Post("/first", "1"); resp.Body != "for the first" {
		t.Errorf("got %q", resp.Body)
	}
	if resp := h.Post("/second", "2"); resp.Body != "2" {
		t.Errorf("got %q", resp.Body)
	}
}

// TestServe_AHandlerReturnsWhileAnotherWrites: that is the handler's fault, and fails its
// request alone.
func TestServe_AHandlerReturnsWhileAnotherWrites(t *testing.T) {
	t.Parallel()
	writing := make(chan struct{})
	h := serving(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/other" {
			io.WriteString(w, "well")
			return
		}
		w.(http.Flusher).Flush()
		go func() {
			close(writing)
			for range 100 {
				io.WriteString(w, strings.Repeat("x", 64<<10))
			}
		}()
		<-writing
		time.Sleep(20 * time.Millisecond) // until it waits for the client
	})
	x := h.Open(&sdktest.Request{Path: "/"})
	x.Stall()
	x.End()
	for range 100 {
		h.Advance(time.Millisecond)
	}
	if resp := h.Get("/other"); resp.Body != "well" {
		t.Errorf("got %+v", resp)
	}
	x.Leave()
}
