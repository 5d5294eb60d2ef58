package vmtest

import (
	"fmt"
	"slices"

	"github.com/weirproxy/weir/wasmhost/wasm"
)

// Deed is something that a guest may do to its host. Put it into an export with Do.
type Deed struct {
	Name    string
	Imports []Import
	Funcs   []Func
	Pages   uint32
	Locals  []wasm.ValueType
	Body    Code
}

// Do returns m with an export that does d and then returns zeros.
func (m Module) Do(d Deed, export string, params, results []wasm.ValueType) Module {
	for _, i := range d.Imports {
		if !slices.ContainsFunc(m.Imports, func(j Import) bool { return i.Module == j.Module && i.Name == j.Name }) {
			m.Imports = append(slices.Clip(m.Imports), i)
		}
	}
	for _, f := range d.Funcs {
		if !slices.ContainsFunc(m.Funcs, func(g Func) bool { return f.Name == g.Name }) {
			m.Funcs = append(slices.Clip(m.Funcs), f)
		}
	}
	body := slices.Clip(d.Body)
	for _, r := range results {
		switch r {
		case wasm.I64:
			body = append(body, I64Const, 0)
		default:
			body = append(body, I32Const, 0)
		}
	}
	m.Funcs = append(slices.Clip(m.Funcs), Func{Name: export, Params: params, Results: results, Locals: d.Locals, Body: body})
	m.Pages = max(m.Pages, d.Pages)
	return m
}

// Guest is a module whose export "run" of type () -> () does d.
func Guest(d Deed) []byte { return Module{}.Do(d, "run", nil, nil).Bytes() }

const wasi = "wasi_snapshot_preview1"

// Spin loops forever.
func Spin() Deed { return Deed{Name: "endless loop", Body: Code{Loop, Void, Br, 0, End}} }

// CallTree makes 2^33 calls without a loop.
func CallTree() Deed {
	const height = 33
	d := Deed{Name: "call tree", Body: Code{Call, "$tree0"}}
	for n := range height {
		f := Func{Name: fmt.Sprintf("$tree%d", n)}
		if n < height-1 {
			next := fmt.Sprintf("$tree%d", n+1)
			f.Body = Code{Call, next, Call, next}
		}
		d.Funcs = append(d.Funcs, f)
	}
	return d
}

// Deep recurses forever.
func Deep() Deed {
	f := Func{Name: "$deep", Params: I32, Results: I32, Body: Code{
		LocalGet, 0, I32Const, 1, I32Add, Call, "$deep", LocalGet, 0, I32Add}}
	return Deed{Name: "deep recursion", Funcs: []Func{f}, Body: Code{I32Const, 0, Call, "$deep", Drop}}
}

// Hoard grows its memory until it may not, and then crashes.
func Hoard() Deed {
	return Deed{Name: "memory bomb", Pages: 1, Body: Code{
		Loop, Void, I32Const, 16, MemoryGrow, 0, I32Const, -1, I32Eq, If, Void, Unreachable, End, Br, 0, End}}
}

// Fill grows memory by so many pages, and fills all of it with one instruction. Where it
// may not grow it crashes.
func Fill(pages int) Deed {
	return Deed{Name: "big fill", Pages: 1, Body: Code{
		I32Const, pages - 1, MemoryGrow, 0, I32Const, -1, I32Eq, If, Void, Unreachable, End,
		I32Const, 0, I32Const, 0x55, MemorySize, 0, I32Const, 16, Op(0x74), Prefixed, 11, 0}}
}

// Crash traps.
func Crash() Deed { return Deed{Name: "unreachable", Body: Code{Unreachable}} }

// Wild reads beyond its memory.
func Wild() Deed {
	return Deed{Name: "wild load", Pages: 1, Body: Code{I32Const, -8, I32Load, 2, 0, Drop}}
}

// Exit calls proc_exit.
func Exit(code int) Deed {
	return Deed{
		Name:    "exit",
		Imports: []Import{{Module: wasi, Name: "proc_exit", Params: I32}},
		Pages:   1,
		Body:    Code{I32Const, code, Call, "proc_exit"},
	}
}

// Sleep sleeps, in poll_oneoff, for so many nanoseconds.
func Sleep(nanos int64) Deed {
	return Deed{
		Name:    "sleep",
		Imports: []Import{{Module: wasi, Name: "poll_oneoff", Params: I32x4, Results: I32}},
		Pages:   1,
		Body: Code{ // a relative subscription to the clock: tag at 8, clock at 16, timeout at 24
			I32Const, 16, I32Const, 1, I32Store, 2, 0,
			I32Const, 24, I64Const, nanos, I64Store, 3, 0,
			I32Const, 0, I32Const, 64, I32Const, 1, I32Const, 128, Call, "poll_oneoff", Drop},
	}
}

// Flood calls a host function forever, with these numbers.
func Flood(i Import, args ...int) Deed {
	body := Code{Loop, Void}
	for k, t := range i.Params {
		op := I32Const
		if t == wasm.I64 {
			op = I64Const
		}
		v := 0
		if k < len(args) {
			v = args[k]
		}
		body = append(body, op, v)
	}
	body = append(body, Call, i.Name)
	for range i.Results {
		body = append(body, Drop)
	}
	return Deed{Name: "flood of " + i.Name, Imports: []Import{i}, Pages: 1, Body: append(body, Br, 0, End)}
}

// Clock is a host function that every guest has.
func Clock() Import {
	return Import{Module: wasi, Name: "clock_time_get", Params: []wasm.ValueType{wasm.I32, wasm.I64, wasm.I32}, Results: I32}
}

// Random is another, which writes as many bytes as it is told.
func Random() Import {
	return Import{Module: wasi, Name: "random_get", Params: I32x2, Results: I32}
}
