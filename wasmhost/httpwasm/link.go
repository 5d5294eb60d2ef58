package httpwasm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero/api"

	abi "github.com/weirproxy/weir/sdk/abi/httpwasm"
	"github.com/weirproxy/weir/wasmhost/vm"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// Speaks tells whether m speaks this ABI, or tries to: it exports one of its functions or
// imports from it. What it lacks then is Link's to say.
func Speaks(m *wasm.Module) bool {
	return m.HasFunc(abi.HandleRequest) || m.HasFunc(abi.HandleResponse) || m.Needs(abi.Module)
}

// Link returns what the ABI offers to m. It fails if m imports what there is not, or
// lacks what it has to export, and names it.
func Link(m *wasm.Module) (*vm.Link, error) {
	if err := errors.Join(checkExports(m), checkImports(m)); err != nil {
		return nil, err
	}
	host := vm.HostModule{Name: abi.Module}
	for _, f := range abi.Functions() {
		host.Funcs = append(host.Funcs, vm.HostFunc{
			Name: f.Name, Params: f.Params, Results: f.Results, Call: wrap(hostcalls[f.Name]),
		})
	}
	return &vm.Link{Name: "http-wasm", Modules: []vm.HostModule{host}}, nil
}

// hostcall is one host function. It takes its arguments from the stack's slots, of which
// only the lower halves mean anything, and leaves its result in the first.
type hostcall func(i *instance, a []uint64)

var hostcalls = map[string]hostcall{
	"enable_features":      enableFeatures,
	"get_config":           getConfig,
	"log_enabled":          logEnabled,
	"log":                  logLine,
	"get_method":           getMethod,
	"set_method":           setMethod,
	"get_uri":              getURI,
	"set_uri":              setURI,
	"get_protocol_version": getProtocolVersion,
	"get_source_addr":      getSourceAddr,
	"get_header_names":     getHeaderNames,
	"get_header_values":    getHeaderValues,
	"set_header_value":     setHeaderValue,
	"add_header_value":     addHeaderValue,
	"remove_header":        removeHeader,
	"read_body":            readBody,
	"write_body":           writeBody,
	"get_status_code":      getStatusCode,
	"set_status_code":      setStatusCode,
}

// wrap makes what the engine calls of a host function.
func wrap(f hostcall) api.GoModuleFunc {
	return func(ctx context.Context, _ api.Module, stack []uint64) {
		v := vm.InstanceOf(ctx)
		i := v.State.(*instance)
		i.vm = v // a module's start section runs before Instantiate has returned it
		f(i, stack)
	}
}

func checkExports(m *wasm.Module) error {
	i32, i64 := wasm.I32, wasm.I64
	memory := error(nil)
	if e := m.Export(abi.Memory); e == nil || e.Kind != wasm.Memory {
		memory = errors.New("export memory: there is no memory of that name, which http-wasm guests must export")
	}
	return errors.Join(
		checkExport(m, abi.HandleRequest, wasm.FuncType{Results: []wasm.ValueType{i64}}),
		checkExport(m, abi.HandleResponse, wasm.FuncType{Params: []wasm.ValueType{i32, i32}}),
		memory)
}

func checkExport(m *wasm.Module, name string, want wasm.FuncType) error {
	switch e := m.Export(name); {
	case e == nil || e.Kind != wasm.Func:
		return fmt.Errorf("export %s: there is no function of that name, which http-wasm guests must export, if only to do nothing "+
			"(Go: //go:wasmexport %[1]s; Rust: #[no_mangle] pub extern \"C\" fn %[1]s; C: __attribute__((export_name(%[1]q))))", name)
	case !same(e.Type, want):
		return fmt.Errorf("export %s: its type is %s, http-wasm wants %s", name, typeString(e.Type), typeString(want))
	}
	return nil
}

func checkImports(m *wasm.Module) error {
	var all []error
	table := abi.Functions()
	for _, i := range m.Imports {
		switch i.Module {
		case "wasi_snapshot_preview1", "wasi_unstable": // the engine's
			continue
		case abi.Module:
		default:
			all = append(all, fmt.Errorf("import %s.%s: an http-wasm guest may import from %s and wasi_snapshot_preview1", i.Module, i.Name, abi.Module))
			continue
		}
		n := slices.IndexFunc(table, func(f abi.Function) bool { return f.Name == i.Name })
		if n < 0 || i.Kind != wasm.Func {
			all = append(all, fmt.Errorf("import %s.%s: there is no such function", i.Module, i.Name))
			continue
		}
		want := wasm.FuncType{Params: valueTypes(table[n].Params), Results: valueTypes(table[n].Results)}
		if !same(i.Type, want) {
			all = append(all, fmt.Errorf("import %s.%s: the guest takes it for %s, it is %s", i.Module, i.Name, typeString(i.Type), typeString(want)))
		}
	}
	return errors.Join(all...)
}

func same(a, b wasm.FuncType) bool {
	return slices.Equal(a.Params, b.Params) && slices.Equal(a.Results, b.Results)
}

func valueTypes(from []abi.Type) []wasm.ValueType {
	to := make([]wasm.ValueType, len(from))
	for i, t := range from {
		to[i] = wasm.ValueType(t)
	}
	return to
}

// typeString writes a type as "(i32, i32) -> i64".
func typeString(t wasm.FuncType) string {
	list := func(types []wasm.ValueType) string {
		var words []string
		for _, t := range types {
			words = append(words, t.String())
		}
		return strings.Join(words, ", ")
	}
	if len(t.Results) == 1 {
		return fmt.Sprintf("(%s) -> %s", list(t.Params), t.Results[0])
	}
	return fmt.Sprintf("(%s) -> (%s)", list(t.Params), list(t.Results))
}
