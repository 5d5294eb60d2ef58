package cache

import (
	"errors"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// fromStore answers with e as it is kept. It returns nil if e's file is gone.
func (f *Filter) fromStore(r *exchange.Request, e *entry, q *query, now time.Time, use use) *exchange.Response {
	resp := f.serve(r, e, q, now, nil)
	if resp == nil {
		return nil
	}
	r.Record.Cache = "hit"
	if use != fresh {
		f.store.stale.Add(1)
		r.Record.Cache = "hit; stale"
	}
	var buffer [96]byte
	b := strconv.AppendInt(append(buffer[:0], f.hit...), e.ttlAt(now), 10)
	resp.Header.Append("cache-status", string(b))
	return resp
}

// serve makes a response of e: all of it, a part, or that the client has it already. held
// is e's file where that is open, and is nil afterwards if the response has it.
func (f *Filter) serve(r *exchange.Request, e *entry, q *query, now time.Time, held **os.File) *exchange.Response {
	if e.status == http.StatusOK {
		if q.conditional && e.unmodified(&r.Header) {
			return notModified(r, e, now)
		}
		if q.ranged && r.Method == http.MethodGet && e.rangeHolds(&r.Header) {
			switch s, sought := e.span(&r.Header); sought {
			case part:
				return f.content(r, e, now, http.StatusPartialContent, s, held)
			case nothing:
				return e.unsatisfiable(r, now)
			}
		}
	}
	return f.content(r, e, now, e.status, span{0, e.size}, held)
}

// content answers with a part of the body, or all of it.
func (f *Filter) content(r *exchange.Request, e *entry, now time.Time, status int, s span, held **os.File) *exchange.Response {
	var file *os.File
	switch {
	case e.file == "" || e.body != nil:
	case held != nil && *held != nil:
		file, *held = *held, nil
	default:
		var err error
		if file, err = f.store.disk.open(e); err != nil {
			f.store.drop(e)
			return nil
		}
	}
	resp := r.NewResponse(status)
	e.head(resp, now, nil)
	if status == http.StatusPartialContent {
		resp.Header.Append("content-range", s.contentRange(e.size))
	}
	switch {
	case file != nil:
		resp.SetFile(exchange.File{F: file, Off: s.off, N: s.n, Release: func() { file.Close() }})
	case status == http.StatusNoContent || e.size == 0 && s.n == 0:
	case e.pin():
		store := f.store
		resp.SetShared(e.body[s.off:s.off+s.n], func() { store.unpin(e) })
	default:
		resp.SetBytes(e.body[s.off : s.off+s.n])
	}
	return resp
}

// head fills in what is kept of the head, and Age (RFC 9111 §4).
func (e *entry) head(resp *exchange.Response, now time.Time, drop func(string) bool) {
	for i := range e.fields {
		if drop == nil || !drop(e.fields[i].Name) {
			resp.Header.Append(e.fields[i].Name, e.fields[i].Value)
		}
	}
	resp.Header.Append("age", strconv.FormatInt(min(e.ageAt(now), forever), 10))
}

// notModified answers without content, and without what would only describe it (RFC
// 9110 §15.4.5).
func notModified(r *exchange.Request, e *entry, now time.Time) *exchange.Response {
	resp := r.NewResponse(http.StatusNotModified)
	e.head(resp, now, describesContent)
	return resp
}

func describesContent(name string) bool {
	switch name {
	case "content-type", "content-encoding", "content-language", "content-md5", "content-disposition":
		return true
	}
	return false
}

func (e *entry) unsatisfiable(r *exchange.Request, now time.Time) *exchange.Response {
	resp := r.NewResponse(http.StatusRequestedRangeNotSatisfiable)
	e.head(resp, now, describesContent)
	resp.Header.Append("content-range", "bytes */"+strconv.FormatInt(e.size, 10))
	return resp
}

var errFileGone = errors.New("serve from cache: its file is gone")
