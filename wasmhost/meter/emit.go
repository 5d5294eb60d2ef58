package meter

import "encoding/binary"

// What a function has counted is settled at a loop's head when it is above settleFlat.
// In functions that may recurse so much goes unpaid in each frame on the stack, of which
// there may be StackLimit/frameBase: hence settleDeep.
const (
	settleFlat = 1 << 13
	settleDeep = 1 << 8
	// freeLeaf is up to what cost a function that calls none and has no loop is free.
	freeLeaf = 16
)

// writer writes the new module.
type writer struct {
	m    *module
	out  []byte
	code []byte // the code section's content
	// indices of what is added
	fuel, stack                uint32
	burn, bytes, entries, deep uint32
	plain, taking, burnt       uint32 // types
}

func (w *writer) byte(b ...byte) { w.out = append(w.out, b...) }
func (w *writer) uint(n uint32)  { w.out = binary.AppendUvarint(w.out, uint64(n)) }
func (w *writer) op(o byte, n uint32) {
	w.out = append(w.out, o)
	w.uint(n)
}

func (w *writer) int(n int64) {
	for n < -64 || n > 63 {
		w.out = append(w.out, byte(n)|0x80)
		n >>= 7
	}
	w.out = append(w.out, byte(n)&0x7f)
}

func (w *writer) i64(n int64) {
	w.out = append(w.out, opI64Const)
	w.int(n)
}

// sized writes a size in front of what body writes. It always takes five bytes, so that
// nothing has to be moved.
func (w *writer) sized(body func()) {
	at := len(w.out)
	w.byte(0x80, 0x80, 0x80, 0x80, 0)
	body()
	n := len(w.out) - at - 5
	for i := range 4 {
		w.out[at+i] = byte(n)&0x7f | 0x80
		n >>= 7
	}
	w.out[at+4] = byte(n)
}

// settle makes what is on the stack the fuel that is left, and calls the host if it is
// below zero. It uses the local.
func (w *writer) settle(local uint32) {
	w.op(opLocalTee, local)
	w.op(opGlobalSet, w.fuel)
	w.op(opLocalGet, local)
	w.byte(opI64Const, 0, opI64LtS, opIf, void, opCall, 0, opEnd)
}

// settleAbove pays what the local, which is also on the stack, has counted if that is
// above n.
func (w *writer) settleAbove(n int64, local uint32) {
	w.i64(n)
	w.byte(opI64GtS, opIf, void)
	w.op(opLocalGet, local)
	w.op(opCall, w.burn)
	w.op(opLocalSet, local)
	w.byte(opEnd)
}

// count adds n to the local, and leaves it on the stack if keep is set.
func (w *writer) count(n uint32, local uint32, op byte) {
	w.op(opLocalGet, local)
	w.i64(int64(n))
	w.byte(opI64Add)
	w.op(op, local)
}

// function writes one body. It has up to two locals more: what it has counted, and how
// much stack was in use when it was entered.
func (w *writer) function(f *function) {
	cost := w.m.edits[f.first].n
	free := !f.counts && !f.deep && !f.calls && cost <= freeLeaf
	w.locals(f, !free)
	if f.deep {
		w.descend(f)
	}
	if f.counts {
		w.i64(int64(cost) + 1<<unit - 1)
		w.op(opLocalSet, f.vars)
	} else if !free {
		w.op(opGlobalGet, w.fuel)
		w.i64(-int64(cost>>unit + 1))
		w.byte(opI64Add)
		w.settle(f.vars)
	}
	wrapped := f.counts || f.deep
	if wrapped {
		w.byte(opBlock)
		w.wrapper(f)
	}
	w.body(f, wrapped)
	if wrapped {
		w.exit(f)
		w.byte(opEnd)
	}
}

func (w *writer) locals(f *function, counter bool) {
	groups := f.groups
	if counter {
		groups++
	}
	if f.deep {
		groups++
	}
	w.uint(groups)
	w.byte(w.code[f.locals[0]:f.locals[1]]...)
	if counter {
		w.byte(1, i64)
	}
	if f.deep {
		w.byte(1, i32)
	}
}

