package proxywasm

import (
	"context"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/sdk/abi/ext"
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
	empty := bare || h.last
	made := h.last && !bare // if there will be content, the guest makes it
	bare = empty || w.body == nil && w.trailers == nil || h.unseen
	if err == nil && action == abi.Continue && (bare || h.cut) {
		h.pass() // the usual case: the instance is visited once
	}
	said := s.hints()
	asks := h.order != 0
	i.drop()
	s.inform(said)
	if err == nil && action != abi.Continue && (bare || asks || !i.plugin.HoldHeaders || action != abi.Pause) {
		var asked bool
		if asked, err = s.await(h, nil, w.body != nil); asked {
			var body exchange.Body
			if body, err = s.asked(h, w, src, empty); !empty {
				return body, err
			}
		}
		action = abi.Continue
		bare = bare || s.unseen(h)
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
	h.stage, h.resumed, h.order = at, false, 0
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
	action := abi.Action(uint32(v))
	switch {
	case h.resumed:
		action = abi.Continue
	case action == ext.ContinueUnseen:
		action, h.unseen = abi.Continue, true
	}
	if action == abi.Continue {
		h.goOn()
	}
	return action, nil
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

// goOn says that what the guest held goes on.
func (h *half) goOn() { h.stage, h.resumed, h.order = idle, false, 0 }

// pass says that the head has gone on, and no callbacks follow.
func (h *half) pass() { h.stage, h.sent = passed, true }

// unseen tells whether the guest wants to be shown nothing more of h.
func (s *stream) unseen(h *half) bool {
	s.i.hold()
	defer s.i.drop()
	return h.unseen
}

func (s *stream) passOn(h *half) {
	s.i.hold()
	h.pass()
	s.i.drop()
}

// wait waits until the guest, which has paused the stream, has it go on, or does
// something else about it. c is the content that is being read; nil: it is the head
// that is held.
func (s *stream) wait(h *half, c *content) error {
	_, err := s.await(h, c, false)
	return err
}

// patient is somebody who waits for a guest. It costs nothing before there is a wait.
type patient struct {
	s     *stream
	c     *content
	timer *time.Timer
	gone  context.Context
}

// pause waits until somebody says that there may be something new of h.
func (p *patient) pause(h *half) error {
	if p.timer == nil {
		p.timer = time.NewTimer(p.s.i.guests.patience)
		if p.c != nil && p.c.gone != nil {
			p.gone = p.c.gone
		} else {
			p.gone = p.s.r.Context()
		}
	}
	select {
	case <-h.signal:
		return nil
	case <-p.timer.C:
		return guestError{errPatience}
	case <-p.gone.Done():
		return context.Cause(p.gone)
	}
}

func (p *patient) stop() {
	if p.timer != nil {
		p.timer.Stop()
	}
}
