package vm_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/weirproxy/weir/wasmhost/vm"
	. "github.com/weirproxy/weir/wasmhost/vmtest"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// newEngine returns an engine that must be left empty.
func newEngine(t testing.TB, o vm.Options) *vm.Engine {
	t.Helper()
	e, err := vm.NewEngine(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		e.Close()
		if s := e.Stats(); s.Programs != 0 || s.Instances != 0 || s.Memory != 0 {
			t.Errorf("left behind: %+v", s)
		}
	})
	return e
}

// nothing is the Link of guests that import nothing but WASI.
func nothing() *vm.Link { return &vm.Link{Name: "test"} }

// load returns the program of a module.
func load(t testing.TB, e *vm.Engine, code []byte, link *vm.Link) *vm.Program {
	t.Helper()
	p, err := e.Load(context.Background(), code, link)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Release)
	return p
}

// start returns an instance of a program.
func start(t testing.TB, p *vm.Program, c vm.Config) *vm.Instance {
	t.Helper()
	i, err := p.Instantiate(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Close)
	return i
}

// trapped asserts that err is a trap for that reason.
func trapped(t testing.TB, err error, want vm.Reason) *vm.Trap {
	t.Helper()
	trap, ok := errors.AsType[*vm.Trap](err)
	if !ok || trap.Reason != want {
		t.Fatalf("error %v; want a trap: %s", err, want)
	}
	return trap
}

var add = Func{Name: "add", Params: I32x2, Results: I32, Body: Code{LocalGet, 0, LocalGet, 1, I32Add}}

func TestInstance_Calls(t *testing.T) {
	t.Parallel()
	for _, interpret := range []bool{false, true} {
		e := newEngine(t, vm.Options{})
		p := load(t, e, Module{Funcs: []Func{add}}.Bytes(), &vm.Link{Name: "test", Interpret: interpret})
		i := start(t, p, vm.Config{})
		f := i.Lookup("add")
		if got, err := i.Call(f, nil, 40, 2); got != 42 || err != nil {
			t.Errorf("interpret %t: add(40, 2) = %d, %v", interpret, got, err)
		}
		if got, err := i.Call(f, nil, 40); got != 40 || err != nil {
			t.Errorf("interpret %t: add(40) = %d, %v; want a zero for what is missing", interpret, got, err)
		}
		if i.Lookup("sub") != nil {
			t.Error("found a function that is not there")
		}
	}
}

func TestInstance_WhatHostileGuestsEndIn(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	for _, c := range []struct {
		deed  Deed
		want  vm.Reason
		stack string // a part of it
	}{
		{Spin(), vm.OutOfFuel, "run"},
		{CallTree(), vm.OutOfFuel, "$tree9"},
		{Deep(), vm.Stack, ""},
		{Hoard(), vm.Crashed, "run"},
		{Fill(16384), vm.Crashed, "run"},
		{Crash(), vm.Crashed, "run"},
		{Wild(), vm.Crashed, "run"},
		{Exit(3), vm.Exited, ""},
		{Exit(0), vm.Exited, ""},
		{Sleep(1 << 62), vm.OutOfTime, "poll_oneoff"},
		{Flood(Clock(), 0, 0, 64), vm.OutOfFuel, "run"},
		{Flood(Clock(), 0, 0, -1), vm.OutOfFuel, "run"},
		{Flood(Random(), 0, 65536), vm.OutOfFuel, "run"},
	} {
		for _, interpret := range []bool{false, true} {
			t.Run(c.deed.Name, func(t *testing.T) {
				t.Parallel()
				p := load(t, e, Guest(c.deed), &vm.Link{Name: "test", Interpret: interpret})
				limits := vm.Limits{Wall: time.Minute}
				if interpret {
					limits.CPU = 200 * time.Microsecond
				}
				i := start(t, p, vm.Config{Limits: limits})
				if strings.HasPrefix(c.deed.Name, "sleep") {
					i.Close()
					i = start(t, p, vm.Config{Limits: vm.Limits{Wall: 20 * time.Millisecond}})
				}
				run := i.Lookup("run")
				_, err := i.Call(run, nil)
				trap := trapped(t, err, c.want)
				if trap.Func != "run" || !strings.Contains(trap.Stack, c.stack) || strings.Contains(trap.Error(), "\n") {
					t.Errorf("trap of %s: %s\nstack: %s\nwant a stack with %q", trap.Func, trap, trap.Stack, c.stack)
				}
				if i.Dead() != trap {
					t.Errorf("Dead() = %v", i.Dead())
				}
				if _, again := i.Call(run, nil); again != err {
					t.Errorf("called again: %v", again)
				}
				i.Close()
				i.Close()
			})
		}
	}
}

