package vm

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/weirproxy/weir/wasmhost/meter"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// HostModule is what guests may import from a module called Name.
type HostModule struct {
	Name  string
	Funcs []HostFunc
}

// HostFunc is one host function. Each call of it costs the guest some fuel, and so do the
// bytes that it reads and writes; what it does more it charges itself: see Instance.Charge.
type HostFunc struct {
	Name            string
	Params, Results []api.ValueType
	Call            api.GoModuleFunc
}

// Link is what one ABI offers to its guests, beside WASI preview 1, which all have.
type Link struct {
	Name    string // of the ABI; programs of one content and one ABI are shared
	Modules []HostModule
	// Interpret runs the guest without the compiler, some twenty times slower: for a
	// module that the compiler gets wrong.
	Interpret bool
}

// link makes the host modules that the program imports from, and says what is missing.
func (p *Program) link(ctx context.Context, link *Link) error {
	offered := map[string]map[string]api.FunctionDefinition{}
	add := func(ctx context.Context, b wazero.HostModuleBuilder, name string) error {
		code, err := b.Compile(ctx)
		if err == nil {
			_, err = p.runtime.InstantiateModule(ctx, code, wazero.NewModuleConfig().WithName(name))
		}
		if err != nil {
			return fmt.Errorf("link %s: %w", name, err)
		}
		offered[name] = code.ExportedFunctions()
		return nil
	}
	b := p.runtime.NewHostModuleBuilder(meter.Module)
	b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(yield), nil, nil).Export(meter.Yield)
	if err := add(ctx, b, meter.Module); err != nil {
		return err
	}
	for _, name := range []string{wasi_snapshot_preview1.ModuleName, "wasi_unstable"} {
		if !p.Info.Needs(name) {
			continue
		}
		b := p.runtime.NewHostModuleBuilder(name)
		wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(b)
		exportEnviron(b)
		if err := add(experimental.WithFunctionListenerFactory(ctx, tolls{}), b, name); err != nil {
			return err
		}
	}
	for _, m := range link.Modules {
		if !p.Info.Needs(m.Name) {
			continue
		}
		b := p.runtime.NewHostModuleBuilder(m.Name)
		for _, f := range m.Funcs {
			b.NewFunctionBuilder().WithGoModuleFunction(guard(f.Call), f.Params, f.Results).Export(f.Name)
		}
		if err := add(ctx, b, m.Name); err != nil {
			return err
		}
	}
	return missing(p.Info.Imports, offered)
}

// missing says which imports nobody offers.
func missing(imports []wasm.Import, offered map[string]map[string]api.FunctionDefinition) error {
	var wrong []string
	for _, i := range imports {
		what := i.Module + "." + i.Name
		if i.Module == meter.Module {
			// How guests are counted is between the host and the meter.
			wrong = append(wrong, what+": not provided")
			continue
		}
		f := offered[i.Module][i.Name]
		switch {
		case i.Kind != wasm.Func:
			wrong = append(wrong, fmt.Sprintf("%s: a %s; functions are provided", what, i.Kind))
		case f == nil:
			wrong = append(wrong, what+": not provided")
		case !sameTypes(i.Type.Params, f.ParamTypes()) || !sameTypes(i.Type.Results, f.ResultTypes()):
			wrong = append(wrong, fmt.Sprintf("%s: of type %v -> %v; provided is %s -> %s", what,
				i.Type.Params, i.Type.Results, typeNames(f.ParamTypes()), typeNames(f.ResultTypes())))
		}
	}
	if wrong == nil {
		return nil
	}
	const most = 20
	if n := len(wrong) - most; n > 0 {
		wrong = append(wrong[:most], fmt.Sprintf("and %d more", n))
	}
	return fmt.Errorf("link module: import %s", strings.Join(wrong, ", "))
}

func sameTypes(a []wasm.ValueType, b []api.ValueType) bool {
	return slices.EqualFunc(a, b, func(x wasm.ValueType, y api.ValueType) bool { return byte(x) == y })
}

func typeNames(types []api.ValueType) string {
	names := make([]string, len(types))
	for k, t := range types {
		names[k] = wasm.ValueType(t).String()
	}
	return "[" + strings.Join(names, " ") + "]"
}
