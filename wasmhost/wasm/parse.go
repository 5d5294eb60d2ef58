package wasm

import (
	"bytes"
	"errors"
	"fmt"
)

// Sections by their numbers in the binary format.
const (
	SectionCustom   = 0
	SectionType     = 1
	SectionImport   = 2
	SectionFunction = 3
	SectionTable    = 4
	SectionMemory   = 5
	SectionGlobal   = 6
	SectionExport   = 7
	SectionStart    = 8
	SectionElement  = 9
	SectionCode     = 10
	SectionData     = 11
	SectionCount    = 12 // of data; stands before SectionCode
	SectionTag      = 13
)

// Open checks the preamble, and returns a reader of the sections.
func Open(code []byte) (*Reader, error) {
	switch {
	case len(code) == 0:
		return nil, errors.New("it is empty")
	case len(code) < 8 || !bytes.HasPrefix(code, []byte("\x00asm")):
		return nil, errors.New("it is not a WebAssembly module")
	case code[6] == 1 && code[7] == 0:
		return nil, Uses(Component)
	case !bytes.Equal(code[4:8], []byte{1, 0, 0, 0}):
		return nil, fmt.Errorf("it is of version %x of the binary format; 01000000 is known", code[4:8])
	}
	return NewReader(code[8:]), nil
}

// Parse reads a module. It looks at what Module tells and no further: the engine
// validates the rest. Errors say what was found and, where it is known, what would
// have been right; of what the engine lacks they are an *Unsupported.
func Parse(code []byte) (*Module, error) {
	r, err := Open(code)
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	p := &parser{m: &Module{Size: len(code)}}
	for r.Left() > 0 {
		id, body := r.Section()
		if r.Err() != nil {
			break
		}
		p.Reset(body)
		if p.section(id); p.Err() != nil {
			return nil, fmt.Errorf("read module: section %d: %w", id, p.Err())
		}
	}
	if r.Err() != nil {
		return nil, fmt.Errorf("read module: %w", r.Err())
	}
	return p.m, nil
}

type parser struct {
	Reader
	m     *Module
	types []FuncType
	funcs []uint32 // type indices, imported ones first
}

func (p *parser) section(id byte) {
	switch id {
	case SectionCustom:
		p.custom()
		return
	case SectionType:
		p.vector(2, p.functype)
	case SectionImport:
		p.vector(4, p.imported)
	case SectionFunction:
		p.vector(1, func() { p.funcs = append(p.funcs, p.Uint32()); p.m.Functions++ })
	case SectionTable:
		p.vector(3, p.table)
	case SectionMemory:
		p.vector(2, p.memory)
	case SectionExport:
		p.vector(3, p.exported)
	case SectionStart:
		start := p.Uint32()
		p.m.Start = &start
	case SectionTag:
		p.Fail(Uses(Exceptions))
	case SectionGlobal, SectionElement, SectionCode, SectionData, SectionCount:
		return // for the engine
	default:
		p.Fail(errors.New("no such section is known"))
	}
	if p.Left() > 0 {
		p.Fail(errors.New("it is longer than what it holds"))
	}
}

func (p *parser) vector(size int, each func()) {
	for n := p.Count(size); n > 0 && p.Err() == nil; n-- {
		each()
	}
}
