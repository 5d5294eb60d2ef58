package proxywasm

import (
	"fmt"

	"github.com/weirproxy/weir/wasmhost/vm"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// exports are the functions of one instance that its host calls; nil where the module
// has none of that name.
type exports struct {
	malloc                                           *vm.Func
	contextCreate, done, log, delete                 *vm.Func
	vmStart, configure                               *vm.Func
	tick, queueReady, foreign                        *vm.Func
	request, response                                way
	httpCall                                         *vm.Func
	grpcInitial, grpcReceive, grpcTrailing, grpcDone *vm.Func
	// oldABI says that the module speaks 0.1.0: a missing header is an empty one there.
	oldABI bool
}

// way is what is called for one direction of a stream.
type way struct {
	headers, body, trailers *vm.Func
	// end says that headers takes end_of_stream, which ABI 0.1.0 did not know. What a
	// module says of its version may be wrong; its types are not.
	end bool
}

// callbacks names them all. A header callback may have a parameter less.
var callbacks = [...]struct {
	name   string
	params int
	field  func(*exports) **vm.Func
}{
	{"proxy_on_context_create", 2, func(e *exports) **vm.Func { return &e.contextCreate }},
	{"proxy_on_done", 1, func(e *exports) **vm.Func { return &e.done }},
	{"proxy_on_log", 1, func(e *exports) **vm.Func { return &e.log }},
	{"proxy_on_delete", 1, func(e *exports) **vm.Func { return &e.delete }},
	{"proxy_on_vm_start", 2, func(e *exports) **vm.Func { return &e.vmStart }},
	{"proxy_on_configure", 2, func(e *exports) **vm.Func { return &e.configure }},
	{"proxy_on_tick", 1, func(e *exports) **vm.Func { return &e.tick }},
	{"proxy_on_queue_ready", 2, func(e *exports) **vm.Func { return &e.queueReady }},
	{"proxy_on_foreign_function", 3, func(e *exports) **vm.Func { return &e.foreign }},
	{onRequestHeaders, 3, func(e *exports) **vm.Func { return &e.request.headers }},
	{"proxy_on_request_body", 3, func(e *exports) **vm.Func { return &e.request.body }},
	{"proxy_on_request_trailers", 2, func(e *exports) **vm.Func { return &e.request.trailers }},
	{onResponseHeaders, 3, func(e *exports) **vm.Func { return &e.response.headers }},
	{"proxy_on_response_body", 3, func(e *exports) **vm.Func { return &e.response.body }},
	{"proxy_on_response_trailers", 2, func(e *exports) **vm.Func { return &e.response.trailers }},
	{"proxy_on_http_call_response", 5, func(e *exports) **vm.Func { return &e.httpCall }},
	{"proxy_on_grpc_receive_initial_metadata", 3, func(e *exports) **vm.Func { return &e.grpcInitial }},
	{"proxy_on_grpc_receive", 3, func(e *exports) **vm.Func { return &e.grpcReceive }},
	{"proxy_on_grpc_receive_trailing_metadata", 3, func(e *exports) **vm.Func { return &e.grpcTrailing }},
	{"proxy_on_grpc_trailing_metadata", 3, func(e *exports) **vm.Func { return &e.grpcTrailing }}, // as AssemblyScript's SDK has it
	{"proxy_on_grpc_close", 3, func(e *exports) **vm.Func { return &e.grpcDone }},
}

const (
	onRequestHeaders  = "proxy_on_request_headers"
	onResponseHeaders = "proxy_on_response_headers"
	version           = "proxy_abi_version_"
)

// allocators in the order in which hosts have looked for them.
var allocators = [...]string{"malloc", "proxy_on_memory_allocate"}

// check says what is wrong with a module's exports: called with other parameters than
// it has, a guest would read what was left over from the last call.
func check(m *wasm.Module) error {
	allocator := ""
	for _, name := range allocators {
		if m.HasFunc(name) {
			allocator = name
			break
		}
	}
	if allocator == "" {
		return fmt.Errorf("find allocator: the module exports neither %s nor %s", allocators[0], allocators[1])
	}
	if err := checkType(m, allocator, 1, 1); err != nil {
		return err
	}
	if m.Memory == nil || m.Export("memory") == nil {
		return fmt.Errorf("find memory: the module does not export one called %q", "memory")
	}
	for _, c := range callbacks {
		fewest := c.params
		if c.name == onRequestHeaders || c.name == onResponseHeaders {
			fewest--
		}
		if err := checkType(m, c.name, fewest, c.params); err != nil {
			return err
		}
	}
	return nil
}

func checkType(m *wasm.Module, name string, fewest, most int) error {
	e := m.Export(name)
	if e == nil || e.Kind != wasm.Func {
		return nil
	}
	n := len(e.Type.Params)
	for _, p := range e.Type.Params {
		if p != wasm.I32 {
			return fmt.Errorf("export %s: has a parameter of type %s, the ABI knows i32 alone", name, p)
		}
	}
	if n < fewest || n > most {
		return fmt.Errorf("export %s: takes %d parameters, the ABI has %d", name, n, most)
	}
	return nil
}

// find looks the guest's functions up.
func (e *exports) find(in *vm.Instance, m *wasm.Module) {
	for _, name := range allocators {
		if e.malloc == nil {
			e.malloc = in.Lookup(name)
		}
	}
	for _, c := range callbacks {
		if f := in.Lookup(c.name); f != nil {
			*c.field(e) = f
		}
	}
	e.request.end = takes(m, onRequestHeaders, 3)
	e.response.end = takes(m, onResponseHeaders, 3)
	e.oldABI = m.HasFunc(version + "0_1_0")
}

func takes(m *wasm.Module, name string, n int) bool {
	e := m.Export(name)
	return e != nil && len(e.Type.Params) == n
}
