package sdktest

import (
	"fmt"
	"strings"
	"time"

	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/sdk/internal/host"
)

// Call is a request of the filter's own: what [weir.Fetch] makes.
type Call struct {
	Upstream  string
	Method    string
	Path      string
	Authority string
	Header    Header
	Body      string
	Timeout   time.Duration // that the filter has given; 0: none
	At        time.Duration // when it was made

	h *Host
	p *pending

	answered bool
	// What has come of the answer, and the guest has not got yet.
	come   []string
	whole  bool // all has come
	broken error
	answer *Answer
}

// defaultTime is how long calls may take for which the guest gives no time.
const defaultTime = 60 * time.Second

// Cancelled tells whether the filter has given the call up, or was told that it has
// failed.
func (c *Call) Cancelled() bool { return c.p.over && !c.p.complete }

// Answer answers a call whose answer was held.
func (c *Call) Answer(a *Answer) {
	c.h.t.Helper()
	c.h.outside()
	if c.answered {
		c.h.t.Fatalf("sdktest: the call of %s%s was answered before", c.Upstream, c.Path)
	}
	c.take(a)
	c.h.must(c.h.settle())
}

// newCall makes a call of what the guest says; nil where that is none.
func (h *Host) newCall(upstream string, pairs, body []byte, milliseconds uint64) *Call {
	if abi.CheckPairs(pairs) != nil {
		return nil
	}
	head := headerOf(pairs)
	c := &Call{
		h: h, Upstream: upstream, Body: string(body), At: h.clock.now,
		Timeout: time.Duration(milliseconds) * time.Millisecond,
	}
	if !head.Has(":method") || !head.Has(":path") || !head.Has(":authority") || !strings.HasPrefix(head.Get(":path"), "/") {
		h.warn("a call of %s without method, path or authority", upstream)
		return nil
	}
	c.Method, c.Path, c.Authority = head.take(":method"), head.take(":path"), head.take(":authority")
	head.del(":scheme")
	c.Header = head
	return c
}

// make has the upstream asked, when the guest's callback is over.
func (c *Call) make() {
	h := c.h
	h.calls = append(h.calls, c)
	limit := c.Timeout
	if limit == 0 && !h.plain {
		limit = defaultTime
	}
	h.clock.after(0, func() error {
		if c.p.over {
			return nil
		}
		if a := h.upstreams[c.Upstream](c); a != nil && !c.answered {
			c.take(a)
		}
		return nil
	})
	if limit > 0 {
		c.p.deadline = h.clock.after(limit, c.late)
	}
}

// take has the answer come.
func (c *Call) take(a *Answer) {
	h := c.h
	c.answered = true
	h.clock.after(a.Delay, func() error {
		if c.p.over {
			return nil
		}
		if a.Err != nil {
			return c.fail(a.Err.Error())
		}
		c.answer = a
		for d, piece := range a.pieces() {
			h.clock.after(d, func() error {
				c.come = append(c.come, piece)
				return c.show()
			})
		}
		h.clock.after(a.last(), func() error {
			if c.whole = true; a.Cut {
				c.broken = fmt.Errorf("the answer has broken off")
			}
			return c.show()
		})
		if !h.plain && a.length() < 0 {
			return c.p.say(abi.OK, ext.AppendUint(ext.Append(c.head(), ""), 1))
		}
		return nil
	})
}

func (c *Call) head() []byte {
	h := append(Fields(":status", fmt.Sprint(orStatus(c.answer.Status))), c.answer.Header.lowered()...)
	return ext.Append(nil, h.pairs())
}

// show gives the guest what has come, if it wants that.
func (c *Call) show() error {
	switch {
	case c.p.over:
		return nil
	case c.h.plain:
		return c.showPlain()
	case c.answer.length() >= 0:
		if !c.whole {
			return nil
		}
		if c.broken != nil {
			return c.fail(c.broken.Error())
		}
		b := ext.AppendUint(ext.Append(c.head(), strings.Join(c.come, "")), 0)
		return c.p.end(abi.OK, ext.Append(b, Header(nil).pairs()))
	case !c.p.wanted:
		return nil
	}
	for len(c.come) > 0 {
		piece := c.come[0]
		if c.come = c.come[1:]; piece != "" {
			c.p.wanted = false
			return c.p.say(abi.OK, ext.Append(nil, piece))
		}
	}
	switch {
	case !c.whole:
		return nil
	case c.broken != nil:
		return c.fail(c.broken.Error())
	}
	return c.p.end(abi.Empty, ext.Append(nil, c.answer.Trailer.lowered().pairs()))
}

