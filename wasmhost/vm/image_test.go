package vm_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/wasmhost/vm"
	. "github.com/weirproxy/weir/wasmhost/vmtest"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// keeper is the guest in testdata/keeper, in standard Go.
var keeper = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "keeper")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "keeper.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-o", file, ".")
	build.Dir = filepath.Join("testdata", "keeper")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build keeper: %w\n%s", err, out)
	}
	return os.ReadFile(file)
})

func loadKeeper(t testing.TB) *vm.Program {
	t.Helper()
	code, err := keeper()
	if err != nil {
		t.Fatal(err)
	}
	return load(t, newEngine(t, vm.Options{}), code, nothing())
}

// frozen starts an instance of p, and freezes it.
func frozen(t testing.TB, p *vm.Program, c vm.Config) (*vm.Instance, *vm.Image) {
	t.Helper()
	i := start(t, p, c)
	if f := i.Lookup("_initialize"); f != nil {
		if _, err := i.Start(f); err != nil {
			t.Fatal(err)
		}
	}
	m, err := i.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return i, m
}

func instanceOf(t testing.TB, m *vm.Image, c vm.Config) *vm.Instance {
	t.Helper()
	i, err := m.Instantiate(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Close)
	return i
}

func call(t testing.TB, i *vm.Instance, name string, args ...uint64) uint64 {
	t.Helper()
	f := i.Lookup(name)
	if f == nil {
		t.Fatalf("there is no function %s", name)
	}
	v, err := i.Call(f, nil, args...)
	if err != nil {
		t.Fatalf("%s(%v): %v", name, args, err)
	}
	return v
}

// call32 is call for functions whose result has 32 bits.
func call32(t testing.TB, i *vm.Instance, name string, args ...uint64) uint32 {
	t.Helper()
	return uint32(call(t, i, name, args...))
}

func mustReset(t testing.TB, i *vm.Instance) {
	t.Helper()
	if !i.Reset() {
		t.Fatal("it could not be reset")
	}
}

// counter counts in globals of all types and in memory; grow grows its memory.
func counter() Module {
	at := func(n int) Code { return Code{I32Const, n} }
	return Module{
		Pages: 2, Data: []Data{{At: 70_000, Data: "\x07"}},
		Globals: []Global{{Type: wasm.I32, Init: 5}, {Type: wasm.I64, Init: 1 << 40}},
		Funcs: []Func{
			{Name: "_initialize", Body: Code{I32Const, 100, GlobalSet, 0, at(70_000), I32Const, 50, I32Store8, 0, 0}},
			{Name: "count", Results: I32, Body: Code{
				GlobalGet, 0, I32Const, 1, I32Add, GlobalSet, 0,
				GlobalGet, 1, I64Const, 1, I64Add, GlobalSet, 1,
				at(70_000), at(70_000), I32Load8U, 0, 0, I32Const, 1, I32Add, I32Store8, 0, 0,
				GlobalGet, 0, I32Const, 1000, I32Mul, at(70_000), I32Load8U, 0, 0, I32Add}},
			{Name: "wide", Results: I64, Body: Code{GlobalGet, 1}},
			{Name: "grow", Results: I32, Body: Code{I32Const, 1, MemoryGrow, 0}},
			{Name: "size", Results: I32, Body: Code{MemorySize, 0}},
			{Name: "crash", Body: Code{Unreachable}},
		},
	}
}

func TestReset_Counter(t *testing.T) {
	t.Parallel()
	for _, interpret := range []bool{false, true} {
		e := newEngine(t, vm.Options{})
		p := load(t, e, counter().Bytes(), &vm.Link{Name: "test", Interpret: interpret})
		first, m := frozen(t, p, vm.Config{})
		for _, i := range []*vm.Instance{first, instanceOf(t, m, vm.Config{}), instanceOf(t, m, vm.Config{})} {
			for n := range 5000 {
				for k := range uint32(3) {
					if got, want := call32(t, i, "count"), 101_051+k*1001; got != want {
						t.Fatalf("interpret %t, round %d: got %d, want %d", interpret, n, got, want)
					}
				}
				if got := call(t, i, "wide"); got != 1<<40+3 {
					t.Fatalf("round %d: got %d", n, got)
				}
				mustReset(t, i)
			}
		}
	}
}

func TestReset_StandardGo(t *testing.T) {
	t.Parallel()
	p := loadKeeper(t)
	first, m := frozen(t, p, vm.Config{})
	for k, i := range []*vm.Instance{first, instanceOf(t, m, vm.Config{})} {
		for n := range uint64(3000) {
			for s := range uint64(2) {
				if got, want := call32(t, i, "keep", n+s), uint32((1001+s)<<16+n*(1+s)+s); got != want {
					t.Fatalf("instance %d, round %d: got %#x, want %#x", k, n, got, want)
				}
			}
			if got := call32(t, i, "tell", n); got != uint32(n) {
				t.Fatalf("instance %d, round %d: it tells %d", k, n, got)
			}
			mustReset(t, i)
			if got := call32(t, i, "tell", n); got != 0 {
				t.Fatalf("instance %d, round %d: it tells %d after that", k, n, got)
			}
			mustReset(t, i)
		}
	}
}

