package proxywasm

import (
	"context"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// through takes one direction of a stream through the guest, up to where its head may
// go on. It returns the body that takes the place of src, or nil; where it fails, too,
// if some of src has been read. The instance is held by the caller, and is not
// afterwards. Of a bare message only the head is shown.
func (s *stream) through(h *half, w *way, src exchange.Body, bare bool) (exchange.Body, error) {
	i := s.i
	action, err := abi.Continue, s.over()
	if err == nil && w.headers != nil {
		action, err = s.headers(h, w)
	}
	made := h.last && !bare // if there will be content, the guest makes it
	bare = bare || h.last || w.body == nil && w.trailers == nil
	if err == nil && action == abi.Continue && bare {
		h.pass() // the usual case: the instance is visited once
	}
	i.drop()
	if err == nil && action != abi.Continue && (bare || !i.plugin.HoldHeaders || action != abi.Pause) {
		err = s.wait(h, nil)
		action = abi.Continue
	}
	switch {
	case err != nil:
		return nil, err
	case h.cut:
		h.trailer.Reset()
		s.passOn(h)
		return exchange.NewBytes(nil), nil
	case !bare:
		c := &content{s: s, h: h, src: src, way: w}
		return c.prepare(action != abi.Continue)
	case h.stage != passed:
		s.passOn(h)
	}
	if h.changed && made { // content where there was none
		return exchange.NewBytes(h.buffer), nil
	}
	return nil, nil
}

// headers calls for the head. The instance is held.
func (s *stream) headers(h *half, w *way) (action abi.Action, err error) {
	n, last := uint64(s.countFields(h)), flag(h.last)
	if w.end {
		action, err = s.call(h, inHeaders, w.headers, n, last)
	} else {
		action, err = s.call(h, inHeaders, w.headers, n, 0)
	}
	if action == abi.ContinueAndEndStream {
		action, h.cut, h.touched = abi.Continue, !h.last, true
	}
	return action, err
}

func flag(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// call calls one of the stream's callbacks, and says what follows from it: what the
// guest did meanwhile counts for more than what it returned. The instance is held.
func (s *stream) call(h *half, at stage, f *vm.Func, a, b uint64) (abi.Action, error) {
	h.stage, h.resumed = at, false
	v, err := s.i.enter(&s.guestContext, &s.budget, f, uint64(s.id), a, b)
	if err != nil {
		return 0, guestError{err}
	}
	if err := s.over(); err != nil {
		return 0, err
	}
	if h.tooLong {
		return 0, s.tooLong(h)
	}
	if h.resumed {
		v = 0
	}
	if abi.Action(v) == abi.Continue {
		h.stage, h.resumed = idle, false
	}
	return abi.Action(uint32(v)), nil
}

// over says why the guest is not asked any longer. The instance is held.
func (s *stream) over() error {
	switch {
	case s.lost != nil:
		return guestError{s.lost}
	case s.answered && !s.served:
		return errReplied
	case s.aborted:
		return errAborted
	}
	return nil
}

// pass says that the head has gone on, and no callbacks follow.
func (h *half) pass() { h.stage, h.sent = passed, true }

func (s *stream) passOn(h *half) {
	s.i.hold()
	h.pass()
	s.i.drop()
}

// wait waits until the guest, which has paused the stream, has it go on, or does
// something else about it. c is the content that is being read; nil: it is the head
// that is held.
func (s *stream) wait(h *half, c *content) error {
	timer := (*time.Timer)(nil)
	var patience <-chan time.Time
	var gone context.Context
	for {
		s.i.hold()
		err := s.over()
		resumed := h.resumed
		if resumed && err == nil {
			h.resumed, h.stage = false, idle
		}
		s.i.drop()
		if err != nil || resumed {
			return err
		}
		if c != nil {
			if cause := c.cause.Load(); cause != nil {
				return *cause
			}
		}
		if timer == nil {
			timer = time.NewTimer(s.i.guests.patience)
			defer timer.Stop()
			patience = timer.C
			if c != nil && c.gone != nil {
				gone = c.gone
			} else {
				gone = s.r.Context()
			}
		}
		select {
		case <-h.signal:
		case <-patience:
			return guestError{errPatience}
		case <-gone.Done():
			return context.Cause(gone)
		}
	}
}