// fail tells the guest that there is no answer, or no more of it.
func (c *Call) fail(why string) error {
	if c.h.plain {
		return c.tellPlain(func() { c.h.lent.failedCode, c.h.lent.failedWhy = uint32(abi.BrokenConnection), "reset" })
	}
	err := c.p.end(abi.BrokenConnection, ext.Append(nil, why))
	c.p.complete = false
	return err
}

// late is what happens when the call's time is over.
func (c *Call) late() error {
	switch {
	case c.p.over:
		return nil
	case c.h.plain: // Envoy's router answers in the upstream's place
		c.answer, c.come = &Answer{Status: 504, Header: Fields("content-type", "text/plain")}, []string{"upstream request timeout"}
		c.whole = true
		return c.showPlain()
	case c.p.told && !c.p.wanted:
		c.p.forget()
		return nil
	}
	return c.fail("it took longer than it may")
}

// showPlain gives the guest a whole answer.
func (c *Call) showPlain() error {
	if !c.whole {
		return nil
	}
	if c.broken != nil {
		return c.fail(c.broken.Error())
	}
	return c.tellPlain(func() {
		l := &c.h.lent
		f := ext.Read(c.head())
		l.answered, l.head, l.body, l.trailer = true, f.Bytes(), []byte(strings.Join(c.come, "")), c.answer.Trailer.lowered().pairs()
	})
}

func (c *Call) tellPlain(lend func()) error {
	h := c.h
	c.p.forget()
	lend()
	c.p.complete = h.lent.answered
	n, size, trailers := 0, len(h.lent.body), 0
	if h.lent.answered {
		n, trailers = 1+len(c.answer.Header), len(c.answer.Trailer)
	}
	return h.enter(nil, func(g host.Guest) { g.OnCallResponse(rootID, c.p.token, n, size, trailers) })
}

// Call implements host.Host.
func (e env) Call(upstream string, pairs, body, trailers []byte, milliseconds uint32) (token uint32, st abi.Status) {
	e.asks()
	h := e.h
	c := h.newCall(upstream, pairs, body, uint64(milliseconds))
	switch {
	case c == nil || h.upstreams[upstream] == nil:
		return 0, abi.BadArgument
	case len(h.pending) >= h.mostCalls:
		return 0, abi.InternalFailure
	}
	c.p = h.promise("call " + upstream)
	c.make()
	return c.p.token, abi.OK
}

// weirFetch has upstream, pairs, body, milliseconds.
func weirFetch(h *Host, f *ext.Fields) ([]byte, abi.Status) {
	upstream, pairs, body, ms := f.Text(), f.Bytes(), f.Bytes(), f.Uint()
	if f.End() != nil || ms > 1<<31-1 {
		return nil, abi.BadArgument
	}
	c := h.newCall(upstream, pairs, body, ms)
	switch {
	case c == nil:
		return nil, abi.BadArgument
	case len(h.pending) >= h.mostCalls || len(body) > h.mostBody:
		return nil, abi.InternalFailure
	}
	c.p = h.promise("fetch " + upstream)
	c.p.call = c
	if h.upstreams[upstream] == nil {
		c.p.later(ext.Denied, ext.Append(nil, fmt.Sprintf("%q is not granted: tell the test's host of it with Upstream", upstream)))
	} else {
		c.make()
	}
	return c.p.result()
}

// weirFetchRead has the token of an answer whose body is to be read.
func weirFetchRead(h *Host, f *ext.Fields) ([]byte, abi.Status) {
	token := f.Uint()
	p := h.pending[uint32(token)]
	switch {
	case f.End() != nil:
		return nil, abi.BadArgument
	case p == nil && token > 0 && token <= uint64(h.lastToken):
		return nil, abi.BrokenConnection // it is over
	case p == nil || p.call == nil:
		return nil, abi.NotFound
	case !p.told || p.wanted:
		return nil, abi.BadArgument
	}
	p.wanted = true
	h.clock.after(0, p.call.show)
	return nil, abi.OK
}
