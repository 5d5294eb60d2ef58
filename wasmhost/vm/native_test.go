package vm_test

import (
	"errors"
	"runtime"
	"testing"

	"github.com/weirproxy/weir/wasmhost/vm"
	. "github.com/weirproxy/weir/wasmhost/vmtest"
)

// recursions call themselves forever, each in another way.
func recursions() []Module {
	var sum, tail Code // a hundred values that are needed after the call
	for n := range 100 {
		sum = append(sum, LocalGet, 0, I32Const, n, I32Mul)
		tail = append(tail, I32Add)
	}
	f := func(name, callee string, before, after Code) Func {
		return Func{Name: name, Params: I32, Results: I32, Body: Code{before, LocalGet, 0, I32Const, 1, I32Add, Call, callee, after, LocalGet, 0, I32Add}}
	}
	return []Module{
		{Funcs: []Func{f("run", "run", nil, nil)}},
		{Funcs: []Func{f("run", "run", sum, tail)}},
		{Funcs: []Func{f("run", "$b", nil, nil), f("$b", "$c", nil, nil), f("$c", "run", nil, nil)}},
		{Table: []string{"run"}, Funcs: []Func{{Name: "run", Params: I32, Results: I32, Body: Code{
			LocalGet, 0, I32Const, 0, CallIndirect, 0, 0, LocalGet, 0, I32Add}}}},
		{Funcs: []Func{{Name: "run", Params: I32, Results: I32, Body: Code{
			Loop, Void, LocalGet, 0, Call, "run", Drop, Br, 0, End, I32Const, 0}}}},
	}
}

// Whoever calls too deeply ends, and takes neither time nor memory before.
func TestSecurity_W7_Recursion(t *testing.T) {
	e := newEngine(t, vm.Options{})
	for n, m := range recursions() {
		p, err := e.Load(t.Context(), m.Bytes(), nothing())
		if err != nil {
			t.Fatal(err)
		}
		defer p.Release()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 3 {
			i, err := p.Instantiate(vm.Config{})
			if err != nil {
				t.Fatal(err)
			}
			_, err = i.Call(i.Lookup("run"), nil, 1)
			trap, ok := errors.AsType[*vm.Trap](err)
			if !ok || trap.Reason != vm.Stack {
				t.Errorf("recursion %d: got %v, want a trap for its stack", n, err)
			}
			if spent := i.Spent(); spent > 10e6 {
				t.Errorf("recursion %d: got %d units of fuel spent, want less than 10 million", n, spent)
			}
			i.Close()
		}
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 4<<20 {
			t.Errorf("recursion %d: got %d bytes allocated, want less than 4 MiB", n, got)
		}
	}
}
