//go:build wasip1

package weir

import (
	"unsafe"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

//go:wasmimport wasi_snapshot_preview1 random_get
func randomGet(p unsafe.Pointer, n uint32) uint32

// ownRandom has the bytes from WASI: package crypto/rand would bring a module more than
// all of this one.
func ownRandom(n int) ([]byte, error) {
	b := make([]byte, n)
	if n > 0 && randomGet(unsafe.Pointer(unsafe.SliceData(b)), uint32(n)) != 0 {
		return nil, failed("make random bytes", abi.InternalFailure)
	}
	return b, nil
}
