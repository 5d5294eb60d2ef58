package proxywasm

import (
	"errors"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/commons"
)

// view returns the n bytes at p of the guest's memory, as they are until it runs again.
func (i *instance) view(p, n uint64) ([]byte, bool) { return i.vm.Read(u32(p), u32(n)) }

// failing is the status that stands for an error of commons.
func failing(err error) abi.Status {
	switch {
	case err == nil:
		return abi.OK
	case errors.Is(err, commons.ErrNotFound):
		return abi.NotFound
	case errors.Is(err, commons.ErrCAS):
		return abi.CASMismatch
	case errors.Is(err, commons.ErrEmpty):
		return abi.Empty
	case errors.Is(err, commons.ErrArgument):
		return abi.BadArgument
	}
	return abi.InternalFailure
}

// proxyGetSharedData has key, where to put the value, where to put its version.
func proxyGetSharedData(i *instance, a []uint64) abi.Status {
	version := u32(a[4])
	key, ok := i.view(a[0], a[1])
	if !ok {
		return abi.InvalidMemoryAccess
	}
	value, cas, ok := i.plugin.Commons.Get(key)
	if !ok {
		return abi.NotFound
	}
	if !i.vm.PutUint32(version, cas) {
		return abi.InvalidMemoryAccess
	}
	return i.give(u32(a[2]), u32(a[3]), value)
}

// proxySetSharedData has key, value, version; 0 is any.
func proxySetSharedData(i *instance, a []uint64) abi.Status {
	key, ok := i.view(a[0], a[1])
	if !ok {
		return abi.InvalidMemoryAccess
	}
	value, ok := i.view(a[2], a[3])
	if !ok {
		return abi.InvalidMemoryAccess
	}
	return failing(i.plugin.Commons.Set(key, value, u32(a[4])))
}
