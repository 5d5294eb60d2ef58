package board

import (
	"compress/gzip"
	"net/http"
	"strings"
	"time"
)

// around is what every request goes through.
func (b *Board) around(h http.Handler) http.Handler {
	var foreign http.CrossOriginProtection
	return b.logged(b.recovered(squeezed(foreign.Handler(h))))
}

// noted is a ResponseWriter that knows what was answered.
type noted struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *noted) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (w *noted) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *noted) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (b *Board) logged(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		b.asked.all.Add(1)
		b.asked.under.Add(1)
		defer b.asked.under.Add(-1)
		n := &noted{ResponseWriter: w}
		h.ServeHTTP(n, r)
		if b.options.Log != nil {
			b.options.Log.Print(r.Method, " ", r.URL.Path, " ", n.status, " ", time.Since(began))
		}
	})
}

// recovered makes an answer of a panic, where there is none yet.
func (b *Board) recovered(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch v := recover(); {
			case v == nil:
			case v == http.ErrAbortHandler || w.(*noted).status != 0:
				panic(http.ErrAbortHandler)
			default:
				http.Error(w, "Something broke: it is our fault, not yours.", http.StatusInternalServerError)
			}
		}()
		h.ServeHTTP(w, r)
	})
}

// squeezed compresses pages and JSON for those who can read that.
func squeezed(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.ServeHTTP(w, r)
			return
		}
		z := &squeezer{ResponseWriter: w}
		h.ServeHTTP(z, r)
		z.end()
	})
}

// squeezer is a ResponseWriter that decides when it sees the head.
type squeezer struct {
	http.ResponseWriter
	decided bool
	to      *gzip.Writer // nil: as it is
}

// WriteHeader implements http.ResponseWriter.
func (z *squeezer) WriteHeader(status int) {
	if h := z.Header(); !z.decided && status >= 200 {
		z.decided = true
		h.Add("Vary", "Accept-Encoding")
		kind := h.Get("Content-Type")
		if status == http.StatusOK && h.Get("Content-Encoding") == "" && (strings.HasPrefix(kind, "text/html") || kind == "application/json") {
			h.Set("Content-Encoding", "gzip")
			h.Del("Content-Length")
			z.to = gzip.NewWriter(z.ResponseWriter)
		}
	}
	z.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (z *squeezer) Write(p []byte) (int, error) {
	if !z.decided {
		z.WriteHeader(http.StatusOK)
	}
	if z.to != nil {
		return z.to.Write(p)
	}
	return z.ResponseWriter.Write(p)
}

func (z *squeezer) end() {
	if z.to != nil {
		_ = z.to.Close()
	}
}

// Unwrap is for http.ResponseController.
func (z *squeezer) Unwrap() http.ResponseWriter { return z.ResponseWriter }
