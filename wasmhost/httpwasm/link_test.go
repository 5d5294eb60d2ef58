package httpwasm

import (
	"slices"
	"strings"
	"testing"

	abi "github.com/weirproxy/weir/sdk/abi/httpwasm"
	"github.com/weirproxy/weir/wasmhost/vmtest"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// TestTable: what the ABI's table has and what there is are the same.
func TestTable(t *testing.T) {
	t.Parallel()
	table := abi.Functions()
	for _, f := range table {
		if hostcalls[f.Name] == nil {
			t.Errorf("%s is in the table, and nowhere else", f.Name)
		}
	}
	for name := range hostcalls {
		if !slices.ContainsFunc(table, func(f abi.Function) bool { return f.Name == name }) {
			t.Errorf("%s is not in the table", name)
		}
	}
	if len(table) != 19 {
		t.Errorf("got %d functions, the ABI has 19", len(table))
	}
}

func TestLink(t *testing.T) {
	t.Parallel()
	types := func(n int) []wasm.ValueType { return slices.Repeat([]wasm.ValueType{wasm.I32}, n) }
	i64 := []wasm.ValueType{wasm.I64}
	request := vmtest.Func{Name: "handle_request", Results: i64, Body: vmtest.Code{vmtest.I64Const, int64(0)}}
	response := vmtest.Func{Name: "handle_response", Params: types(2)}
	for _, tt := range []struct {
		name   string
		module vmtest.Module
		speaks bool
		want   string // of the error; "": none
	}{
		{"all there", vmtest.Module{Funcs: []vmtest.Func{request, response}, Pages: 1}, true, ""},
		{"a good import", vmtest.Module{Funcs: []vmtest.Func{request, response}, Pages: 1,
			Imports: []vmtest.Import{{Module: "http_handler", Name: "log", Params: types(3)}}}, true, ""},
		{"WASI", vmtest.Module{Funcs: []vmtest.Func{request, response}, Pages: 1,
			Imports: []vmtest.Import{{Module: "wasi_snapshot_preview1", Name: "proc_exit", Params: types(1)}}}, true, ""},
		{"no memory", vmtest.Module{Funcs: []vmtest.Func{request, response}}, true, "export memory: there is no memory"},
		{"no handle_response", vmtest.Module{Funcs: []vmtest.Func{request}, Pages: 1}, true, "export handle_response: there is no function"},
		{"another type", vmtest.Module{Funcs: []vmtest.Func{request, {Name: "handle_response", Params: types(1)}}, Pages: 1}, true,
			"export handle_response: its type is (i32) -> (), http-wasm wants (i32, i32) -> ()"},
		{"only imports", vmtest.Module{Funcs: []vmtest.Func{{Name: "_start"}}, Pages: 1,
			Imports: []vmtest.Import{{Module: "http_handler", Name: "log", Params: types(3)}}}, true, "Go: //go:wasmexport handle_request"},
		{"unknown import", vmtest.Module{Funcs: []vmtest.Func{request, response}, Pages: 1,
			Imports: []vmtest.Import{{Module: "http_handler", Name: "fetch", Params: types(3)}}}, true, "import http_handler.fetch: there is no such function"},
		{"import of another type", vmtest.Module{Funcs: []vmtest.Func{request, response}, Pages: 1,
			Imports: []vmtest.Import{{Module: "http_handler", Name: "read_body", Params: types(3), Results: types(1)}}}, true,
			"import http_handler.read_body: the guest takes it for (i32, i32, i32) -> i32, it is (i32, i32, i32) -> i64"},
		{"import from elsewhere", vmtest.Module{Funcs: []vmtest.Func{request, response}, Pages: 1,
			Imports: []vmtest.Import{{Module: "env", Name: "sock", Params: types(1)}}}, true, "import env.sock: an http-wasm guest may import from"},
		{"something else", vmtest.Module{Funcs: []vmtest.Func{{Name: "_start"}}, Pages: 1}, false, "export handle_request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, err := wasm.Parse(tt.module.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if got := Speaks(m); got != tt.speaks {
				t.Errorf("Speaks: got %v, want %v", got, tt.speaks)
			}
			if _, err := Link(m); (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Link: got %v, want %q", err, tt.want)
			}
		})
	}
}
