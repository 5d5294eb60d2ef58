package static

import (
	"net/http"
	"strconv"

	"github.com/weirproxy/weir/edge/exchange"
)

var errPrecondition error = &exchange.Error{Fault: exchange.Client, Status: http.StatusPreconditionFailed}

// answer makes the response of a file, and takes over the reference to e.
func (h *Handler) answer(r *exchange.Request, e *entry) (*exchange.Response, error) {
	var w wishes
	w.read(&r.Header)
	f := e.choose(w.acceptEncoding)
	switch w.verdict(f) {
	case failed:
		e.drop()
		return nil, errPrecondition
	case unmodified:
		e.drop()
		resp := r.NewResponse(http.StatusNotModified)
		for i := range f.brief {
			resp.Header.Append(f.brief[i].Name, f.brief[i].Value)
		}
		return resp, nil
	}
	if w.ranges != "" && r.Method == "GET" && f.etag != "" && w.rangeHolds(f) {
		var all [maxRanges]span
		switch list, ok := parseRange(all[:0], w.ranges, f.size); {
		case !ok: // the whole
		case len(list) == 0:
			e.drop()
			return nil, unsatisfiable(f.size)
		case len(list) == 1:
			return e.part(r, f, list[0]), nil
		default:
			return e.parts(r, f, list), nil
		}
	}
	resp := r.NewResponse(http.StatusOK)
	for i := range f.fields {
		resp.Header.Append(f.fields[i].Name, f.fields[i].Value)
	}
	e.give(r, resp, f, span{0, f.size})
	return resp, nil
}

// give makes a part of f the body, and passes the reference to e on to it.
func (e *entry) give(r *exchange.Request, resp *exchange.Response, f *form, s span) {
	if f.content == nil || f.file != nil && r.Conn.TLS == nil {
		if r.Conn.TLS != nil && f.size <= mediumFile && !e.tls.Load() {
			e.tls.Store(true) // the next look at the disk reads it
		}
		resp.SetFile(exchange.File{F: f.file, Off: s.off, N: s.n, Release: e.release})
		return
	}
	e.drop()
	resp.SetBytes(f.content[s.off : s.off+s.n])
}

// part answers with one range.
func (e *entry) part(r *exchange.Request, f *form, s span) *exchange.Response {
	resp := r.NewResponse(http.StatusPartialContent)
	for i := range f.fields {
		resp.Header.Append(f.fields[i].Name, f.fields[i].Value)
	}
	resp.Header.Append("content-range", s.contentRange(f.size))
	e.give(r, resp, f, s)
	return resp
}

func unsatisfiable(size int64) error {
	return &exchange.Error{Fault: exchange.Client, Status: http.StatusRequestedRangeNotSatisfiable,
		Fields: []exchange.Field{{Name: "content-range", Value: "bytes */" + strconv.FormatInt(size, 10)}}}
}
