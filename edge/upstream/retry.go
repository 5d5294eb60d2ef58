package upstream

import (
	"errors"

	"github.com/weirproxy/weir/edge/exchange"
)

// repeat is how a call may be sent again.
type repeat uint8

const (
	no     repeat = iota
	unsent        // to another endpoint: no connection could be made, so it was not sent
	other         // to another endpoint
	fresh         // to the same endpoint over a new connection
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
	case err != nil && !t.Written && !a.again && c.Body.Len() != a.length:
		return no // what was read of the body is lost
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
		// Refused before it was processed (RFC 9113 §8.7), or never sent. Of a body
		// without a length nobody knows whether it is whole.
		if a.again || a.length >= 0 {
			return fresh
		}
	case t.Answered || !a.again || !idempotent(c.Method) || c.Upgrade != "":
	case t.Reused && !isTimeout(err):
		return fresh
	default:
		return other
	}
	return no
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
