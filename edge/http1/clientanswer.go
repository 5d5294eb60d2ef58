package http1

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// maxInterims bounds interim responses: an upstream must not keep a call busy for ever.
const maxInterims = 32

var (
	errInterims = errors.New("too many interim responses")
	errSwitch   = errors.New("upstream switched protocols unasked")
	errCut      = errors.New("connection closed without an answer")
)

// awaitHead waits for the head of the final response.
func (c *clientConn) awaitHead() error {
	if !c.await(callHead) {
		return c.fault("read response", errEnded)
	}
	for {
		done, err := c.heads()
		if err != nil {
			return err
		}
		if done {
			c.enter(callBusy)
			return nil
		}
		if err := c.work.in.fill(); err != nil {
			if err == io.EOF && c.seen == 0 {
				err = errCut
			}
			return c.fault("read response", cut(err))
		}
	}
}

// heads reads the heads that are in the buffer. It tells whether the final one has
// been among them.
func (c *clientConn) heads() (done bool, err error) {
	w := c.work
	for {
		b := w.in.rest()
		if len(b) == c.seen {
			return false, nil
		}
		if err := foreign(b); err != nil {
			return false, upstreamFault("read response", err)
		}
		if !complete(b, c.seen) {
			if bad := refusePart(b, c.seen, &c.client.options.Limits); bad != nil {
				return false, c.refuse(bad)
			}
			c.seen = len(b)
			return false, nil
		}
		line, end, bad := w.head.parseResponse(b, c.call.Method, &c.client.options.Limits, &c.resp.Header)
		if bad != nil {
			return false, c.refuse(bad)
		}
		w.in.skip(end)
		c.seen = 0
		switch {
		case line.status == 101:
			return true, c.switched()
		case line.status >= 200:
			c.final(line)
			return true, nil
		}
		if err := c.interim(line.status); err != nil {
			return false, err
		}
	}
}

// foreign says what b, which is not empty, is the beginning of, if not of a response
// in HTTP/1: who waited for the end of such a head would learn nothing but that time
// has run out.
func foreign(b []byte) error {
	const name = "HTTP/1."
	switch n := min(len(b), len(name)); {
	case string(b[:n]) == name[:n]:
		return nil
	case len(b) > 1 && (b[0] == 0x15 || b[0] == 0x16) && b[1] == 3:
		return errForeignTLS
	case len(b) > 3 && b[0] == 0 && b[1] == 0 && b[3] == 4: // RFC 9113 §3.4: SETTINGS come first
		return errForeignHTTP2
	}
	return fmt.Errorf("answer is no HTTP/1: it begins with %q", b[:min(len(b), 16)])
}

var (
	errForeignTLS   = errors.New("answer is TLS, as of an https:// endpoint")
	errForeignHTTP2 = errors.New("answer is HTTP/2, as of an h2c:// endpoint")
)

// refuse says what is wrong with a response.
func (c *clientConn) refuse(bad *refusal) error {
	return upstreamFault("read response", &bad.err)
}

// interim hands an interim response on. 100 is for us alone: the client is told to
// continue when its body is read.
func (c *clientConn) interim(status int) error {
	if c.interims++; c.interims > maxInterims {
		return upstreamFault("read response", errInterims)
	}
	if status != 100 && c.caller != nil {
		// Whether the client still takes it will show when the response is sent.
		_ = c.caller.Inform(status, &c.resp.Header)
	}
	c.resp.Header.Reset()
	return nil
}

// switched checks a 101: it is believed only where it was asked for, by that name, and
// after the whole request (RFC 9110 §7.8).
func (c *clientConn) switched() error {
	h, n := &c.resp.Header, 0
	for range h.Values("upgrade") {
		n++
	}
	if c.call.Upgrade == "" || n != 1 || !strings.EqualFold(h.Get("upgrade"), c.call.Upgrade) || !asksForUpgrade(h) ||
		c.sending {
		return upstreamFault("read response", errSwitch)
	}
	c.resp.Status, c.isTunnel = 101, true
	return nil
}

// final takes the head of the final response over.
func (c *clientConn) final(line responseHead) {
	f := &c.work.head.framing
	c.resp.Status = line.status
	c.keep = !f.closes && (line.minor == '1' || f.keepAlive)
	c.waiting = callBody
	c.work.body.start(f)
	if f.length < 0 && !f.chunked {
		c.work.body.startToEnd()
		c.keep = false
	}
}

// deliver gives the caller what follows the head.
func (c *clientConn) deliver() {
	resp := c.resp
	switch {
	case c.isTunnel:
		resp.Body = exchange.NoBody
		resp.Tunnel = c.tunnel()
	case c.work.body.finished():
		resp.Body = exchange.NoBody
		c.finish()
	default:
		c.quiet = c.quiet || c.work.body.Len() < 0 && exchange.Quiet(&resp.Header)
		resp.Body = &answer{c: c}
	}
}

// answer is the body of a response. It lets go of its connection as soon as that can
// be used again, so whoever keeps the answer longer does no harm.
type answer struct {
	c   *clientConn // nil when it is over
	err error       // what Read returns then
}

// Read implements exchange.Body.
func (a *answer) Read(p []byte) (int, error) {
	c := a.c
	if c == nil {
		return 0, a.err
	}
	n, err := c.read(p)
	switch {
	case err == nil:
	case err == io.EOF:
		a.c, a.err = nil, io.EOF
		c.finish()
	default:
		if a.c = nil; isBodyFault(err) {
			a.err = errors.Unwrap(err)
		} else {
			a.err = c.fault("read response body", err)
		}
		c.abort()
		err = a.err
	}
	return n, err
}

// read reads content. While the request is not sent altogether, it sends on wherever
// reading would have to wait.
func (c *clientConn) read(p []byte) (int, error) {
	for c.sending && !c.broken {
		n, err := c.readStill(p)
		if n > 0 || err != errStill {
			return n, err
		}
		switch err := c.feed(); {
		case err == nil, err == errWoken:
		case isBodyFault(err):
			return 0, err
		default:
			c.broken = true // the answer may be complete all the same
		}
	}
	return c.work.body.Read(p)
}

// readStill reads content without waiting; errStill where there is none.
func (c *clientConn) readStill(p []byte) (int, error) {
	c.still = true
	n, err := c.work.body.Read(p)
	c.still = false
	return n, err
}

// Len implements exchange.Body.
func (a *answer) Len() int64 {
	if a.c == nil {
		return 0
	}
	return a.c.work.body.Len()
}

// Buffered returns how much can be read without waiting.
func (a *answer) Buffered() int {
	if a.c == nil {
		return 0
	}
	return a.c.work.body.Buffered()
}

// Close implements exchange.Body. What is left is read only where it has come already.
func (a *answer) Close() error {
	c := a.c
	if c == nil {
		return nil
	}
	a.c, a.err = nil, errAnswerClosed
	if !c.sending && !c.broken && c.keep && c.work.body.Len() <= drainMax {
		p := c.client.transport.pieces.Get().(*[]byte)
		defer c.client.transport.pieces.Put(p)
		for n := 0; n <= drainMax; {
			got, err := c.readStill(*p)
			if n += got; err == io.EOF {
				c.finish()
				return nil
			} else if err != nil {
				break
			}
		}
	}
	c.abort()
	return nil
}

var errAnswerClosed = errors.New("read response body: closed")
