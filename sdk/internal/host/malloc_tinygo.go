//go:build wasip1 && tinygo

package host

import "unsafe"

// mallocated takes what a host has put into memory that it did not get by [Allocate]:
// modules of TinyGo export malloc as well, and some hosts look for that first.
func mallocated(p, n uint32) []byte {
	at := unsafe.Pointer(uintptr(p))
	b := append([]byte(nil), unsafe.Slice((*byte)(at), n)...)
	free(at)
	return b
}

//export free
func free(unsafe.Pointer)
