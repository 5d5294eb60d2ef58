//go:build wasip1

// A header filter in Go without an SDK: what that one is measured by.
package main

import "unsafe"

var name, value, room = []byte("x-added"), []byte("value"), make([]byte, 4096)

//go:wasmimport env proxy_add_header_map_value
func add(kind uint32, name unsafe.Pointer, nameSize uint32, value unsafe.Pointer, valueSize uint32) uint32

//go:wasmexport proxy_abi_version_0_2_1
func abi() {}

//go:wasmexport proxy_on_memory_allocate
func allocate(n uint32) unsafe.Pointer { return unsafe.Pointer(&room[0]) }

//go:wasmexport proxy_on_context_create
func create(id, parent uint32) {}

//go:wasmexport proxy_on_request_headers
func request(id, n, end uint32) uint32 { return both(0) }

//go:wasmexport proxy_on_response_headers
func response(id, n, end uint32) uint32 { return both(2) }

func both(kind uint32) uint32 {
	add(kind, unsafe.Pointer(&name[0]), uint32(len(name)), unsafe.Pointer(&value[0]), uint32(len(value)))
	return 0
}

//go:wasmexport proxy_on_delete
func end(id uint32) {}

func main() {}
