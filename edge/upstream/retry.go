package upstream

import (
	"errors"
	"slices"

	"github.com/weirproxy/weir/edge/exchange"
)

// repeat is how a call may be sent again.
type repeat uint8

const (
	no     repeat = iota
	unsent        // to another endpoint: no connection could be made, so it was not sent
	other         // to another endpoint
	fresh         // over a new connection, for the one before was used and had been closed
)

// repeatable decides about another attempt after one that ended with err, or with an
// answer whose status is tried again. What may have reached an endpoint is sent once
// more only if doing so twice is as good as once (RFC 9110 §9.2.2), if the body is
// still there, and if nothing of an answer has come.
func (p *Pool) repeatable(c *exchange.Call, a *asking, err error) repeat {
	t := &c.Attempt
	switch {
	case err != nil && !blames(err):
		return no // the caller has gone, or its body failed
	case err != nil && !t.Written && !a.again && lost(c.Body, a.length):
		return no
	case err != nil && !t.Written && !t.Reused:
		return unsent
	}
	if a.sent++; a.sent >= p.settings.Retry.Attempts {
		return no
	}
	switch {
	case err == nil:
		if a.again && idempotent(c.Method) && c.Upgrade == "" {
			return other
		}
	case !t.Written:
		return fresh // refused before it was processed (RFC 9113 §8.7), or never sent
	case t.Answered || !a.again || !idempotent(c.Method) || c.Upgrade != "":
	case t.Reused && !isTimeout(err):
		return fresh
	default:
		return other
	}
	return no
}

// another returns the endpoint for the next attempt after one at e, with a place taken
// there if it is not e; nil if there is none. One that closes a connection may be about
// to close them all, and its door before the rest: so an equal one is the better choice
// for a new connection, but not one that stands by, nor for calls that belong to this one.
func (p *Pool) another(e *endpoint, a *asking, how repeat) *endpoint {
	if how == fresh && (p.policy == byFirst || a.keyed || a.sticky == e.id && e.id != "") {
		return e
	}
	s, other := p.fresh(p.now()), (*endpoint)(nil)
	if a.try(e) {
		other = p.grab(s, &a.query)
	}
	switch {
	case how != fresh:
		return other
	case other == nil:
		return e
	case !slices.Contains(s.able[:s.first], other):
		other.leave()
		return e
	}
	return other
}

// lost tells whether something was read of a body that had that length, or none that
// is known, for an attempt that did not send it: what is left must not look whole.
func lost(b exchange.Body, length int64) bool {
	if b, ok := b.(*begun); ok {
		return b.read
	}
	return b.Len() != length
}

// begun is a body of unknown length that says whether it has been read from.
type begun struct {
	exchange.Body
	read bool
}

func (b *begun) Read(p []byte) (int, error) {
	b.read = true
	return b.Body.Read(p)
}

// Buffered returns -1 where the body cannot tell.
func (b *begun) Buffered() int {
	if body, ok := b.Body.(interface{ Buffered() int }); ok {
		return body.Buffered()
	}
	return -1
}

// Interrupt implements exchange.Interrupter, for bodies that wait for a peer.
func (b *begun) Interrupt(cause error) {
	if body, ok := b.Body.(exchange.Interrupter); ok {
		body.Interrupt(cause)
	}
}

// idempotent tells whether doing it twice is as good as once (RFC 9110 §9.2.2).
func idempotent(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[*exchange.Error](err)
	return ok && e.Status == 504
}
