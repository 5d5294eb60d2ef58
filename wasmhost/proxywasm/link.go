package proxywasm

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/tetratelabs/wazero/api"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/vm"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// bodies returns what the host functions do, by name. What they take and return is in
// the ABI's table alone.
func bodies() map[string]hostcall {
	return map[string]hostcall{
		"proxy_log":                          proxyLog,
		"proxy_get_log_level":                proxyGetLogLevel,
		"proxy_get_current_time_nanoseconds": proxyGetCurrentTimeNanoseconds,
		"proxy_set_tick_period_milliseconds": proxySetTickPeriodMilliseconds,
		"proxy_set_effective_context":        proxySetEffectiveContext,
		"proxy_done":                         proxyDone,
		"proxy_get_status":                   proxyGetStatus,
		"proxy_get_buffer_bytes":             proxyGetBufferBytes,
		"proxy_get_buffer_status":            proxyGetBufferStatus,
		"proxy_set_buffer_bytes":             proxySetBufferBytes,
		"proxy_get_header_map_size":          proxyGetHeaderMapSize,
		"proxy_get_header_map_pairs":         proxyGetHeaderMapPairs,
		"proxy_set_header_map_pairs":         proxySetHeaderMapPairs,
		"proxy_get_header_map_value":         proxyGetHeaderMapValue,
		"proxy_add_header_map_value":         proxyAddHeaderMapValue,
		"proxy_replace_header_map_value":     proxyReplaceHeaderMapValue,
		"proxy_remove_header_map_value":      proxyRemoveHeaderMapValue,
		"proxy_get_property":                 proxyGetProperty,
		"proxy_set_property":                 proxySetProperty,
		"proxy_continue_stream":              proxyContinueStream,
		"proxy_close_stream":                 proxyCloseStream,
		"proxy_send_local_response":          proxySendLocalResponse,
		"proxy_http_call":                    proxyHttpCall,
		"proxy_grpc_call":                    proxyGrpcCall,
		"proxy_grpc_stream":                  proxyGrpcStream,
		"proxy_grpc_send":                    proxyGrpcSend,
		"proxy_grpc_cancel":                  proxyGrpcCancel,
		"proxy_grpc_close":                   proxyGrpcClose,
		"proxy_get_shared_data":              proxyGetSharedData,
		"proxy_set_shared_data":              proxySetSharedData,
		"proxy_register_shared_queue":        proxyRegisterSharedQueue,
		"proxy_resolve_shared_queue":         proxyResolveSharedQueue,
		"proxy_enqueue_shared_queue":         proxyEnqueueSharedQueue,
		"proxy_dequeue_shared_queue":         proxyDequeueSharedQueue,
		"proxy_define_metric":                proxyDefineMetric,
		"proxy_record_metric":                proxyRecordMetric,
		"proxy_increment_metric":             proxyIncrementMetric,
		"proxy_get_metric":                   proxyGetMetric,
		"proxy_call_foreign_function":        proxyCallForeignFunction,
		"proxy_get_configuration":            proxyGetConfiguration,
		"proxy_continue_request":             proxyContinueRequest,
		"proxy_continue_response":            proxyContinueResponse,
		"proxy_clear_route_cache":            proxyClearRouteCache,
		"pthread_equal":                      pthreadEqual,
		"emscripten_notify_memory_growth":    nil, // the host keeps nothing that growth would outdate
	}
}

// pthreadEqual compares two threads. Its result is a truth value, no status.
func pthreadEqual(_ *instance, a []uint64) abi.Status {
	if u32(a[0]) == u32(a[1]) {
		return 1
	}
	return 0
}

