package wasm

import (
	"bytes"
	"errors"
	"fmt"
)

// Parse reads a module. It looks at what Module tells and no further: the engine
// validates the rest. Errors say what was found and, where it is known, what would
// have been right.
func Parse(code []byte) (*Module, error) {
	switch {
	case len(code) < 8 || !bytes.HasPrefix(code, []byte("\x00asm")):
		return nil, errors.New("not a WebAssembly module")
	case bytes.Equal(code[4:8], []byte{0x0d, 0, 1, 0}):
		return nil, errors.New("a component (WASI preview 2); build a core module instead")
	case !bytes.Equal(code[4:8], []byte{1, 0, 0, 0}):
		return nil, fmt.Errorf("version %x of the binary format; 1 is known", code[4:8])
	}
	p := &parser{rest: code[8:], m: &Module{Size: len(code)}}
	for len(p.rest) > 0 && p.err == nil {
		p.section()
	}
	if p.err != nil {
		return nil, fmt.Errorf("read module: %w", p.err)
	}
	return p.m, nil
}

type parser struct {
	rest  []byte
	m     *Module
	types []FuncType
	funcs []uint32 // type indices, imported ones first
	err   error
}

var errShort = errors.New("it ends too early")

func (p *parser) byte() byte {
	if len(p.rest) == 0 {
		p.err = errShort
		return 0
	}
	b := p.rest[0]
	p.rest = p.rest[1:]
	return b
}

func (p *parser) uint() (n uint64) {
	for shift := 0; shift < 64; shift += 7 {
		b := p.byte()
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return n
		}
	}
	p.err = errors.New("a number is too long")
	return 0
}

func (p *parser) take(n uint64) []byte {
	if n > uint64(len(p.rest)) {
		p.err = errShort
		p.rest = nil
		return nil
	}
	b := p.rest[:n]
	p.rest = p.rest[n:]
	return b
}

func (p *parser) name() string { return string(p.take(p.uint())) }

func (p *parser) section() {
	id := p.byte()
	body := p.take(p.uint())
	q := &parser{rest: body, m: p.m, types: p.types, funcs: p.funcs}
	switch id {
	case 1:
		q.vector(q.functype)
	case 2:
		q.vector(q.imported)
	case 3:
		q.vector(func() { q.funcs = append(q.funcs, uint32(q.uint())); q.m.Functions++ })
	case 5:
		q.vector(func() { l := q.limits(); q.m.Memory = &l })
	case 7:
		q.vector(q.exported)
	}
	p.types, p.funcs = q.types, q.funcs
	if p.err == nil {
		p.err = q.err
	}
}

func (p *parser) vector(each func()) {
	for n := p.uint(); n > 0 && p.err == nil; n-- {
		each()
	}
}

func (p *parser) functype() {
	if b := p.byte(); b != 0x60 && p.err == nil {
		p.err = fmt.Errorf("type of kind 0x%02x (of the garbage collection proposal?); function types are known", b)
		return
	}
	var t FuncType
	p.vector(func() { t.Params = append(t.Params, ValueType(p.byte())) })
	p.vector(func() { t.Results = append(t.Results, ValueType(p.byte())) })
	p.types = append(p.types, t)
}

func (p *parser) typeOf(f uint32) (t FuncType) {
	if int(f) < len(p.funcs) && int(p.funcs[f]) < len(p.types) {
		return p.types[p.funcs[f]]
	}
	p.err = fmt.Errorf("function %d has no type", f)
	return t
}

func (p *parser) limits() (l Limits) {
	flags := p.byte()
	l.Min = p.uint()
	if l.HasMax = flags&1 != 0; l.HasMax {
		l.Max = p.uint()
	}
	return l
}

func (p *parser) imported() {
	i := Import{Module: p.name(), Name: p.name(), Kind: Kind(p.byte())}
	switch i.Kind {
	case Func:
		t := uint32(p.uint())
		p.funcs = append(p.funcs, t)
		i.Type = p.typeOf(uint32(len(p.funcs) - 1))
	case Table:
		p.byte()
		p.limits()
	case Memory:
		l := p.limits()
		p.m.Memory = &l
	case Global:
		p.byte()
		p.byte()
	default:
		p.err = fmt.Errorf("import of kind %d", i.Kind)
	}
	p.m.Imports = append(p.m.Imports, i)
}

func (p *parser) exported() {
	e := Export{Name: p.name(), Kind: Kind(p.byte()), Index: uint32(p.uint())}
	if e.Kind == Func && p.err == nil {
		e.Type = p.typeOf(e.Index)
	}
	p.m.Exports = append(p.m.Exports, e)
}