func TestTrap_SaysWhatHappened(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	for _, c := range []struct {
		deed Deed
		want string
	}{
		{Deep(), "guest failed in run: it called too deeply"},
		{Hoard(), "guest failed in run: unreachable, after it was refused more than 65536 KiB of memory (limits.memory)"},
		{Crash(), "guest failed in run: unreachable"},
		{Wild(), "guest failed in run: out of bounds memory access"},
		{Exit(3), "guest failed in run: exit code 3"},
		{Spin(), "guest failed in run: it computed for more than 20ms (limits.cpu)"},
	} {
		i := start(t, load(t, e, Guest(c.deed), nothing()), vm.Config{})
		_, err := i.Call(i.Lookup("run"), nil)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: %v; want %s", c.deed.Name, err, c.want)
		}
	}
}

func TestInstance_CountsFuel(t *testing.T) {
	t.Parallel()
	patient := vm.Config{Limits: vm.Limits{Wall: time.Minute}} // fuel is what ends it
	e := newEngine(t, vm.Options{})
	count := Func{Name: "count", Params: I32, Body: Code{
		Loop, Void, LocalGet, 0, I32Const, 1, I32Sub, LocalTee, 0, BrIf, 0, End}}
	p := load(t, e, Module{Funcs: []Func{count}}.Bytes(), nothing())
	i := start(t, p, vm.Config{Limits: vm.Limits{CPU: 5 * time.Millisecond, Request: 8 * time.Millisecond, Wall: time.Minute}})
	f, b := i.Lookup("count"), i.Limits.NewBudget()
	if _, err := i.Call(f, &b, 100_000); err != nil {
		t.Fatal(err)
	}
	each := i.Spent()
	if each < 10_000 || each > 1_000_000 {
		t.Errorf("100,000 turns burnt %d units", each)
	}
	var err error
	for err == nil {
		before := i.Spent()
		if _, err = i.Call(f, &b, 100_000); err == nil && i.Spent()-before != each {
			t.Errorf("burnt %d units, and before %d", i.Spent()-before, each)
		}
	}
	if trapped(t, err, vm.OutOfFuel); i.Spent() < 8_000_000-each || i.Spent() > 8_100_000 {
		t.Errorf("burnt %d units; 8 million were allowed", i.Spent())
	}
	// A budget that is used up is no reason to end an instance that others use.
	i = start(t, p, patient)
	_, err = i.Call(f, nil, 1)
	if trapped(t, err, vm.Broken); i.Dead() != nil {
		t.Error("called another instance's function")
	}
	f = i.Lookup("count")
	_, err = i.Call(f, &vm.Budget{}, 1)
	if trapped(t, err, vm.OutOfFuel); i.Dead() != nil {
		t.Error("the instance is dead")
	}
	more := uint64(50_000_000 / each * 100_000)
	if _, err := i.Start(f, more); err != nil {
		t.Errorf("start: %v", err)
	}
	_, err = i.Call(f, nil, more)
	trapped(t, err, vm.OutOfFuel)
}

func TestInstance_EstimatesItsTime(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	p := load(t, e, caller("wait"), host(map[string]func(*vm.Instance, uint32) uint32{
		"wait": func(i *vm.Instance, n uint32) uint32 {
			for begin := time.Now(); time.Since(begin) < 100*time.Microsecond; { // it is busy
			}
			return n
		}}))
	sum := time.Duration(0)
	for range 32 { // of one call each
		i := start(t, p, vm.Config{})
		if _, err := i.Call(i.Lookup("run"), nil, 0); err != nil {
			t.Fatal(err)
		}
		sum += time.Duration(i.Nanos())
		i.Close()
	}
	if sum < 3200*time.Microsecond || sum > time.Minute {
		t.Errorf("32 calls of 100 µs took about %s", sum)
	}
}

