package meter

// form is what stands behind an opcode.
type form uint8

const (
	unknown    form = iota
	plain           // nothing
	block           // a block type
	loop            // a block type
	branchIf        // a label
	ifelse          // a block type
	elseArm         // nothing
	end             // nothing
	branch          // a label
	table           // labels
	leave           // nothing; does not go on
	trap            // nothing; does not go on
	call            // a function
	indirect        // a type and a table
	local           // a local
	global          // a global
	index           // a table, or whatever the engine checks
	memory          // alignment and offset
	zero            // one byte
	const32         // a number with sign
	const64         // a number with sign
	float32         // 4 bytes
	float64         // 8 bytes
	types           // a vector of types
	refType         // a type
	refFunc         // a function
	prefixed        // an opcode of the 0xfc page
	vector          // an opcode of the 0xfd page
	atomic          // not supported
	tail            // not supported
	throwing        // not supported
	collecting      // not supported
	typedRef        // not supported
)

// What instructions cost that are not one unit's worth: see vm.Limits for the unit.
const (
	callCost = 10 // leaves that are called for nothing are covered by it
	hardCost = 8  // division, square root
	loadCost = 2
	turnCost = 2  // of a loop
	growCost = 64 // a call of the host
)

// op is an instruction's form and cost.
type op struct {
	form form
	cost uint8
}

var ops = [256]op{
	0x00: {trap, 1}, 0x01: {plain, 0}, 0x02: {block, 0}, 0x03: {loop, 0},
	0x04: {ifelse, 1}, 0x05: {elseArm, 0}, 0x06: {throwing, 0}, 0x07: {throwing, 0},
	0x08: {throwing, 0}, 0x09: {throwing, 0}, 0x0a: {throwing, 0}, 0x0b: {end, 0},
	0x0c: {branch, 1}, 0x0d: {branchIf, 1}, 0x0e: {table, 2}, 0x0f: {leave, 1},
	0x10: {call, callCost}, 0x11: {indirect, callCost}, 0x12: {tail, 0}, 0x13: {tail, 0},
	0x14: {typedRef, 0}, 0x15: {typedRef, 0}, 0x18: {throwing, 0}, 0x19: {throwing, 0},
	0x1a: {plain, 0}, 0x1b: {plain, 1}, 0x1c: {types, 1}, 0x1f: {throwing, 0},
	0x20: {local, 0}, 0x21: {local, 0}, 0x22: {local, 0}, 0x23: {global, 1}, 0x24: {global, 1},
	0x25: {index, 1}, 0x26: {index, 1},
	0x28: {memory, loadCost}, 0x29: {memory, loadCost}, 0x2a: {memory, loadCost}, 0x2b: {memory, loadCost},
	0x2c: {memory, loadCost}, 0x2d: {memory, loadCost}, 0x2e: {memory, loadCost}, 0x2f: {memory, loadCost},
	0x30: {memory, loadCost}, 0x31: {memory, loadCost}, 0x32: {memory, loadCost}, 0x33: {memory, loadCost},
	0x34: {memory, loadCost}, 0x35: {memory, loadCost}, 0x36: {memory, 1}, 0x37: {memory, 1},
	0x38: {memory, 1}, 0x39: {memory, 1}, 0x3a: {memory, 1}, 0x3b: {memory, 1},
	0x3c: {memory, 1}, 0x3d: {memory, 1}, 0x3e: {memory, 1},
	0x3f: {zero, 1}, 0x40: {zero, growCost},
	0x41: {const32, 0}, 0x42: {const64, 0}, 0x43: {float32, 0}, 0x44: {float64, 0},
	0xd0: {refType, 1}, 0xd1: {plain, 1}, 0xd2: {refFunc, 1},
	0xd3: {collecting, 0}, 0xd4: {typedRef, 0}, 0xd5: {typedRef, 0}, 0xd6: {typedRef, 0},
	0xfb: {collecting, 0}, 0xfc: {prefixed, 1}, 0xfd: {vector, 1}, 0xfe: {atomic, 0},
}

// opOf returns what is known of an opcode of the first page. Those from 0x45 to 0xc4
// are the numeric instructions, which have nothing behind them.
func opOf(code byte) op {
	if code < 0x45 || code > 0xc4 {
		return ops[code]
	}
	switch code {
	case 0x6d, 0x6e, 0x6f, 0x70, 0x7f, 0x80, 0x81, 0x82, // integer division
		0x91, 0x95, 0x9f, 0xa3: // floating square root and division
		return op{plain, hardCost}
	}
	return op{plain, 1}
}

// What the 0xfc page has behind its opcodes.
const (
	memoryInit = 8 + iota
	dataDrop
	memoryCopy
	memoryFill
	tableInit
	elemDrop
	tableCopy
	tableGrow
	tableSize
	tableFill
)

// hiding are those of them that change what is neither memory nor a global.
var hiding = [...]string{
	dataDrop: "data.drop", tableInit: "table.init", elemDrop: "elem.drop",
	tableCopy: "table.copy", tableGrow: "table.grow", tableFill: "table.fill",
}

// tableSet is of the first page.
const tableSet = 0x26

// Opcodes of what is injected.
const (
	opUnreachable = 0x00
	opBlock       = 0x02
	opIf          = 0x04
	opEnd         = 0x0b
	opBr          = 0x0c
	opCall        = 0x10
	opLocalGet    = 0x20
	opLocalSet    = 0x21
	opLocalTee    = 0x22
	opGlobalGet   = 0x23
	opGlobalSet   = 0x24
	opI32Const    = 0x41
	opI64Const    = 0x42
	opI32GtU      = 0x4b
	opI64LtS      = 0x53
	opI64GtS      = 0x55
	opI32Add      = 0x6a
	opI32ShrU     = 0x76
	opI64Shl      = 0x86
	opI64ShrU     = 0x88
	opI64Add      = 0x7c
	opI64Sub      = 0x7d
	opI64Extend   = 0xad // i64.extend_i32_u
	opRefFunc     = 0xd2
	void          = 0x40
	i32, i64      = 0x7f, 0x7e
)
