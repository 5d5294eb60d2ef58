package vm_test

import (
	"testing"
	"time"

	"github.com/weirproxy/weir/wasmhost/vm"
	. "github.com/weirproxy/weir/wasmhost/vmtest"
)

func BenchmarkCall(b *testing.B) {
	e := newEngine(b, vm.Options{})
	i := start(b, load(b, e, Module{Funcs: []Func{add}}.Bytes(), nothing()), vm.Config{})
	f, budget := i.Lookup("add"), i.Limits.NewBudget()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := i.Call(f, &budget, 1, 2); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHostCall calls a guest that calls its host once.
func BenchmarkHostCall(b *testing.B) {
	e := newEngine(b, vm.Options{})
	link := host(map[string]func(*vm.Instance, uint32) uint32{
		"same": func(_ *vm.Instance, n uint32) uint32 { return n }})
	i := start(b, load(b, e, caller("same"), link), vm.Config{})
	f := i.Lookup("run")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := i.Call(f, nil, 1); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHostCall_WASI(b *testing.B) {
	e := newEngine(b, vm.Options{})
	run := Func{Name: "run", Body: Code{I32Const, 0, I64Const, 0, I32Const, 0, Call, "clock_time_get", Drop}}
	i := start(b, load(b, e, Module{Pages: 1, Imports: []Import{Clock()}, Funcs: []Func{run}}.Bytes(), nothing()), vm.Config{})
	f := i.Lookup("run")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := i.Call(f, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkInstantiate(b *testing.B) {
	e := newEngine(b, vm.Options{})
	p := load(b, e, Module{Pages: 2, Data: []Data{{At: 1024, Data: "hello"}}, Funcs: []Func{add}}.Bytes(), nothing())
	b.ReportAllocs()
	for b.Loop() {
		i, err := p.Instantiate(vm.Config{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := i.Call(i.Lookup("add"), nil, 1, 2); err != nil {
			b.Fatal(err)
		}
		i.Close()
	}
}

func BenchmarkPool(b *testing.B) {
	e := newEngine(b, vm.Options{})
	prog := load(b, e, Module{Funcs: []Func{add}}.Bytes(), nothing())
	p := vm.NewPool(vm.PoolOptions{New: func() (*vm.Instance, error) { return prog.Instantiate(vm.Config{}) }})
	defer p.Close()
	b.ReportAllocs()
	for b.Loop() {
		i, err := p.Get(nil)
		if err != nil {
			b.Fatal(err)
		}
		p.Put(i)
	}
}

func BenchmarkGate(b *testing.B) {
	var g vm.Gate
	b.ReportAllocs()
	for b.Loop() {
		if err := g.Lock(time.Second, nil); err != nil {
			b.Fatal(err)
		}
		g.Unlock()
	}
}

// BenchmarkLoad compiles a tiny module, and links it to WASI.
func BenchmarkLoad(b *testing.B) {
	e := newEngine(b, vm.Options{})
	code := Guest(Flood(Clock()))
	b.ReportAllocs()
	for b.Loop() {
		p, err := e.Load(b.Context(), code, nothing())
		if err != nil {
			b.Fatal(err)
		}
		p.Release()
	}
}
