package exchange

import "slices"

// Handler answers requests. Exactly one of its results is set. A returned
// Response has a Status from 200 to 599, or 101 with a Tunnel where the request asks
// for an Upgrade, and a Body that is not nil; the caller
// closes that Body exactly once, also after an error while sending it.
//
// A handler that may wait (for a socket, a lock, a guest) honours
// [Request.Context]; one that never waits need not ask for it, and costs less.
// Handlers are safe for concurrent use by many exchanges. Once Handle has
// returned, the handler no longer touches the Request's or Response's fields;
// the Body goes on working until it is closed.
type Handler interface {
	Handle(*Request) (*Response, error)
}

// Filter works on the way to a handler and back. It calls next at most once,
// with the same Request, which it may have changed before. The rules for
// results are those of [Handler]; a filter that drops a Response it got from
// next closes its Body.
//
// Filters are safe for concurrent use. What they know of one exchange lives in
// local variables of Handle.
type Filter interface {
	Handle(r *Request, next Handler) (*Response, error)
}

// HandlerFunc makes a Handler of a function.
type HandlerFunc func(*Request) (*Response, error)

// Handle calls f.
func (f HandlerFunc) Handle(r *Request) (*Response, error) { return f(r) }

// FilterFunc makes a Filter of a function.
type FilterFunc func(*Request, Handler) (*Response, error)

// Handle calls f.
func (f FilterFunc) Handle(r *Request, next Handler) (*Response, error) { return f(r, next) }

// Chain puts filters in front of h; the first one sees the request first and
// the response last. It is called when configuration is built, not per request.
func Chain(h Handler, filters ...Filter) Handler {
	for _, filter := range slices.Backward(filters) {
		h = &link{filter, h}
	}
	return h
}

type link struct {
	filter Filter
	next   Handler
}

func (l *link) Handle(r *Request) (*Response, error) { return l.filter.Handle(r, l.next) }
