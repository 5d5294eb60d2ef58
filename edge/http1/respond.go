package http1

import (
	"errors"
	"fmt"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

var _ exchange.Stream = (*conn)(nil)

var (
	errTwice  = errors.New("respond: a response was sent already")
	errStatus = errors.New("respond: status is not from 200 to 599")
	errInform = errors.New("inform: status is not an interim one")
	errLong   = errors.New("response body longer than announced")
	errShort  = errors.New("response body shorter than announced")
)

// Inform implements exchange.Stream. HTTP/1.0 clients do not know interim
// responses (RFC 9110 §15.2): for them it does nothing.
func (c *conn) Inform(status int, h *exchange.Header) error {
	switch {
	case status < 100 || status > 199 || status == 101:
		return errInform
	case c.responded:
		return errTwice
	case c.work.request.Proto != exchange.HTTP11:
		return nil
	case status == 100:
		c.speak.Lock()
		c.expecting = false
		c.speak.Unlock()
	}
	c.work.out = appendStatus(c.work.out, status)
	if h != nil {
		c.work.out = appendFields(c.work.out, h)
	}
	c.work.out = append(c.work.out, "\r\n"...)
	return c.flush()
}

// Respond implements exchange.Stream.
func (c *conn) Respond(r *exchange.Request, resp *exchange.Response) error {
	switch {
	case c.responded:
		return errTwice
	case resp.Status == 101 && resp.Tunnel != nil:
		return c.switchTo(r, resp)
	case resp.Status < 200 || resp.Status > 599:
		return unsent(errStatus)
	}
	w := c.work
	p := planResponse(r, resp)
	c.speak.Lock()
	c.decide(p, resp.Status)
	c.responded, c.unended, c.headAt = true, true, len(w.out)
	c.speak.Unlock()
	w.out = appendHead(w.out, p, c.connection(r), resp)
	err := c.content(r, resp, p)
	c.unended = false
	if err == nil {
		return nil
	}
	if errors.Is(err, exchange.ErrUnsent) {
		w.out = w.out[:c.headAt]
		c.speak.Lock()
		c.responded = false
		c.speak.Unlock()
		return err
	}
	c.broken = true
	if errors.Is(err, exchange.ErrClientGone) {
		c.cancel(exchange.ErrClientGone)
	}
	return err
}

func unsent(err error) error { return fmt.Errorf("%w: %w", exchange.ErrUnsent, err) }

// decide finds out whether the connection ends with this response, while its head
// can still say so (RFC 9112 §9.6). A success may be told while the request's body is
// still being read; with anything else nobody reads on.
func (c *conn) decide(p plan, status int) {
	b := &c.work.body
	unread := c.expecting
	if c.apart { // how far reading has come is not ours to see, but whether it has ended
		unread = unread || status >= 300 && !c.ended.Load()
	} else {
		much := b.Len() > drainMax && (c.work.request.Record.Received == 0 || status >= 300) || b.Len() < 0 && status >= 400
		unread = !b.finished() && (unread || much || b.err != nil && b.err != errBodyClosed)
	}
	if unread || p.framed == framedClose || c.server.draining.Load() {
		c.closing = true
	}
}

// connection returns the value of the Connection field, or "".
func (c *conn) connection(r *exchange.Request) string {
	switch {
	case c.closing:
		return "close"
	case r.Proto == exchange.HTTP10:
		return "keep-alive"
	}
	return ""
}

// content sends what follows the head, and the head with it.
func (c *conn) content(r *exchange.Request, resp *exchange.Response, p plan) error {
	if p.framed == framedEmpty || resp.Body == exchange.NoBody {
		return c.commit()
	}
	switch body := resp.Body.(type) {
	case *exchange.Bytes:
		return c.bytes(r, body.Rest())
	case *exchange.File:
		return c.fileRange(r, body)
	}
	if c.apart || eager(resp) { // apart: what the client sends next may depend on it
		if err := c.flush(); err != nil {
			return err
		}
	}
	return c.stream(r, resp, p)
}

// eager tells whether the head must not wait for the first bytes of the body.
func eager(resp *exchange.Response) bool {
	if b, ok := resp.Body.(interface{ Buffered() int }); ok {
		return b.Buffered() == 0
	}
	return resp.Body.Len() < 0 && strings.HasPrefix(resp.Header.Get("content-type"), "text/event-stream")
}

// commit ends a response that is complete in memory. While more requests are
// waiting in the buffer it stays there: one write for all.
func (c *conn) commit() error {
	in := &c.work.in
	if !c.apart && in.r < in.w && !c.closing && len(c.work.out) < gatherMax && c.work.body.finished() {
		return nil
	}
	return c.flush()
}

// flush sends what is in memory.
func (c *conn) flush() error {
	if c.work == nil || len(c.work.out) == 0 {
		return nil
	}
	out := c.work.out
	c.work.out, c.headAt = out[:0], -1
	return c.write(out, nil)
}

// write sends a and then b, either of which may be empty, in one system call where
// that can be.
func (c *conn) write(a, b []byte) error {
	if c.broken || !c.enter(phaseWrite) {
		c.broken = true
		return fmt.Errorf("write response: %w", exchange.ErrClientGone)
	}
	err := c.put(a, b)
	if !c.enter(phaseHandle) && err == nil {
		err = errOver
	}
	if err != nil {
		c.broken = true
		return fmt.Errorf("write response: %w: %w", exchange.ErrClientGone, err)
	}
	return nil
}

func (c *conn) put(a, b []byte) (err error) {
	const record = 16 << 10 // RFC 8446 §5.1
	switch {
	case c.tcp != nil && len(b) > 0 && len(a) > 0:
		c.two = [2][]byte{a, b}
		c.vec = c.two[:]
		_, err = c.vec.WriteTo(c.tcp)
		c.two, c.vec = [2][]byte{}, nil
		return err
	case c.out != nil && len(a)+len(b) > record:
		c.out.hold()
		defer func() {
			if e := c.out.flush(); err == nil {
				err = e
			}
		}()
	}
	if len(a) > 0 {
		_, err = c.rw.Write(a)
	}
	if len(b) > 0 && err == nil {
		_, err = c.rw.Write(b)
	}
	return err
}