func TestTrap_OfStartSection(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	for _, c := range []struct {
		deed Deed
		want vm.Reason
	}{{Crash(), vm.Crashed}, {Spin(), vm.OutOfFuel}, {Exit(1), vm.Exited}, {Flood(Clock(), 0, 0, 0), vm.OutOfFuel}} {
		m := Module{Start: "run"}.Do(c.deed, "run", nil, nil)
		p := load(t, e, m.Bytes(), nothing())
		_, err := p.Instantiate(vm.Config{Limits: vm.Limits{Start: time.Millisecond}})
		trapped(t, err, c.want)
	}
}

// host is a Link with functions of the module "env", all of type (i32) -> i32.
func host(funcs map[string]func(i *vm.Instance, arg uint32) uint32) *vm.Link {
	m := vm.HostModule{Name: "env"}
	for name, f := range funcs {
		m.Funcs = append(m.Funcs, vm.HostFunc{
			Name: name, Params: []api.ValueType{api.ValueTypeI32}, Results: []api.ValueType{api.ValueTypeI32},
			Call: func(ctx context.Context, _ api.Module, stack []uint64) {
				stack[0] = uint64(f(vm.InstanceOf(ctx), uint32(stack[0])))
			}})
	}
	return &vm.Link{Name: "test", Modules: []vm.HostModule{m}}
}

func env(name string) Import {
	return Import{Module: "env", Name: name, Params: I32, Results: I32}
}

// caller is a guest whose export "run" calls an imported function with its argument.
func caller(name string, more ...Func) []byte {
	run := Func{Name: "run", Params: I32, Results: I32, Body: Code{LocalGet, 0, Call, name}}
	return Module{Pages: 1, Imports: []Import{env(name)}, Funcs: append([]Func{run}, more...)}.Bytes()
}

func TestInstance_NestedCalls(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	// run calls the host, which calls run with one less: one function, many times on the stack.
	p := load(t, e, caller("down"), host(map[string]func(*vm.Instance, uint32) uint32{
		"down": func(i *vm.Instance, n uint32) uint32 {
			if n == 0 {
				return 100
			}
			v, err := i.Call(i.State.(func() *vm.Func)(), nil, uint64(n-1))
			if err != nil {
				return 0
			}
			return uint32(v) + n
		}}))
	var run *vm.Func
	i := start(t, p, vm.Config{State: func() *vm.Func { return run }})
	run = i.Lookup("run")
	if got, err := i.Call(run, nil, 5); got != 115 || err != nil {
		t.Errorf("five levels: %d, %v; want 115", got, err)
	}
	_, err := i.Call(run, nil, 1000)
	trapped(t, err, vm.Broken)
}

func TestInstance_TrapInNestedCallEndsOuterCall(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	for _, c := range []struct {
		deed Deed
		want vm.Reason
	}{{Crash(), vm.Crashed}, {Spin(), vm.OutOfFuel}, {Exit(0), vm.Exited}, {Deep(), vm.Stack}} {
		m := Module{Imports: []Import{env("call")}, Funcs: []Func{
			{Name: "run", Params: I32, Results: I32, Body: Code{LocalGet, 0, Call, "call"}}}}.Do(c.deed, "bad", nil, nil)
		written := true
		p := load(t, e, m.Bytes(), host(map[string]func(*vm.Instance, uint32) uint32{
			"call": func(i *vm.Instance, _ uint32) uint32 {
				_, err := i.Call(i.Lookup("bad"), nil)
				if err == nil {
					t.Errorf("%s: nested call returned", c.deed.Name)
				}
				written = i.PutUint32(0, 1) // the memory of one that exited is still its own
				return 0
			}}))
		i := start(t, p, vm.Config{})
		_, err := i.Call(i.Lookup("run"), nil, 0)
		if trap := trapped(t, err, c.want); trap.Func != "run" {
			t.Errorf("%s: the trap names %s", c.deed.Name, trap.Func)
		}
		if c.deed.Pages > 0 && !written {
			t.Errorf("%s: memory was taken away from a host function", c.deed.Name)
		}
	}
}

