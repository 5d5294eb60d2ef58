package meter

import (
	"errors"
	"fmt"
	"strings"

	"github.com/weirproxy/weir/wasmhost/wasm"
)

// What all tables of a module may grow to together, and begin with: an entry takes the
// engine 8 bytes, which no limit of memory counts.
const (
	tableGrowth = 1 << 17
	tableStart  = 1 << 20
)

// Rewrite returns the metered form of a module. It is the same for the same module. A
// module that is not valid gives an error or another that is not valid; one that uses
// what the engine lacks, a *wasm.Unsupported. The result shares nothing with code.
func Rewrite(code []byte) ([]byte, error) {
	m, err := Examine(code)
	if err != nil {
		return nil, err
	}
	return m.Code, nil
}

// Metered is the metered form of a module, and where its state is.
type Metered struct {
	Code    []byte
	Globals []int // its mutable numbers: see Global
	// Hides says what state it has, or changes, beside memory and Globals: "table.grow";
	// "": none, so that who keeps those has all of an instance.
	Hides string
}

// Examine rewrites a module as Rewrite does.
func Examine(code []byte) (*Metered, error) {
	m, err := read(code)
	if err != nil {
		return nil, err
	}
	m.assess()
	w := &writer{m: m, code: m.sections[wasm.SectionCode], out: make([]byte, 0, len(code)+len(code)/4+1024)}
	w.number()
	if err := w.module(); err != nil {
		return nil, err
	}
	return &Metered{w.out, m.mutable, m.hides}, nil
}

// number gives indices to what is added. All of it stands behind what is there but the
// import, which is the first: so every function's index is one more than it was.
func (w *writer) number() {
	m := w.m
	w.fuel = uint32(m.globals)
	w.burn = uint32(m.functions) + 1
	w.bytes, w.entries = w.burn+1, w.burn+2
	w.plain = uint32(len(m.types))
	w.taking, w.burnt = w.plain+1, w.plain+2
	next := w.burnt + 1
	for i := range m.types {
		if m.types[i].results > 1 {
			m.types[i].wrapper = next
			next++
		}
	}
}

func (w *writer) module() error {
	w.byte(0, 'a', 's', 'm', 1, 0, 0, 0)
	for _, part := range []struct {
		id    byte
		added int // elements; none: it is written only if it was there
		write func(r *wasm.Reader)
	}{
		{wasm.SectionType, -1, w.types},
		{wasm.SectionImport, 1, w.imports},
		{wasm.SectionFunction, 3, w.functions},
		{wasm.SectionTable, 0, w.tables},
		{wasm.SectionMemory, 0, w.memories},
		{wasm.SectionGlobal, 1, w.globals},
		{wasm.SectionExport, 1 + len(w.m.mutable), w.exports},
		{wasm.SectionStart, 0, w.start},
		{wasm.SectionElement, 0, w.elements},
		{wasm.SectionCount, 0, w.dataCount},
		{wasm.SectionCode, 3, w.bodies},
		{wasm.SectionData, 0, w.data},
	} {
		body := w.m.sections[part.id]
		if body == nil {
			if part.added == 0 {
				continue
			}
			body = []byte{0}
		}
		r := wasm.NewReader(body)
		w.byte(part.id)
		w.sized(func() { part.write(r) })
		if r.Err() != nil {
			return fmt.Errorf("section %d: %w", part.id, r.Err())
		}
		if r.Left() > 0 {
			return fmt.Errorf("section %d: it is longer than what it holds", part.id)
		}
	}
	w.names()
	return nil
}

// copy writes what is left of r.
func (w *writer) copy(r *wasm.Reader) { w.byte(r.Take(r.Left())...) }

// since writes what r has read from there on.
func (w *writer) since(r *wasm.Reader, from int) { w.byte(r.Since(from)...) }

func (w *writer) types(r *wasm.Reader) {
	r.Uint32()
	added := 3
	for i := range w.m.types {
		if w.m.types[i].results > 1 {
			added++
		}
	}
	w.uint(uint32(len(w.m.types) + added))
	w.copy(r)
	w.byte(0x60, 0, 0)
	w.byte(0x60, 1, i32, 1, i32)
	w.byte(0x60, 1, i64, 1, i64)
	for i := range w.m.types {
		if t := &w.m.types[i]; t.results > 1 {
			w.byte(0x60, 0)
			w.byte(t.encoded...)
		}
	}
}

func (w *writer) name(s string) {
	w.uint(uint32(len(s)))
	w.out = append(w.out, s...)
}

func (w *writer) imports(r *wasm.Reader) {
	w.uint(r.Uint32() + 1)
	w.name(Module)
	w.name(Yield)
	w.op(byte(wasm.Func), w.plain)
	w.copy(r)
}

func (w *writer) functions(r *wasm.Reader) {
	w.uint(r.Uint32() + 3)
	w.copy(r)
	w.uint(w.burnt)
	w.uint(w.taking)
	w.uint(w.taking)
}

func (w *writer) tables(r *wasm.Reader) {
	n := r.Count(3)
	w.uint(uint32(n))
	share := uint64(tableGrowth / max(n, 1))
	for start := uint64(0); n > 0 && r.Err() == nil; n-- {
		w.byte(byte(r.Value()))
		l := r.Limits()
		if start += l.Min; start > tableStart {
			r.Fail(fmt.Errorf("its tables begin with more than %d entries", tableStart))
		}
		most := max(l.Min, share)
		if l.HasMax {
			most = min(most, l.Max)
		}
		w.op(1, uint32(l.Min))
		w.uint(uint32(most))
	}
}

