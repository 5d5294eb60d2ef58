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
}

// Watch implements exchange.Stream.
func (c *conn) Watch(w exchange.Interrupter) {
	if w != nil && !c.responded {
		c.flush() // who watches is about to wait
	}
	c.mu.Lock()
	c.watcher = w
	c.mu.Unlock()
	if p, _ := c.doing(); w != nil && p == phaseCut {
		c.cancel(errServerClosed)
	}
}

// Context implements exchange.Stream. Who asks for it may be about to wait, so
// responses to earlier requests are not held back any longer.
func (c *conn) Context() context.Context {
	c.mu.Lock()
	ctx := c.ctx
	c.mu.Unlock()
	if ctx != nil {
		return ctx
	}
	if !c.responded {
		c.flush() // an error shows when this exchange's response is sent
	}
	ctx, end := context.WithCancelCause(context.Background())
	c.mu.Lock()
	c.ctx, c.end = ctx, end
	c.mu.Unlock()
	if p, _ := c.doing(); p == phaseCut {
		c.cancel(errServerClosed)
	}
	return ctx
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
