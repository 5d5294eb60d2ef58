package vm_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/wasmhost/vm"
	. "github.com/weirproxy/weir/wasmhost/vmtest"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// sums is a guest that computes with all sorts of numbers: run(seed, turns) -> i64.
func sums() []byte {
	get := Code{LocalGet, 2}
	step := Code{ // x = x*6364136223846793005 + 1442695040888963407, then one thing or another
		LocalGet, 2, I64Const, int64(6364136223846793005), I64Mul, I64Const, int64(1442695040888963407), I64Add, LocalSet, 2,
		LocalGet, 3, get, Op(0x85), LocalSet, 3, // acc ^= x
		LocalGet, 3, LocalGet, 3, get, I64Const, 1, Op(0x84), Op(0x82), I64Add, LocalSet, 3, // acc += acc' rem_u (x|1)
		LocalGet, 3, get, Op(0x89), LocalSet, 3, // acc rotl x
		LocalGet, 3, get, Op(0xb9), F64Const, []byte{0, 0, 0, 0, 0, 0, 0xe0, 0x3f}, Op(0xa2), Op(0x9d), Prefixed, 6, // trunc_sat(x * 0.5)
		Op(0x85), LocalSet, 3,
		I32Const, 1024, LocalGet, 3, I64Store, 3, 0, // through memory, in narrow pieces
		LocalGet, 3, I32Const, 1027, Op(0x30), 0, 0, I64Add, LocalSet, 3, // i64.load8_s
		LocalGet, 3, I32Const, 1025, Op(0x34), 0, 0, I64Add, LocalSet, 3, // i64.load32_s, unaligned
	}
	return Module{Pages: 1, Funcs: []Func{{Name: "run", Params: []wasm.ValueType{wasm.I64, wasm.I32}, Results: I64,
		Locals: []wasm.ValueType{wasm.I64, wasm.I64},
		Body: Code{LocalGet, 0, LocalSet, 2, Loop, Void, step,
			LocalGet, 1, I32Const, 1, I32Sub, LocalTee, 1, BrIf, 0, End, LocalGet, 3}}}}.Bytes()
}

func TestSecurity_W2_CompilerAndInterpreterAgree(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	code := sums()
	compiled := start(t, load(t, e, code, nothing()), vm.Config{})
	interpreted := start(t, load(t, e, code, &vm.Link{Name: "test", Interpret: true}), vm.Config{})
	r := rand.New(rand.NewPCG(1, 2))
	seen := map[uint64]bool{}
	for range 200 {
		seed, turns := r.Uint64(), r.Uint64()%200+1
		want, err := interpreted.Call(interpreted.Lookup("run"), nil, seed, turns)
		if err != nil {
			t.Fatal(err)
		}
		got, err := compiled.Call(compiled.Lookup("run"), nil, seed, turns)
		if err != nil || got != want {
			t.Errorf("run(%d, %d) = %d, %v; interpreted %d", seed, turns, got, err, want)
		}
		seen[want] = true
	}
	if len(seen) < 190 {
		t.Errorf("%d results of 200 differ: the guest computes nothing", len(seen))
	}
	if a, b := compiled.Spent(), interpreted.Spent(); a != b {
		t.Errorf("the same work cost %d units compiled and %d interpreted", a, b)
	}
}

// TestSecurity_W7_LoopingGuestsDoNotHoldTheProcess lets guests loop, and asks whether Go's
// collector, which stops the world, and other goroutines get their turns meanwhile.
func TestSecurity_W7_LoopingGuestsDoNotHoldTheProcess(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	enough := errors.New("enough")
	var wg sync.WaitGroup
	var running []*vm.Instance
	for _, d := range []Deed{Spin(), CallTree(), Flood(Clock(), 0, 0, 64)} {
		limits := vm.Limits{CPU: time.Hour, Wall: time.Hour}
		i := start(t, load(t, e, Guest(d), nothing()), vm.Config{Limits: limits})
		running = append(running, i)
		wg.Go(func() {
			_, err := i.Call(i.Lookup("run"), nil)
			if trap, ok := errors.AsType[*vm.Trap](err); !ok || trap.Reason != vm.Ended || !errors.Is(err, enough) {
				t.Errorf("%s: %v; want it ended", d.Name, err)
			}
		})
	}
	for range 5 {
		runtime.GC()
	}
	for _, i := range running {
		i.Interrupt(enough)
	}
	wg.Wait()
}

func TestSecurity_W7_SleepersWakeWhenTheyAreEnded(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	i := start(t, load(t, e, Guest(Sleep(1<<62)), nothing()), vm.Config{Limits: vm.Limits{Wall: time.Hour}})
	gone := errors.New("client gone")
	time.AfterFunc(10*time.Millisecond, func() { i.Interrupt(gone) })
	_, err := i.Call(i.Lookup("run"), nil)
	if trapped(t, err, vm.Ended); !errors.Is(err, gone) {
		t.Errorf("error %v", err)
	}
	<-i.Stopped()
}