func (w *writer) memories(r *wasm.Reader) {
	n := r.Count(2)
	if n > 1 {
		r.Fail(wasm.Uses(wasm.MultiMemory))
	}
	if n > 0 {
		r.Limits()
	}
	w.since(r, 0)
}

func (w *writer) dataCount(r *wasm.Reader) {
	n := r.Uint32()
	if data := w.m.sections[wasm.SectionData]; data == nil && n > 0 {
		r.Fail(fmt.Errorf("it has no data, and counts %d", n))
	}
	w.since(r, 0)
}

// data reads all segments: the engine allocates by the number that they claim to be.
func (w *writer) data(r *wasm.Reader) {
	for n := r.Count(2); n > 0 && r.Err() == nil; n-- {
		kind := r.Uint32()
		if kind > 2 {
			r.Fail(fmt.Errorf("data segment of kind %d is not known", kind))
		}
		if kind == 2 {
			r.Uint32()
		}
		if kind != 1 {
			w.m.constant(r, nil)
		}
		r.Take(r.Count(1))
	}
	w.since(r, 0)
}

func (w *writer) globals(r *wasm.Reader) {
	n := r.Uint32()
	w.uint(n + 1)
	for ; n > 0 && r.Err() == nil; n-- {
		from := r.At()
		r.Value()
		r.Byte()
		w.since(r, from)
		w.m.constant(r, w)
	}
	w.byte(i64, 1, opI64Const, 0, opEnd)
}

func (w *writer) exports(r *wasm.Reader) {
	n := r.Count(3)
	w.uint(uint32(n + 1 + len(w.m.mutable)))
	for ; n > 0 && r.Err() == nil; n-- {
		from := r.At()
		if name := r.Take(r.Count(1)); strings.HasPrefix(string(name), own) {
			r.Fail(fmt.Errorf("it exports %q, which is the host's", name))
		}
		kind := wasm.Kind(r.Byte())
		w.since(r, from)
		switch i := r.Uint32(); kind {
		case wasm.Func:
			w.uint(w.m.reached(r, i))
		case wasm.Global:
			if int(i) >= w.m.globals {
				r.Fail(fmt.Errorf("there is no global %d", i))
			}
			w.uint(i)
		default:
			w.uint(i)
		}
	}
	w.name(Fuel)
	w.op(byte(wasm.Global), w.fuel)
	for _, n := range w.m.mutable {
		w.name(Global(n))
		w.op(byte(wasm.Global), uint32(n))
	}
}

// reached returns the new index of function f.
func (m *module) reached(r *wasm.Reader, f uint32) uint32 {
	if uint64(f) >= uint64(m.functions) {
		r.Fail(fmt.Errorf("there is no function %d", f))
	}
	return f + 1
}

func (w *writer) start(r *wasm.Reader) { w.uint(w.m.reached(r, r.Uint32())) }

func (w *writer) bodies(r *wasm.Reader) {
	r.Take(r.Left())
	w.uint(uint32(len(w.m.bodies) + 3))
	for i := range w.m.bodies {
		w.sized(func() { w.function(&w.m.bodies[i]) })
	}
	w.helpers()
}

// elements writes the segments of tables, of the eight kinds of core 5.5.12: bit 0 says
// that it is passive or declarative, bit 1 that a table or, then, declarative is given,
// bit 2 that functions are given as expressions.
func (w *writer) elements(r *wasm.Reader) {
	n := r.Count(1)
	w.uint(uint32(n))
	for ; n > 0 && r.Err() == nil; n-- {
		kind := r.Uint32()
		if kind > 7 {
			r.Fail(fmt.Errorf("element segment of kind %d is not known", kind))
			return
		}
		w.uint(kind)
		if kind&1 == 0 {
			if kind&2 != 0 {
				w.uint(r.Uint32())
			}
			w.m.constant(r, w)
		}
		if kind&3 != 0 {
			w.byte(r.Byte())
		}
		size := r.Count(1)
		w.uint(uint32(size))
		for ; size > 0 && r.Err() == nil; size-- {
			if kind&4 != 0 {
				w.m.constant(r, w)
			} else {
				w.uint(w.m.reached(r, r.Uint32()))
			}
		}
	}
}

// constant reads a constant expression, and writes it if there is a writer.
func (m *module) constant(r *wasm.Reader, w *writer) {
	for r.Err() == nil {
		from := r.At()
		switch code := r.Byte(); code {
		case opEnd:
		case opI32Const:
			r.Int64(32)
		case opI64Const:
			r.Int64(64)
		case 0x43:
			r.Take(4)
		case 0x44:
			r.Take(8)
		case 0xd0:
			r.Byte()
		case opGlobalGet:
			if i := r.Uint32(); w != nil && int(i) >= m.globals {
				r.Fail(fmt.Errorf("there is no global %d", i))
			}
		case opRefFunc:
			if f := m.reached(r, r.Uint32()); w != nil {
				w.op(opRefFunc, f)
			}
			continue
		case 0xfd:
			if r.Uint32() != 12 {
				r.Fail(errConstant)
			}
			r.Take(16)
		case 0x6a, 0x6b, 0x6c, 0x7c, 0x7d, 0x7e:
			r.Fail(wasm.Uses(wasm.ExtendedConstants))
		case 0xfb:
			r.Fail(wasm.Uses(wasm.GarbageCollection))
		default:
			r.Fail(errConstant)
		}
		if r.Err() != nil {
			return
		}
		if w != nil {
			w.since(r, from)
		}
		if r.Since(from)[0] == opEnd {
			return
		}
	}
}

var errConstant = errors.New("a constant expression has an instruction that it may not have")