// descend adds f's frame to the stack in use, and calls the host if that is too much.
// What was in use is kept and put back: taking off instead would make each call wait
// for the one before, from store to load through memory.
func (w *writer) descend(f *function) {
	w.op(opGlobalGet, w.stack)
	w.op(opLocalTee, f.vars+1)
	w.byte(opI32Const)
	w.int(int64(f.weight))
	w.byte(opI32Add)
	w.op(opGlobalSet, w.stack)
	w.op(opLocalGet, f.vars+1)
	w.byte(opI32Const)
	w.int(StackLimit)
	w.byte(opI32GtU, opIf, void)
	w.op(opCall, w.deep)
	w.byte(opEnd)
}

// wrapper writes the type of a block with f's results.
func (w *writer) wrapper(f *function) {
	switch t := &w.m.types[f.typ]; t.results {
	case 0:
		w.byte(void)
	case 1:
		w.byte(t.encoded[len(t.encoded)-1])
	default:
		w.int(int64(t.wrapper))
	}
}

// exit settles what is open when a function returns.
func (w *writer) exit(f *function) {
	if f.deep {
		w.op(opLocalGet, f.vars+1)
		w.op(opGlobalSet, w.stack)
	}
	if f.counts {
		w.op(opGlobalGet, w.fuel)
		w.op(opLocalGet, f.vars)
		w.i64(unit)
		w.byte(opI64ShrU, opI64Sub)
		w.settle(f.vars)
	}
}

// body writes a function's instructions with all edits made.
func (w *writer) body(f *function, wrapped bool) {
	from, most := f.code[0], int64(settleFlat)
	if f.deep {
		most = settleDeep
	}
	for i := f.first; i < f.last; i++ {
		e := &w.m.edits[i]
		w.out = append(w.out, w.code[from:e.at]...)
		from = e.at + uint32(e.skip)
		switch e.kind {
		case segment:
			if e.payer == i && e.n > 0 && i != f.first {
				w.count(e.n, f.vars, opLocalSet)
			}
		case loopHead:
			w.count(e.n, f.vars, opLocalTee)
			w.settleAbove(most, f.vars)
		case toCall:
			w.op(opCall, e.n+1)
		case toFunc:
			w.op(opRefFunc, e.n+1)
		case toReturn:
			if wrapped {
				w.op(opBr, e.n)
			} else {
				w.byte(w.code[e.at])
			}
		case bytesOf:
			w.op(opCall, w.bytes)
		case entriesOf:
			w.op(opCall, w.entries)
		}
	}
	w.out = append(w.out, w.code[from:f.code[1]]...)
}

// helpers writes the functions that are added.
func (w *writer) helpers() {
	// burn takes what a function has counted, and returns zero.
	w.sized(func() {
		w.byte(0)
		w.op(opGlobalGet, w.fuel)
		w.byte(opLocalGet, 0, opI64Const, unit, opI64ShrU, opI64Sub)
		w.settle(0)
		w.byte(opI64Const, 0, opEnd)
	})
	// A byte that is filled or copied takes some sixteenth of a nanosecond, an entry a
	// quarter.
	w.bulk(4)
	w.bulk(2)
	// deep tells the host how much stack is in use, and never goes on.
	w.sized(func() {
		w.byte(0)
		w.op(opGlobalGet, w.stack)
		w.byte(opI64Extend, opI64Const, 32, opI64Shl)
		w.op(opGlobalGet, w.fuel)
		w.byte(opI64Add)
		w.op(opGlobalSet, w.fuel)
		w.byte(opCall, 0, opUnreachable, opEnd)
	})
}

// bulk writes a function that takes a length, burns 1/2^shift of it, and returns it.
// What is far longer than memories and tables are is left to trap.
func (w *writer) bulk(shift byte) {
	w.sized(func() {
		w.byte(1, 1, i64)
		w.op(opGlobalGet, w.fuel)
		w.byte(opLocalGet, 0, opI32Const, shift, opI32ShrU, opI64Extend, opI64Sub)
		w.settle(1)
		w.byte(opLocalGet, 0, opEnd)
	})
}
