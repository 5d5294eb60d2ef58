package sdktest

import (
	"time"

	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/sdk/internal/host"
)

// foreign are weir's own functions; sdk/HOST.md says what they do.
var foreign = map[string]func(*Host, *ext.Fields) ([]byte, abi.Status){
	ext.Hello:          weirHello,
	ext.Random:         weirRandom,
	ext.Timer:          weirTimer,
	ext.Cancel:         weirCancel,
	ext.Fetch:          weirFetch,
	ext.FetchRead:      weirFetchRead,
	ext.Body:           weirBody,
	ext.ReplyStart:     weirReplyStart,
	ext.ReplyWrite:     weirReplyWrite,
	ext.ReplyEnd:       weirReplyEnd,
	ext.Inform:         weirInform,
	ext.StoreGet:       service("read an entry", storeGet),
	ext.StorePut:       service("write an entry", storePut),
	ext.StoreDelete:    service("delete an entry", storeDelete),
	ext.StoreList:      service("list entries", storeList),
	ext.PasswordHash:   service("hash a password", passwordHash),
	ext.PasswordVerify: service("verify a password", passwordVerify),
	ext.Sign:           service("sign", sign),
	ext.Verify:         service("verify", verify),
}

// Foreign implements host.Host.
func (e env) Foreign(name string, argument []byte) ([]byte, abi.Status) {
	e.asks()
	f := foreign[name]
	if f == nil || e.h.plain {
		return nil, abi.NotFound
	}
	fields := ext.Read(append([]byte(nil), argument...))
	return f(e.h, &fields)
}

// pending is what the guest waits for.
type pending struct {
	h        *Host
	token    uint32
	what     string
	origin   *Exchange // that asked; nil: the root
	call     *Call     // nil: it is none
	deadline *event
	told     bool // the guest knows the head of the answer
	wanted   bool // and wants the next piece
	over     bool // nothing will come any longer
	complete bool // all has come
}

// promise makes one.
func (h *Host) promise(what string) *pending {
	h.lastToken++
	p := &pending{h: h, token: h.lastToken, what: what, origin: h.effective}
	h.pending[p.token] = p
	return p
}

// result is what a function returns that has made one.
func (p *pending) result() ([]byte, abi.Status) {
	return ext.AppendUint(nil, uint64(p.token)), abi.OK
}

// forget says that nothing will come any longer.
func (p *pending) forget() {
	p.over = true
	p.deadline.cancel()
	delete(p.h.pending, p.token)
}

// later ends it when the guest's callback is over.
func (p *pending) later(st abi.Status, fields []byte) {
	p.h.clock.after(0, func() error {
		if p.over {
			return nil
		}
		return p.end(st, fields)
	})
}

// say tells the guest something, after which more will follow.
func (p *pending) say(st abi.Status, fields []byte) error {
	h := p.h
	p.told = true
	b := ext.AppendUint(ext.AppendUint(nil, uint64(p.token)), uint64(st))
	h.lent.data = append(b, fields...)
	n := len(h.lent.data)
	x := p.origin
	if x != nil && x.over {
		x = nil
	}
	return h.enter(x, func(g host.Guest) { g.OnForeign(rootID, ext.Answer, n) })
}

// end tells the guest the last of it.
func (p *pending) end(st abi.Status, fields []byte) error {
	p.forget()
	p.complete = true
	return p.say(st, fields)
}

func weirHello(_ *Host, f *ext.Fields) ([]byte, abi.Status) {
	if f.End() != nil {
		return nil, abi.BadArgument
	}
	return ext.AppendUint(nil, ext.Version), abi.OK
}

func weirRandom(h *Host, f *ext.Fields) ([]byte, abi.Status) {
	n := f.Uint()
	if f.End() != nil || n == 0 || n > 64<<10 {
		return nil, abi.BadArgument
	}
	b := make([]byte, n)
	_, _ = h.random.Read(b)
	return ext.Append(nil, b), abi.OK
}

