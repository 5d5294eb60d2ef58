package access

import (
	"errors"
	"net/http"

	"github.com/weirproxy/weir/edge/exchange"
)

// MaxBody is a filter that refuses request bodies that are too long, with 413: at
// once where the length is announced, else as soon as one byte too many has been
// read. It is safe for concurrent use.
type MaxBody struct{ limit int64 }

var _ exchange.Filter = MaxBody{}

// NewMaxBody returns a filter that lets bodies of up to limit bytes pass; 0 lets
// none pass but empty ones.
func NewMaxBody(limit int64) MaxBody { return MaxBody{max(limit, 0)} }

var errTooLarge = &exchange.Error{Fault: exchange.Client, Status: http.StatusRequestEntityTooLarge, Err: errors.New("request body over the limit")}

// Handle implements exchange.Filter.
func (m MaxBody) Handle(r *exchange.Request, next exchange.Handler) (*exchange.Response, error) {
	switch n := r.Body.Len(); {
	case n > m.limit:
		return nil, errTooLarge
	case n < 0: // protocols hold a body to the length that it announced
		r.Body = &limited{Body: r.Body, left: m.limit}
	}
	return next.Handle(r)
}

type limited struct {
	exchange.Body
	left int64 // below 0: too much has been read
}

// Read never gives out a byte beyond the limit.
func (l *limited) Read(p []byte) (int, error) {
	if l.left < 0 {
		return 0, errTooLarge
	}
	n, err := l.Body.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return n + int(l.left), errTooLarge
	}
	return n, err
}

// Interrupt implements exchange.Interrupter, if the body behind does.
func (l *limited) Interrupt(cause error) {
	if waiting, ok := l.Body.(exchange.Interrupter); ok {
		waiting.Interrupt(cause)
	}
}
