package weirhttp_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/weirproxy/weir/sdk/sdktest"
	"github.com/weirproxy/weir/sdk/weirhttp"
)

func init() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello ", r.Host) })
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	mux.HandleFunc("GET /slow", func(w http.ResponseWriter, r *http.Request) {
		for i := range 3 {
			fmt.Fprintln(w, i)
			w.(http.Flusher).Flush()
			time.Sleep(time.Millisecond)
		}
	})
	weirhttp.Serve(mux)
}

func TestServe_AnswersByAHandler(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Registered("", ""))
	for range 3 {
		if resp := h.Get("/hello"); resp.Status != 200 || resp.Body != "hello example.com" {
			t.Errorf("hello: %+v", resp)
		}
		if resp := h.Do(&sdktest.Request{Method: "POST", Path: "/echo", Chunks: []string{"a", "b"}}); resp.Body != "ab" {
			t.Errorf("echo: %+v", resp)
		}
		if resp := h.Get("/slow"); resp.Body != "0\n1\n2\n" {
			t.Errorf("slow: %+v", resp)
		}
	}
	if resp := h.Get("/none"); resp.Status != 404 {
		t.Errorf("none: %+v", resp)
	}
}
