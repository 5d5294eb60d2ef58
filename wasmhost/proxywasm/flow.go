package proxywasm

import abi "github.com/weirproxy/weir/sdk/abi/proxywasm"

// proxyContinueStream takes a kind of stream, and has it go on if it is paused, or is
// about to be by the callback that runs. Elsewhere it does nothing, and saves no later
// pause.
func proxyContinueStream(i *instance, a []uint64) abi.Status {
	switch d := abi.Direction(u32(a[0])); d {
	case abi.Request, abi.Response:
		return i.resume(d)
	case abi.Downstream, abi.Upstream:
		return abi.Unimplemented
	}
	return abi.BadArgument
}

// proxyContinueRequest is ABI 0.1.0's.
func proxyContinueRequest(i *instance, _ []uint64) abi.Status { return i.resume(abi.Request) }

// proxyContinueResponse is ABI 0.1.0's.
func proxyContinueResponse(i *instance, _ []uint64) abi.Status { return i.resume(abi.Response) }

func (i *instance) resume(d abi.Direction) abi.Status {
	h := i.half(uint32(d))
	if h == nil {
		i.complain("continued a stream on a context that is none: ignored")
		return abi.OK
	}
	if h.stage != idle && h.stage != passed {
		h.resumed = true
		i.effective.stream.wake()
		i.effective.stream.nudge()
	}
	return abi.OK
}

// proxyCloseStream takes a kind of stream: the exchange is cut.
func proxyCloseStream(i *instance, a []uint64) abi.Status {
	switch abi.Direction(u32(a[0])) {
	case abi.Request, abi.Response:
		if i.effective != nil && i.effective.stream != nil {
			s := i.effective.stream
			s.aborted = true
			s.wake()
			s.nudge()
		}
		return abi.OK
	case abi.Downstream, abi.Upstream:
		return abi.Unimplemented
	}
	return abi.BadArgument
}
