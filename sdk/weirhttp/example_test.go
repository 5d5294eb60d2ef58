package weirhttp_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/weirproxy/weir/sdk/weir"
	"github.com/weirproxy/weir/sdk/weirhttp"
)

// A module is an ordinary handler, and one line in init.
func ExampleServe() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello/{who}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello, %s, at %s.\n", r.PathValue("who"), r.Host)
	})
	weirhttp.Serve(mux) // in init
}

// The plugin's configuration may decide what a module does. Keys that nobody asks for, and
// values of another type, refuse it.
func ExampleServeConfigured() {
	weirhttp.ServeConfigured(func(c *weir.Config) (http.Handler, error) {
		return http.StripPrefix(c.String("prefix", "/app"), http.NotFoundHandler()), nil
	})
}

// Events are written and flushed until the client leaves.
func ExampleServe_events() {
	weirhttp.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for tick := time.NewTicker(time.Second); ; {
			select {
			case now := <-tick.C:
				fmt.Fprintf(w, "data: %s\n\n", now)
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				return
			}
		}
	}))
}

// Upstreams that the plugin is granted are called by their names.
func ExampleTransport() {
	client := &http.Client{Transport: weirhttp.Transport{}, Timeout: time.Second}
	resp, err := client.Get("upstream://users/ada")
	if err != nil {
		return
	}
	defer resp.Body.Close()
}
