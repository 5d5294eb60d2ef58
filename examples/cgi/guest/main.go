// A CGI program in standard Go: what is an http.Handler elsewhere, is one here.
package main

import (
	"fmt"
	"net/http"
	"net/http/cgi"
	"os"
)

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /cgi-bin/hello.wasm/{name}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s, %s!\n", os.Getenv("GREETING"), r.PathValue("name"))
	})
	mux.HandleFunc("GET /cgi-bin/hello.wasm", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/cgi-bin/hello.wasm/stranger", http.StatusFound)
	})
	if err := cgi.Serve(mux); err != nil {
		fmt.Fprintln(os.Stderr, err) // to weir's log
		os.Exit(1)
	}
}
