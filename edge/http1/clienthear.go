package http1

import (
	"io"

	"github.com/weirproxy/weir/edge/exchange"
)

// hear reads from the request's body. Where that makes wait, it is interrupted as soon
// as the upstream has something to say, or the call is ended: it returns errWoken or
// errEnded then.
func (c *clientConn) hear(p []byte) (int, error) {
	body, ok := c.call.Body.(exchange.Interrupter)
	if !ok || !c.headGone || buffered(c.call.Body) > 0 {
		return c.call.Body.Read(p)
	}
	c.mu.Lock()
	if c.cause != nil {
		c.mu.Unlock()
		return 0, errEnded
	}
	c.feeding = body
	c.arm()
	c.mu.Unlock()
	n, err := c.call.Body.Read(p)
	c.mu.Lock()
	c.feeding = nil
	ended := c.cause != nil
	c.mu.Unlock()
	switch {
	case err == nil, err == io.EOF:
	case ended:
		err = errEnded
	case err == exchange.ErrPause:
		err = errWoken
	}
	return n, err
}

// arm has the lookout notice what comes from the upstream, or has come already. mu is
// held.
func (c *clientConn) arm() {
	switch l := &c.client.transport.lookout; {
	case c.socket.sys == nil || c.armed.Swap(true):
	case c.ear != 0:
		l.again(c.ear, c.socket.sys, speaks)
	default:
		c.ear = l.add(c.socket.sys, speaks, c)
	}
}

// notice implements noticing: the upstream says something, or closes.
func (c *clientConn) notice() {
	c.armed.Store(false) // before the lock: who waits from then on has armed again
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.feeding != nil {
		c.feeding.Interrupt(exchange.ErrPause)
	}
}
