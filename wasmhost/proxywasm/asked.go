package proxywasm

import (
	"slices"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// This file lets a guest that holds a head be shown the body as it asks for it.

// weirBody has direction and order.
func weirBody(i *instance, argument []byte) ([]byte, abi.Status) {
	f := ext.Read(argument)
	direction, order := f.Uint(), f.Uint()
	if f.End() != nil || direction > uint64(abi.Response) || order < ext.ShowMore || order > ext.PassRest {
		return nil, abi.BadArgument
	}
	h := i.half(uint32(direction))
	if h == nil {
		return nil, abi.NotFound
	}
	s := i.effective.stream
	if order == ext.PassRest {
		if h.stage != passed {
			h.unseen = true
			i.resume(abi.Direction(direction))
		}
		return nil, abi.OK
	}
	beside := h == &s.in && s.reply.beside
	if h.order != 0 || h.ended || !beside && (h.sent || h.stage == idle || h.stage == passed) {
		return nil, abi.OK
	}
	h.order = uint8(order)
	if order == ext.DropMore {
		h.empty()
	}
	if beside {
		s.showBeside()
	} else {
		s.wake()
	}
	return nil, abi.OK
}

// empty drops what the guest holds.
func (h *half) empty() {
	if len(h.buffer) == 0 {
		return
	}
	h.touched, h.changed = true, true
	if !h.owned {
		h.buffer, h.owned = nil, true
	}
	h.buffer = h.buffer[:0]
}

// asked shows the guest, which holds the head of h and has asked, what it asks for, until
// it lets the head go on. It returns as through does. empty says that there is no
// content: src is not touched.
func (s *stream) asked(h *half, w *way, src exchange.Body, empty bool) (exchange.Body, error) {
	if !empty {
		c := &content{s: s, h: h, src: src, way: w, asked: true}
		c.pause()
		return c.prepare(true)
	}
	s.i.hold()
	h.ended, h.last = true, true
	action, err := s.call(h, inBody, w.body, uint64(len(h.buffer)), 1)
	s.i.drop()
	if err == nil && action != abi.Continue {
		err = s.wait(h, nil)
	}
	return nil, err
}

// letGo has what the guest holds go on, and all that follows where it wants to see no
// more.
func (c *content) letGo() {
	c.asked = false
	c.out, c.taken = c.h.buffer, true
	if c.skip {
		c.raw()
	}
}

// let is called when the guest has let go on what it held. Nobody else is at the buffer
// from now on.
func (c *content) let() {
	h := c.h
	c.s.i.hold()
	c.paused, c.skip = false, h.unseen
	c.s.i.drop()
	if c.fresh > 0 { // it has not been shown that yet
		n := len(h.buffer) - c.fresh
		c.more = append(slices.Clone(h.buffer[n:]), c.more...)
		h.buffer = h.buffer[:n:n]
	}
}

// overfull tells whether the guest, which asks for more, holds as much as it may. What
// one reading brings it always may.
func (c *content) overfull() bool {
	c.s.i.hold()
	defer c.s.i.drop()
	return int64(len(c.h.buffer)) > max(c.s.i.vm.Limits.Body, chunk)
}

// await waits until the guest, which has paused the stream, has it go on, or does
// something else about it: where it may ask to be shown more of the body, and has, it
// returns true. c is the content that is being read; nil: it is the head that is held.
func (s *stream) await(h *half, c *content, mayAsk bool) (asked bool, err error) {
	p := patient{s: s, c: c}
	defer p.stop()
	for {
		s.i.hold()
		err := s.over()
		resumed := h.resumed
		asked := mayAsk && h.order != 0 && !resumed
		if resumed && err == nil {
			h.goOn()
		}
		var said []hint
		if h == &s.out || !h.sent { // else it is for who sends the body: the exchange is elsewhere
			said = s.hints()
		}
		s.i.drop()
		s.inform(said)
		if err != nil || resumed || asked {
			return asked && err == nil, err
		}
		if c != nil {
			if cause := c.cause.Load(); cause != nil {
				return false, *cause
			}
		}
		if err := p.pause(h); err != nil {
			return false, err
		}
	}
}
