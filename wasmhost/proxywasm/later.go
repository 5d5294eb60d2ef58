package proxywasm

import (
	"strconv"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// This file has replies whose body the guest writes while they go out.

// weirReplyStart has status and pairs.
func weirReplyStart(i *instance, argument []byte) ([]byte, abi.Status) {
	f := ext.Read(argument)
	status, pairs := f.Uint(), f.Bytes()
	if f.End() != nil || status < 200 || status > 599 || abi.CheckPairs(pairs) != nil {
		return nil, abi.BadArgument
	}
	length, ok := announced(pairs)
	if !ok {
		return nil, abi.BadArgument
	}
	if i.effective == nil || i.effective.stream == nil {
		return nil, abi.NotFound
	}
	s := i.effective.stream
	if s.answered || s.finished || s.out.sent {
		i.complain("second reply to one request, or one too late: refused")
		return nil, abi.BadArgument
	}
	i.chargePairs(pairs)
	p := &s.reply
	p.status, p.grpc = int(status), -1
	for name, value := range abi.RawPairs(pairs) {
		i.setField(&p.header, i.lower(name), string(value), false)
	}
	p.outlet = newOutlet(s, length, i.vm.Limits.Body)
	s.answered = true
	s.wake()
	s.nudge()
	return nil, abi.OK
}

// announced returns the length of the body that pairs tell, or -1; ok is false where that
// is none.
func announced(pairs []byte) (n int64, ok bool) {
	n = -1
	for name, value := range abi.RawPairs(pairs) {
		if len(name) != len("content-length") || !equalFold(name, "content-length") {
			continue
		}
		v, err := strconv.ParseUint(string(value[:min(len(value), 20)]), 10, 62)
		if err != nil || len(value) > 20 || n >= 0 && n != int64(v) {
			return 0, false
		}
		n = int64(v)
	}
	return n, true
}

// equalFold compares a name with one in lower case.
func equalFold(name []byte, lower string) bool {
	for k, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[k] {
			return false
		}
	}
	return len(name) == len(lower)
}

// replying returns the outlet of the effective stream, or what a guest is told that has
// none.
func (i *instance) replying() (*outlet, abi.Status) {
	switch {
	case i.effective == nil || i.effective.stream == nil || i.effective.stream.finished:
		return nil, abi.NotFound
	case i.effective.stream.reply.outlet == nil:
		return nil, abi.BadArgument
	}
	return i.effective.stream.reply.outlet, abi.OK
}

// weirReplyWrite has bytes.
func weirReplyWrite(i *instance, argument []byte) ([]byte, abi.Status) {
	f := ext.Read(argument)
	b := f.Bytes()
	if f.End() != nil {
		return nil, abi.BadArgument
	}
	o, st := i.replying()
	if st != abi.OK {
		return nil, st
	}
	i.vm.Charge(int64(len(b)) / perCopied)
	room, st := o.write(b)
	if st != abi.OK {
		return nil, st
	}
	return ext.AppendUint(nil, flag(room)), abi.OK
}

// weirReplyEnd has trailer pairs, or an empty field.
func weirReplyEnd(i *instance, argument []byte) ([]byte, abi.Status) {
	f := ext.Read(argument)
	pairs := f.Bytes()
	if f.End() != nil || abi.CheckPairs(pairs) != nil {
		return nil, abi.BadArgument
	}
	o, st := i.replying()
	if st != abi.OK {
		return nil, st
	}
	i.chargePairs(pairs)
	var t *exchange.Header
	if len(pairs) > 0 {
		t = &exchange.Header{}
		for name, value := range abi.RawPairs(pairs) {
			if key := i.lower(name); trails(key) {
				i.setField(t, key, string(value), false)
			}
		}
	}
	return nil, o.end(t)
}

// trails tells whether a field may stand in a trailer.
func trails(name string) bool {
	keep, _ := exchange.TrailerFate(name)
	return keep
}

// answerLater makes the response of a reply whose body the guest writes. What it has
// written to its end already is like any reply.
func (s *stream) answerLater() *exchange.Response {
	i, p, r, h := s.i, &s.reply, s.r, &s.in
	o := p.outlet
	i.hold()
	s.served = true
	body, whole := o.whole()
	open := !whole && !h.sent && !h.ended && i.exports.request.body != nil && r.Upgrade == ""
	if h.sent = true; !open {
		h.pass()
	}
	i.drop()
	r.Record.Plugin = i.plugin.Name
	resp := r.NewResponse(p.status)
	resp.Header.CopyFrom(&p.header)
	if whole {
		if len(body) > 0 {
			resp.SetBytes(body)
		}
		return resp
	}
	o.resp = resp
	resp.Body = o
	r.Watch(o)
	if open {
		r.ReadApart()
		s.openBeside()
	}
	return resp
}
