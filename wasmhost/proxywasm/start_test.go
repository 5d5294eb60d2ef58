package proxywasm

import (
	"runtime"
	"strings"
	"testing"

	. "github.com/weirproxy/weir/wasmhost/vmtest"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// minimal is what every guest has.
func minimal(more ...Func) Module {
	return Module{
		Imports: []Import{
			{Module: "env", Name: "proxy_log", Params: I32x3, Results: I32},
			{Module: "wasi_snapshot_preview1", Name: "proc_exit", Params: I32},
		},
		Funcs: append([]Func{{Name: "malloc", Params: I32, Results: I32, Body: Code{I32Const, 1024}}}, more...),
		Pages: 1,
		Data:  []Data{{At: 0, Data: "started"}},
	}
}

var sayStarted = Code{I32Const, 2, I32Const, 0, I32Const, 7, Call, "proxy_log", Drop}

func TestStart_HostFunctionsWorkInTheStartSection(t *testing.T) {
	t.Parallel()
	m := minimal(Func{Name: "$top", Body: sayStarted}, Func{Name: "proxy_abi_version_0_2_0"})
	m.Start = "$top"
	prog, err := program(m.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	openProgram(t, prog, "").heard("started")
}

func TestStart_OldHeaderCallbacksTakeTwo(t *testing.T) {
	t.Parallel()
	prog, err := program(minimal(
		Func{Name: "proxy_abi_version_0_1_0"},
		Func{Name: "proxy_on_context_create", Params: I32x2},
		Func{Name: "proxy_on_request_headers", Params: I32x2, Results: I32, Body: append(sayStarted[:len(sayStarted):len(sayStarted)], I32Const, 0)},
	).Bytes())
	if err != nil {
		t.Fatal(err)
	}
	b := openProgram(t, prog, "")
	if got := b.do(hello, "GET", "/"); got.Status != 200 {
		t.Errorf("got %d %v", got.Status, got.Err)
	}
	b.heard("started")
}

func TestOpen_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	version := Func{Name: "proxy_abi_version_0_2_1"}
	none := minimal(version)
	none.Funcs = none.Funcs[1:]
	for _, c := range []struct {
		name, want string
		m          Module
	}{
		{"no allocator", "neither malloc nor proxy_on_memory_allocate", none},
		{"other parameters", "takes 4 parameters, the ABI has 3", minimal(version, Func{Name: "proxy_on_request_headers", Params: I32x4, Results: I32, Body: Code{I32Const, 0}})},
		{"other types", "type i64", minimal(version, Func{Name: "proxy_on_log", Params: []wasm.ValueType{wasm.I64}})},
		{"a command", "-buildmode=c-shared", minimal(version, Func{Name: "_start", Body: Code{I32Const, 0, Call, "proc_exit"}})},
		{"a trap", "_initialize", minimal(version, Func{Name: "_initialize", Body: Code{Unreachable}})},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			prog, err := program(c.m.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			g, err := Open(t.Context(), newPlugin(&logged{}), prog)
			if err == nil {
				g.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestShard_ReplacesInstancesThatHaveGrown(t *testing.T) {
	t.Parallel()
	b := open(t, "")
	c := &b.plugin.Counters
	if got := b.do(hello, "GET", "/", script("request_headers grow 45000000")); got.Status != 200 {
		t.Fatalf("got %d %v", got.Status, got.Err)
	}
	for c.Started.Load() != 2 || c.Instances.Load() != 1 {
		runtime.Gosched()
	}
	if n := c.Memory.Load(); n > 30<<20 {
		t.Errorf("%d bytes of memory are counted", n)
	}
	if got := b.do(hello, "GET", "/"); got.Status != 200 {
		t.Errorf("the next: got %d %v", got.Status, got.Err)
	}
}
