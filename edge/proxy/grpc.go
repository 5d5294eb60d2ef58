package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

const grpcType = "application/grpc"

// isGRPC tells whether a message is gRPC, by its media type or one of its variants:
// application/grpc+proto, application/grpc-web.
func isGRPC(h *exchange.Header) bool {
	rest, ok := strings.CutPrefix(h.Get("content-type"), grpcType)
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';' || rest[0] == '-')
}

// grace is how much later than the client a call is given up. A client ends its call
// at the deadline itself; were weir to reset the stream in that moment, its caller
// would read of an internal error instead.
const grace = time.Second

// deadlineOf returns when a gRPC client has stopped waiting, by its grpc-timeout: then
// the upstream need not work on either, whether or not the client said so.
func deadlineOf(r *exchange.Request) time.Time {
	timeout, ok := parseTimeout(r.Header.Get("grpc-timeout"))
	if !ok {
		return time.Time{}
	}
	return time.Now().Add(timeout + grace)
}

// parseTimeout reads 1*8DIGIT and a unit, as gRPC's protocol over HTTP/2 has it.
func parseTimeout(s string) (time.Duration, bool) {
	if len(s) < 2 || len(s) > 9 {
		return 0, false
	}
	digits := s[:len(s)-1]
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return 0, false
	}
	var unit time.Duration
	switch s[len(s)-1] {
	case 'H':
		unit = time.Hour
	case 'M':
		unit = time.Minute
	case 'S':
		unit = time.Second
	case 'm':
		unit = time.Millisecond
	case 'u':
		unit = time.Microsecond
	case 'n':
		unit = time.Nanosecond
	default:
		return 0, false
	}
	const most = 1 << 16 * time.Hour // so that the product is a Duration
	return time.Duration(min(n, uint64(most/unit))) * unit, true
}

// Statuses of gRPC, by its list of codes.
const (
	grpcDeadline    = "4"
	grpcUnavailable = "14"
)

// grpcFailure answers a gRPC client as gRPC has it, where an upstream was at fault: a
// response that consists of its trailers alone. The log gets the cause all the same.
func grpcFailure(r *exchange.Request, cause error) (*exchange.Response, error) {
	e, ok := errors.AsType[*exchange.Error](cause)
	if !ok || e.Fault != exchange.Upstream {
		return nil, cause
	}
	status, message := grpcUnavailable, "upstream unavailable"
	switch {
	case e.Status == http.StatusGatewayTimeout || e.Status == 0 && errors.Is(cause, context.DeadlineExceeded):
		status, message = grpcDeadline, "upstream took too long"
	case e.Status != 0 && (e.Status < 500 || e.Status > 504):
		return nil, cause
	}
	resp := r.NewResponse(http.StatusOK)
	resp.Header.Append("content-type", grpcType)
	resp.Header.Append("grpc-status", status)
	resp.Header.Append("grpc-message", message+", incident "+r.Record.ID())
	resp.Header.Append("x-request-id", r.Record.ID())
	resp.Body = &failed{cause: cause}
	return resp, nil
}

// failed is an empty body whose Close tells the edge what went wrong.
type failed struct{ cause error }

func (b *failed) Read([]byte) (int, error) { return 0, io.EOF }
func (b *failed) Len() int64               { return 0 }

func (b *failed) Close() error {
	cause := b.cause
	b.cause = nil
	return cause
}
