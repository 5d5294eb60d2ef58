package exchangetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
)

// Recorder is a Stream that keeps what was sent. It is for the goroutine of its
// exchange.
type Recorder struct {
	Result    // what a client would have got so far
	ctx       context.Context
	watching  exchange.Watching
	responded bool
}

var _ exchange.Stream = (*Recorder)(nil)

// Result is what came of a request.
type Result struct {
	Status  int // 0 if the handler failed with an error that names none
	Header  exchange.Header
	Body    []byte // empty where HTTP sends none: HEAD, 204, 304
	Len     int64  // what the body's Len said before it was read
	Trailer exchange.Header
	Interim []Interim
	Err     error // what the handler failed with, or the cause that cut the body
}

// Interim is a 1xx response.
type Interim struct {
	Status int
	Header exchange.Header
}

// Context implements exchange.Stream.
func (s *Recorder) Context() context.Context { return s.ctx }

// Watch implements exchange.Stream.
func (s *Recorder) Watch(w exchange.Interrupter) { s.watching.Watch(s.ctx, w) }

// Inform implements exchange.Stream.
func (s *Recorder) Inform(status int, h *exchange.Header) error {
	if status < 100 || status > 199 || status == 101 {
		return fmt.Errorf("inform: status %d is not an interim one", status)
	}
	if s.responded {
		return errors.New("inform: the final response has been sent")
	}
	i := Interim{Status: status}
	if h != nil {
		i.Header.CopyFrom(h)
	}
	s.Interim = append(s.Interim, i)
	return nil
}

// Respond implements exchange.Stream.
func (s *Recorder) Respond(r *exchange.Request, resp *exchange.Response) error {
	if s.responded {
		return errors.New("respond: already done")
	}
	s.responded = true
	s.Status, s.Len = resp.Status, resp.Body.Len()
	s.Header.CopyFrom(&resp.Header)
	if bodiless(r, resp) {
		return nil
	}
	s.Body, s.Err = io.ReadAll(resp.Body)
	s.Trailer.CopyFrom(&resp.Trailer)
	r.Record.Status, r.Record.Sent = s.Status, int64(len(s.Body))
	return s.Err
}

// bodiless tells whether HTTP sends no content with resp (RFC 9110 §6.4.1).
func bodiless(r *exchange.Request, resp *exchange.Response) bool {
	return r.Method == "HEAD" || resp.Status == 204 || resp.Status == 304
}

// Do lets h answer r, which NewRequest made, as the edge would: the body is read
// where HTTP would send one, and closed. Breaches of the contract that show on
// the way are errors of t.
func Do(t testing.TB, h exchange.Handler, r *exchange.Request) *Result {
	t.Helper()
	result, breaches := run(h, r, readAll)
	for _, err := range breaches {
		t.Error(err)
	}
	return result
}
