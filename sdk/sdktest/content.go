package sdktest

import (
	"slices"
	"strings"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// This file has the functions that are about headers and bodies.

// Buffer implements host.Host.
func (e env) Buffer(b abi.Buffer, start, most int) ([]byte, abi.Status) {
	e.asks()
	if b > abi.CallData {
		return nil, abi.BadArgument
	}
	all, ok := e.h.buffer(b)
	if !ok {
		return nil, abi.NotFound
	}
	start = min(max(start, 0), len(all))
	return slices.Clone(all[start : start+min(max(most, 0), len(all)-start)]), abi.OK
}

func (h *Host) buffer(b abi.Buffer) ([]byte, bool) {
	switch b {
	case abi.RequestBody, abi.ResponseBody:
		if d := h.direction(uint32(b)); d != nil && d.readable() {
			return d.held, true
		}
	case abi.PluginConfiguration:
		return []byte(h.config), h.lent.config
	case abi.CallResponseBody:
		return h.lent.body, h.lent.answered
	case abi.CallData:
		return h.lent.data, h.lent.data != nil
	}
	return nil, false
}

// direction is one of the effective stream's.
func (h *Host) direction(d uint32) *half {
	if h.effective == nil {
		return nil
	}
	return h.effective.half(abi.Direction(d))
}

// readable tells whether the guest can have what it holds of a body.
func (d *half) readable() bool {
	if d.x.h.plain {
		return d.stage == inBody || d.stage == inTrailers && d.kept
	}
	return d.stage == inBody || d.stage == inTrailers
}

// SetBuffer implements host.Host.
func (e env) SetBuffer(b abi.Buffer, start, size int, data []byte) abi.Status {
	e.asks()
	h := e.h
	if b > abi.ResponseBody {
		return abi.BadArgument
	}
	d := h.direction(uint32(b))
	if d == nil || !d.readable() && (h.plain || d.stage != inHeaders || !d.bare) {
		h.warn("a body was changed where there is none, too late, or too early")
		return abi.BadArgument
	}
	start = min(max(start, 0), len(d.held))
	end := start + min(max(size, 0), len(d.held)-start)
	if h.plain && start > 0 && start < len(d.held) || h.plain && start == 0 && 0 < end && end < len(d.held) {
		return abi.BadArgument // of Envoy's: the middle of a body cannot be changed
	}
	if len(d.held)+len(data) > max(h.mostBody, 64<<10) {
		d.tooLong = true
		return abi.InternalFailure
	}
	d.held = slices.Concat(d.held[:start], data, d.held[end:])
	return abi.OK
}

// fields returns a map; nil: there is none now. writable says whether it may be changed.
func (h *Host) fields(m abi.Map) (fields *Header, writable bool) {
	if m >= abi.CallResponseHeaders && m <= abi.CallResponseTrailers && h.lent.answered {
		f := headerOf(h.lent.head)
		if m == abi.CallResponseTrailers {
			f = headerOf(h.lent.trailer)
		}
		return &f, false
	}
	x := h.effective
	if x == nil || m > abi.ResponseTrailers {
		return nil, false
	}
	d := x.half(abi.Direction(m / 2))
	if trailers := m%2 == 1; trailers {
		here := d.stage == inTrailers || d.stage == inBody && d.ended
		if here || !h.plain && d.done {
			return &d.trailer, here
		}
		return nil, false
	}
	switch {
	case !d.begun:
		return nil, false
	case h.plain && d.stage != inHeaders:
		return nil, false
	}
	return &d.header, !d.sent
}

// Pairs implements host.Host.
func (e env) Pairs(m abi.Map) ([]byte, abi.Status) {
	e.asks()
	if f, _ := e.h.fields(m); f != nil {
		return f.pairs(), abi.OK
	}
	return nil, abi.OK
}

// SetPairs implements host.Host.
func (e env) SetPairs(m abi.Map, pairs []byte) abi.Status {
	e.asks()
	f := e.change(m, "all")
	if f == nil {
		return e.late()
	}
	*f = headerOf(pairs)
	return abi.OK
}

// Value implements host.Host.
func (e env) Value(m abi.Map, key string) (string, abi.Status) {
	e.asks()
	f, _ := e.h.fields(m)
	switch {
	case f == nil && e.h.plain:
		return "", abi.BadArgument
	case f == nil || !f.Has(key):
		return "", abi.NotFound
	}
	return f.Get(key), abi.OK
}

// Add implements host.Host.
func (e env) Add(m abi.Map, key, value string) abi.Status {
	e.asks()
	f := e.change(m, key)
	if f == nil {
		return e.late()
	}
	if key = strings.ToLower(key); e.allowed(m, key) {
		if strings.HasPrefix(key, ":") {
			f.set(key, value)
		} else {
			f.add(key, value)
		}
	}
	return abi.OK
}

// Replace implements host.Host.
func (e env) Replace(m abi.Map, key, value string) abi.Status {
	e.asks()
	f := e.change(m, key)
	if f == nil {
		return e.late()
	}
	if key = strings.ToLower(key); e.allowed(m, key) {
		f.set(key, value)
	}
	return abi.OK
}

// Remove implements host.Host.
func (e env) Remove(m abi.Map, key string) abi.Status {
	e.asks()
	f := e.change(m, key)
	if f == nil {
		return e.late()
	}
	if key = strings.ToLower(key); strings.HasPrefix(key, ":") {
		e.h.warn("the field %s was removed: ignored", key)
		return abi.OK
	}
	f.del(key)
	return abi.OK
}

// change returns a map that may be changed; nil: that is too late.
func (e env) change(m abi.Map, key string) *Header {
	f, writable := e.h.fields(m)
	if f == nil || !writable {
		e.h.warn("the field %s was changed in a header that is not there, or has gone on", key)
		return nil
	}
	return f
}

// late is what a change gets that comes too late: weir ignores it.
func (e env) late() abi.Status {
	if e.h.plain {
		return abi.BadArgument
	}
	return abi.OK
}

// allowed tells whether a field is a guest's to set.
func (e env) allowed(m abi.Map, key string) bool {
	switch key {
	case ":method", ":path", ":authority", ":scheme":
		return m == abi.RequestHeaders
	case ":status":
		return m == abi.ResponseHeaders
	case "", "transfer-encoding", "connection", "keep-alive", "te", "upgrade":
		e.h.warn("the field %q was set, which is the host's", key)
		return false
	case "content-length":
		if !e.h.plain {
			e.h.warn("content-length was set, which weir does itself")
			return false
		}
	}
	return true
}
