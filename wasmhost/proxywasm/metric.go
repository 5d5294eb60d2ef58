package proxywasm

import (
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/commons"
)

// proxyDefineMetric has kind, name, where to put the number.
func proxyDefineMetric(i *instance, a []uint64) abi.Status {
	if u32(a[0]) > uint32(abi.Histogram) {
		return abi.BadArgument
	}
	name, ok := i.view(a[1], a[2])
	if !ok {
		return abi.InvalidMemoryAccess
	}
	if len(name) > commons.MaxName {
		return abi.BadArgument
	}
	n, err := i.plugin.Commons.Define(commons.Kind(u32(a[0])), string(name))
	if err != nil {
		return failing(err)
	}
	return i.put(u32(a[3]), n)
}

// proxyRecordMetric has number, value.
func proxyRecordMetric(i *instance, a []uint64) abi.Status {
	return failing(i.plugin.Commons.Record(u32(a[0]), a[1]))
}

// proxyIncrementMetric has number, signed difference.
func proxyIncrementMetric(i *instance, a []uint64) abi.Status {
	return failing(i.plugin.Commons.Increment(u32(a[0]), int64(a[1])))
}

// proxyGetMetric has number, where to put the value.
func proxyGetMetric(i *instance, a []uint64) abi.Status {
	v, err := i.plugin.Commons.Value(u32(a[0]))
	if err != nil {
		return failing(err)
	}
	if !i.vm.PutUint64(u32(a[1]), v) {
		return abi.InvalidMemoryAccess
	}
	return abi.OK
}
