//go:build wasip1

package weir

import (
	"unsafe"

	"github.com/weirproxy/weir/sdk/internal/host"
)

// What a host calls. In a reactor main does not run, and init has.

var instance = newGuest(registered)

//go:wasmexport proxy_abi_version_0_2_1
func abiVersion() {}

//go:wasmexport proxy_on_memory_allocate
func onMemoryAllocate(n uint32) unsafe.Pointer { return host.Allocate(n) }

//go:wasmexport proxy_on_context_create
func onContextCreate(id, parent uint32) { instance.OnContextCreate(id, parent) }

//go:wasmexport proxy_on_vm_start
func onVMStart(root, size uint32) uint32 { return truth(instance.OnVMStart(root, int(size))) }

//go:wasmexport proxy_on_configure
func onConfigure(root, size uint32) uint32 { return truth(instance.OnConfigure(root, int(size))) }

//go:wasmexport proxy_on_tick
func onTick(root uint32) { instance.OnTick(root) }

//go:wasmexport proxy_on_request_headers
func onRequestHeaders(id, n, end uint32) uint32 {
	return uint32(instance.OnRequestHeaders(id, int(n), end != 0))
}

//go:wasmexport proxy_on_request_body
func onRequestBody(id, n, end uint32) uint32 {
	return uint32(instance.OnRequestBody(id, int(n), end != 0))
}

//go:wasmexport proxy_on_request_trailers
func onRequestTrailers(id, n uint32) uint32 {
	return uint32(instance.OnRequestTrailers(id, int(n)))
}

//go:wasmexport proxy_on_response_headers
func onResponseHeaders(id, n, end uint32) uint32 {
	return uint32(instance.OnResponseHeaders(id, int(n), end != 0))
}

//go:wasmexport proxy_on_response_body
func onResponseBody(id, n, end uint32) uint32 {
	return uint32(instance.OnResponseBody(id, int(n), end != 0))
}

//go:wasmexport proxy_on_response_trailers
func onResponseTrailers(id, n uint32) uint32 {
	return uint32(instance.OnResponseTrailers(id, int(n)))
}

//go:wasmexport proxy_on_http_call_response
func onCallResponse(root, token, fields, size, trailers uint32) {
	instance.OnCallResponse(root, token, int(fields), int(size), int(trailers))
}

//go:wasmexport proxy_on_foreign_function
func onForeign(root, function, size uint32) { instance.OnForeign(root, function, int(size)) }

// Without proxy_on_done and proxy_on_log a host has two calls less to make for each
// stream; what is to be done then is done when it is deleted.

//go:wasmexport proxy_on_delete
func onDelete(id uint32) { instance.OnDelete(id) }

func truth(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}
