package wasm

import "fmt"

func (p *parser) functype() {
	switch form := p.Byte(); form {
	case 0x60:
		p.types = append(p.types, FuncType{p.values(), p.values()})
	case 0x50, 0x4f, 0x4e, 0x5f, 0x5e:
		p.Fail(Uses(GarbageCollection))
	default:
		p.Fail(fmt.Errorf("type of form 0x%02x; function types (0x60) are known", form))
	}
}

func (p *parser) values() (types []ValueType) {
	for n := p.Count(1); n > 0 && p.Err() == nil; n-- {
		types = append(types, p.Value())
	}
	return types
}

// Value reads a type of values, and fails for any that core 2.0 does not have.
func (r *Reader) Value() ValueType {
	t := r.Byte()
	switch {
	case t >= byte(V128) && t <= byte(I32), t == byte(FuncRef), t == byte(ExternRef):
	case t == 0x63 || t == 0x64:
		r.Fail(Uses(TypedReferences))
	case t == 0x69:
		r.Fail(Uses(Exceptions))
	case t >= 0x65 && t <= 0x74:
		r.Fail(Uses(GarbageCollection))
	default:
		r.Fail(fmt.Errorf("type 0x%02x is not known", t))
	}
	return ValueType(t)
}

// Limits reads the limits of a memory or a table.
func (r *Reader) Limits() (l Limits) {
	flags := r.Byte()
	switch {
	case flags&4 != 0 && flags < 8:
		r.Fail(Uses(Memory64))
	case flags == 2 || flags == 3:
		r.Fail(Uses(Threads))
	case flags > 1:
		r.Fail(fmt.Errorf("limits of kind 0x%02x are not known", flags))
	}
	l.Min = uint64(r.Uint32())
	if l.HasMax = flags == 1; l.HasMax {
		l.Max = uint64(r.Uint32())
	}
	return l
}

func (p *parser) memory() {
	l := p.Limits()
	if p.m.Memory != nil {
		p.Fail(Uses(MultiMemory))
	}
	p.m.Memory = &l
}

func (p *parser) table() {
	p.Value()
	p.m.Tables = append(p.m.Tables, p.Limits())
}

func (p *parser) imported() {
	i := Import{Module: p.Name(), Name: p.Name(), Kind: Kind(p.Byte())}
	switch i.Kind {
	case Func:
		p.funcs = append(p.funcs, p.Uint32())
		i.Type = p.typeOf(uint32(len(p.funcs) - 1))
	case Table:
		p.table()
	case Memory:
		p.memory()
	case Global:
		p.Value()
		p.Byte()
	case Tag:
		p.Fail(Uses(Exceptions))
	default:
		p.Fail(fmt.Errorf("import of kind %d is not known", i.Kind))
	}
	p.m.Imports = append(p.m.Imports, i)
}

func (p *parser) exported() {
	e := Export{Name: p.Name(), Kind: Kind(p.Byte()), Index: p.Uint32()}
	switch {
	case e.Kind == Func && p.Err() == nil:
		e.Type = p.typeOf(e.Index)
	case e.Kind == Tag:
		p.Fail(Uses(Exceptions))
	case e.Kind > Tag:
		p.Fail(fmt.Errorf("export of kind %d is not known", e.Kind))
	}
	p.m.Exports = append(p.m.Exports, e)
}

func (p *parser) typeOf(f uint32) (t FuncType) {
	if uint64(f) < uint64(len(p.funcs)) && uint64(p.funcs[f]) < uint64(len(p.types)) {
		return p.types[p.funcs[f]]
	}
	p.Fail(fmt.Errorf("function %d has no type", f))
	return t
}
