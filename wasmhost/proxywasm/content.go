package proxywasm

import (
	"context"
	"io"
	"sync/atomic"

	"github.com/weirproxy/weir/edge/exchange"
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
	asked   bool   // the guest, which holds the head, is shown what it asks for
	skip    bool   // the guest wants to be shown nothing more
	unseen  bool   // and the rest goes by without it
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
	_, flows := c.src.(*outlet) // which the guest itself fills, in its own time
	if b, ok := c.src.(*exchange.Bytes); ok && n <= c.s.i.vm.Limits.Body {
		rest := b.Rest()
		h.buffer, h.owned, view = rest[:n:n], false, true
		c.fresh, c.eof = int(n), true
	} else if held {
		c.pause()
	} else if flows || n < 0 || n > small || h.header.Has("expect") { // nobody has said yet that it shall come
		return c.stream(), nil
	} else {
		if err := c.whole(int(n)); err != nil {
			return nil, err
		}
	}
	if err := c.step(); err != nil {
		if err == errReplied {
			return nil, err // a reply that streams may go on with it
		}
		c.s.passOn(h) // the guest is at it no longer
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
	if c.h == &s.in && !c.unseen { // read by who knows, who may not ask, and need not watch the client
		c.gone = s.r.Context()
	}
	return c
}

// raw has the rest go by without the guest.
func (c *content) raw() {
	c.s.i.hold()
	c.h.content, c.paused = c, false
	c.s.i.drop()
	c.way, c.asked, c.unseen = &way{}, false, true
	if len(c.more) > 0 {
		c.h.own()
		c.h.buffer, c.more = append(c.h.buffer, c.more...), nil
	}
	c.out, c.taken, c.fresh, c.shown = c.h.buffer, true, 0, c.eof
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
		if c.asked {
			asked, err := c.s.await(c.h, c, true)
			switch {
			case err != nil:
				return err
			case !asked:
				c.let()
				c.letGo()
				return nil
			case c.overfull():
				return c.s.tooLong(c.h)
			}
		}
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
			c.letGo()
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
		c.shown = c.eof && (pass || !c.asked)
		if c.shown || pass && (len(c.h.buffer) > 0 || c.asked) {
			c.letGo()
			return nil
		}
	}
}