// Nothing of a request is in an instance's memory after Reset, and what a request does
// is another instance's as little as the image's.
func TestSecurity_W9_NothingOutlivesReset(t *testing.T) {
	t.Parallel()
	p := load(t, newEngine(t, vm.Options{}), counter().Bytes(), nothing())
	first, m := frozen(t, p, vm.Config{})
	other := instanceOf(t, m, vm.Config{})
	before, _ := first.ReadString(0, uint32(first.Size()))
	secret := strings.Repeat("secret", first.Size()/6)
	first.WriteString(0, secret)
	for name, i := range map[string]*vm.Instance{"another": other, "a new one": instanceOf(t, m, vm.Config{})} {
		if now, _ := i.ReadString(0, uint32(i.Size())); now != before {
			t.Errorf("%s has what one was told", name)
		}
	}
	mustReset(t, first)
	if now, _ := first.ReadString(0, uint32(first.Size())); now != before {
		t.Error("it has what it was told before Reset")
	}
	// Nor in the memory of whoever gets its place.
	first.WriteString(0, secret)
	first.Close()
	p2 := load(t, newEngine(t, vm.Options{}), Module{Pages: 2}.Bytes(), nothing())
	for _, p := range []*vm.Program{p, p2} {
		next := start(t, p, vm.Config{})
		if now, _ := next.ReadString(0, uint32(next.Size())); strings.Contains(now, "secret") || now[100:200] != string(make([]byte, 100)) {
			t.Errorf("the next has %q", now[:16])
		}
	}
}

func TestReset_NotWhereSomethingStays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	module := counter()
	i32, i64 := wasm.I32, wasm.I64
	wasi := func(name string, params ...wasm.ValueType) {
		module.Imports = append(module.Imports, Import{Module: "wasi_snapshot_preview1", Name: name, Params: params, Results: I32})
	}
	wasi("path_open", i32, i32, i32, i32, i32, i64, i64, i32, i32)
	wasi("fd_close", i32)
	wasi("fd_renumber", i32, i32)
	wasi("fd_readdir", i32, i32, i32, i64, i32)
	module.Data = append(module.Data, Data{At: 8, Data: "a"})
	module.Funcs = append(module.Funcs,
		Func{Name: "open", Results: I32, Body: Code{I32Const, 3, I32Const, 0, I32Const, 8, I32Const, 1, I32Const, 0,
			I64Const, 2, I64Const, 0, I32Const, 0, I32Const, 0, Call, "path_open", I32Const, 1000, I32Mul, I32Const, 0, I32Load, 2, 0, I32Add}},
		Func{Name: "close", Params: I32, Results: I32, Body: Code{LocalGet, 0, Call, "fd_close"}},
		Func{Name: "move", Params: I32x2, Results: I32, Body: Code{LocalGet, 0, LocalGet, 1, Call, "fd_renumber"}},
		Func{Name: "list", Results: I32, Body: Code{I32Const, 3, I32Const, 64, I32Const, 256, I64Const, 0, I32Const, 16, Call, "fd_readdir"}},
	)
	p := load(t, newEngine(t, vm.Options{}), module.Bytes(), nothing())
	c := vm.Config{Files: []vm.Mount{{Guest: "/", Host: dir}}}
	_, m := frozen(t, p, c)
	open := func(i *vm.Instance) uint64 {
		t.Helper()
		fd := uint64(call32(t, i, "open"))
		if fd != 4 {
			t.Fatalf("opened %d, want 4 and no error", fd)
		}
		return fd
	}
	for name, do := range map[string]func(i *vm.Instance){
		"memory has grown":  func(i *vm.Instance) { call(t, i, "grow") },
		"file is open":      func(i *vm.Instance) { open(i) },
		"stdin is closed":   func(i *vm.Instance) { call(t, i, "close", 0) },
		"mount is closed":   func(i *vm.Instance) { call(t, i, "close", 3) },
		"file has moved":    func(i *vm.Instance) { call(t, i, "move", open(i), 77); call(t, i, "close", 77) },
		"directory is read": func(i *vm.Instance) { call(t, i, "list") },
		"it is interrupted": func(i *vm.Instance) { i.Interrupt(fmt.Errorf("enough")) },
		"it is closed":      func(i *vm.Instance) { i.Close() },
		"it has crashed": func(i *vm.Instance) {
			_, err := i.Call(i.Lookup("crash"), nil)
			trapped(t, err, vm.Crashed)
		},
		"a number is too high": func(i *vm.Instance) {
			_, err := i.Call(i.Lookup("move"), nil, open(i), 1<<31-1)
			trapped(t, err, vm.Broken)
		},
	} {
		i := instanceOf(t, m, c)
		if do(i); i.Reset() {
			t.Errorf("%s: it was reset", name)
		}
	}
	i := instanceOf(t, m, c)
	for range 3 {
		call(t, i, "close", open(i))
		mustReset(t, i)
	}
	if i := start(t, p, c); i.Reset() {
		t.Error("what has no image was reset")
	}
	i = start(t, p, c)
	open(i)
	if m, err := i.Freeze(); m != nil || err == nil || !strings.Contains(err.Error(), "open files") {
		t.Errorf("freeze with an open file: %v", err)
	}
}

