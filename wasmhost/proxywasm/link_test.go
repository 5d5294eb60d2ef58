package proxywasm

import (
	"strings"
	"testing"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	. "github.com/weirproxy/weir/wasmhost/vmtest"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

func TestLink_HasAllOfTheTableAndNoMore(t *testing.T) {
	t.Parallel()
	do := bodies()
	for _, f := range abi.HostFuncs() {
		if _, ok := do[f.Name]; !ok {
			t.Errorf("%s is in the table, and nothing does it", f.Name)
		}
		delete(do, f.Name)
	}
	for name := range do {
		t.Errorf("%s is done, and not in the table", name)
	}
}

func parse(t *testing.T, m Module) *wasm.Module {
	t.Helper()
	info, err := wasm.Parse(m.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestLink_NamesWhatIsNotThere(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		imports []Import
		want    []string
	}{
		{"other module", []Import{{Module: "wasi_nn", Name: "load"}}, []string{"wasi_nn.load", "env"}},
		{"other function", []Import{{Module: "env", Name: "abort", Params: I32x4}}, []string{"env.abort", "(i32 i32 i32 i32) -> ()"}},
		{"other signature", []Import{{Module: "env", Name: "proxy_log", Params: I32x2, Results: I32}},
			[]string{"env.proxy_log", "(i32 i32) -> (i32)", "(i32 i32 i32) -> (i32)"}},
		{"stub of vectors", []Import{{Module: "env", Name: "proxy_x", Params: []wasm.ValueType{wasm.V128}}}, []string{"env.proxy_x", "v128"}},
		{"stub of two types", []Import{{Module: "env", Name: "proxy_x", Params: I32}, {Module: "env", Name: "proxy_x", Params: I32x2}},
			[]string{"env.proxy_x", "(i32) -> ()", "(i32 i32) -> ()"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Link(parse(t, Module{Imports: tt.imports}))
			if err == nil {
				t.Fatal("Link accepted it, want an error")
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("Link = %q, want it to name %q", err, part)
				}
			}
		})
	}
}

func TestLink_TakesAllVersionsAtOnce(t *testing.T) {
	t.Parallel()
	m := rigModule()
	m.Imports = append(m.Imports, m.Imports[0], Import{Module: "wasi_unstable", Name: "proc_exit", Params: I32})
	link, err := Link(parse(t, m))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(link.Modules[0].Funcs), len(abi.HostFuncs()); got != want {
		t.Errorf("%d functions linked, want %d: every one once", got, want)
	}
}

func TestLink_StandsInForFunctionsOfOtherHosts(t *testing.T) {
	t.Parallel()
	m := rigModule()
	m.Imports = append(m.Imports, Import{Module: "env", Name: "proxy_redis_init", Params: I32x2, Results: I32})
	m.Funcs = append(m.Funcs, Func{Name: "call_proxy_redis_init", Params: I32x2, Results: I32, Body: Code{
		LocalGet, 0, LocalGet, 1, Call, "proxy_redis_init"}})
	r := newRigOf(t, nil, m)
	for range 2 {
		r.want(abi.Unimplemented, "proxy_redis_init", "redis")
	}
	if n := r.told.count("proxy_redis_init"); n != 1 {
		t.Errorf("%d lines name the function, want 1", n)
	}
}
