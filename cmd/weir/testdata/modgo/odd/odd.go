// Package odd has handlers that do what few do, and what net/http's server has an answer
// to. Tests ask it as a program and as a module.
package odd

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// said is what handlers have to tell that no answer can hold.
type said struct {
	mu  sync.Mutex
	all map[string]string
}

func (s *said) say(key string, what ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[string]string{}
	}
	s.all[key] += fmt.Sprintln(what...)
}

// Handler returns the handlers.
func Handler() http.Handler {
	var s said
	var under atomic.Int64
	mux := http.NewServeMux()
	handle := func(pattern string, f func(w http.ResponseWriter, r *http.Request)) { mux.HandleFunc(pattern, f) }

	handle("/said/{key}", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		io.WriteString(w, s.all[r.PathValue("key")])
		delete(s.all, r.PathValue("key"))
	})
	handle("/under", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, under.Load()) })
	handle("/none", func(http.ResponseWriter, *http.Request) {})
	handle("/status/{n}", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.PathValue("n"))
		w.WriteHeader(n)
		if body := r.URL.Query().Get("body"); body != "" {
			_, err := io.WriteString(w, body)
			s.say("status-"+r.PathValue("n"), err)
		}
	})
	handle("/twice", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-A", "1")
		w.WriteHeader(201)
		w.Header().Set("X-A", "2")
		w.Header().Set("X-B", "2")
		w.WriteHeader(500)
		io.WriteString(w, "made")
	})
	handle("/sniff/{kind}", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, map[string]string{"html": "<!DOCTYPE html><p>", "png": "\x89PNG\r\n\x1a\n", "text": "just text", "bytes": "\x00\x01\x02", "none": ""}[r.PathValue("kind")])
	})
	handle("/notype", func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Content-Type"] = nil
		io.WriteString(w, "<!DOCTYPE html>")
	})
	handle("/encoded", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "x-odd")
		io.WriteString(w, "<!DOCTYPE html>")
	})
	handle("/length/{n}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", r.PathValue("n"))
		_, err1 := io.WriteString(w, "hello")
		_, err2 := io.WriteString(w, "hello")
		s.say("length-"+r.PathValue("n"), err1, err2, errors.Is(err2, http.ErrContentLength))
	})
	handle("/much/{n}", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.PathValue("n"))
		for part := strings.Repeat("0123456789abcde\n", 64); n > 0; n -= len(part) {
			if _, err := io.WriteString(w, part[:min(n, len(part))]); err != nil {
				s.say("much", err)
				return
			}
		}
	})
	handle("/whole/{n}", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.PathValue("n"))
		w.Header().Set("Content-Length", r.PathValue("n"))
		w.Write(make([]byte, n))
	})
	handle("/hints", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(103)
		w.Header().Add("Link", "</b.css>; rel=preload")
		w.WriteHeader(103)
		w.Header().Del("Link")
		io.WriteString(w, "done")
	})
	handle("/trailers", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-One, X-Two")
		w.Header().Add("Trailer", "X-Three")
		w.Header().Set("X-One", "early")
		if r.URL.Query().Has("body") {
			io.WriteString(w, "content")
		}
		w.WriteHeader(200)
		w.Header().Set("X-One", "1")
		w.Header()["X-Two"] = []string{"2", "22"}
		w.Header().Set("X-Not", "announced")
		w.Header().Set(http.TrailerPrefix+"X-Four", "4")
	})
	handle("/heads", func(w http.ResponseWriter, r *http.Request) {
		for i := range 20 {
			w.Header().Set(fmt.Sprint("X-Big-", i), strings.Repeat("x", 1000))
		}
		w.Header()["Set-Cookie"] = []string{"a=1", "b=2; Path=/"}
		w.Header()["X-Empty"] = []string{""}
		w.Header()["x-lower"] = []string{"kept"}
		w.Header().Set("X-Latin", "caf\u00e9")
		w.Header().Set("Date", "Mon, 30 Nov 2026 12:00:00 GMT")
	})
	handle("/read", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		fmt.Fprintln(w, len(b), err, r.ContentLength, r.Trailer.Get("X-After"))
		n, err := r.Body.Read(make([]byte, 1))
		fmt.Fprintln(w, n, err)
		r.Body.Close()
		n, err = r.Body.Read(make([]byte, 1))
		fmt.Fprintln(w, n, err)
	})
	handle("/unread", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "too much", http.StatusRequestEntityTooLarge)
	})
	handle("/most", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 10))
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			w.WriteHeader(413)
		}
		fmt.Fprintln(w, len(b), err)
	})
	after := make(chan struct{}, 1)
	handle("/after", func(w http.ResponseWriter, r *http.Request) {
		go func() {
			<-r.Context().Done()
			time.Sleep(20 * time.Millisecond)
			failed := true
			if runtime.GOOS == "wasip1" { // net/http's server has a data race here, or panics
				_, err := w.Write([]byte("late"))
				failed = err != nil
			}
			s.say("after", "write:", failed)
			_, err := r.Body.Read(make([]byte, 1))
			s.say("after", "read:", err)
			after <- struct{}{}
		}()
		io.WriteString(w, "in time")
	})
	handle("/afterwards", func(w http.ResponseWriter, r *http.Request) { <-after })
	handle("/panic/{when}", func(w http.ResponseWriter, r *http.Request) {
		switch r.PathValue("when") {
		case "late":
			io.WriteString(w, "begun")
			w.(http.Flusher).Flush()
		case "held":
			io.WriteString(w, "never sent")
		case "abort":
			panic(http.ErrAbortHandler)
		case "nil":
			var p *int
			*p = 1
		}
		panic("on purpose")
	})
	handle("/wait", func(w http.ResponseWriter, r *http.Request) {
		under.Add(1)
		defer under.Add(-1)
		io.WriteString(w, "waiting\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		s.say("wait", r.Context().Err())
	})
	handle("/pour", func(w http.ResponseWriter, r *http.Request) {
		under.Add(1)
		defer under.Add(-1)
		for part := make([]byte, 32<<10); ; {
			if _, err := w.Write(part); err != nil {
				s.say("pour", "write fails")
				return
			}
		}
	})
	handle("/take", func(w http.ResponseWriter, r *http.Request) {
		under.Add(1)
		defer under.Add(-1)
		_, err := io.Copy(io.Discard, r.Body)
		s.say("take", err != nil)
	})
	handle("/control", func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		_, pushes := w.(http.Pusher)
		_, reads := w.(io.ReaderFrom)
		_ = reads // an optimization of net/http's
		fmt.Fprintln(w, "duplex", c.EnableFullDuplex(), "push", pushes && r.ProtoMajor != 2)
		fmt.Fprintln(w, "flush", c.Flush())
	})
	handle("/deadlines", func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		_, _, err := c.Hijack()
		fmt.Fprintln(w, err)
		at := time.Now().Add(time.Hour)
		fmt.Fprintln(w, errors.Is(c.SetReadDeadline(at), http.ErrNotSupported), errors.Is(c.SetWriteDeadline(at), http.ErrNotSupported))
	})
	handle("/facts/", facts)
	me := rand.Text()
	handle("/instance", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, me) })
	handle("/ticks", func(w http.ResponseWriter, r *http.Request) {
		for tick := time.NewTicker(10 * time.Millisecond); ; {
			if _, err := fmt.Fprintln(w, me, "ticks"); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			select {
			case <-tick.C:
			case <-r.Context().Done():
				return
			}
		}
	})
	var shouts sync.Map
	handle("/beats", func(w http.ResponseWriter, r *http.Request) {
		beat := time.NewTicker(time.Minute)
		defer beat.Stop()
		heard := make(chan bool, 1)
		shouts.Store(heard, true)
		defer shouts.Delete(heard)
		for {
			fmt.Fprintln(w, "heard")
			if err := http.NewResponseController(w).Flush(); err != nil {
				return
			}
			select {
			case <-beat.C:
			case <-heard:
			case <-r.Context().Done():
				return
			}
		}
	})
	handle("/nap", func(w http.ResponseWriter, r *http.Request) {
		for i := range 3 {
			time.Sleep(5 * time.Millisecond)
			fmt.Fprintln(w, "nap", i)
			w.(http.Flusher).Flush()
		}
	})
	handle("/naps", func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		for range 50 {
			time.Sleep(time.Millisecond)
		}
		fmt.Fprint(w, time.Since(began)/50)
	})
	handle("/shout", func(w http.ResponseWriter, r *http.Request) {
		for c := range shouts.Range {
			select {
			case c.(chan bool) <- true:
			default:
			}
		}
	})
	handle("/die", func(w http.ResponseWriter, r *http.Request) {
		for all := [][]byte{}; ; {
			all = append(all, make([]byte, 1<<20))
		}
	})
	return mux
}

// facts writes down what the request is.
func facts(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintln(w, r.Method, r.Proto, r.ProtoMajor, r.ProtoMinor, r.Host, r.RequestURI)
	fmt.Fprintf(w, "%q %q %q %q %q %v\n", r.URL.Path, r.URL.RawPath, r.URL.RawQuery, r.URL.Host, r.URL.Scheme, r.URL.ForceQuery)
	fmt.Fprintln(w, "length", r.ContentLength, r.TransferEncoding, r.Close, r.Body == http.NoBody)
	host, port, found := strings.Cut(r.RemoteAddr, ":")
	fmt.Fprintln(w, "from", host, port != "", found)
	if r.TLS != nil {
		fmt.Fprintln(w, "tls", r.TLS.HandshakeComplete)
	}
	var names []string
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(w, "%s: %q\n", name, r.Header[name])
	}
}
