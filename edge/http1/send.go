package http1

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/weirproxy/weir/edge/exchange"
)

// bytes sends a body that is in memory.
func (c *conn) bytes(r *exchange.Request, p []byte) error {
	w := c.work
	if len(p) <= smallBody {
		w.out = append(w.out, p...)
		r.Record.Sent += int64(len(p))
		return c.commit()
	}
	for first := w.out; len(p) > 0; first = nil {
		n := min(len(p), largePiece) // progress must be visible: slow is not stalled
		w.out, c.headAt = w.out[:0], -1
		if err := c.write(first, p[:n]); err != nil {
			return err
		}
		r.Record.Sent += int64(n)
		p = p[n:]
	}
	return nil
}

// fileRange sends a range of a file.
func (c *conn) fileRange(r *exchange.Request, f *exchange.File) error {
	w := c.work
	if f.N <= smallBody {
		return c.smallFile(r, f)
	}
	head := w.out
	rest, sent, done, err := c.sendFile(head, f)
	if len(rest) < len(head) {
		w.out, c.headAt = w.out[:0], -1
	}
	r.Record.Sent += sent
	switch {
	case done && err == io.ErrUnexpectedEOF:
		return errShort
	case done && err != nil:
		return fmt.Errorf("write response: %w: %w", exchange.ErrClientGone, err)
	case done:
		return nil
	}
	return c.largeFile(r, f, rest)
}

// smallFile reads a file behind the head, so that both leave in one write.
func (c *conn) smallFile(r *exchange.Request, f *exchange.File) error {
	w := c.work
	n := int(f.N)
	start := len(w.out)
	w.out = slices.Grow(w.out, n)[:start+n]
	if _, err := io.ReadFull(f, w.out[start:]); err != nil {
		w.out = w.out[:start]
		return unsent(fmt.Errorf("read response body: %w", err))
	}
	r.Record.Sent += int64(n)
	return c.commit()
}

// largeFile sends head and a file through memory.
func (c *conn) largeFile(r *exchange.Request, f *exchange.File, head []byte) error {
	p := c.server.pieces.Get().(*[]byte)
	defer c.server.pieces.Put(p)
	for left := f.N; left > 0; {
		piece := (*p)[:min(left, largePiece)]
		if n, err := io.ReadFull(f, piece); err != nil {
			err = fmt.Errorf("read response body: %w", err)
			if len(head) > 0 && n == 0 {
				return unsent(err)
			}
			return err
		}
		c.work.out, c.headAt = c.work.out[:0], -1
		if err := c.write(head, piece); err != nil {
			return err
		}
		head = nil
		left -= int64(len(piece))
		r.Record.Sent += int64(len(piece))
	}
	return nil
}

const (
	chunkRoom  = 10       // for a size of eight digits and CRLF
	streamMore = 32 << 10 // a body that fills its buffer gets one of this size
)

// stream sends a body of an unknown kind: each Read's result at once, since the
// next one may take its time, and the first together with the head.
func (c *conn) stream(r *exchange.Request, resp *exchange.Response, p plan) error {
	w, left, room := c.work, p.length, 1024
	before := 0 // room for the size of a chunk
	if p.framed == framedChunked {
		before = chunkRoom
	}
	for {
		head := len(w.out)
		w.out = slices.Grow(w.out, before+room+2)
		buf := w.out[head+before : cap(w.out)-2]
		n, err := gather(resp.Body, buf)
		if len(w.out) < head {
			// A body that reads the request's has made us send the head.
			head = len(w.out)
			moved := w.out[head+before : cap(w.out)-2]
			copy(moved, buf[:n])
			buf = moved[:len(buf)]
		}
		if err != nil && err != io.EOF {
			return c.bodyFailed(err)
		}
		if p.framed == framedLength {
			if left -= int64(n); left < 0 || left > 0 && err == io.EOF {
				return c.bodyFailed(lengthError(left))
			}
		}
		if n > 0 || err == io.EOF {
			if e := c.streamPiece(head, before, buf[:n], err == io.EOF && before > 0, resp); e != nil {
				return e
			}
			r.Record.Sent += int64(n)
		}
		if err == io.EOF {
			return nil
		}
		if n == len(buf) {
			room = streamMore
		}
	}
}

// gather reads once, and on as long as the body says that more is there already: what
// comes in small pieces need not leave in them.
func gather(b exchange.Body, buf []byte) (n int, err error) {
	n, err = b.Read(buf)
	if n == len(buf) || err != nil {
		return n, err
	}
	live, ok := b.(interface{ Buffered() int })
	for ok && err == nil && n < len(buf) && live.Buffered() > 0 {
		var more int
		more, err = b.Read(buf[n:])
		n += more
	}
	return n, err
}

func lengthError(left int64) error {
	if left < 0 {
		return errLong
	}
	return errShort
}

// bodyFailed tells how far the response had come when its body failed.
func (c *conn) bodyFailed(err error) error {
	if _, known := errors.AsType[*exchange.Error](err); !known { // else it says itself what it is about
		err = fmt.Errorf("read response body: %w", err)
	}
	if c.headAt >= 0 {
		return unsent(err)
	}
	return err
}

// streamPiece sends the head bytes at the start of work.out and piece, which lies
// behind them with before bytes between, as a chunk if there is room for its size.
func (c *conn) streamPiece(head, before int, piece []byte, last bool, resp *exchange.Response) error {
	out, from := c.work.out[:head+before+len(piece)], 0
	if before > 0 {
		size := 0
		if len(piece) > 0 {
			size = hexLen(len(piece)) + 2
			at := head + before - size
			putHex(out[at:at+size-2], len(piece))
			out[at+size-2], out[at+size-1] = '\r', '\n'
			out = append(out, "\r\n"...)
		} else {
			out = out[:head+before]
		}
		from = before - size
		copy(out[from:], out[:head])
	}
	if last {
		out = appendLastChunk(out, &resp.Trailer)
	}
	c.work.out, c.headAt = out[:0], -1
	if len(out) == from {
		return nil
	}
	return c.write(out[from:], nil)
}
