package meter

import (
	"errors"
	"fmt"

	"github.com/weirproxy/weir/wasmhost/wasm"
)

func (s *scanner) unsupported(at int, f form) {
	switch f {
	case atomic:
		s.Fail(wasm.Uses(wasm.Threads))
	case tail:
		s.Fail(wasm.Uses(wasm.TailCalls))
	case throwing:
		s.Fail(wasm.Uses(wasm.Exceptions))
	case collecting:
		s.Fail(wasm.Uses(wasm.GarbageCollection))
	case typedRef:
		s.Fail(wasm.Uses(wasm.TypedReferences))
	default:
		s.Fail(fmt.Errorf("function %d has an unknown instruction 0x%x", s.m.number(s.f), s.Since(at)))
	}
}

// bulk reads an instruction of the 0xfc page.
func (s *scanner) bulk(at int) {
	code := s.Uint32()
	if code < uint32(len(hiding)) && hiding[code] != "" {
		s.m.hide(hiding[code])
	}
	switch {
	case code < memoryInit: // saturating truncation
	case code == dataDrop, code == elemDrop, code == tableSize:
		s.Uint32()
	case code == tableGrow:
		s.cost += growCost
		s.Uint32()
	case code == memoryFill:
		s.Byte()
		s.mark(bytesOf, at, 0, false)
	case code == memoryCopy, code == memoryInit:
		s.Uint32()
		s.Byte()
		s.mark(bytesOf, at, 0, false)
	case code == tableFill:
		s.Uint32()
		s.mark(entriesOf, at, 0, false)
	case code == tableInit, code == tableCopy:
		s.Uint32()
		s.Uint32()
		s.mark(entriesOf, at, 0, false)
	default:
		s.unsupported(at, unknown)
	}
}

// simd reads an instruction of the 0xfd page. The engine takes the first byte of the
// opcode for all of it, and a second one for a nop: so an opcode must not be longer than
// it has to be, or the two would not read the same instructions from there on.
func (s *scanner) simd() {
	from := s.At()
	code := s.Uint32()
	if s.At()-from != 1+int(min(code>>7, 1)) && code <= 255 {
		s.Fail(errors.New("a vector instruction's opcode is longer than it has to be"))
	}
	switch {
	case code <= 11, code == 92, code == 93:
		s.address()
	case code == 12, code == 13:
		s.Take(16)
	case code >= 21 && code <= 34:
		s.Byte()
	case code >= 84 && code <= 91:
		s.address()
		s.Byte()
	case code > 255:
		s.Fail(wasm.Uses(wasm.RelaxedSIMD))
	}
}
