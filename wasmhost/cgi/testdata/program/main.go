// Command program is a CGI program in plain Go, for tests: it does what the path says.
package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	if os.Getenv("PATH_INFO") == "/local" { // net/http/cgi always says a status
		fmt.Print("Location: /app/env/at?x=1\n\n")
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/app/hello", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello from %s", r.Host)
	})
	mux.HandleFunc("/app/env/", func(w http.ResponseWriter, r *http.Request) {
		env := os.Environ()
		slices.Sort(env)
		fmt.Fprintln(w, strings.Join(os.Args, " "))
		fmt.Fprintln(w, strings.Join(env, "\n"))
	})
	mux.HandleFunc("POST /app/echo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("content-type", r.Header.Get("content-type"))
		n, err := io.Copy(w, r.Body)
		if err != nil || n != r.ContentLength {
			fmt.Fprintln(os.Stderr, "echo:", n, err)
			os.Exit(9)
		}
	})
	mux.HandleFunc("/app/redirect", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/app/hello", http.StatusFound)
	})
	mux.HandleFunc("/app/cookies", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "1"})
		http.SetCookie(w, &http.Cookie{Name: "b", Value: "2"})
		w.WriteHeader(http.StatusTeapot)
	})
	mux.HandleFunc("/app/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("content-type", "text/event-stream")
		for n := range 1000 {
			fmt.Fprintf(w, "data: %d\n\n", n)
			w.(http.Flusher).Flush()
			time.Sleep(20 * time.Millisecond)
		}
	})
	mux.HandleFunc("/app/big", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		for range n {
			io.WriteString(w, strings.Repeat("x", 1023)+"\n")
		}
	})
	mux.HandleFunc("/app/panic", func(http.ResponseWriter, *http.Request) { panic("on purpose") })
	mux.HandleFunc("/app/exit", func(http.ResponseWriter, *http.Request) { os.Exit(3) })
	mux.HandleFunc("/app/sleep", func(http.ResponseWriter, *http.Request) { time.Sleep(time.Hour) })
	mux.HandleFunc("/app/say", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(os.Stderr, "first\nsecond")
	})
	if err := cgi.Serve(mux); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
