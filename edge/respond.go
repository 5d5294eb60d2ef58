package edge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"

	"github.com/weirproxy/weir/edge/exchange"
)

// This file is the only writer of responses, and the only table from errors to
// statuses.

// statusGone is logged when the client went away; nothing is sent.
const statusGone = 499

// statusOf says which status an error deserves.
//
//	*exchange.Error with a Status    that
//	fault of the client              400
//	fault of an upstream             502, or 504 for a deadline
//	fault of a plugin, or none       500
//	client went away                 499, in the log only
func statusOf(err error) (int, *exchange.Error) {
	var e *exchange.Error
	switch {
	case errors.As(err, &e):
	case errors.Is(err, exchange.ErrClientGone), errors.Is(err, context.Canceled):
		return statusGone, nil
	default:
		return http.StatusInternalServerError, nil
	}
	switch {
	case e.Status != 0:
		return e.Status, e
	case e.Fault == exchange.Client:
		return http.StatusBadRequest, e
	case e.Fault == exchange.Upstream && errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout, e
	case e.Fault == exchange.Upstream:
		return http.StatusBadGateway, e
	}
	return http.StatusInternalServerError, e
}

// faultOf says whose fault it is that a response was cut. A response that was not cut
// is nobody's.
func faultOf(err error) exchange.Fault {
	if err == nil {
		return exchange.Internal
	}
	var e *exchange.Error // allocated: errors.As takes its address
	switch {
	case errors.Is(err, exchange.ErrClientGone):
		return exchange.Client
	case errors.As(err, &e):
		return e.Fault
	case errors.Is(err, context.Canceled): // the stream's: HTTP/2 and HTTP/3 say no more
		return exchange.Client
	}
	return exchange.Internal
}

// StatusOf returns the status that the edge answers an error with.
func StatusOf(err error) int {
	status, _ := statusOf(err)
	return status
}

// respond sends resp, or the page of err, and completes the record. A response of
// which nothing could be sent becomes a page, too. Bodies are closed exactly once.
func (s *Server) respond(snap *Snapshot, rt *Route, r *exchange.Request, resp *exchange.Response, err error) {
	if err == nil {
		err = check(resp)
	}
	switch {
	case err == nil:
		if err = s.send(snap, r, resp); !errors.Is(err, exchange.ErrUnsent) {
			r.Record.Err, r.Record.Fault = err, faultOf(err)
			return
		}
	case resp != nil && resp.Body != nil:
		closeBody(resp.Body)
	}
	if resp != nil && resp.Tunnel != nil {
		resp.Tunnel.Close()
	}
	r.Record.Err = err
	if resp = s.errorResponse(snap, rt, r, err); resp == nil {
		r.Record.Status = statusGone
		return
	}
	s.send(snap, r, resp) // what goes wrong now matters less than err
}

// check holds handlers to their contract: better a 500 in the log than a broken
// message on the wire.
func check(resp *exchange.Response) error {
	switch {
	case resp == nil:
		return errors.New("handler returned neither response nor error")
	case resp.Body == nil:
		return errors.New("handler returned a response without a body")
	case resp.Status == http.StatusSwitchingProtocols && resp.Tunnel != nil:
	case resp.Status < 200 || resp.Status > 599 || resp.Tunnel != nil:
		return fmt.Errorf("handler returned status %d", resp.Status)
	}
	return nil
}

// send sends resp and closes its body.
func (s *Server) send(snap *Snapshot, r *exchange.Request, resp *exchange.Response) error {
	r.Record.Status = resp.Status
	s.addFields(snap, r, resp)
	err := stream(r, resp)
	if e := closeBody(resp.Body); err == nil {
		err = e
	}
	return err
}

// stream turns a panicking body into an error. The protocols take a Respond that
// did not return as a message cut short, and end the stream.
func stream(r *exchange.Request, resp *exchange.Response) (err error) {
	defer recovered(&err)
	return r.Stream().Respond(r, resp)
}

func closeBody(b exchange.Body) (err error) {
	defer recovered(&err)
	return b.Close()
}

func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
	}
}

// addFields completes what every response has.
func (s *Server) addFields(snap *Snapshot, r *exchange.Request, resp *exchange.Response) {
	h := &resp.Header
	if !h.Has("date") {
		h.Append("date", s.date(r.Record.Start))
	}
	if snap.ServerField != "" && !h.Has("server") {
		h.Append("server", snap.ServerField)
	}
	if r.Conn.AltSvc != "" && r.Proto != exchange.HTTP3 && !h.Has("alt-svc") {
		h.Append("alt-svc", r.Conn.AltSvc)
	}
}

// errorResponse makes the page of err, or nil when nobody is there to read it.
func (s *Server) errorResponse(snap *Snapshot, rt *Route, r *exchange.Request, err error) *exchange.Response {
	status, e := statusOf(err)
	if status == statusGone {
		r.Record.Fault = exchange.Client
		return nil
	}
	if e != nil {
		r.Record.Fault = e.Fault
	}
	resp := customPage(snap, rt, r, status)
	if resp == nil {
		resp = standardPage(r, status, e)
	}
	if e != nil {
		for _, f := range e.Fields {
			resp.Header.Add(f.Name, f.Value)
		}
	}
	resp.Header.Set("x-request-id", r.Record.ID())
	if !resp.Header.Has("cache-control") {
		resp.Header.Append("cache-control", "no-store") // the incident id is this request's
	}
	return resp
}

func (p *ErrorPage) ask(r *exchange.Request, status int) (resp *exchange.Response, err error) {
	defer recovered(&err)
	return p.Page(r, status)
}

func customPage(snap *Snapshot, rt *Route, r *exchange.Request, status int) *exchange.Response {
	var own []ErrorPage
	if rt != nil {
		own = rt.Errors
	}
	for _, pages := range [2][]ErrorPage{own, snap.Errors} {
		for _, p := range pages {
			if status < p.From || status > p.To {
				continue
			}
			resp, err := p.ask(r, status)
			if err != nil || check(resp) != nil {
				continue
			}
			if resp.Status < 300 || resp.Status > 399 {
				resp.Status = status
			}
			return resp
		}
	}
	return nil
}

// standardPage is weir's own, in the form that the client asks for: HTML for
// browsers, problem+json (RFC 9457) for programs, text for curl.
func standardPage(r *exchange.Request, status int, e *exchange.Error) *exchange.Response {
	title, slug := http.StatusText(status), ""
	if e != nil {
		slug = e.Type
		if e.Title != "" {
			title = e.Title
		}
	}
	if title == "" {
		title = "Error " + strconv.Itoa(status)
	}
	resp := r.NewResponse(status)
	accept := r.Header.Joined("accept")
	if accept == "" {
		accept = "*/*"
	}
	id := r.Record.ID()
	var body []byte
	if accept == "*/*" { // curl, fetch: anything, so what a terminal shows best
		accept = "text/plain"
	}
	switch exchange.PreferMedia(accept, "application/problem+json", "application/json", "text/html", "text/plain") {
	case "text/html":
		resp.Header.Append("content-type", "text/html; charset=utf-8")
		resp.Header.Append("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'")
		body = htmlPage(status, title, id)
	case "application/problem+json", "application/json":
		resp.Header.Append("content-type", "application/problem+json")
		body = jsonPage(status, title, slug, id)
	default:
		resp.Header.Append("content-type", "text/plain; charset=utf-8")
		body = textPage(status, title, id)
	}
	resp.Header.Append("vary", "Accept")
	resp.Header.Append("x-content-type-options", "nosniff")
	resp.SetBytes(body)
	return resp
}
