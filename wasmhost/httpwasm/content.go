package httpwasm

import (
	"io"
	"slices"
	"sync"

	"github.com/weirproxy/weir/edge/exchange"
)

// content is a body and its trailers, as a guest reads and writes them. What it writes
// does not change what it reads.
type content struct {
	src     exchange.Body
	length  int64  // of it, before anything was read; -1: not known
	ended   bool   // io.EOF was read
	held    []byte // of src, to be read again
	at      int    // how much of held the guest has read
	written []byte
	wrote   bool // even if that was nothing

	trailer *exchange.Header // complete when src has ended
	edits   []edit           // of the trailer, as long as it is not
}

// edit is what a guest does to a trailer.
type edit struct {
	op          op
	name, value string
}

type op uint8

const (
	set op = iota
	add
	remove
)

func (e edit) apply(h *exchange.Header) (err error) {
	switch e.op {
	case set:
		err = h.Set(e.name, e.value)
	case add:
		err = h.Add(e.name, e.value)
	case remove:
		h.Del(e.name)
	}
	return err
}

func (c *content) begin(src exchange.Body, trailer *exchange.Header) {
	*c = content{src: src, length: src.Len(), trailer: trailer}
}

// forget undoes what the guest has written.
func (c *content) forget() {
	c.written, c.wrote, c.at = nil, false, 0
	if len(c.edits) > 0 && !c.ended {
		c.trailer.Reset()
	}
	c.edits = nil
}

// edit changes the trailer. What has not arrived yet is changed when it does.
func (c *content) edit(e edit) error {
	err := e.apply(c.trailer)
	if err == nil {
		c.edits = append(c.edits, e)
	}
	return err
}

// read fills p as far as there is something to read. With keep, what is read can be read
// again by others, as far as most bytes go; beyond, full is true.
func (c *content) read(p []byte, keep bool, most int64) (n int, full bool, err error) {
	if c.at < len(c.held) {
		n = copy(p, c.held[c.at:])
		c.at += n
	}
	for n < len(p) && !c.ended {
		k, err := c.pull(p[n:])
		if keep {
			if int64(len(c.held)+k) > most {
				full = true
			}
			c.held = append(c.held, p[n:n+k]...)
			c.at = len(c.held)
		}
		n += k
		if err != nil || full {
			return n, full, err
		}
	}
	return n, false, nil
}

// pull reads from src.
func (c *content) pull(p []byte) (int, error) {
	if len(c.edits) > 0 {
		c.trailer.Reset() // what arrives is changed afterwards, in order
		defer func() {
			for _, e := range c.edits {
				e.apply(c.trailer)
			}
		}()
	}
	n, err := c.src.Read(p)
	switch err {
	case io.EOF:
		c.ended, err = true, nil
	case exchange.ErrPause: // somebody wanted to see to something else, and has
		err = nil
	}
	return n, err
}

// over tells whether the guest has read everything, as far as that is known.
func (c *content) over() bool {
	return c.at >= len(c.held) && (c.ended || c.src.Len() == 0 && c.length >= 0)
}

// whole returns what the body is now. With a copy, what is read of it is kept there, too.
func (c *content) whole(keep *copied, most int64) exchange.Body {
	switch {
	case c.wrote:
		c.held, c.src, c.ended = c.written, exchange.NoBody, true
		if len(c.edits) == 0 {
			c.trailer.Reset() // it was the other body's
		}
	case keep == nil && len(c.edits) == 0 && (len(c.held) == 0 && !c.ended):
		return c.src
	}
	if c.ended && c.trailer.Len() == 0 {
		if len(c.held) == 0 {
			return exchange.NoBody
		}
		return exchange.NewBytes(c.held)
	}
	b := &joined{head: c.held, rest: c.src, ended: c.ended, open: c.trailer.Len() > 0, copy: keep, most: most}
	if !c.ended && len(c.edits) > 0 {
		c.trailer.Reset()
		b.trailer, b.edits, b.open = c.trailer, slices.Clone(c.edits), true
	}
	return b
}

// joined is a body of bytes at hand and a rest that is still to come.
type joined struct {
	head    []byte
	rest    exchange.Body
	ended   bool // there is no rest
	open    bool // nobody tells its length: trailers follow
	trailer *exchange.Header
	edits   []edit // of trailer, when rest has ended
	copy    *copied
	most    int64
}

// Read implements exchange.Body.
func (b *joined) Read(p []byte) (int, error) {
	if len(b.head) > 0 {
		n := copy(p, b.head)
		b.head = b.head[n:]
		return n, nil
	}
	if b.ended {
		return 0, io.EOF
	}
	n, err := b.rest.Read(p)
	if b.copy != nil {
		b.copy.take(p[:n], b.most)
	}
	if err == io.EOF {
		b.ended = true
		for _, e := range b.edits {
			e.apply(b.trailer)
		}
	}
	return n, err
}

// Len implements exchange.Body.
func (b *joined) Len() int64 {
	head := int64(len(b.head))
	switch {
	case b.open:
		return -1
	case b.ended:
		return head
	}
	if n := b.rest.Len(); n >= 0 {
		return head + n
	}
	return -1
}

// Close implements exchange.Body.
func (b *joined) Close() error {
	b.head, b.ended = nil, true
	return b.rest.Close()
}

// Buffered tells how much Read returns without waiting, as far as the body knows.
func (b *joined) Buffered() int {
	n := len(b.head)
	if inner, ok := b.rest.(interface{ Buffered() int }); ok && !b.ended {
		n += inner.Buffered()
	}
	return n
}

// Interrupt implements exchange.Interrupter.
func (b *joined) Interrupt(cause error) {
	if inner, ok := b.rest.(exchange.Interrupter); ok {
		inner.Interrupt(cause)
	}
}

// copied is what others have read of a request's body, for handle_response. They may do
// so on a goroutine of their own.
type copied struct {
	mu    sync.Mutex
	bytes []byte
	full  bool // more than may be kept has come
	done  bool // nobody is going to ask for it any longer
}

func (c *copied) take(b []byte, most int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.done || c.full:
	case int64(len(c.bytes)+len(b)) > most:
		c.full, c.bytes = true, nil
	default:
		c.bytes = append(c.bytes, b...)
	}
}

// read copies what there is from at on.
func (c *copied) read(p []byte, at int) (n int, full, over bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.full && at < len(c.bytes) {
		n = copy(p, c.bytes[at:])
	}
	return n, c.full, at+n >= len(c.bytes)
}

// release ends the copying.
func (c *copied) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done, c.bytes = true, nil
}
