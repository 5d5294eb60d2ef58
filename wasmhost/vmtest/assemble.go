package vmtest

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/weirproxy/weir/wasmhost/wasm"
)

// Bytes assembles m. It panics where m makes no sense.
func (m Module) Bytes() []byte {
	a := &assembler{m: m}
	a.types()
	a.imports()
	a.section(3, vector(m.Funcs, func(f Func) []byte { return a.typeOf(f.Params, f.Results) }))
	if len(m.Table) > 0 {
		a.section(4, join([]byte{1, byte(wasm.FuncRef), 0}, uleb(uint64(len(m.Table)))))
	}
	a.memory()
	a.globals()
	a.exports()
	if m.Start != "" {
		a.section(8, uleb(uint64(a.index(m.Start))))
	}
	if len(m.Table) > 0 {
		refs := vector(m.Table, func(f string) []byte { return uleb(uint64(a.index(f))) })
		a.section(9, join([]byte{1, 0, byte(I32Const), 0, byte(End)}, refs))
	}
	a.section(10, vector(m.Funcs, a.body))
	if len(m.Data) > 0 {
		a.section(11, vector(m.Data, func(d Data) []byte {
			return join([]byte{0, byte(I32Const)}, sleb(int64(int32(d.At))), []byte{byte(End)}, name(d.Data))
		}))
	}
	a.names()
	return append([]byte("\x00asm\x01\x00\x00\x00"), a.out...)
}

type assembler struct {
	m     Module
	out   []byte
	known []string // types, encoded
}

func (a *assembler) section(id byte, body []byte) {
	a.out = append(append(append(a.out, id), uleb(uint64(len(body)))...), body...)
}

func (a *assembler) types() {
	add := func(p, r []wasm.ValueType) {
		if t := signature(p, r); !slices.Contains(a.known, t) {
			a.known = append(a.known, t)
		}
	}
	for _, i := range a.m.Imports {
		add(i.Params, i.Results)
	}
	for _, f := range a.m.Funcs {
		add(f.Params, f.Results)
	}
	a.section(1, vector(a.known, func(t string) []byte { return []byte(t) }))
}

func signature(params, results []wasm.ValueType) string {
	each := func(t wasm.ValueType) []byte { return []byte{byte(t)} }
	return "\x60" + string(vector(params, each)) + string(vector(results, each))
}

func (a *assembler) typeOf(p, r []wasm.ValueType) []byte {
	return uleb(uint64(slices.Index(a.known, signature(p, r))))
}

func (a *assembler) imports() {
	if len(a.m.Imports) == 0 {
		return
	}
	a.section(2, vector(a.m.Imports, func(i Import) []byte {
		return join(name(i.Module), name(i.Name), []byte{byte(wasm.Func)}, a.typeOf(i.Params, i.Results))
	}))
}

func (a *assembler) memory() {
	switch m := a.m; {
	case m.Max > 0:
		a.section(5, join([]byte{1, 1}, uleb(uint64(m.Pages)), uleb(uint64(m.Max))))
	case m.Pages > 0:
		a.section(5, join([]byte{1, 0}, uleb(uint64(m.Pages))))
	}
}

func (a *assembler) globals() {
	if len(a.m.Globals) == 0 {
		return
	}
	a.section(6, vector(a.m.Globals, func(g Global) []byte {
		op := I32Const
		if g.Type == wasm.I64 {
			op = I64Const
		}
		return join([]byte{byte(g.Type), 1, byte(op)}, sleb(g.Init), []byte{byte(End)})
	}))
}

func (a *assembler) exports() {
	var list [][]byte
	for k, g := range a.m.Globals {
		if g.Name != "" {
			list = append(list, join(name(g.Name), []byte{byte(wasm.Global)}, uleb(uint64(k))))
		}
	}
	for _, f := range a.m.Funcs {
		if !strings.HasPrefix(f.Name, "$") {
			list = append(list, join(name(f.Name), []byte{byte(wasm.Func)}, uleb(uint64(a.index(f.Name)))))
		}
	}
	if a.m.Pages > 0 || a.m.Max > 0 {
		list = append(list, join(name("memory"), []byte{byte(wasm.Memory), 0}))
	}
	a.section(7, vector(list, func(e []byte) []byte { return e }))
}

func (a *assembler) index(f string) int {
	for k, i := range a.m.Imports {
		if i.Name == f {
			return k
		}
	}
	k := slices.IndexFunc(a.m.Funcs, func(g Func) bool { return g.Name == f })
	if k < 0 {
		panic(fmt.Sprintf("no function %q in the module", f))
	}
	return len(a.m.Imports) + k
}

func (a *assembler) body(f Func) []byte {
	locals := vector(f.Locals, func(t wasm.ValueType) []byte { return []byte{1, byte(t)} })
	body := join(locals, a.code(f.Body), []byte{byte(End)})
	return join(uleb(uint64(len(body))), body)
}

func (a *assembler) code(c Code) (out []byte) {
	for _, x := range c {
		switch x := x.(type) {
		case Op:
			out = append(out, byte(x))
		case wasm.ValueType:
			out = append(out, byte(x))
		case int:
			out = append(out, sleb(int64(x))...)
		case int64:
			out = append(out, sleb(x)...)
		case uint32:
			out = append(out, uleb(uint64(x))...)
		case string:
			out = append(out, uleb(uint64(a.index(x)))...)
		case []byte:
			out = append(out, x...)
		case Code:
			out = append(out, a.code(x)...)
		default:
			panic(fmt.Sprintf("%T is no code", x))
		}
	}
	return out
}

// names writes the names of functions, for traces (appendix 7.4.1 of the core specification).
func (a *assembler) names() {
	k := len(a.m.Imports)
	list := vector(a.m.Funcs, func(f Func) []byte {
		k++
		return join(uleb(uint64(k-1)), name(f.Name))
	})
	a.section(0, join(name("name"), []byte{1}, uleb(uint64(len(list))), list))
}

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

func name(s string) []byte { return append(uleb(uint64(len(s))), s...) }

func vector[T any](list []T, each func(T) []byte) []byte {
	out := uleb(uint64(len(list)))
	for _, x := range list {
		out = append(out, each(x)...)
	}
	return out
}

func uleb(n uint64) []byte { return binary.AppendUvarint(nil, n) }

func sleb(n int64) (out []byte) {
	for {
		b := byte(n & 0x7f)
		n >>= 7
		if n == 0 && b&0x40 == 0 || n == -1 && b&0x40 != 0 {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}
