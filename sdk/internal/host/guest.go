package host

import abi "github.com/weirproxy/weir/sdk/abi/proxywasm"

// Guest is what a host calls: the callbacks of the ABI, for those who are no
// WebAssembly host. Between the making of a host's first context and the last, a process
// can have several of them: each has its own contexts.
type Guest interface {
	OnContextCreate(id, parent uint32)
	OnVMStart(root uint32, size int) bool
	OnConfigure(root uint32, size int) bool
	OnTick(root uint32)
	OnRequestHeaders(id uint32, fields int, end bool) abi.Action
	OnRequestBody(id uint32, size int, end bool) abi.Action
	OnRequestTrailers(id uint32, fields int) abi.Action
	OnResponseHeaders(id uint32, fields int, end bool) abi.Action
	OnResponseBody(id uint32, size int, end bool) abi.Action
	OnResponseTrailers(id uint32, fields int) abi.Action
	OnCallResponse(root, token uint32, fields, size, trailers int)
	OnForeign(root, function uint32, size int)
	OnDone(id uint32) bool
	OnLog(id uint32)
	OnDelete(id uint32)
}