func TestSecurity_W7_HostFunctionsArePaidFor(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	for _, d := range []Deed{
		Flood(Clock(), 0, 0, 64),
		Flood(Random(), 0, 1<<20),
		// 1.3 million subscriptions at once, of which the engine looks at each.
		Flood(Import{Module: "wasi_snapshot_preview1", Name: "poll_oneoff", Params: I32x4, Results: I32}, 0, 0, 1<<20, 60<<20),
		Flood(Import{Module: "wasi_snapshot_preview1", Name: "fd_write", Params: I32x4, Results: I32}, 1, 0, 1<<20, 60<<20),
		Flood(Import{Module: "wasi_snapshot_preview1", Name: "sched_yield", Results: I32}),
	} {
		d.Pages = 1024
		i := start(t, load(t, e, Guest(d), nothing()), vm.Config{Limits: vm.Limits{Wall: time.Minute}})
		_, err := i.Call(i.Lookup("run"), nil)
		trapped(t, err, vm.OutOfFuel)
		t.Logf("%s: %d ms in fuel, %d by the clock", d.Name, i.Spent()/1e6, i.Nanos()/16e6)
		if i.Spent() < 20_000_000 {
			t.Errorf("%s: burnt %d units", d.Name, i.Spent())
		}
	}
}

// TestSecurity_W7_MemoryComesBack runs alone, since it looks at the process's memory.
func TestSecurity_W7_MemoryComesBack(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	e := newEngine(t, vm.Options{})
	resident := func() (mib int) {
		runtime.GC()
		debug.FreeOSMemory()
		b, err := os.ReadFile("/proc/self/statm")
		if err != nil {
			t.Skip(err)
		}
		var size, pages int
		if _, err := fmt.Sscan(string(b), &size, &pages); err != nil {
			t.Fatal(err)
		}
		return pages * os.Getpagesize() >> 20
	}
	fill := load(t, e, Guest(Fill(900)), nothing())
	deep := load(t, e, Guest(Deep()), nothing())
	round := func() (at int) {
		var all []*vm.Instance
		for range 4 {
			i := start(t, fill, vm.Config{})
			if _, err := i.Call(i.Lookup("run"), nil); err != nil {
				t.Fatal(err)
			}
			j := start(t, deep, vm.Config{Limits: vm.Limits{CPU: time.Minute, Wall: time.Minute}})
			_, err := j.Call(j.Lookup("run"), nil)
			trapped(t, err, vm.Stack)
			all = append(all, i, j)
		}
		at = resident()
		for _, i := range all {
			i.Close()
		}
		return at
	}
	round() // what the race detector keeps of its own, too
	before := resident()
	for range 5 {
		if at := round(); at < before+4*50 {
			t.Errorf("%d MiB with four guests of 56 MiB, and %d before: this measures nothing", at, before)
		}
	}
	if after := resident(); after > before+60 {
		t.Errorf("%d MiB before, %d MiB after", before, after)
	}
}

func TestSecurity_W9_NoInstanceSeesAnothersMemory(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	m := Module{Pages: 4, Data: []Data{{At: 100, Data: "mine"}}, Globals: []Global{{Name: "g", Type: wasm.I32, Init: 7}},
		Funcs: []Func{
			{Name: "grow", Params: I32, Results: I32, Body: Code{LocalGet, 0, MemoryGrow, 0}},
			{Name: "next", Results: I32, Body: Code{GlobalGet, 0, I32Const, 1, I32Add, GlobalSet, 0, GlobalGet, 0}},
		}}
	p := load(t, e, m.Bytes(), nothing())
	clean := append(append(make([]byte, 100), "mine"...), make([]byte, 8<<16-104)...)
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			dirt := bytes.Repeat([]byte{byte(n) + 1}, 8<<16)
			for range 200 {
				i, err := p.Instantiate(vm.Config{Limits: vm.Limits{Memory: 1 << 20}})
				if err != nil {
					t.Error(err)
					return
				}
				if v, err := i.Call(i.Lookup("next"), nil); v != 8 || err != nil {
					t.Errorf("global %d, %v; want 8", v, err)
				}
				if _, err := i.Call(i.Lookup("grow"), nil, 4); err != nil {
					t.Error(err)
				}
				if b, _ := i.Read(0, 8<<16); !bytes.Equal(b, clean) {
					t.Error("another guest's memory")
				}
				i.Write(0, dirt)
				i.Close()
			}
		})
	}
	wg.Wait()
}

