package http1

import (
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// exchange sends the request and reads the head of the answer. It returns errSpoken,
// with nothing sent, where the upstream has said something already.
func (c *clientConn) exchange() error {
	answered, err := false, error(nil)
	if c.last && c.turns() {
		answered, err = c.turn()
	}
	if err == nil && c.sending && !answered {
		answered, err = c.request()
	}
	if err == nil && !answered {
		err = c.awaitHead()
	}
	return err
}

var errSpoken = errors.New("upstream has sent something unasked")

// turns tells whether a request can leave in a turn with the wait for its answer.
func (c *clientConn) turns() bool { return canTurn && c.wire == nil && c.socket.sys != nil }

// turn sends a request that is whole, and waits for the beginning of its answer. What
// could not be sent at once is left for request.
func (c *clientConn) turn() (answered bool, err error) {
	if !c.await(callHead) {
		return false, c.fault("send request", errEnded)
	}
	w := c.work
	sent, got, err := w.turn.take(c.socket.sys, w.out, w.in.room())
	c.call.Attempt.Written = sent > 0
	switch {
	case w.turn.spoken:
		return false, errSpoken
	case sent < len(w.out):
		c.headGone = true
		c.load(w.out[sent:], nil)
		return false, nil
	}
	c.sending, c.headGone = false, true
	w.in.w += got
	if _, err = c.received(got, err); err == io.EOF {
		err = errCut
	}
	if err != nil {
		err = c.fault("read response", err)
	}
	return false, err
}

var errWoken = errors.New("woken while sending")

// request sends the request. It stops where the final head of the answer comes first.
func (c *clientConn) request() (answered bool, err error) {
	for {
		err := c.feed()
		switch {
		case err == nil && !c.sending:
			return false, nil
		case err == nil, err == errWoken:
		case isBodyFault(err):
			return false, errors.Unwrap(err)
		default:
			// An upstream that refuses a body answers and closes.
			c.broken = true
			if done, e := c.early(); done && e == nil {
				return true, nil
			}
			return false, c.fault("send request", err)
		}
		if done, err := c.early(); done || err != nil {
			return done, err
		}
	}
}

// feed sends what is waiting to be sent, or the next piece of the request: its head,
// with the first piece of the body if that need not be waited for, or a piece.
func (c *clientConn) feed() error {
	if len(c.vec) == 0 && !c.wire.pending() {
		body, err := []byte(nil), error(nil)
		if c.headGone || !c.last && !c.call.Expect && buffered(c.call.Body) != 0 {
			switch body, err = c.nextPiece(); err {
			case nil:
			case errWoken, errEnded:
				return err
			default:
				return &sendBodyError{err}
			}
		}
		switch {
		case c.headGone:
			c.client.transport.hurry(4 * sendTick)
			c.load(body, nil)
		default:
			c.headGone = true
			c.load(c.work.out, body)
			if c.call.Expect && !c.last {
				return c.expect()
			}
		}
	}
	if err := c.push(); err != nil {
		return err
	}
	c.sending = !c.last
	return nil
}

// sendBodyError is an error of the request's body, not of the connection.
type sendBodyError struct{ error }

func (e *sendBodyError) Unwrap() error { return e.error }

func isBodyFault(err error) bool {
	_, ok := err.(*sendBodyError)
	return ok
}

// buffered returns how much of a body can be read without waiting; -1 if it does not say.
func buffered(b exchange.Body) int {
	if b, ok := b.(interface{ Buffered() int }); ok {
		return b.Buffered()
	}
	return -1
}

// nextPiece reads what comes next of the request's body and frames it.
func (c *clientConn) nextPiece() ([]byte, error) {
	if c.piece == nil {
		c.piece = c.client.transport.pieces.Get().(*[]byte)
	}
	if !c.chunked {
		n, err := c.readPiece(*c.piece)
		return (*c.piece)[:n], err
	}
	buf := (*c.piece)[:largePiece-64] // room for what ends a body without trailers
	n, err := c.readPiece(buf[chunkRoom:])
	if err != nil {
		return nil, err
	}
	out, from := buf[:chunkRoom], chunkRoom
	if n > 0 {
		size := hexLen(n) + 2
		from = chunkRoom - size
		putHex(out[from:chunkRoom-2], n)
		out[chunkRoom-2], out[chunkRoom-1] = '\r', '\n'
		out = append(buf[:chunkRoom+n], "\r\n"...)
	}
	if c.last {
		trailer := c.call.Trailer
		if trailer == nil {
			trailer = new(exchange.Header)
		}
		out = appendLastChunk(out, trailer)
	}
	return out[from:], nil
}

// readPiece reads at least a byte of the request's body, or its end. The last byte of
// a body of known length is returned only when its end has been seen: what is
// complete for the upstream was complete for us (security P1, Q8). It returns errWoken
// where there is nothing yet and the upstream is to be looked at first.
func (c *clientConn) readPiece(p []byte) (n int, err error) {
	if c.unread == int64(len(p)) {
		p = p[:len(p)-1] // the next piece needs room to see the end
	}
	for {
		m, err := 0, error(nil)
		if n == 0 {
			m, err = c.hear(p)
		} else {
			m, err = c.call.Body.Read(p[n:])
		}
		n += m
		if c.unread >= 0 {
			if c.unread -= int64(m); c.unread < 0 {
				return 0, errCallLong
			}
		}
		switch {
		case err == errWoken, err == errEnded:
			return 0, err
		case err == exchange.ErrPause: // meant for the Read before
		case err == io.EOF && c.unread > 0:
			return 0, errCallShort
		case err == io.EOF:
			c.last = true
			return n, nil
		case err != nil:
			return 0, bodyFault(err)
		case n == len(p), n > 0 && c.unread != 0 && buffered(c.call.Body) <= 0:
			return n, nil
		}
	}
}

// load makes a and b what is to be sent next. Over TLS they become records at once.
func (c *clientConn) load(a, b []byte) {
	if c.wire != nil {
		c.wire.hold(c.secure, a, b)
		return
	}
	c.two = [2][]byte{a, b}
	c.vec = c.two[:1]
	if len(b) > 0 {
		c.vec = c.two[:2]
	}
}

// push sends what was loaded. It returns errWoken where the upstream does not take it
// and has sent something: the rest stays loaded.
func (c *clientConn) push() error {
	for {
		if !c.enter(callSend) {
			return errEnded
		}
		n, err := c.pushOnce()
		if n > 0 {
			c.call.Attempt.Written = true
		}
		switch {
		case err == nil && len(c.vec) == 0 && !c.wire.pending():
			if !c.enter(callBusy) {
				return errEnded
			}
			return nil
		case err == nil:
		case c.awake(err):
			return errWoken
		default:
			return err
		}
	}
}

func (c *clientConn) pushOnce() (n int, err error) {
	switch {
	case c.wire != nil:
		return c.wire.flush()
	case len(c.vec) == 1:
		n, err = c.raw.Write(c.vec[0])
		if c.vec[0] = c.vec[0][n:]; len(c.vec[0]) == 0 {
			c.vec = nil
		}
		return n, err
	}
	m, err := c.vec.WriteTo(c.raw)
	return int(m), err
}

// expectWait is how long a body waits for 100 Continue (RFC 9110 §10.1.1: a client
// does not wait for ever).
const expectWait = time.Second

// expect sends the head and waits for 100 Continue, an answer, or neither. Expectations
// are rare, so this one wait has a deadline of its own.
func (c *clientConn) expect() error {
	if err := c.push(); err != nil {
		return err
	}
	c.raw.SetReadDeadline(time.Now().Add(expectWait))
	if phaseOf(c.state.Load()) == callEnded {
		return errEnded // whoever ends c sets a deadline after the state
	}
	err := c.work.in.fill()
	c.raw.SetReadDeadline(time.Time{})
	switch {
	case phaseOf(c.state.Load()) == callEnded:
		return errEnded
	case err == nil, errors.Is(err, os.ErrDeadlineExceeded):
		return nil // early looks at what has come
	}
	return err
}

// early looks whether something has been answered while the request is being sent, and
// hands on interim responses. It tells whether the final head has come.
func (c *clientConn) early() (done bool, err error) {
	for !done {
		c.still = true
		failed := c.work.in.fill()
		c.still = false
		switch done, err = c.heads(); {
		case err != nil:
			return done, err
		case done || failed == nil:
		case failed == errStill:
			return false, nil
		default:
			return false, c.fault("send request", cut(failed))
		}
	}
	if c.resp.Status >= 300 || c.call.Expect && c.piece == nil {
		c.broken = true // RFC 9112 §9.5: what is not wanted is not sent, nor what was not asked for
	}
	return true, nil
}

var _ net.Error = stillError{}
