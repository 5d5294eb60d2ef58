package proxywasm

import (
	"context"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// proxyGetLogLevel has where to put the level from which on lines are kept.
func proxyGetLogLevel(i *instance, a []uint64) abi.Status {
	for l, level := range levels {
		if i.plugin.Log.Enabled(context.Background(), level) {
			return i.put(u32(a[0]), uint32(l))
		}
	}
	return i.put(u32(a[0]), uint32(abi.Critical))
}

// proxyGetConfiguration has where to put the configuration: of the VM while that is
// started, else the plugin's. ABI 0.1.0 alone has it.
func proxyGetConfiguration(i *instance, a []uint64) abi.Status {
	if i.effective == nil {
		return abi.NotFound
	}
	config := i.effective.root.use.Config
	if i.starting {
		config = i.plugin.Config
	}
	return i.give(u32(a[0]), u32(a[1]), config)
}

// proxyDone says that a root is done which was not when it was asked.
func proxyDone(i *instance, _ []uint64) abi.Status {
	if i.effective == nil || !i.effective.root.undone {
		return abi.NotFound
	}
	rt := i.effective.root
	rt.undone = false
	i.later = append(i.later, rt.delete)
	return abi.OK
}

// proxyClearRouteCache does nothing: routes are chosen before filters run.
func proxyClearRouteCache(*instance, []uint64) abi.Status { return abi.OK }
