package sdktest

import (
	"fmt"
	"strings"
	"time"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/sdk/internal/host"
)

// env is what a host offers its guest: the functions of the ABI. This file has those that
// are about no header or body.
type env struct{ h *Host }

var _ host.Host = env{}

// asks counts: a filter that asks for ever is told so.
func (e env) asks() {
	if e.h.asked++; e.h.asked > e.h.mostAsked {
		panic(fault(fmt.Sprintf("the filter has called %d functions of the host's without waiting: it does not come to an end", e.h.mostAsked)))
	}
}

// Log implements host.Host.
func (e env) Log(level abi.Level, message string) {
	e.asks()
	h := e.h
	h.log = append(h.log, Line{h.clock.now, level, message})
	h.t.Logf("filter, at %v: %s: %s", h.clock.now, levelName(level), message)
}

// Now implements host.Host.
func (e env) Now() int64 {
	e.asks()
	return start.Add(e.h.clock.now).UnixNano()
}

// ticker is the root's.
type ticker struct {
	period time.Duration
	next   *event
}

// SetTick implements host.Host.
func (e env) SetTick(milliseconds uint32) {
	e.asks()
	t := &e.h.tick
	t.next.cancel()
	t.period = time.Duration(milliseconds) * time.Millisecond
	if t.period > 0 {
		e.h.wind()
	}
}

// wind has the root tick when its period is over.
func (h *Host) wind() {
	t := &h.tick
	t.next = h.clock.after(t.period, func() error {
		before := t.next
		err := h.enter(nil, func(g host.Guest) { g.OnTick(rootID) })
		if t.next == before && t.period > 0 {
			h.wind()
		}
		return err
	})
}

// SetEffectiveContext implements host.Host.
func (e env) SetEffectiveContext(id uint32) abi.Status {
	e.asks()
	x := e.h.contexts[id]
	if x == nil && id != rootID {
		e.h.warn("the context %d is none, or over", id)
		return abi.BadArgument
	}
	e.h.effective = x
	return abi.OK
}

// Status implements host.Host.
func (e env) Status() (code uint32, message string) {
	e.asks()
	return e.h.lent.failedCode, e.h.lent.failedWhy
}

// Property implements host.Host.
func (e env) Property(path string) ([]byte, abi.Status) {
	e.asks()
	if v, ok := e.h.property(strings.TrimRight(path, "\x00")); ok {
		return v, abi.OK
	}
	return nil, abi.NotFound
}

// SetProperty implements host.Host.
func (e env) SetProperty(path string, value []byte) abi.Status {
	e.asks()
	x := e.h.effective
	if x == nil {
		return abi.NotFound
	}
	x.properties[strings.TrimRight(path, "\x00")] = string(value)
	return abi.OK
}

// Continue implements host.Host.
func (e env) Continue(d abi.Direction) abi.Status {
	e.asks()
	x := e.h.effective
	if x == nil {
		e.h.warn("continued a stream on a context that is none")
		return abi.OK
	}
	h := x.half(d)
	if h == nil {
		return abi.BadArgument
	}
	if h.stage == idle || h.stage == passed || x.local != nil {
		e.h.warn("%s: continued a direction that is not paused", x.name())
		return abi.OK
	}
	h.resumed = true
	return abi.OK
}

// Close implements host.Host.
func (e env) Close(d abi.Direction) abi.Status {
	e.asks()
	if d > abi.Response {
		return abi.Unimplemented
	}
	if x := e.h.effective; x != nil {
		x.aborted = true
	}
	return abi.OK
}

// Reply implements host.Host.
func (e env) Reply(status int, details string, body, pairs []byte, grpc int32) abi.Status {
	e.asks()
	x := e.h.effective
	if x == nil {
		e.h.warn("answered on a context that is no stream")
		return abi.OK
	}
	r := &reply{status: status, details: details, body: string(body), header: headerOf(pairs)}
	if strings.HasPrefix(x.req.Header.Get("content-type"), "application/grpc") {
		r.grpc(grpc)
	}
	return x.reply(r)
}

// sharedValue is one of the data that instances share.
type sharedValue struct {
	value string
	cas   uint32
}

// SharedData implements host.Host.
func (e env) SharedData(key string) (value []byte, cas uint32, st abi.Status) {
	e.asks()
	v, ok := e.h.shared[key]
	if !ok {
		return nil, 0, abi.NotFound
	}
	return []byte(v.value), v.cas, abi.OK
}

// SetSharedData implements host.Host.
func (e env) SetSharedData(key string, value []byte, cas uint32) abi.Status {
	e.asks()
	h := e.h
	if v, ok := h.shared[key]; ok && cas != 0 && cas != v.cas {
		return abi.CASMismatch
	}
	h.lastCAS++
	h.shared[key] = sharedValue{string(value), h.lastCAS}
	return abi.OK
}

func (x *Exchange) half(d abi.Direction) *half {
	switch d {
	case abi.Request:
		return &x.in
	case abi.Response:
		return &x.out
	}
	return nil
}
