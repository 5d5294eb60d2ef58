package proxywasm

import (
	"io"

	"github.com/weirproxy/weir/edge/exchange"
)

// This file has content as a Body: what whoever sends it sees.

// Read implements exchange.Body.
func (c *content) Read(p []byte) (int, error) {
	for len(c.out) == 0 {
		if c.err != nil {
			return 0, c.err
		}
		if c.unseen && !c.shown {
			n, err := c.src.Read(p)
			if err == exchange.ErrPause && !c.moment.Swap(false) {
				continue // it was meant for us, while the guest still cared
			}
			return n, err
		}
		err := c.step()
		if err == exchange.ErrPause {
			return 0, err
		}
		if c.err = err; err != nil && ours(err) {
			c.fail()
		}
	}
	n := copy(p, c.out)
	c.out = c.out[n:]
	return n, nil
}

// ours tells whether err is the guest's doing, not that of who sends or wants the body.
func ours(err error) bool {
	switch e := err.(type) {
	case guestError:
		return true
	case *exchange.Error:
		return e.Err == errTooLong
	}
	return err == errReplied || err == errAborted
}

// fail sees to an error: where the guest may fail, and has changed nothing, the rest
// goes by without it.
func (c *content) fail() {
	s := c.s
	if s.spared(c.err, c.h) {
		c.err = nil
		c.raw()
		return
	}
	if c.h == &s.out { // nobody else makes an error of it: the head has gone out
		c.err = failed(s.i.plugin, s.r, c.err)
	}
	s.i.hold()
	c.failure = c.err
	s.i.drop()
}

// Len implements exchange.Body: nobody knows what the guest will make of what it is to
// be shown.
func (c *content) Len() int64 {
	switch {
	case !c.unseen || c.h.trailer.Len() > 0:
		return -1
	case c.shown:
		return int64(len(c.out))
	}
	n := c.src.Len()
	if n >= 0 {
		n += int64(len(c.out))
	}
	return n
}

// Buffered says how much Read returns without waiting.
func (c *content) Buffered() int {
	if b, ok := c.src.(interface{ Buffered() int }); ok && c.unseen && len(c.out) == 0 {
		return b.Buffered()
	}
	return len(c.out)
}

// Close implements exchange.Body.
func (c *content) Close() error {
	c.end()
	return c.src.Close()
}

// end has nothing read any longer.
func (c *content) end() {
	if c.err == nil {
		c.err = io.ErrClosedPipe // what is left unread was not its end
	}
	c.out = nil
}

// Interrupt implements exchange.Interrupter. A guest that has paused the stream is not
// interrupted for a moment only.
func (c *content) Interrupt(cause error) {
	if cause == exchange.ErrPause {
		c.moment.Store(true)
	} else {
		c.cause.CompareAndSwap(nil, &cause)
		select {
		case c.h.signal <- struct{}{}:
		default:
		}
	}
	if b, ok := c.src.(exchange.Interrupter); ok {
		b.Interrupt(cause)
	}
}
