package sdktest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/sdk/internal/host"
	"github.com/weirproxy/weir/sdk/weir"
)

// ErrCut is why a response is not complete: the filter, or what is behind it, has broken
// it off, or the client went away.
var ErrCut = errors.New("the response was cut")

// Exchange is a request on its way, and what the client does with it.
type Exchange struct {
	h    *Host
	id   uint32
	line string // of the test
	req  *Request

	in  half // the request
	out half // the response

	forwarded Request // as far as it has reached what is behind the filter
	asked     bool    // that has been asked for an answer
	answered  bool    // and given it

	resp    Response // as far as the client has got it
	local   *reply   // the filter's own answer; nil: none
	stalled bool     // the client does not read
	aborted bool     // the filter has cut it
	over    bool

	properties map[string]string
}

func newExchange(h *Host, id uint32, r *Request, whole bool) *Exchange {
	x := &Exchange{h: h, id: id, line: caller(), req: r, properties: map[string]string{}}
	for k, v := range r.Properties {
		x.properties[strings.ReplaceAll(k, ".", "\x00")] = v
	}
	x.in = half{x: x, dir: abi.Request, ready: true, trailer: r.Trailer}
	x.out = half{x: x, dir: abi.Response}
	x.in.header = append(Fields(":method", r.Method, ":path", r.Path, ":authority", r.Authority, ":scheme", r.Scheme), r.Header...)
	switch {
	case r.Chunks != nil:
		x.in.give(r.Chunks...)
	case r.Body != "":
		x.in.give(r.Body)
	default:
		x.in.bare = whole && len(r.Trailer) == 0
	}
	if whole && r.Chunks == nil && r.Body != "" && len(r.Trailer) == 0 && !r.Header.Has("content-length") {
		x.in.header.add("content-length", fmt.Sprint(len(r.Body)))
	}
	x.in.closed = whole
	return x
}

// Send has the client send more of the request's body.
func (x *Exchange) Send(body string) {
	x.h.t.Helper()
	x.open("send")
	x.in.give(body)
	x.h.must(x.h.settle())
}

// End has the client end the request's body.
func (x *Exchange) End(trailer ...weir.Field) {
	x.h.t.Helper()
	x.open("end")
	x.in.closed, x.in.trailer = true, append(x.in.trailer, Header(trailer).lowered()...)
	x.h.must(x.h.settle())
}

func (x *Exchange) open(what string) {
	x.h.t.Helper()
	x.h.outside()
	if x.in.closed {
		x.h.t.Fatalf("sdktest: %s: there is nothing to %s, the request has been sent whole", x.name(), what)
	}
}

// Leave has the client go away. What the filter waits for returns weir.ErrGone then.
func (x *Exchange) Leave() {
	x.h.t.Helper()
	x.h.outside()
	x.h.must(x.leave())
	x.h.must(x.h.settle())
}

// Stall has the client read nothing any longer, until Resume: who writes to it has to
// wait, and nothing more of a response's body is read.
func (x *Exchange) Stall() { x.stalled = true }

// Resume has the client read on.
func (x *Exchange) Resume() {
	x.h.t.Helper()
	x.h.outside()
	x.stalled = false
	x.h.must(x.h.settle())
}

// Answer answers the request, where [Host.Next] has held the answer.
func (x *Exchange) Answer(a *Answer) {
	x.h.t.Helper()
	x.h.outside()
	switch {
	case !x.asked:
		x.h.t.Fatalf("sdktest: %s has not come to what would answer it", x.name())
	case x.answered:
		x.h.t.Fatalf("sdktest: %s was answered before", x.name())
	}
	x.answer(a)
	x.h.must(x.h.settle())
}

// Wait returns the response when it is complete. The clock goes on as far as it has to.
func (x *Exchange) Wait() *Response {
	x.h.t.Helper()
	x.h.outside()
	x.h.must(x.wait())
	return x.Response()
}

func (x *Exchange) wait() error {
	h := x.h
	until := h.clock.now + h.patience
	for {
		if err := h.settle(); err != nil {
			return err
		}
		if x.over {
			return nil
		}
		at, ok := h.clock.next()
		switch {
		case !ok:
			return fmt.Errorf("all wait, and nothing will happen any longer: %s", x.state())
		case at > until:
			return fmt.Errorf("after %v by the host's clock there is no whole response: %s", h.patience, x.state())
		}
		h.jump(at)
	}
}

// Done tells whether the response is complete, or was cut.
func (x *Exchange) Done() bool { return x.over }

// Response returns what the client has got so far. Its status is 0 as long as that is
// nothing.
func (x *Exchange) Response() *Response {
	r := x.resp
	r.Header, r.Trailer = r.Header.clone(), r.Trailer.clone()
	r.Informs, r.Chunks = slices.Clone(r.Informs), slices.Clone(r.Chunks)
	var b strings.Builder
	for _, c := range r.Chunks {
		b.WriteString(c.Data)
	}
	r.Body = b.String()
	return &r
}

