package proxywasm

import (
	"slices"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// bytesOf returns the buffer of a kind, if there is one now.
func (i *instance) bytesOf(b abi.Buffer) ([]byte, bool) {
	switch {
	case b == abi.RequestBody || b == abi.ResponseBody:
		h := i.half(uint32(b))
		if h == nil || h.stage != inBody && h.stage != inTrailers {
			return nil, false
		}
		return h.buffer, true
	case b == abi.VMConfiguration:
		return i.plugin.Config, true
	case b == abi.PluginConfiguration:
		if i.effective == nil {
			return nil, false
		}
		return i.effective.root.use.Config, true
	case b <= abi.CallData:
		return i.lent.buffers[b], i.lent.buffers[b] != nil
	}
	return nil, false
}

// half returns the request (0) or response (1) of the effective stream, or nil.
func (i *instance) half(direction uint32) *half {
	if i.effective == nil || i.effective.stream == nil {
		return nil
	}
	if direction == 0 {
		return &i.effective.stream.in
	}
	return &i.effective.stream.out
}

// proxyGetBufferBytes takes type, start, most, and where to put pointer and size.
func proxyGetBufferBytes(i *instance, a []uint64) abi.Status {
	if abi.Buffer(u32(a[0])) > abi.CallData {
		return abi.BadArgument
	}
	b, ok := i.bytesOf(abi.Buffer(u32(a[0])))
	if !ok {
		return abi.NotFound
	}
	start := min(uint64(u32(a[1])), uint64(len(b)))
	end := min(start+uint64(u32(a[2])), uint64(len(b)))
	return i.give(u32(a[3]), u32(a[4]), b[start:end])
}

// proxyGetBufferStatus takes type, and where to put length and flags.
func proxyGetBufferStatus(i *instance, a []uint64) abi.Status {
	if abi.Buffer(u32(a[0])) > abi.CallData {
		return abi.BadArgument
	}
	b, ok := i.bytesOf(abi.Buffer(u32(a[0])))
	if !ok {
		return abi.NotFound
	}
	return i.tell(u32(a[1]), u32(a[2]), uint32(len(b)), 0)
}

// proxySetBufferBytes takes type, start, size, data and its length: it puts data in the
// place of size bytes from start on.
func proxySetBufferBytes(i *instance, a []uint64) abi.Status {
	kind := u32(a[0])
	if kind > uint32(abi.ResponseBody) {
		return abi.BadArgument
	}
	data, ok := i.vm.Read(u32(a[3]), u32(a[4]))
	if !ok {
		return abi.InvalidMemoryAccess
	}
	h := i.half(kind)
	if h == nil {
		return abi.BadArgument
	}
	if h.stage != inBody && h.stage != inTrailers && (h.stage != inHeaders || !h.last) {
		i.complain("body changed too late, or too early: ignored")
		return abi.BadArgument
	}
	if int64(len(h.buffer))+int64(len(data)) > max(i.vm.Limits.Body, 2*chunk) {
		h.tooLong = true // security W11: the exchange fails, and what is left of the body does not pass for it
		return abi.InternalFailure
	}
	i.vm.Charge(int64(len(h.buffer)) / 16) // that may have to be moved
	h.splice(uint64(u32(a[1])), uint64(u32(a[2])), data)
	return abi.OK
}

// splice replaces size bytes from start on; both may reach beyond the end. Guests in Go
// append at 0x7fffffff, and replace everything from 0 with that size.
func (h *half) splice(start, size uint64, data []byte) {
	n := uint64(len(h.buffer))
	start = min(start, n)
	end := min(start+size, n)
	h.own()
	h.buffer = slices.Replace(h.buffer, int(start), int(end), data...)
	h.touched, h.changed = true, true
}

// own makes the buffer one that may be written to.
func (h *half) own() {
	if !h.owned {
		h.buffer, h.owned = slices.Clone(h.buffer), true
	}
}
