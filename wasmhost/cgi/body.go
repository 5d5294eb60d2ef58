package cgi

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// await waits until the run has ended, or its head is there and shall be sent. It tells
// whether the run has ended.
func (n *run) await() (ended bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for !n.ended && !(n.headed && n.ripe) {
		n.wait()
	}
	return n.ended
}

// wait lets the guest's goroutine go on until it signals.
func (n *run) wait() {
	n.mu.Unlock()
	<-n.more
	n.mu.Lock()
}

// fine tells whether nothing has gone wrong so far.
func (n *run) fine() bool { return n.stopped() == nil }

// failure returns what the request fails with, or nil.
func (n *run) failure() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for !n.ended {
		n.wait()
	}
	return n.failed()
}

// failed makes the exchange's error of the run's.
func (n *run) failed() error {
	err := n.err
	if err == nil {
		return nil
	}
	if t, ok := errors.AsType[*vm.Trap](err); ok && t.Reason == vm.Exited {
		err = fmt.Errorf("program ended with exit code %d: %w", t.Code, err)
	}
	switch {
	case errors.Is(err, exchange.ErrClientGone), err == n.lost, err == errClosed:
		return err
	}
	return n.guests.plugin.Fail(n.req, err)
}

// respond makes the response, without its body.
func (n *run) respond(r *exchange.Request) *exchange.Response {
	resp := r.NewResponse(n.head.status)
	resp.Header.CopyFrom(&n.head.header)
	if r.Method == "HEAD" && n.head.length >= 0 {
		resp.Header.Append("content-length", strconv.FormatInt(n.head.length, 10))
	}
	return resp
}

// whole makes the response of a run that has ended well.
func (n *run) whole(r *exchange.Request) *exchange.Response {
	resp := n.respond(r)
	if len(n.buf) > 0 {
		buf := n.buf
		n.buf = nil
		resp.SetShared(buf, func() { buffers.Put((*[bufferSize]byte)(buf[:bufferSize])) })
	}
	return resp
}

// streaming makes the response of a run that goes on.
func (n *run) streaming(r *exchange.Request) *exchange.Response {
	n.mu.Lock()
	defer n.mu.Unlock()
	resp := n.respond(r)
	n.streams = true
	resp.Body = &body{run: n, length: n.head.length}
	return resp
}

// body is the content of a run that goes on. It is for the exchange's goroutine.
type body struct {
	run    *run
	length int64 // left, or -1
}

// Read implements exchange.Body.
func (b *body) Read(p []byte) (int, error) {
	n := b.run
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	for n.taken == len(n.buf) {
		if n.ended {
			if err := n.failed(); err != nil {
				return 0, err
			}
			return 0, io.EOF
		}
		n.wait()
	}
	k := copy(p, n.buf[n.taken:])
	n.taken += k
	if b.length > 0 {
		b.length -= int64(k)
	}
	if n.writing && n.taken == len(n.buf) {
		signal(n.room)
	}
	return k, nil
}

// Len implements exchange.Body.
func (b *body) Len() int64 { return b.length }

// Buffered returns how many bytes can be read without waiting.
func (b *body) Buffered() int {
	n := b.run
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.buf) - n.taken
}

// Interrupt implements exchange.Interrupter.
func (b *body) Interrupt(cause error) { b.run.stop(cause) }

// Close implements exchange.Body: it ends the run, and waits for that.
func (b *body) Close() error { return b.run.Close() }

// Close ends the run, and waits for that.
func (n *run) Close() error {
	n.stop(errClosed)
	n.mu.Lock()
	for !n.ended {
		n.wait()
	}
	buf := n.buf
	n.buf, n.taken = nil, 0
	n.mu.Unlock()
	if n.closed {
		return nil
	}
	n.closed = true
	n.req.Watch(nil)
	if buf != nil {
		buffers.Put((*[bufferSize]byte)(buf[:bufferSize]))
	}
	return nil
}
