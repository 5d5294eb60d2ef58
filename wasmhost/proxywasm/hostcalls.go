package proxywasm

import (
	"context"

	"github.com/tetratelabs/wazero/api"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// hostcall is one host function, named as the ABI names it: proxy_get_status is
// proxyGetStatus. Its arguments are the stack's slots, of which only the lower halves of
// 32-bit values mean anything: use u32.
type hostcall func(i *instance, a []uint64) abi.Status

func u32(v uint64) uint32 { return uint32(v) }

// wrap makes what the engine calls of a host function. Host functions are called while
// an instance is being started, too: it learns of its guest by the first.
func wrap(f hostcall) api.GoModuleFunc {
	return func(ctx context.Context, _ api.Module, stack []uint64) {
		in := vm.InstanceOf(ctx)
		i := in.State.(*instance)
		if i.vm == nil {
			i.vm = in
		}
		stack[0] = uint64(f(i, stack))
	}
}