func TestHostFunction_PanicIsATrap(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	e := newEngine(t, vm.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	p := load(t, e, caller("oops"), host(map[string]func(*vm.Instance, uint32) uint32{
		"oops": func(i *vm.Instance, n uint32) uint32 { return []uint32{1}[n] }}))
	i := start(t, p, vm.Config{})
	_, err := i.Call(i.Lookup("run"), nil, 7)
	if trap := trapped(t, err, vm.Crashed); !strings.Contains(trap.Error(), "host function panicked: runtime error: index out of range") {
		t.Errorf("trap: %s", trap)
	}
	if !strings.Contains(log.String(), "vm_test.go") {
		t.Errorf("no Go stack in the log: %s", &log)
	}
}

func TestHostFunction_Breaks(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	rule := errors.New("no such context")
	p := load(t, e, caller("broken"), host(map[string]func(*vm.Instance, uint32) uint32{
		"broken": func(i *vm.Instance, _ uint32) uint32 { i.Break(rule); return 0 }}))
	i := start(t, p, vm.Config{})
	_, err := i.Call(i.Lookup("run"), nil, 7)
	if trap := trapped(t, err, vm.Broken); !errors.Is(trap, rule) || !strings.Contains(trap.Stack, "run") {
		t.Errorf("trap: %s, stack %q", trap, trap.Stack)
	}
}

func TestLoad_SaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	link := host(map[string]func(*vm.Instance, uint32) uint32{"f": nil})
	for _, c := range []struct {
		name string
		i    Import
		want string
	}{
		{"function", env("g"), "import env.g: not provided"},
		{"module", Import{Module: "other", Name: "g"}, "import other.g: not provided"},
		{"type", Import{Module: "env", Name: "f", Params: I64}, "import env.f: of type [i64] -> []; provided is [i32] -> [i32]"},
		{"WASI function", Import{Module: "wasi_snapshot_preview1", Name: "fly"}, "import wasi_snapshot_preview1.fly: not provided"},
		{"the meter's", Import{Module: "weir", Name: "yield"}, "import weir.yield: not provided"},
	} {
		_, err := e.Load(t.Context(), Module{Imports: []Import{c.i}, Funcs: []Func{{Name: "run"}}}.Bytes(), link)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %s", c.name, err, c.want)
		}
	}
}

func TestInstance_MemoryIsBounded(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	m := Module{Pages: 2, Funcs: []Func{
		{Name: "grow", Params: I32, Results: I32, Body: Code{LocalGet, 0, MemoryGrow, 0}},
		{Name: "put", Params: I32x2, Body: Code{LocalGet, 0, LocalGet, 1, I32Store, 2, 0}},
	}}
	p := load(t, e, m.Bytes(), nothing())
	_, err := p.Instantiate(vm.Config{Limits: vm.Limits{Memory: 1 << 16}})
	if err == nil || !strings.Contains(err.Error(), "needs 128 KiB of memory; its limit is 64 KiB") {
		t.Errorf("below its minimum: %v", err)
	}
	i := start(t, p, vm.Config{Limits: vm.Limits{Memory: 4 << 16}})
	grow := i.Lookup("grow")
	for _, c := range []struct{ by, want, size int }{{1, 2, 3}, {2, -1, 3}, {1, 3, 4}, {1, -1, 4}, {-1, -1, 4}} {
		got, err := i.Call(grow, nil, uint64(uint32(c.by)))
		if int32(got) != int32(c.want) || err != nil || i.Size() != c.size<<16 {
			t.Errorf("grow by %d: %d, %v, then %d pages; want %d and %d", c.by, int32(got), err, i.Size()>>16, c.want, c.size)
		}
	}
	if s := e.Stats(); s.Memory != 4<<16 || s.Instances != 1 {
		t.Errorf("stats %+v; want 4 pages of 1 instance", s)
	}
	view, _ := i.Read(0, 4)
	if !i.PutUint32(0, 0x11223344) || view[0] != 0x44 || i.PutUint32(4<<16-3, 1) || i.PutUint64(0xffffffff, 1) {
		t.Error("writes")
	}
	i.Close()
	if view[0] != 0 || i.Write(0, []byte("x")) || i.WriteString(0, "x") {
		t.Error("memory is there after Close")
	}
	if _, ok := i.ReadString(0, 1); ok {
		t.Error("memory can be read after Close")
	}
	// What the next one gets is clean.
	j := start(t, p, vm.Config{Limits: vm.Limits{Memory: 4 << 16}})
	if _, err := j.Call(j.Lookup("grow"), nil, 2); err != nil {
		t.Fatal(err)
	}
	if all, _ := j.Read(0, 4<<16); bytes.ContainsFunc(all, func(r rune) bool { return r != 0 }) {
		t.Error("memory is not clean")
	}
}