func TestSecurity_W10_WildRangesAreRefused(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	i := start(t, load(t, e, Module{Pages: 1}.Bytes(), nothing()), vm.Config{})
	const size = 1 << 16
	for _, c := range []struct {
		p, n uint32
		want bool
	}{
		{0, 0, true}, {0, size, true}, {size, 0, true}, {size - 1, 1, true},
		{0, size + 1, false}, {size, 1, false}, {size + 1, 0, false}, {1, size, false},
		{0xffffffff, 1, false}, {0xffffffff, 0xffffffff, false}, {1, 0xffffffff, false}, {0x80000000, 0x80000000, false},
	} {
		b, ok := i.Read(c.p, c.n)
		if ok != c.want || ok && (len(b) != int(c.n) || cap(b) != len(b)) {
			t.Errorf("Read(%d, %d): %d bytes of %d, %t; want %t", c.p, c.n, len(b), cap(b), ok, c.want)
		}
		if _, ok := i.ReadString(c.p, c.n); ok != c.want {
			t.Errorf("ReadString(%d, %d): %t", c.p, c.n, ok)
		}
		if c.n <= size+1 {
			if i.Write(c.p, make([]byte, c.n)) != c.want || i.WriteString(c.p, strings.Repeat("x", int(c.n))) != c.want {
				t.Errorf("writes of %d at %d; want %t", c.n, c.p, c.want)
			}
		}
	}
	for _, p := range []uint32{size - 3, size, 0xfffffffd, 0xffffffff} {
		if _, ok := i.Uint32(p); ok || i.PutUint32(p, 1) || i.PutUint64(p-4, 1) {
			t.Errorf("numbers at %d", p)
		}
	}
}

// TestInstance_IsSafeFromItsOwner closes instances while somebody is in them.
func TestInstance_IsSafeFromItsOwner(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	p := load(t, e, Guest(Spin()), nothing())
	for range 20 {
		i := start(t, p, vm.Config{Limits: vm.Limits{CPU: time.Hour, Wall: time.Hour}})
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { i.Close() })
		}
		_, err := i.Call(i.Lookup("run"), nil)
		trapped(t, err, vm.Ended)
		wg.Wait()
	}
}

// FuzzLoad runs what is left of modules after some bytes of them have changed.
func FuzzLoad(f *testing.F) {
	for _, d := range []Deed{Spin(), CallTree(), Deep(), Hoard(), Crash(), Wild(), Exit(1), Flood(Random(), 0, 100)} {
		f.Add(Guest(d), uint32(20), byte(0))
	}
	f.Add(sums(), uint32(40), byte(0x40))
	e, err := vm.NewEngine(vm.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, code []byte, at uint32, b byte) {
		if int(at) < len(code) {
			code = bytes.Clone(code)
			code[at] = b
		}
		p, err := e.Load(t.Context(), code, nothing())
		if err != nil {
			return
		}
		defer p.Release()
		i, err := p.Instantiate(vm.Config{Limits: vm.Limits{Memory: 4 << 20, CPU: time.Millisecond, Start: time.Millisecond}})
		if err != nil {
			return
		}
		defer i.Close()
		for _, x := range p.Info.Exports {
			if f := i.Lookup(x.Name); f != nil {
				i.Call(f, nil, 1, 2, 3)
			}
		}
		if i.Size() > 4<<20 {
			t.Errorf("it has %d bytes", i.Size())
		}
	})
}

func TestRandomness(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	m := Module{Pages: 1, Imports: []Import{Random()}, Funcs: []Func{
		{Name: "run", Params: I32x2, Results: I32, Body: Code{LocalGet, 0, LocalGet, 1, Call, "random_get"}}}}
	p := load(t, e, m.Bytes(), nothing())
	seen := map[uint64]bool{}
	for range 2 {
		i := start(t, p, vm.Config{})
		for range 200 {
			for _, n := range []uint64{8, 100, 4096} {
				if v, err := i.Call(i.Lookup("run"), nil, 64, n); v != 0 || err != nil {
					t.Fatalf("random_get: %d, %v", v, err)
				}
				b, _ := i.Read(64, uint32(n))
				if x := binary.LittleEndian.Uint64(b[n-8:]); seen[x] {
					t.Fatalf("%d bytes end in %x again", n, x)
				} else {
					seen[x] = true
				}
			}
		}
	}
}

// What host functions copy, and lines that somebody has to look at one by one, cost more
// than the call.
func TestSecurity_W7_BytesAndLinesArePaidFor(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	const n = 1 << 16
	link := host(map[string]func(*vm.Instance, uint32) uint32{
		"read": func(i *vm.Instance, n uint32) uint32 { i.Read(0, n); return 0 },
		"write": func(i *vm.Instance, n uint32) uint32 {
			i.Write(0, make([]byte, n/2))
			i.WriteString(0, strings.Repeat("x", int(n/2)))
			return 0
		},
	})
	for _, name := range []string{"read", "write"} {
		i := start(t, load(t, e, caller(name), link), vm.Config{})
		if _, err := i.Call(i.Lookup("run"), nil, n); err != nil {
			t.Fatal(err)
		}
		if got := i.Spent(); got < n/16 || got > n/8 {
			t.Errorf("to %s %d bytes cost %d units", name, n, got)
		}
	}
	for text, least := range map[string]int64{strings.Repeat("x", 1000): 100, strings.Repeat("x\n", 500): 50_000} {
		i := start(t, load(t, e, printer(text), nothing()), vm.Config{Stdout: vm.NewLines(func(string) {})})
		if _, err := i.Call(i.Lookup("print"), nil, 1, 1000); err != nil {
			t.Fatal(err)
		}
		if got := i.Spent(); got < least || got > 2*least+1000 {
			t.Errorf("to print %.4q… cost %d units, want about %d", text, got, least)
		}
	}
}
