package vmtest

import (
	"testing"

	"github.com/weirproxy/weir/wasmhost/vm"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// compile asks the engine whether a module is valid.
func compile(t *testing.T, code []byte) {
	t.Helper()
	e, err := vm.NewEngine(vm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	p, err := e.Load(t.Context(), code, &vm.Link{Name: "test", Interpret: true})
	if err != nil {
		t.Fatal(err)
	}
	p.Release()
}

func TestModule_AllThatItCanSayIsValid(t *testing.T) {
	t.Parallel()
	code := Module{
		Pages: 1, Max: 2,
		Imports: []Import{Clock()},
		Globals: []Global{{Name: "count", Type: wasm.I32, Init: -7}, {Type: wasm.I64, Init: 1 << 40}},
		Table:   []string{"add"},
		Data:    []Data{{At: 100, Data: "hello"}},
		Start:   "$start",
		Funcs: []Func{
			{Name: "$start", Body: Code{I32Const, 35, GlobalSet, 0}},
			{Name: "add", Params: I32x2, Results: I32, Body: Code{LocalGet, 0, LocalGet, 1, I32Add}},
			{Name: "run", Results: I32, Locals: I32, Body: Code{GlobalGet, 0, I32Const, 7, Call, "add"}},
		},
	}.Bytes()
	compile(t, code)
	info, err := wasm.Parse(code)
	if err != nil || info.Memory.Min != 1 || info.Memory.Max != 2 || !info.HasFunc("run") || info.HasFunc("$start") {
		t.Errorf("parsed: %+v, %v", info, err)
	}
}

func TestDeeds_AreValid(t *testing.T) {
	t.Parallel()
	for _, d := range []Deed{Spin(), CallTree(), Deep(), Hoard(), Fill(16384), Crash(), Wild(), Exit(3),
		Sleep(1 << 60), Flood(Clock()), Flood(Random(), 0, 65536)} {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			compile(t, Module{}.Do(d, "run", I32x2, I32).Bytes())
		})
	}
}
