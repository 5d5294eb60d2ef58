package nethttp

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// body is a request's content. It counts, keeps the client to the length it
// announced (security P1, Q8) and to the minimum rate, and hands trailers over.
type body struct {
	st       *stream
	left     int64   // -1 when not announced
	quiet    bool    // it may make wait: a gRPC client sends when there is something to say
	err      error   // sticky
	ahead    [1]byte // read ahead, if held says so
	held     bool
	unwanted atomic.Pointer[error] // why nobody reads on, where Interrupt said so
}

func (st *stream) readBody() {
	announced, said := st.r.ContentLength, st.req.Header.Has("content-length")
	if st.r.Body == nil || st.r.Body == http.NoBody || announced == 0 && !said && st.req.Proto == exchange.HTTP2 {
		return // an HTTP/2 stream that ended with its header
	}
	if !said {
		announced = -1
	}
	st.body = body{st: st, left: announced, quiet: exchange.GRPC(&st.req.Header)}
	if !said && st.req.Proto == exchange.HTTP3 && !takesBody(st.req.Method) && st.body.ended() {
		return
	}
	st.req.Body = &st.body
}

// ended waits for the first byte or the end of a body that is probably none. The head
// of an HTTP/3 request does not tell, and without knowing, each GET would have to be
// passed on in chunks, never be sent again, and pass by the cache.
func (b *body) ended() bool {
	for b.err == nil && !b.held {
		n, _ := b.Read(b.ahead[:])
		b.held = n > 0
	}
	return b.err == io.EOF && !b.held
}

// Read implements exchange.Body.
func (b *body) Read(p []byte) (int, error) {
	if b.held && len(p) > 0 {
		p[0], b.held = b.ahead[0], false
		return 1, nil
	}
	if b.err != nil {
		return 0, b.err
	}
	st := b.st
	if !b.quiet {
		st.enter(phaseRead)
	}
	n, err := st.r.Body.Read(p)
	st.leave(n)
	st.req.Record.Received += int64(n)
	if b.left >= 0 {
		if b.left -= int64(n); b.left < 0 {
			n, err = 0, errLong
		}
	}
	if err == io.EOF {
		err = b.finish()
	}
	if err != nil {
		b.err = blame(err)
		if cause := b.unwanted.Load(); cause != nil && err != io.EOF {
			b.err = *cause
		}
	}
	return n, b.err
}

// Interrupt implements exchange.Interrupter: a Read that waits ends, as an upstream
// has answered that does not want the rest. The stream itself goes on, with the answer.
// Reading could not, so it is not interrupted for a moment only.
func (b *body) Interrupt(cause error) {
	if cause == exchange.ErrPause {
		return
	}
	b.unwanted.Store(&cause)
	http.NewResponseController(b.st.w).SetReadDeadline(time.Unix(1, 0))
}

// blame says whose fault it is that a body did not come: the libraries' errors do not.
func blame(err error) error {
	var known *exchange.Error
	switch {
	case err == io.EOF, errors.As(err, &known):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded): // the watch ended the wait
		return errSlowBody
	case errors.Is(err, io.ErrUnexpectedEOF): // HTTP/3: the stream ended too early
		return errShort
	}
	return fmt.Errorf("%w: %w", exchange.ErrClientGone, err)
}

// finish decides whether the end of the stream is the end of the body.
func (b *body) finish() error {
	if b.left > 0 {
		return errShort
	}
	for key, values := range b.st.r.Trailer {
		name := lowerName(key)
		keep, forbidden := exchange.TrailerFate(name)
		switch {
		case forbidden:
			return errForbiddenEnd
		case !keep:
			continue
		}
		for _, v := range values {
			if err := b.st.req.Trailer.Add(name, v); err != nil {
				return &exchange.Error{Fault: exchange.Client, Status: http.StatusBadRequest, Err: err}
			}
		}
	}
	return io.EOF
}

// Len implements exchange.Body.
func (b *body) Len() int64 { return b.left }

// Close implements exchange.Body. The libraries discard what is left when the
// stream ends.
func (b *body) Close() error {
	if b.err == nil {
		b.err = io.ErrClosedPipe
	}
	return nil
}
