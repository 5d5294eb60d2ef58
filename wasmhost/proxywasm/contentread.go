package proxywasm

import (
	"io"
	"slices"

	"github.com/weirproxy/weir/edge/exchange"
)

// This file has how content comes in, and what becomes of it while the guest holds the
// stream.

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
		h.goOn()
		c.paused, c.skip = false, h.unseen
		released = true
	case len(c.more) > 0:
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
