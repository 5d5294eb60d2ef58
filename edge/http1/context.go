package http1

import (
	"context"

	"github.com/weirproxy/weir/edge/exchange"
)

// lifetime is the context of an exchange that was asked for one, and who watches its
// client; guarded by conn.mu.
type lifetime struct {
	ctx     context.Context
	end     context.CancelCauseFunc
	watcher exchange.Interrupter
	serial  uint64 // in server.departures; 0 if it is not there
	left    bool   // the client has closed its connection, or its sending half
}

// Watch implements exchange.Stream.
func (c *conn) Watch(w exchange.Interrupter) {
	if w != nil {
		c.prepareToWait()
	}
	c.mu.Lock()
	c.watcher = w
	c.mu.Unlock()
	if w != nil {
		c.catchUp()
	}
}

// Context implements exchange.Stream.
func (c *conn) Context() context.Context {
	c.mu.Lock()
	ctx := c.ctx
	c.mu.Unlock()
	if ctx != nil {
		return ctx
	}
	c.prepareToWait()
	ctx, end := context.WithCancelCause(context.Background())
	c.mu.Lock()
	c.ctx, c.end = ctx, end
	c.mu.Unlock()
	c.catchUp()
	return ctx
}

// prepareToWait is for who asks about the client, and so may be about to wait:
// responses to earlier requests are not held back any longer, and the client is
// watched from now on.
func (c *conn) prepareToWait() {
	if !c.responded {
		c.flush() // an error shows when this exchange's response is sent
	}
	if c.sys == nil || c.serial != 0 { // only this goroutine sets it
		return
	}
	serial := c.server.departures.add(c.sys, departs, c)
	c.mu.Lock()
	c.serial = serial
	c.mu.Unlock()
}

// catchUp tells who has just begun to watch what happened before.
func (c *conn) catchUp() {
	c.mu.Lock()
	left := c.left
	c.mu.Unlock()
	if p, _ := c.doing(); p == phaseCut {
		c.cancel(errServerClosed)
	} else if left {
		c.cancel(exchange.ErrClientGone)
	}
}

// noticing is told of what a lookout sees. It must not block.
type noticing interface{ notice() }

// notice notes that the client has left. An exchange that waits is told so; one that
// does not ask goes on, since a client may close its sending half and still read; and
// a tunnel has ends of its own.
func (c *conn) notice() {
	c.mu.Lock()
	c.left = true
	c.mu.Unlock()
	if p, _ := c.doing(); p != phaseTunnel {
		c.cancel(exchange.ErrClientGone)
	}
}

// cancel ends the context, if there is one, with a cause; nil means that the
// exchange is over. Only then is the context forgotten.
func (c *conn) cancel(cause error) {
	c.mu.Lock()
	end := c.end
	if w := c.watcher; w != nil && cause != nil {
		w.Interrupt(cause) // under the lock, so that Watch(nil) waits for it
	}
	if c.watcher = nil; cause == nil {
		c.ctx, c.end = nil, nil
	}
	c.mu.Unlock()
	if end != nil {
		end(cause)
	}
}
