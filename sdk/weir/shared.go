package weir

import (
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/sdk/internal/host"
)

// SharedGet returns what instances of the plugin, on this node, share under a key, and
// its version. It does not wait. Its error is [ErrNotFound] if
// there is nothing.
func SharedGet(key string) (value []byte, version uint32, err error) {
	value, version, st := host.SharedData(key)
	return value, version, failed("get shared data "+key, st)
}

// SharedSet sets what instances of the plugin, on this node, share under a key; with a
// version that is not 0, only if that has not changed ([ErrConflict]).
func SharedSet(key string, value []byte, version uint32) error {
	return failed("set shared data "+key, host.SetSharedData(key, value, version))
}

// CallHost calls a function of the host's by its name: Envoy's "compress", say. Errors
// are ErrUnsupported where it knows none of that name.
func CallHost(name string, argument []byte) ([]byte, error) {
	b, st := host.Foreign(name, argument)
	if st == abi.NotFound {
		st = abi.Unimplemented
	}
	return b, failed("call host's "+name, st)
}
