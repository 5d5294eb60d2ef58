package weirhttp

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/weirproxy/weir/sdk/weir"
)

// writer is what the handler answers by.
type writer struct {
	r   *weir.Request
	req *http.Request
	d   *weir.Detached

	mu      sync.Mutex
	header  http.Header
	status  int          // 0: the head has not been written
	fields  []weir.Field // as they were when it was
	length  int64        // that the handler has announced; -1: none
	written int64
	buf     []byte
	out     *weir.Writer // nil: nothing has been sent
	err     error
	aborted bool
	over    bool // the handler has returned
	typed   bool // the head tells the type of the content
}

// buffered is how much of an answer is kept until it is flushed: what is shorter has a
// length, and is sent at once.
const buffered = 4 << 10

// sniffed is how much of an answer tells its type.
const sniffed = 512

var (
	_ http.ResponseWriter = (*writer)(nil)
	_ http.Flusher        = (*writer)(nil)
)

var errOver = errors.New("write answer: the handler has returned")

// Header implements http.ResponseWriter.
func (w *writer) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *writer) WriteHeader(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if status < 100 || status > 999 {
		panic("invalid WriteHeader code " + strconv.Itoa(status))
	}
	if w.status != 0 || w.over {
		return
	}
	if status < 200 && status != http.StatusSwitchingProtocols {
		fields := fieldsOf(w.header)
		w.d.Do(func() { _ = w.r.Inform(status, fields...) }) // who does not want it misses nothing
		return
	}
	w.head(status)
}

// head notes the head of the answer.
func (w *writer) head(status int) {
	w.status, w.length = status, -1
	if s := w.header.Get("Content-Length"); s != "" {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 {
			w.length = n
		} else {
			w.header.Del("Content-Length")
		}
	}
	w.fields = fieldsOf(w.header)
}

// bodiless tells whether an answer of that status has no body (RFC 9110 §6.4.1).
func bodiless(status int) bool { return status < 200 || status == 204 || status == 304 }

// Write implements http.ResponseWriter.
func (w *writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.over:
		return 0, errOver
	case w.status == 0:
		w.head(http.StatusOK)
	}
	switch {
	case len(p) == 0:
		return 0, w.err
	case bodiless(w.status):
		return 0, http.ErrBodyNotAllowed
	case w.err != nil:
		return 0, w.err
	case w.length >= 0 && w.written+int64(len(p)) > w.length:
		return 0, http.ErrContentLength
	}
	w.written += int64(len(p))
	if w.req.Method == http.MethodHead {
		w.sniff(p)
		return len(p), nil
	}
	if len(w.buf)+len(p) > buffered {
		w.send(p)
	} else {
		w.buf = append(w.buf, p...)
	}
	return len(p), w.err
}

// WriteString implements io.StringWriter.
func (w *writer) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// Flush implements http.Flusher.
func (w *writer) Flush() { _ = w.FlushError() }

// FlushError is for http.ResponseController.
func (w *writer) FlushError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return errOver
	}
	if w.status == 0 {
		w.head(http.StatusOK)
	}
	w.send(nil)
	return w.err
}

// EnableFullDuplex is for http.ResponseController: reading and writing at the same time
// is always possible.
func (w *writer) EnableFullDuplex() error { return nil }

// send sends the head, if it has not been sent, what has been written, and p.
func (w *writer) send(p []byte) {
	if w.err != nil {
		return
	}
	if w.out == nil {
		first := w.buf
		if len(first) < sniffed {
			first = append(first, p[:min(len(p), sniffed)]...)
		}
		w.sniff(first)
	}
	w.d.Do(func() {
		if w.out == nil {
			if w.out, w.err = w.r.Respond(w.status, w.fields...); w.err != nil {
				return
			}
		}
		if len(w.buf) > 0 {
			_, w.err = w.out.Write(w.buf)
		}
		if len(p) > 0 && w.err == nil {
			_, w.err = w.out.Write(p)
		}
	})
	w.buf = w.buf[:0]
}

// sniff adds the type of the content that begins with p, if the handler has given none.
func (w *writer) sniff(p []byte) {
	if len(p) == 0 || w.out != nil || bodiless(w.status) {
		return
	}
	for _, f := range w.fields {
		switch {
		case strings.EqualFold(f.Name, "content-type"):
			w.typed = true
			return
		case strings.EqualFold(f.Name, "content-encoding") && f.Value != "":
			return
		}
	}
	if v, ok := w.header["Content-Type"]; ok && v == nil { // the handler wants none
		return
	}
	w.fields, w.typed = append(w.fields, weir.Field{Name: "content-type", Value: http.DetectContentType(p)}), true
}

// finish sends what is left when the handler has returned. It is called where functions
// of the SDK may be.
func (w *writer) finish() (*weir.Response, error) {
	if !w.mu.TryLock() { // waiting for that would have the instance wait
		return nil, errors.New("the handler has returned while another goroutine was writing")
	}
	defer w.mu.Unlock()
	w.over = true
	_ = w.req.Body.Close() // who reads it later learns of that
	switch {
	case w.err != nil:
		return nil, w.err
	case w.aborted && w.out != nil:
		return nil, errors.New("the handler has panicked")
	case w.aborted:
		return weir.Reply(500, "Internal Server Error\n"), nil
	case w.status == 0:
		w.head(http.StatusOK)
	}
	if w.sniff(w.buf); w.out == nil && w.req.Method == http.MethodHead && !bodiless(w.status) {
		return w.bare()
	}
	ends := w.ends()
	if w.out == nil && len(ends) == 0 && w.plain() {
		resp := weir.Reply(w.status, "", w.fields...)
		resp.SetBody(w.buf)
		return resp, nil
	}
	if w.out == nil {
		if w.out, w.err = w.r.Respond(w.status, w.fields...); w.err != nil {
			return nil, w.err
		}
	}
	if len(w.buf) > 0 {
		if _, err := w.out.Write(w.buf); err != nil {
			return nil, err
		}
	}
	return nil, w.out.Close(ends...)
}

// plain tells whether an answer that has not begun is what hosts make of a whole one:
// they give it a type if it has none, and its length whatever was announced.
func (w *writer) plain() bool {
	return len(w.buf) == 0 && w.length <= 0 || w.typed && (w.length < 0 || w.length == w.written)
}

// bare answers HEAD: with the length of what is not sent.
func (w *writer) bare() (*weir.Response, error) {
	if w.length < 0 && w.written > 0 {
		w.fields = append(w.fields, weir.Field{Name: "content-length", Value: strconv.FormatInt(w.written, 10)})
	}
	w.out, w.err = w.r.Respond(w.status, w.fields...)
	return nil, w.err
}

// ends are the trailers: fields that the handler has announced in Trailer, and those
// with net/http's prefix.
func (w *writer) ends() (all []weir.Field) {
	for name := range trailers(http.Header{"Trailer": w.header["Trailer"]}) {
		for _, v := range w.header[name] {
			all = append(all, weir.Field{Name: name, Value: v})
		}
	}
	for name, values := range w.header {
		if name, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
			for _, v := range values {
				all = append(all, weir.Field{Name: name, Value: v})
			}
		}
	}
	return all
}

// fieldsOf returns what goes out as the header: trailers that have a value already, too,
// as net/http has it.
func fieldsOf(h http.Header) (all []weir.Field) {
	for name, values := range h {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			continue
		}
		for _, v := range values {
			all = append(all, weir.Field{Name: name, Value: v})
		}
	}
	return all
}