func TestInstance_WithoutMemory(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	i := start(t, load(t, e, Module{Funcs: []Func{add}}.Bytes(), nothing()), vm.Config{})
	if _, ok := i.Read(0, 1); ok || i.PutUint32(0, 0) || i.Size() != 0 {
		t.Error("it has memory")
	}
	// WASI does not expect that.
	d := Flood(Random(), 0, 8)
	d.Pages = 0
	i = start(t, load(t, e, Guest(d), nothing()), vm.Config{})
	_, err := i.Call(i.Lookup("run"), nil)
	trapped(t, err, vm.Crashed)
}

func TestInstance_Worn(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	clock := Code{I32Const, 0, I64Const, 0, I32Const, 8, Call, Clock().Name}
	m := Module{Pages: 1, Imports: []Import{Clock()}, Funcs: []Func{
		{Name: "grow", Params: I32, Results: I32, Body: Code{LocalGet, 0, MemoryGrow, 0}},
		{Name: "deep", Params: I32, Results: I32, Body: Code{
			LocalGet, 0, If, wasm.I32, LocalGet, 0, I32Const, 1, I32Sub, Call, "deep", I32Const, 1, I32Add, Else, clock, End}},
	}}
	p := load(t, e, m.Bytes(), nothing())
	i := start(t, p, vm.Config{Limits: vm.Limits{Memory: 1 << 20}})
	if i.Call(i.Lookup("grow"), nil, 7); i.Worn() {
		t.Error("worn at half of its memory")
	}
	if i.Call(i.Lookup("grow"), nil, 1); !i.Worn() {
		t.Error("not worn above half of its memory")
	}
	i = start(t, p, vm.Config{})
	deep := i.Lookup("deep")
	if v, err := i.Call(deep, nil, 100); v != 100 || err != nil || i.Worn() {
		t.Errorf("shallow: %d, %v, worn %t", v, err, i.Worn())
	}
	if v, err := i.Call(deep, nil, 60_000); v != 60_000 || err != nil || !i.Worn() {
		t.Errorf("deep: %d, %v, worn %t; the engine's stack is found no longer?", v, err, i.Worn())
	}
}

func TestCountIn_UntilItIsClosed(t *testing.T) {
	t.Parallel()
	p := load(t, newEngine(t, vm.Options{}), Guest(Hoard()), nothing())
	var u vm.Usage
	count := func() [2]int64 { return [2]int64{u.Instances.Load(), u.Memory.Load() >> 16} }
	in, err := p.Instantiate(vm.Config{Limits: vm.Limits{Memory: 24 << 16}})
	if err != nil {
		t.Fatal(err)
	}
	in.CountIn(&u)
	begin := count()
	if begin[0] != 1 || begin[1] != int64(in.Size()>>16) {
		t.Errorf("got %d instances of %d pages, want 1 of %d", begin[0], begin[1], in.Size()>>16)
	}
	if _, err := in.Call(in.Lookup("run"), nil); err == nil {
		t.Error("the hoarder came to an end")
	}
	if got := count(); got != [2]int64{1, 17} {
		t.Errorf("after it took all: got %v, want 1 of 17 pages", got)
	}
	in.Close()
	in.Close()
	if got := count(); got != [2]int64{} {
		t.Errorf("after it was closed: got %v, want none", got)
	}
}
