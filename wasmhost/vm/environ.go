package vm

import (
	"context"
	"errors"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// exportEnviron has a guest's variables read where they are. The engine's own functions
// want them in its configuration, which it copies whole for each.
func exportEnviron(b wazero.HostModuleBuilder) {
	types := []api.ValueType{api.ValueTypeI32, api.ValueTypeI32}
	for name, f := range map[string]api.GoModuleFunc{"environ_sizes_get": environSizes, "environ_get": environ} {
		b.NewFunctionBuilder().WithGoModuleFunction(f, types, types[:1]).WithName(name).Export(name)
	}
}

// The errors of WASI that are told here.
const (
	wasiOK    = 0
	wasiFault = 21
)

// environSizes has where to put the number of variables, and of bytes that they take.
func environSizes(ctx context.Context, _ api.Module, a []uint64) {
	i := InstanceOf(ctx)
	n := 0
	for _, e := range i.env {
		n += len(e[0]) + len(e[1]) + 2
	}
	if !i.PutUint32(uint32(a[0]), uint32(len(i.env))) || !i.PutUint32(uint32(a[1]), uint32(n)) {
		a[0] = wasiFault
		return
	}
	a[0] = wasiOK
}

// environ has where to put the addresses of variables, and the variables.
func environ(ctx context.Context, _ api.Module, a []uint64) {
	i := InstanceOf(ctx)
	list, at := uint32(a[0]), uint32(a[1])
	a[0] = wasiFault
	for _, e := range i.env {
		n := uint32(len(e[0]) + len(e[1]) + 2)
		i.Charge(int64(n) / 16)
		b, ok := i.Read(at, n)
		if !ok || !i.PutUint32(list, at) {
			return
		}
		k := copy(b, e[0])
		b[k] = '='
		k += 1 + copy(b[k+1:], e[1])
		b[k] = 0
		list, at = list+4, at+n
	}
	a[0] = wasiOK
}

var errVariable = errors.New("a variable without a name, with = in it, or with a zero byte")

// checkEnviron refuses what would be another variable, or half of one.
func checkEnviron(env [][2]string) error {
	for _, e := range env {
		if e[0] == "" || strings.ContainsAny(e[0], "=\x00") || strings.Contains(e[1], "\x00") {
			return errVariable
		}
	}
	return nil
}