func TestFreeze_GrownMemory(t *testing.T) {
	t.Parallel()
	p := load(t, newEngine(t, vm.Options{}), counter().Bytes(), nothing())
	first := start(t, p, vm.Config{})
	for range 5 {
		call(t, first, "grow")
	}
	m, err := first.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	i := instanceOf(t, m, vm.Config{})
	if got := call32(t, i, "size"); got != 7 || i.Size() != 7<<16 {
		t.Errorf("it has %d pages, by the host %d bytes; want 7", got, i.Size())
	}
	mustReset(t, i)
	if i, err := m.Instantiate(vm.Config{Limits: vm.Limits{Memory: 3 << 16}}); i != nil || err == nil || !strings.Contains(err.Error(), "above its limit") {
		t.Errorf("with less memory allowed: %v", err)
	}
}

func TestFreeze_WithoutMemory(t *testing.T) {
	t.Parallel()
	bump := Func{Name: "bump", Results: I32, Body: Code{GlobalGet, 0, I32Const, 1, I32Add, GlobalSet, 0, GlobalGet, 0}}
	p := load(t, newEngine(t, vm.Options{}), Module{Globals: []Global{{Type: wasm.I32}}, Funcs: []Func{bump}}.Bytes(), nothing())
	_, m := frozen(t, p, vm.Config{})
	i := instanceOf(t, m, vm.Config{})
	for range 3 {
		if got := call32(t, i, "bump"); got != 1 {
			t.Errorf("got %d, want 1", got)
		}
		mustReset(t, i)
	}
}

func TestFreeze_WhatIsNotPossible(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	f := Func{Name: "f"}
	table := func(body Code) Module {
		return Module{Table: []string{"f"}, Funcs: []Func{f, {Name: "run", Body: body}}}
	}
	for want, module := range map[string]Module{
		"table.set":  table(Code{I32Const, 0, I32Const, 0, Op(0x25), 0, Op(0x26), 0}),
		"table.fill": table(Code{I32Const, 0, I32Const, 0, Op(0x25), 0, I32Const, 1, Prefixed, 17, 0}),
		"table.grow": table(Code{I32Const, 0, Op(0x25), 0, I32Const, 1, Prefixed, 15, 0, Drop}),
		"table.copy": table(Code{I32Const, 0, I32Const, 0, I32Const, 1, Prefixed, 14, 0, 0}),
		"elem.drop":  table(Code{Prefixed, 13, 0}),
	} {
		p := load(t, e, module.Bytes(), nothing())
		i := start(t, p, vm.Config{})
		m, err := i.Freeze()
		if m != nil || err == nil || !strings.Contains(err.Error(), want) || p.Freezable() == nil {
			t.Errorf("%s: frozen %t, error %v", want, m != nil, err)
		}
	}
}

// What one instance does, its image and others do not see, while all run at once.
func TestReset_Parallel(t *testing.T) {
	t.Parallel()
	p := loadKeeper(t)
	_, m := frozen(t, p, vm.Config{})
	patient := vm.Limits{Instances: 4, Wall: time.Minute, Queue: time.Minute} // the machine may have other things to do
	pool := vm.NewPool(vm.PoolOptions{Fresh: true, Limits: patient,
		New: func() (*vm.Instance, error) { return m.Instantiate(vm.Config{Limits: patient}) }})
	defer pool.Close()
	var all sync.WaitGroup
	for k := range uint64(8) {
		all.Go(func() {
			for n := range uint64(60) {
				i, err := pool.Get(nil)
				if err != nil {
					t.Error(err)
					return
				}
				secret := k*1000 + n + 1
				v, err := i.Call(i.Lookup("keep"), nil, secret)
				if err != nil || uint64(uint32(v)) != 1001<<16+secret {
					t.Errorf("got %#x, %v; want one more than at the start, and %d", v, err, secret)
				}
				if n%20 == 19 {
					if _, err := i.Call(i.Lookup("fail"), nil); err == nil {
						t.Error("it did not crash")
					}
				}
				pool.Put(i)
			}
		})
	}
	all.Wait()
	if s := pool.Stats(); s.Live != s.Idle || s.Live > 4 {
		t.Errorf("afterwards: %+v", s)
	}
}

// Memory of instances that were made of an image, reset, grown and closed comes back.
func TestImage_MemoryIsFlat(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	p := load(t, e, counter().Bytes(), nothing())
	_, m := frozen(t, p, vm.Config{})
	before := e.Stats()
	for n := range 3000 {
		i, err := m.Instantiate(vm.Config{})
		if err != nil {
			t.Fatal(err)
		}
		call(t, i, "count")
		i.Reset()
		if n%3 == 0 {
			call(t, i, "grow")
		}
		i.Close()
	}
	if after := e.Stats(); after != before {
		t.Errorf("stats: %+v, want %+v", after, before)
	}
}
