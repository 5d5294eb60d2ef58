package board

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// count says numbers, one after the other, and what they were all together.
func count(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 0 || n > 100_000 {
		http.Error(w, "Count to what?", http.StatusBadRequest)
		return
	}
	pause, _ := time.ParseDuration(r.URL.Query().Get("pause"))
	w.Header().Set("Trailer", "X-Sum")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	sum := sha256.New()
	both := io.MultiWriter(w, sum)
	out := http.NewResponseController(w)
	for i := range n {
		if _, err := fmt.Fprintln(both, i+1); err != nil {
			return
		}
		if i%100 == 0 {
			if err := out.Flush(); err != nil {
				return
			}
		}
		if pause > 0 {
			select {
			case <-time.After(pause):
			case <-r.Context().Done():
				return
			}
		}
	}
	w.Header().Set("X-Sum", fmt.Sprintf("%x", sum.Sum(nil)))
	w.Header().Set(http.TrailerPrefix+"X-Count", strconv.Itoa(n))
}

// echo shouts back what it hears, while it hears it.
func (b *Board) echo(w http.ResponseWriter, r *http.Request) {
	out := http.NewResponseController(w)
	if err := out.EnableFullDuplex(); err != nil {
		http.Error(w, err.Error(), http.StatusNotImplemented)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	buf := make([]byte, 16<<10)
	for {
		n, err := r.Body.Read(buf)
		if n > 0 {
			if _, err := w.Write(bytes.ToUpper(buf[:n])); err != nil {
				return
			}
			if err := out.Flush(); err != nil {
				return
			}
		}
		if err == io.EOF {
			w.Header().Set(http.TrailerPrefix+"X-Heard", r.Trailer.Get("X-Said"))
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}
