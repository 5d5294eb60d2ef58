package proxywasm

import (
	"sync"
	"testing"

	"github.com/weirproxy/weir/wasmhost/vm"
	. "github.com/weirproxy/weir/wasmhost/vmtest"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// headers adds a field to the request and one to the response, and does nothing else:
// what a header filter costs at least.
var headers = sync.OnceValues(func() (*vm.Program, error) {
	five := []wasm.ValueType{wasm.I32, wasm.I32, wasm.I32, wasm.I32, wasm.I32}
	add := func(kind int) Code {
		return Code{I32Const, kind, I32Const, 0, I32Const, 7, I32Const, 16, I32Const, 5, Call, "proxy_add_header_map_value", Drop, I32Const, 0}
	}
	return program(Module{
		Imports: []Import{{Module: "env", Name: "proxy_add_header_map_value", Params: five, Results: I32}},
		Funcs: []Func{
			{Name: "proxy_abi_version_0_2_1"},
			{Name: "malloc", Params: I32, Results: I32, Body: Code{I32Const, 1024}},
			{Name: "proxy_on_context_create", Params: I32x2},
			{Name: "proxy_on_request_headers", Params: I32x3, Results: I32, Body: add(0)},
			{Name: "proxy_on_response_headers", Params: I32x3, Results: I32, Body: add(2)},
			{Name: "proxy_on_delete", Params: I32},
		},
		Pages: 1,
		Data:  []Data{{At: 0, Data: "x-added"}, {At: 16, Data: "value"}},
	}.Bytes())
})

func headerGuest(t testing.TB) *vm.Program {
	t.Helper()
	prog, err := headers()
	if err != nil {
		t.Fatal(err)
	}
	return prog
}
