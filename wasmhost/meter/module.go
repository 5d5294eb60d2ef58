package meter

import (
	"errors"
	"fmt"

	"github.com/weirproxy/weir/wasmhost/wasm"
)

// module is what of a module has to be known before anything can be written.
type module struct {
	sections  [wasm.SectionTag][]byte // by number; nil: not there
	names     []byte                  // the content of the name section
	types     []signature
	functions int    // imported ones included
	imported  int    // functions
	globals   int    // imported ones included
	mutable   []int  // of those
	hides     string // what state it has, or changes, beside memory and mutable numbers; "": none
	bodies    []function
	callees   []uint32 // the functions' types, imported ones first
	wide      uint64   // see scanner.pass
	edits     []edit
}

// signature is what of a function type matters.
type signature struct {
	params, results uint32
	encoded         []byte // the results, as a vector
	wrapper         uint32 // type () -> results, if there is more than one
}

// order is where sections must stand: the count of data comes before the code.
var order = [...]byte{
	wasm.SectionType: 1, wasm.SectionImport: 2, wasm.SectionFunction: 3, wasm.SectionTable: 4,
	wasm.SectionMemory: 5, wasm.SectionGlobal: 6, wasm.SectionExport: 7, wasm.SectionStart: 8,
	wasm.SectionElement: 9, wasm.SectionCount: 10, wasm.SectionCode: 11, wasm.SectionData: 12,
}

// read splits code into its sections, and scans those that matter.
func read(code []byte) (*module, error) {
	r, err := wasm.Open(code)
	if err != nil {
		return nil, err
	}
	m := &module{}
	last := byte(0)
	for r.Left() > 0 {
		id, body := r.Section()
		switch {
		case r.Err() != nil:
			return nil, r.Err()
		case id == wasm.SectionCustom:
			if err := m.custom(body); err != nil {
				return nil, err
			}
			continue
		case id == wasm.SectionTag:
			return nil, wasm.Uses(wasm.Exceptions)
		case int(id) >= len(order):
			return nil, fmt.Errorf("section %d is not known", id)
		case order[id] <= last:
			return nil, fmt.Errorf("section %d stands where it must not", id)
		}
		last = order[id]
		m.sections[id] = body
	}
	for _, part := range []struct {
		id   int
		read func(*wasm.Reader)
	}{
		{wasm.SectionType, m.readTypes},
		{wasm.SectionImport, m.readImports},
		{wasm.SectionFunction, m.readFunctions},
		{wasm.SectionGlobal, m.readGlobals},
		{wasm.SectionCode, m.readCode},
	} {
		body := m.sections[part.id]
		if body == nil {
			continue
		}
		r.Reset(body)
		part.read(r)
		if r.Err() != nil {
			return nil, fmt.Errorf("section %d: %w", part.id, r.Err())
		}
	}
	if len(m.bodies) > 0 && m.sections[wasm.SectionCode] == nil {
		return nil, errors.New("functions have no code")
	}
	return m, nil
}

// custom keeps the names of functions, for the engine's traces. Other custom sections
// tell of offsets that will be others, or nothing that the engine asks for.
func (m *module) custom(body []byte) error {
	r := wasm.NewReader(body)
	if r.Name() == "name" && m.names == nil {
		m.names = r.Take(r.Left())
	}
	return r.Err()
}

func (m *module) readTypes(r *wasm.Reader) {
	n := r.Count(3)
	m.types = make([]signature, 0, n)
	for ; n > 0 && r.Err() == nil; n-- {
		if form := r.Byte(); form != 0x60 {
			r.Fail(fmt.Errorf("type of form 0x%02x; function types are known", form))
		}
		var t signature
		t.params = uint32(r.Count(1))
		r.Take(int(t.params))
		from := r.At()
		t.results = uint32(r.Count(1))
		r.Take(int(t.results))
		t.encoded = r.Since(from)
		if max(t.params, t.results) > maxWidth {
			r.Fail(fmt.Errorf("type %d has more than %d parameters or results", len(m.types), maxWidth))
		}
		m.types = append(m.types, t)
	}
}

func (m *module) readImports(r *wasm.Reader) {
	for n := r.Count(4); n > 0 && r.Err() == nil; n-- {
		r.Take(r.Count(1))
		r.Take(r.Count(1))
		switch kind := wasm.Kind(r.Byte()); kind {
		case wasm.Func:
			m.callees = append(m.callees, m.typeIndex(r))
			m.functions++
			m.imported++
		case wasm.Table:
			r.Value()
			r.Limits()
		case wasm.Memory:
			r.Limits()
		case wasm.Global:
			r.Value()
			r.Byte()
			m.globals++
		case wasm.Tag:
			r.Fail(wasm.Uses(wasm.Exceptions))
		default:
			r.Fail(fmt.Errorf("import of kind %d is not known", kind))
		}
	}
}

func (m *module) typeIndex(r *wasm.Reader) uint32 {
	t := r.Uint32()
	if uint64(t) >= uint64(len(m.types)) {
		r.Fail(fmt.Errorf("there is no type %d", t))
	}
	return t
}

func (m *module) readFunctions(r *wasm.Reader) {
	n := r.Count(1)
	m.bodies = make([]function, n)
	for i := range m.bodies {
		m.bodies[i].typ = m.typeIndex(r)
		m.callees = append(m.callees, m.bodies[i].typ)
	}
	m.functions += n
}

func (m *module) readGlobals(r *wasm.Reader) {
	for n := r.Count(4); n > 0 && r.Err() == nil; n-- {
		t := r.Value()
		if mutable := r.Byte() != 0; mutable && t >= wasm.F64 && t <= wasm.I32 {
			m.mutable = append(m.mutable, m.globals)
		} else if mutable {
			m.hide("a global of type " + t.String())
		}
		m.constant(r, nil)
		m.globals++
	}
}

// hide notes a reason for which memory and numbers are not all of a module's state.
func (m *module) hide(what string) {
	if m.hides == "" {
		m.hides = what
	}
}

// readCode scans all functions. Functions of one size of code need about as many edits
// in one toolchain as in another; the slice that holds them grows but once or twice.
func (m *module) readCode(r *wasm.Reader) {
	s := &scanner{Reader: *r, m: m, edits: make([]edit, 0, r.Left()/12)}
	if n := s.Count(2); n != len(m.bodies) {
		s.Fail(fmt.Errorf("%d functions have %d bodies", len(m.bodies), n))
	}
	for i := range m.bodies {
		if s.Err() != nil {
			break
		}
		size := s.Count(1)
		s.function(&m.bodies[i], s.At()+size)
	}
	if s.Err() == nil && s.Left() > 0 {
		s.Fail(errors.New("it is longer than what it holds"))
	}
	m.edits = s.edits
	*r = s.Reader
}

// number returns the index of f in the module.
func (m *module) number(f *function) int {
	for i := range m.bodies {
		if f == &m.bodies[i] {
			return m.imported + i
		}
	}
	return -1
}
