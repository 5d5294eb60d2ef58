// Command {{name}} is a module for weir: it answers requests by itself.
package main

import (
	"fmt"
	"net/http"

	"github.com/weirproxy/weir/sdk/weirhttp"
)

func init() { weirhttp.Serve(routes()) }

// routes is what any program with net/http has.
func routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "Hello from {{name}}.")
	})
	mux.HandleFunc("GET /hello/{who}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello, %s, at %s.\n", r.PathValue("who"), r.Host)
	})
	return mux
}

func main() {}
