package proxywasm

import abi "github.com/weirproxy/weir/sdk/abi/proxywasm"

// proxySetEffectiveContext takes the context that host functions are to speak of, until
// the callback returns.
func proxySetEffectiveContext(i *instance, a []uint64) abi.Status {
	c := i.contexts[u32(a[0])]
	if c == nil {
		return abi.BadArgument
	}
	i.effective = c
	return abi.OK
}
