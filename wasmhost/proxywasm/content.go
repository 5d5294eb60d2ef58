package proxywasm

import (
	"context"
	"io"
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/weirproxy/weir/edge/exchange"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

const (
	// small is the length up to which a body is shown whole, before its head goes on:
	// lengths stay exact then, and guests may still change the head or reply.
	small = 64 << 10
	// chunk is how much of longer ones is shown at a time.
	chunk = 32 << 10
)

// content is a body on its way through a guest. It is a Body itself, for what cannot be
// shown whole; it is used by one goroutine at a time, which for a request's body may be
// another than the exchange's.
type content struct {
	s    *stream
	h    *half
	src  exchange.Body
	way  *way
	gone context.Context // ends when the client has left; nil: whoever reads may ask for one

	out     []byte // may be read: what is left of the half's buffer
	taken   bool   // all of the buffer has been let go on
	paused  bool   // the guest holds the buffer, and may change it at any time; guarded by the instance
	more    []byte // was read meanwhile
	fresh   int    // bytes at its end that the guest has not been told of
	eof     bool   // src has ended
	shown   bool   // and the guest has been told
	err     error  // that ends this body
	failure error  // err, where it is the guest's doing; guarded by the instance
	cause   atomic.Pointer[error]
	moment  atomic.Bool // somebody who reads wants to see to something else
}

func contentLength(b exchange.Body) int64 {
	if b == exchange.NoBody {
		return 0
	}
	return b.Len()
}

// prepare shows as much as has to be shown before the head goes on, and returns what
// takes the place of src, or nil. Of a head that is held that is all, up to where the
// guest has it go on.
func (c *content) prepare(held bool) (exchange.Body, error) {
	h, n := c.h, c.src.Len()
	view := false
	if b, ok := c.src.(*exchange.Bytes); ok && n <= c.s.i.vm.Limits.Body {
		rest := b.Rest()
		h.buffer, h.owned, view = rest[:n:n], false, true
		c.fresh, c.eof = int(n), true
	} else if held {
		c.pause()
	} else if n < 0 || n > small || h.header.Has("expect") { // nobody has said yet that it shall come
		return c.stream(), nil
	} else {
		if err := c.whole(int(n)); err != nil {
			return nil, err
		}
	}
	if err := c.step(); err != nil {
		if view && !h.changed {
			return nil, err
		}
		c.raw()
		return c, err
	}
	if !c.shown {
		return c.stream(), nil
	}
	c.s.passOn(h)
	switch {
	case h.trailer.Len() > 0: // for which there is room only behind a body of unknown length
		return c, nil
	case view && !h.changed:
		return nil, nil
	}
	return exchange.NewBytes(c.out), nil
}

// stream lets the head go on and the rest be read.
func (c *content) stream() exchange.Body {
	s := c.s
	s.i.hold()
	c.h.sent, c.h.content = true, c
	s.i.drop()
	if c.h == &s.in { // read by who knows, who may not ask, and need not watch the client
		c.gone = s.r.Context()
	}
	return c
}

// raw has the rest go by without the guest.
func (c *content) raw() {
	c.way, c.h.content, c.paused = &way{}, c, false
	if len(c.more) > 0 {
		c.h.own()
		c.h.buffer, c.more = append(c.h.buffer, c.more...), nil
	}
	c.out, c.taken, c.fresh, c.shown = c.h.buffer, true, 0, c.eof
}

// Read implements exchange.Body.
func (c *content) Read(p []byte) (int, error) {
	for len(c.out) == 0 {
		if c.err != nil {
			return 0, c.err
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
	if spared(s.i.plugin, c.err, c.h) {
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

// step shows the guest what comes next, until it lets something go on: out. It returns
// io.EOF after the last of it.
func (c *content) step() error {
	if c.shown {
		return io.EOF
	}
	if c.taken {
		c.forget()
	}
	for {
		err := error(nil)
		if !c.eof && len(c.more) == 0 {
			if err = c.fill(); err == io.EOF {
				c.eof, err = true, nil
			}
		}
		released, over := c.merge()
		switch {
		case over != nil:
			return over
		case err == exchange.ErrPause && c.moment.Swap(false) && len(c.out) == 0:
			return err
		case released:
			return nil
		case err == exchange.ErrPause: // it was meant for us
			continue
		case err != nil:
			return err
		}
		pass, err := c.show()
		if err != nil {
			return err
		}
		c.shown = c.eof
		if c.shown || pass && len(c.h.buffer) > 0 {
			c.out, c.taken = c.h.buffer, true
			return nil
		}
	}
}

// forget drops what has gone on.
func (c *content) forget() {
	h := c.h
	if !h.owned {
		h.buffer, h.owned = nil, true
	}
	h.buffer, c.taken = h.buffer[:0], false
}

// fill reads a chunk, and io.EOF if that is already to be had.
func (c *content) fill() error {
	if c.paused {
		return c.read(&c.more)
	}
	c.h.own()
	return c.read(&c.h.buffer)
}

// read reads to the end of b.
func (c *content) read(b *[]byte) error {
	want := chunk / 2
	if n := c.src.Len(); n >= 0 && n < chunk/2 {
		want = int(n) + 1 // one more, to notice the end
	}
	if cap(*b)-len(*b) < want {
		*b = slices.Grow(*b, min(2*want, chunk))
	}
	for range 100 {
		free := (*b)[len(*b):cap(*b)]
		n, err := c.src.Read(free[:min(len(free), chunk)])
		*b = (*b)[:len(*b)+n]
		c.fresh += n
		// A body that has given all it announced has only its end left to tell, and that
		// tells the guest which chunk is the last.
		if err != nil || c.fresh > 0 && (c.src.Len() != 0 || c.fresh >= chunk || len(free) == n) {
			return err
		}
	}
	return io.ErrNoProgress
}

// pause says that the guest has the stream paused while more of the body is read.
func (c *content) pause() {
	c.s.i.hold()
	c.paused, c.h.content = true, c
	c.s.i.drop()
}

// merge adds what was read while the guest had the stream paused to what it holds. If it
// has let that go on meanwhile, that goes on first, and by itself: released.
func (c *content) merge() (released bool, err error) {
	if !c.paused { // nobody else sets it
		c.h.buffer, c.more = append(c.h.buffer, c.more...), c.more[:0]
		return false, nil
	}
	s, h := c.s, c.h
	s.i.hold()
	defer s.i.drop()
	switch err = s.over(); {
	case err != nil:
	case h.resumed:
		h.resumed, h.stage, c.paused = false, idle, false
		c.out, c.taken = h.buffer, true
		released = true
	default:
		h.own()
		h.buffer, c.more = append(h.buffer, c.more...), c.more[:0]
	}
	return released, err
}

// nudge has who reads on, while the guest has paused the stream, look at what the guest
// wants now. Bodies that cannot be interrupted for a moment make that wait for the next
// chunk. The instance is held.
func (s *stream) nudge() {
	for _, h := range [...]*half{&s.in, &s.out} {
		if c := h.content; c != nil && c.paused {
			if b, ok := c.src.(exchange.Interrupter); ok {
				b.Interrupt(exchange.ErrPause)
			}
		}
	}
}

// whole reads all of a body of n bytes.
func (c *content) whole(n int) error {
	h := c.h
	h.buffer = slices.Grow(h.buffer[:0], n+1) // one more, to notice the end
	for {
		err := c.fill()
		if err == io.EOF {
			c.eof = true
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// show tells the guest of the fresh content, and of trailers after the last, and says
// whether the buffer may go on.
func (c *content) show() (pass bool, err error) {
	s, h := c.s, c.h
	trailing := c.eof && h.trailer.Len() > 0
	pass = true
	if f := c.way.body; f != nil && (c.fresh > 0 || c.eof && !trailing) {
		s.i.hold()
		h.last = c.eof && !trailing
		action, err := s.call(h, inBody, f, uint64(len(h.buffer)), flag(h.last))
		if action >= abi.StopNoBuffer && err == nil {
			h.buffer, h.touched, h.changed = h.buffer[:0:0], true, true // the guest has taken it
		}
		n := len(h.buffer)
		c.fresh = 0
		switch c.paused = false; {
		case action == abi.Continue || h.last || action == abi.StopAndWatermark:
		case err == nil:
			c.paused, h.content = true, c
		}
		s.i.drop()
		switch {
		case err != nil:
			return false, err
		case action == abi.Continue:
		case h.last || action == abi.StopAndWatermark:
			if err := s.wait(h, c); err != nil {
				return false, err
			}
		case int64(n) > s.i.vm.Limits.Body:
			return false, s.tooLong(h)
		default:
			pass = false
		}
	}
	if f := c.way.trailers; f != nil && trailing {
		s.i.hold()
		action, err := s.call(h, inTrailers, f, uint64(h.trailer.Len()), 0)
		c.paused = false
		s.i.drop()
		if action != abi.Continue && err == nil {
			err = s.wait(h, c)
		}
		if err != nil {
			return false, err
		}
		pass = true
	}
	return pass, nil
}

// tooLong is the error of a body of which the guest holds, or makes, more than it may
// (security W11).
func (s *stream) tooLong(h *half) error {
	e := &exchange.Error{Fault: exchange.Plugin, Status: http.StatusInternalServerError, Err: errTooLong}
	if h == &s.in {
		e.Fault, e.Status = exchange.Client, http.StatusRequestEntityTooLarge
	}
	return e
}

// Len implements exchange.Body: nobody knows what the guest will make of it.
func (c *content) Len() int64 { return -1 }

// Buffered says how much Read returns without waiting.
func (c *content) Buffered() int { return len(c.out) }

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