func weirTimer(h *Host, f *ext.Fields) ([]byte, abi.Status) {
	ms := f.Uint()
	switch {
	case f.End() != nil || ms > uint64(24*time.Hour/time.Millisecond):
		return nil, abi.BadArgument
	case len(h.pending) >= h.mostCalls:
		return nil, abi.InternalFailure
	}
	p := h.promise("sleep")
	p.deadline = h.clock.after(time.Duration(ms)*time.Millisecond, func() error { return p.end(abi.OK, nil) })
	return p.result()
}

func weirCancel(h *Host, f *ext.Fields) ([]byte, abi.Status) {
	p := h.pending[uint32(f.Uint())]
	switch {
	case f.End() != nil:
		return nil, abi.BadArgument
	case p == nil:
		return nil, abi.NotFound
	}
	p.forget()
	return nil, abi.OK
}

// weirBody has direction and order.
func weirBody(h *Host, f *ext.Fields) ([]byte, abi.Status) {
	direction, order := f.Uint(), f.Uint()
	if f.End() != nil || direction > 1 || order < ext.ShowMore || order > ext.PassRest {
		return nil, abi.BadArgument
	}
	d := h.direction(uint32(direction))
	switch {
	case d == nil:
		h.warn("asked for a body on a context that is no stream")
		return nil, abi.BadArgument
	case d.sent || !d.begun:
		h.warn("%s: asked for a body whose head has gone on, or is not there", d.x.name())
		return nil, abi.OK
	case order == ext.PassRest:
		d.unseen, d.resumed = true, true
	case d.ended || d.order != 0:
	default:
		if d.order = order; order == ext.DropMore {
			d.held = nil
		}
	}
	return nil, abi.OK
}

// current is the effective stream, of a function that needs one; nil: it is none.
func (h *Host) current(what string) *Exchange {
	if h.effective == nil {
		h.warn("%s on a context that is no stream", what)
	}
	return h.effective
}

// weirReplyStart has status and pairs.
func weirReplyStart(h *Host, f *ext.Fields) ([]byte, abi.Status) {
	status, pairs := f.Uint(), f.Bytes()
	x := h.current("answered")
	if f.End() != nil || status > 999 || abi.CheckPairs(pairs) != nil || x == nil {
		return nil, abi.BadArgument
	}
	return nil, x.reply(&reply{status: int(status), header: headerOf(pairs), streamed: true})
}

// weirReplyWrite has bytes.
func weirReplyWrite(h *Host, f *ext.Fields) ([]byte, abi.Status) {
	data := f.Bytes()
	x := h.current("written to an answer")
	if f.End() != nil || x == nil {
		return nil, abi.BadArgument
	}
	room, st := x.write(data)
	if st != abi.OK {
		return nil, st
	}
	if room {
		return ext.AppendUint(nil, 1), abi.OK
	}
	return ext.AppendUint(nil, 0), abi.OK
}

// weirReplyEnd has pairs.
func weirReplyEnd(h *Host, f *ext.Fields) ([]byte, abi.Status) {
	pairs := f.Bytes()
	x := h.current("ended an answer")
	if f.End() != nil || x == nil || x.local == nil || !x.local.streamed || x.local.ended || abi.CheckPairs(pairs) != nil {
		return nil, abi.BadArgument
	}
	x.local.ended, x.local.trailer = true, headerOf(pairs)
	return nil, abi.OK
}

// weirInform has status and pairs.
func weirInform(h *Host, f *ext.Fields) ([]byte, abi.Status) {
	status, pairs := f.Uint(), f.Bytes()
	x := h.current("informed")
	if f.End() != nil || status < 100 || status > 199 || status == 101 || abi.CheckPairs(pairs) != nil || x == nil {
		return nil, abi.BadArgument
	}
	if x.resp.Status != 0 || x.local != nil {
		h.warn("%s: the client was to be informed after the answer", x.name())
		return nil, abi.BadArgument
	}
	x.resp.Informs = append(x.resp.Informs, Inform{int(status), headerOf(pairs), h.clock.now})
	return nil, abi.OK
}
