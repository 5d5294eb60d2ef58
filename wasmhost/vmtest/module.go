package vmtest

import "github.com/weirproxy/weir/wasmhost/wasm"

// Module is a module to assemble. Functions are called by their names.
type Module struct {
	Imports []Import
	Funcs   []Func
	// Pages is the size of its memory, which it exports as "memory", at the start; 0: it
	// has none. Max bounds it, if not 0.
	Pages, Max uint32
	Globals    []Global
	Table      []string // functions that call_indirect finds in table 0
	Data       []Data
	Start      string // the function of the start section; "": none
}

// Import is a function that the module imports; its code calls it by Name.
type Import struct {
	Module, Name    string
	Params, Results []wasm.ValueType
}

// Func is a function. It is exported unless its name begins with "$".
type Func struct {
	Name            string
	Params, Results []wasm.ValueType
	Locals          []wasm.ValueType
	Body            Code
}

// Global is a mutable number; those with a name are exported.
type Global struct {
	Name string
	Type wasm.ValueType // I32 or I64
	Init int64
}

// Data is what memory holds at the start.
type Data struct {
	At   uint32
	Data string
}

// Code is what a function does: opcodes (Op) and, behind them, their immediates:
//
//	int, int64  a number, signed LEB128; small ones may stand for indices, too
//	uint32      an index, a memory offset: unsigned LEB128
//	string      the index of the function of that name
//	[]byte      as it is
//	Code        code within code
//
// The end of a function is not written.
type Code []any

// Op is an opcode.
type Op byte

// Opcodes that tests use; others are Op(0x…).
const (
	Unreachable  Op = 0x00
	Nop          Op = 0x01
	Block        Op = 0x02
	Loop         Op = 0x03
	If           Op = 0x04
	Else         Op = 0x05
	End          Op = 0x0b
	Br           Op = 0x0c
	BrIf         Op = 0x0d
	Return       Op = 0x0f
	Call         Op = 0x10
	CallIndirect Op = 0x11 // type index, table
	Drop         Op = 0x1a
	LocalGet     Op = 0x20
	LocalSet     Op = 0x21
	LocalTee     Op = 0x22
	GlobalGet    Op = 0x23
	GlobalSet    Op = 0x24
	I32Load      Op = 0x28 // alignment, offset
	I64Load      Op = 0x29
	I32Load8U    Op = 0x2d
	I32Store     Op = 0x36
	I64Store     Op = 0x37
	I32Store8    Op = 0x3a
	MemorySize   Op = 0x3f // 0
	MemoryGrow   Op = 0x40 // 0
	I32Const     Op = 0x41
	I64Const     Op = 0x42
	F32Const     Op = 0x43 // four bytes
	F64Const     Op = 0x44 // eight bytes
	I32Eqz       Op = 0x45
	I32Eq        Op = 0x46
	I32LtU       Op = 0x49
	I32Add       Op = 0x6a
	I32Sub       Op = 0x6b
	I32Mul       Op = 0x6c
	I32DivS      Op = 0x6d
	I64Add       Op = 0x7c
	I64Mul       Op = 0x7e
	Prefixed     Op = 0xfc // 10 0 0 is memory.copy, 11 0 memory.fill

	// Void is the type of blocks without results; a wasm.ValueType is that of others.
	Void Op = 0x40
)

// Types for signatures.
var (
	I32   = []wasm.ValueType{wasm.I32}
	I32x2 = []wasm.ValueType{wasm.I32, wasm.I32}
	I32x3 = []wasm.ValueType{wasm.I32, wasm.I32, wasm.I32}
	I32x4 = []wasm.ValueType{wasm.I32, wasm.I32, wasm.I32, wasm.I32}
	I64   = []wasm.ValueType{wasm.I64}
)