// Forwarded returns what has reached what is behind the filter so far, and whether that
// is all; nil if it is nothing.
func (x *Exchange) Forwarded() (r *Request, whole bool) {
	if !x.in.sent {
		return nil, false
	}
	q := x.forwarded
	q.Header, q.Trailer, q.Chunks = q.Header.clone(), q.Trailer.clone(), slices.Clone(q.Chunks)
	q.Body = strings.Join(q.Chunks, "")
	return &q, x.in.done
}

// step has one thing happen to the exchange.
func (x *Exchange) step() (bool, error) {
	h := x.h
	switch {
	case x.over:
		return false, nil
	case x.aborted:
		return true, x.cut()
	case x.local != nil && !x.local.begun:
		return true, x.begunLocal()
	case x.out.done:
		return true, x.finish()
	case x.in.sent && !x.asked && x.local == nil && (x.in.done || h.nextHead):
		x.asked = true
		r, _ := x.Forwarded()
		h.reached = append(h.reached, r)
		a := &Answer{}
		if h.next != nil {
			a = h.next(r)
		}
		if a != nil && !x.answered {
			x.answer(a)
		}
		return true, nil
	}
	if some, err := x.in.step(); some || err != nil {
		return some, err
	}
	if some, err := x.out.step(); some || err != nil {
		return some, err
	}
	return x.stepLocal()
}

// answer has what is behind the filter answer.
func (x *Exchange) answer(a *Answer) {
	x.answered = true
	h, o := x.h, &x.out
	h.clock.after(a.Delay, func() error {
		if x.over || x.local != nil {
			return nil
		}
		if a.Err != nil {
			return x.unreachable(a.Err)
		}
		o.header = append(Fields(":status", fmt.Sprint(orStatus(a.Status))), a.Header.lowered()...)
		if n := a.length(); n >= 0 && !o.header.Has("content-length") && x.req.Method != "HEAD" {
			o.header.add("content-length", fmt.Sprint(n))
		}
		o.ready = true
		o.bare = a.length() == 0 || x.req.Method == "HEAD" || a.Status == 204 || a.Status == 304
		if o.bare {
			o.closed = true
			return nil
		}
		for d, c := range a.pieces() {
			h.clock.after(d, func() error { o.give(c); return nil })
		}
		h.clock.after(a.last(), func() error {
			o.trailer, o.closed, o.broken = a.Trailer.lowered(), !a.Cut, a.Cut
			return nil
		})
		return nil
	})
}

func orStatus(n int) int {
	if n == 0 {
		return 200
	}
	return n
}

// unreachable is what becomes of a request that nothing behind the filter answers: weir
// answers after the filter, other hosts through it.
func (x *Exchange) unreachable(err error) error {
	if !x.h.plain {
		x.resp.Status, x.resp.At = 502, x.h.clock.now
		return x.finish()
	}
	x.out.header = Fields(":status", "503", "content-type", "text/plain")
	x.out.give("no answer: " + err.Error())
	x.out.ready, x.out.closed = true, true
	return nil
}

// cut breaks the exchange off.
func (x *Exchange) cut() error {
	x.resp.Cut = ErrCut
	return x.finish()
}

// leave has the client go.
func (x *Exchange) leave() error {
	if x.over {
		return nil
	}
	if x.local != nil && x.local.streamed && !x.local.ended {
		if err := x.tellGone(); err != nil || x.over {
			return err
		}
	}
	return x.cut()
}

// finish ends the exchange: the guest is told.
func (x *Exchange) finish() error {
	if x.over {
		return nil
	}
	h := x.h
	x.over, x.resp.End = true, h.clock.now
	h.live = slices.DeleteFunc(h.live, func(y *Exchange) bool { return y == x })
	err := h.enter(x, func(g host.Guest) {
		g.OnDone(x.id)
		h.effective = x
		g.OnLog(x.id)
		h.effective = x
		g.OnDelete(x.id)
	})
	delete(h.contexts, x.id)
	return err
}

func (x *Exchange) name() string { return x.req.Method + " " + x.req.Path }

// state says what the exchange is at, for failures.
func (x *Exchange) state() string {
	s := x.name() + ", begun at " + x.line + ": "
	switch {
	case x.over:
		return s + "it is over"
	case !x.in.closed && x.in.wanting():
		return s + "it waits for more of the request's body: see Send and End"
	case x.stalled:
		return s + "the client does not read: see Resume"
	case x.local != nil:
		return s + "the filter answers by itself, and has not come to an end"
	case !x.in.sent:
		return s + "the filter has not let the request go on"
	case !x.in.done:
		return s + "the filter has not let all of the request's body go on"
	case x.asked && !x.answered:
		return s + "what is behind the filter holds its answer: see Exchange.Answer"
	case !x.out.ready:
		return s + "it waits for an answer"
	case !x.out.sent:
		return s + "the filter has not let the response go on"
	}
	return s + "the filter has not let all of the response's body go on"
}

// Whole tells whether the client has sent all of the request.
func (x *Exchange) Whole() bool { return x.in.closed }
