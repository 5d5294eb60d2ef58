package proxywasm

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/wasmhost/guest"
)

// filter is a plugin at one place of the configuration.
type filter struct {
	guests *Guests
	use    *use
}

// guestError is what a guest failed with. What becomes of it is the plugin's on_error.
type guestError struct{ error }

func (e guestError) Unwrap() error { return e.error }

var (
	errReplied  = errors.New("the guest has replied")
	errAborted  = errors.New("the guest has closed the stream")
	errPatience = errors.New("the guest has paused the stream for too long")
	errTooLong  = errors.New("the guest holds more of a body than it may")
	errNoRoot   = errors.New("the guest has no such root context any longer")

	errPseudoField = errors.New("unknown pseudo field")
	errStatus      = errors.New(":status is none of a final response")
	errPath        = errors.New(":path is * with a method that cannot ask for that")
	errMethod      = errors.New(":method is not one that can be asked")
	errScheme      = errors.New(":scheme is neither http nor https")
)

// Handle implements exchange.Filter.
func (f *filter) Handle(r *exchange.Request, next exchange.Handler) (*exchange.Response, error) {
	s, err := f.begin(r)
	if s == nil {
		if mayFail(f.guests.plugin, err) {
			return next.Handle(r)
		}
		return nil, f.failed(r, err)
	}
	if err = s.request(); err == nil || s.spared(err, &s.in) {
		var resp *exchange.Response
		resp, err = s.ask(next)
		if err == nil {
			return f.respond(s, resp)
		}
	}
	r.Method = s.method // by which the protocol frames whatever goes out now
	if err == errReplied {
		return f.respond(s, s.answer())
	}
	s.passOn(&s.in)
	return nil, f.failed(r, err)
}

// respond takes resp through the guest.
func (f *filter) respond(s *stream, resp *exchange.Response) (*exchange.Response, error) {
	err := s.response(resp)
	if err == nil || s.spared(err, &s.out) {
		return resp, nil
	}
	s.passOn(&s.out)
	discard(resp)
	if err == errReplied { // it does not see this one but in logs: it has had its turn
		resp = s.answer()
		s.i.hold()
		s.resp, s.out.header, s.out.trailer = resp, &resp.Header, &resp.Trailer
		s.out.pass()
		s.i.drop()
		return resp, nil
	}
	return nil, f.failed(s.r, err)
}

// mayFail tells whether err is a guest's failure that lets requests pass.
func mayFail(p *guest.Plugin, err error) bool {
	_, failed := err.(guestError)
	return failed && p.Open
}

// spared says that a guest's failure does not count: it may fail, and has changed
// nothing of h, which goes on. It changes nothing later either.
func (s *stream) spared(err error, h *half) bool {
	if !mayFail(s.i.plugin, err) {
		return false
	}
	s.i.hold()
	defer s.i.drop()
	if h.touched {
		return false
	}
	h.pass()
	return true
}

// failed makes the exchange's error of err.
func (f *filter) failed(r *exchange.Request, err error) error { return failed(f.guests.plugin, r, err) }

func failed(p *guest.Plugin, r *exchange.Request, err error) error {
	if failed, ok := err.(guestError); ok {
		return p.Fail(r, failed.error)
	}
	switch err {
	case errAborted:
		r.Record.Plugin, r.Record.Details = p.Name, "wasm_close_stream"
		return fmt.Errorf("%w: %w", err, exchange.ErrClientGone) // nothing is to be sent
	case errReplied: // when the head of another response had gone out
		return p.Fail(r, err)
	}
	return err
}

func (f *filter) take(r *exchange.Request) (*instance, error) {
	if l := f.use.lone; l != nil {
		return l.take(r)
	}
	return f.guests.take(r)
}

// begin finds an instance and makes the stream; the instance is held then. Without a
// stream the error is a guestError, or what waiting ended with.
func (f *filter) begin(r *exchange.Request) (*stream, error) {
	for range 3 { // an instance may end between being chosen and being held
		i, err := f.take(r)
		if errors.Is(err, exchange.ErrClientGone) {
			return nil, err
		}
		if err != nil {
			return nil, guestError{err}
		}
		if err := i.await(r); err != nil {
			f.guests.leave(i)
			return nil, err
		}
		if rt := i.roots[f.use]; rt != nil && !i.closed {
			s := newStream(i, rt, r)
			r.AtEnd(s)
			return s, nil
		}
		i.drop()
		f.guests.leave(i)
	}
	return nil, guestError{errNoRoot}
}

// request takes the request through the guest as far as it has to be before the next
// handler is asked. The instance is held by the caller, and is not afterwards.
func (s *stream) request() error {
	i := s.i
	if _, err := i.enter(&s.guestContext, &s.budget, i.exports.contextCreate, uint64(s.id), uint64(s.root.id)); err != nil {
		i.drop()
		return guestError{err}
	}
	body, err := s.through(&s.in, &i.exports.request, s.r.Body, s.r.Upgrade != "")
	if body != nil {
		s.r.Body = body
		s.r.Header.Del("content-length") // was the other's; who asks further in is told by Len
	}
	return err
}

// response takes the response through the guest as far as it has to be before its head
// may go out.
func (s *stream) response(resp *exchange.Response) error {
	i, h := s.i, &s.out
	i.hold()
	s.resp = resp
	h.header, h.trailer = &resp.Header, &resp.Trailer
	bodiless := s.method == http.MethodHead || resp.Status == http.StatusNoContent ||
		resp.Status == http.StatusNotModified || resp.Tunnel != nil
	if !bodiless {
		h.length = contentLength(resp.Body)
	}
	h.last = bodiless || h.length == 0 && resp.Trailer.Len() == 0
	body, err := s.through(h, &i.exports.response, resp.Body, bodiless)
	switch b := body.(type) {
	case nil:
	case *exchange.Bytes:
		resp.Body.Close() // before SetBytes, which may write to this very body
		resp.SetBytes(b.Rest())
	default:
		resp.Body = body
	}
	if body != nil {
		resp.Header.Del("content-length")
	}
	return err
}

// ask asks the next handler.
func (s *stream) ask(next exchange.Handler) (*exchange.Response, error) {
	resp, err := next.Handle(s.r)
	if s.r.Method != s.method { // the protocol frames the answer by what the client asked
		if s.r.Method == http.MethodHead && resp != nil {
			resp.Header.Del("content-length") // of content that there is not
		}
		s.r.Method = s.method
	}
	c := s.in.content
	if c == nil {
		return resp, err
	}
	s.i.hold()
	late := c.failure
	s.i.drop()
	if late == nil {
		return resp, err
	}
	// What was wrong with the request's body on its way explains whatever next says.
	if resp != nil {
		discard(resp)
	}
	return nil, late
}

// discard closes what a dropped response holds.
func discard(resp *exchange.Response) {
	resp.Body.Close()
	if resp.Tunnel != nil {
		resp.Tunnel.Close()
	}
}
