package proxy

import (
	"errors"
	"io"
	"strings"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// explained is the body of a gRPC response. Where the upstream cuts it short, the
// client is told so by trailers: a reset, which is all that there is otherwise, its
// caller would read of as an internal error, whatever has happened. A status in
// trailers that is not 0 cannot be taken for success. Close tells the edge the cause.
type explained struct {
	exchange.Body
	r       *exchange.Request
	trailer *exchange.Header
	by      time.Time // when the client stops waiting; may be zero
	cause   error     // once the upstream has failed
}

// explain wraps resp's body if there are trailers to explain in.
func explain(r *exchange.Request, c *exchange.Call, resp *exchange.Response) {
	if r.Proto < exchange.HTTP2 || !isGRPC(&r.Header) || !isGRPC(&resp.Header) || resp.Body.Len() >= 0 ||
		strings.HasPrefix(resp.Header.Get("content-type"), grpcType+"-web") { // has its trailers in the body
		return
	}
	b := &explained{Body: resp.Body, r: r, trailer: &resp.Trailer}
	if !c.Deadline.IsZero() {
		b.by = c.Deadline.Add(-grace)
	}
	resp.Body = b
}

// Read implements exchange.Body.
func (b *explained) Read(p []byte) (int, error) {
	if b.cause != nil {
		return 0, io.EOF
	}
	n, err := b.Body.Read(p)
	e, ok := errors.AsType[*exchange.Error](err)
	if !ok || e.Fault != exchange.Upstream {
		return n, err
	}
	b.cause = err
	status, message := grpcUnavailable, "upstream broke off"
	if !b.by.IsZero() && !time.Now().Before(b.by) {
		status, message = grpcDeadline, "deadline passed"
	}
	b.trailer.Reset()
	b.trailer.Append("grpc-status", status)
	b.trailer.Append("grpc-message", message+", incident "+b.r.Record.ID())
	return n, io.EOF
}

// Buffered tells how much Read returns without waiting, as far as the body knows.
func (b *explained) Buffered() int {
	if inner, ok := b.Body.(interface{ Buffered() int }); ok {
		return inner.Buffered()
	}
	return 0
}

// Close implements exchange.Body.
func (b *explained) Close() error {
	err := b.Body.Close()
	if b.cause != nil {
		err, b.cause = b.cause, nil
	}
	return err
}
