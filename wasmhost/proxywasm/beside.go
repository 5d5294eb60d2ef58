package proxywasm

import (
	"io"

	"github.com/weirproxy/weir/edge/exchange"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// This file lets a guest whose reply is going out be shown the request's body as it asks
// for it. A goroutine of its own reads that: who sends the reply must not wait for what
// the client sends, which may wait for the reply.

// openBeside allows that.
func (s *stream) openBeside() {
	s.i.hold()
	defer s.i.drop()
	h := &s.in
	if h.content == nil {
		h.content = &content{s: s, h: h, src: s.r.Body, way: &s.i.exports.request}
	}
	h.content.paused = true
	s.reply.beside = true
	if h.order != 0 {
		s.showBeside()
	}
}

// showBeside has somebody see to what the guest has asked. The instance is held.
func (s *stream) showBeside() {
	if s.reply.shower == nil {
		s.reply.shower = make(chan struct{})
		go s.in.content.beside()
	}
}

// beside shows the guest the body until it does not ask for more.
func (c *content) beside() {
	s := c.s
	for {
		err := c.next()
		s.i.hold()
		if err != nil {
			s.reply.beside = false
			s.reply.outlet.Interrupt(err)
		}
		if !s.reply.beside || c.h.order == 0 {
			close(s.reply.shower)
			s.reply.shower = nil
			s.i.drop()
			return
		}
		s.i.drop()
	}
}

// next reads a piece, and shows it.
func (c *content) next() error {
	var err error
	if !c.eof && len(c.more) == 0 {
		if err = c.read(&c.more); err == io.EOF {
			c.eof, err = true, nil
		}
	}
	s, h := c.s, c.h
	s.i.hold()
	defer s.i.drop()
	switch over := s.over(); {
	case over != nil:
		return over
	case !s.reply.beside || s.finished:
		return nil
	case len(c.more) > 0:
		h.own()
		h.buffer, c.more = append(h.buffer, c.more...), c.more[:0]
	}
	switch {
	case err == exchange.ErrPause && c.fresh == 0:
		return nil // it is asked again
	case err != nil && err != exchange.ErrPause:
		return err
	case int64(len(h.buffer)-c.fresh) > max(s.i.vm.Limits.Body, chunk):
		return s.tooLong(h)
	}
	return c.showBeside()
}

// showBeside tells the guest of the fresh content, or of the trailers behind it. What it
// returns means nothing: there is nothing to hold back.
func (c *content) showBeside() error {
	s, h := c.s, c.h
	trailing := c.eof && h.trailer.Len() > 0 && c.way.trailers != nil
	f, at, n := c.way.body, inBody, len(h.buffer)
	if c.fresh == 0 && trailing {
		f, at, n = c.way.trailers, inTrailers, h.trailer.Len()
	}
	h.last = c.eof && !trailing
	h.ended = h.last || at == inTrailers
	s.budget.Passed(c.fresh)
	c.fresh = 0
	action, err := s.call(h, at, f, uint64(n), flag(h.last))
	if err == nil && action == abi.Continue {
		h.buffer, h.owned = nil, true // it has gone on, to nowhere
	}
	return err
}
