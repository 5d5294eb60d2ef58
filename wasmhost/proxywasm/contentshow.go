package proxywasm

import (
	"net/http"

	"github.com/weirproxy/weir/edge/exchange"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// show tells the guest of the fresh content, and of trailers after the last, and says
// whether the buffer may go on.
func (c *content) show() (pass bool, err error) {
	s, h := c.s, c.h
	trailing := c.eof && h.trailer.Len() > 0 && (c.way.trailers != nil || !c.asked)
	pass = true
	if f := c.way.body; f != nil && (c.fresh > 0 || c.eof && !trailing) {
		s.i.hold()
		if h.unseen {
			h.goOn()
			c.paused, c.skip = false, true
			s.i.drop()
			return true, nil
		}
		h.last = c.eof && !trailing
		h.ended = h.last
		s.budget.Passed(c.fresh)
		action, err := s.call(h, inBody, f, uint64(len(h.buffer)), flag(h.last))
		if action >= abi.StopNoBuffer && err == nil {
			h.buffer, h.touched, h.changed = h.buffer[:0:0], true, true // the guest has taken it
		}
		n := len(h.buffer)
		c.fresh = 0
		switch c.paused = false; {
		case err != nil:
		case c.asked && action != abi.Continue:
			c.paused = true
		case action == abi.Continue || h.last || action == abi.StopAndWatermark:
		default:
			c.paused, h.content = true, c
		}
		c.skip = h.unseen
		s.i.drop()
		switch {
		case err != nil:
			return false, err
		case action == abi.Continue:
		case h.last || action == abi.StopAndWatermark && !c.asked:
			if err := s.wait(h, c); err != nil {
				return false, err
			}
			c.let()
		case c.asked:
			return false, nil
		case int64(n) > s.i.vm.Limits.Body:
			return false, s.tooLong(h)
		default:
			pass = false
		}
	}
	if f := c.way.trailers; f != nil && trailing {
		s.i.hold()
		h.ended = true
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