// Link returns what the ABI offers to m. It fails if m imports what there is not, and
// names it.
func Link(m *wasm.Module) (*vm.Link, error) {
	known := map[string]abi.HostFunc{}
	for _, f := range abi.HostFuncs() {
		known[f.Name] = f
	}
	do := bodies()
	env := vm.HostModule{Name: abi.Module}
	bound := map[string]wasm.FuncType{}
	for _, im := range m.Imports {
		switch im.Module {
		case "wasi_snapshot_preview1", "wasi_unstable":
			continue // all guests have them
		case abi.Module:
		default:
			return nil, fmt.Errorf("link import %s.%s: there is no module of that name; %s and WASI preview 1 are known", im.Module, im.Name, abi.Module)
		}
		if im.Kind != wasm.Func {
			return nil, fmt.Errorf("link import %s.%s: it is a %s; functions alone are provided", im.Module, im.Name, im.Kind)
		}
		if t, twice := bound[im.Name]; twice && same(t, im.Type) {
			continue
		}
		f, err := bind(im, known, do, bound)
		if err != nil {
			return nil, err
		}
		bound[im.Name] = im.Type
		env.Funcs = append(env.Funcs, f)
	}
	return &vm.Link{Name: "proxy-wasm", Modules: []vm.HostModule{env}}, nil
}

// bind finds what an import is given.
func bind(im wasm.Import, known map[string]abi.HostFunc, do map[string]hostcall, bound map[string]wasm.FuncType) (vm.HostFunc, error) {
	h := vm.HostFunc{Name: im.Name, Params: values(im.Type.Params), Results: values(im.Type.Results)}
	f, ok := known[im.Name]
	want := wasm.FuncType{Params: types(f.Params), Results: types(f.Results)}
	switch {
	case !ok:
		if t, twice := bound[im.Name]; twice {
			return h, fmt.Errorf("link import env.%s: it is imported as %s and as %s", im.Name, signature(t), signature(im.Type))
		}
		return h, unknown(im, &h)
	case !same(want, im.Type):
		return h, fmt.Errorf("link import env.%s: the module wants %s, the ABI has %s", im.Name, signature(im.Type), signature(want))
	case do[im.Name] == nil:
		h.Call = func(context.Context, api.Module, []uint64) {}
	default:
		h.Call = wrap(do[im.Name])
	}
	return h, nil
}

// unknown binds a function that other hosts have beside the ABI: it says that it is not
// implemented, which guests that try know how to take.
func unknown(im wasm.Import, h *vm.HostFunc) error {
	if !strings.HasPrefix(im.Name, "proxy_") && !strings.HasPrefix(im.Name, "envoy_") {
		return fmt.Errorf("link import env.%s of type %s: weir has no such function; was the module built for another host?", im.Name, signature(im.Type))
	}
	for _, t := range slices.Concat(im.Type.Params, im.Type.Results) {
		switch t {
		case wasm.I32, wasm.I64, wasm.F32, wasm.F64:
		default:
			return fmt.Errorf("link import env.%s of type %s: weir has no such function, and no stub of that type", im.Name, signature(im.Type))
		}
	}
	status := len(im.Type.Results) > 0 && im.Type.Results[0] == wasm.I32
	results := len(im.Type.Results)
	var once sync.Once
	h.Call = func(ctx context.Context, _ api.Module, stack []uint64) {
		if i, ok := vm.InstanceOf(ctx).State.(*instance); ok {
			once.Do(func() {
				i.plugin.Log.Warn("plugin calls a function that other hosts have", "plugin", i.plugin.Name, "func", im.Name)
			})
		}
		clear(stack[:results])
		if status {
			stack[0] = uint64(abi.Unimplemented)
		}
	}
	return nil
}

func same(a, b wasm.FuncType) bool {
	return slices.Equal(a.Params, b.Params) && slices.Equal(a.Results, b.Results)
}

func types(list []abi.ValueType) []wasm.ValueType {
	out := make([]wasm.ValueType, len(list))
	for i, t := range list {
		out[i] = wasm.ValueType(t)
	}
	return out
}

func values(list []wasm.ValueType) []api.ValueType {
	out := make([]api.ValueType, len(list))
	for i, t := range list {
		out[i] = api.ValueType(t)
	}
	return out
}

// signature is a type as the text format has it, nearly: (i32 i64) -> (i32).
func signature(t wasm.FuncType) string {
	list := func(l []wasm.ValueType) string {
		words := make([]string, len(l))
		for i, v := range l {
			words[i] = v.String()
		}
		return "(" + strings.Join(words, " ") + ")"
	}
	return list(t.Params) + " -> " + list(t.Results)
}
