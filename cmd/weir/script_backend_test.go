package main

import (
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
)

// backend ADDRESS NAME is a program of the scripts: an upstream that says what it was
// asked, under /cached something that may be kept, and under /health whether there is
// a file NAME.ill.
func backend() {
	name := os.Args[2]
	var asked atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s: %s %s\n", name, r.Method, r.RequestURI)
		fmt.Fprintf(w, "host: %s\n", r.Host)
		r.Header.Write(w)
	})
	mux.HandleFunc("/cached/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600")
		w.Header().Set("Cache-Tag", "all, page"+r.URL.Path[len("/cached"):])
		fmt.Fprintf(w, "made %d\n", asked.Add(1))
	})
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "the upstream's own words", http.StatusInternalServerError)
	})
	mux.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		if _, err := os.Stat(name + ".ill"); err == nil {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	fmt.Fprintln(os.Stderr, http.ListenAndServe(os.Args[1], mux))
	os.Exit(1)
}
