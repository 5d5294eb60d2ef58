package meter

import "encoding/binary"

// What a function has counted is settled at a loop's head when it is above settleLoop,
// and before a call that may recurse when it is above settleCall: so much goes unpaid in
// each frame on the stack.
const (
	settleLoop = 1000
	settleCall = 64
	// freeLeaf is up to what cost a function that calls none and has no loop is free.
	freeLeaf = 16
)

// writer writes the new module.
type writer struct {
	m    *module
	out  []byte
	code []byte // the code section's content
	// indices of what is added
	fuel                 uint32
	burn, bytes, entries uint32
	plain, taking, burnt uint32 // types
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

// yieldIfBelow calls the host if the value of the local is out of fuel.
func (w *writer) yieldIfBelow(local uint32) {
	w.op(opLocalGet, local)
	w.byte(opI32Wrap, opI32Const, 0, opI32LtS, opIf, void, opCall, 0, opEnd)
}

// pay adds n to the global, keeps it in local, and yields if that leaves no fuel.
func (w *writer) pay(n int64, local uint32) {
	w.op(opGlobalGet, w.fuel)
	w.i64(n)
	w.byte(opI64Add)
	w.op(opLocalTee, local)
	w.op(opGlobalSet, w.fuel)
	w.yieldIfBelow(local)
}

// settleAbove pays what the local has counted if that is above n.
func (w *writer) settleAbove(n int64, local uint32, op byte) {
	if op != 0 {
		w.op(op, local)
	}
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

// function writes one body.
func (w *writer) function(f *function) {
	cost := w.m.edits[f.first].n
	free := !f.counts && !f.deep && !f.calls && cost <= freeLeaf
	extra := uint32(1)
	if free {
		extra = 0
	}
	w.uint(f.groups + extra)
	w.byte(w.code[f.locals[0]:f.locals[1]]...)
	if !free {
		w.byte(1, i64)
	}
	wrapped := f.counts || f.deep
	switch {
	case free:
	case f.deep:
		w.pay(int64(f.weight)<<32-int64(cost+f.weight/stackPerFuel), f.vars)
	case f.counts:
		w.i64(int64(cost))
		w.op(opLocalSet, f.vars)
	default:
		w.pay(-int64(max(cost, 1)), f.vars)
	}
	if f.deep && f.counts {
		w.i64(0)
		w.op(opLocalSet, f.vars)
	}
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
	w.op(opGlobalGet, w.fuel)
	if f.deep {
		w.i64(int64(f.weight) << 32)
		w.byte(opI64Sub)
	}
	if !f.counts {
		w.op(opGlobalSet, w.fuel)
		return
	}
	w.op(opLocalGet, f.vars)
	w.byte(opI64Sub)
	w.op(opLocalTee, f.vars)
	w.op(opGlobalSet, w.fuel)
	w.yieldIfBelow(f.vars)
}

// body writes a function's instructions with all edits made.
func (w *writer) body(f *function, wrapped bool) {
	from := f.code[0]
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
			w.settleAbove(settleLoop, f.vars, 0)
		case toCall:
			w.beforeCall(f)
			w.op(opCall, e.n+1)
		case toIndirect:
			w.beforeCall(f)
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

func (w *writer) beforeCall(f *function) {
	if f.deep && f.counts {
		w.settleAbove(settleCall, f.vars, opLocalGet)
	}
}

// helpers writes the functions that are added: burn takes what a function has counted,
// bytes and entries the length of a bulk operation.
func (w *writer) helpers() {
	w.sized(func() {
		w.byte(0)
		w.op(opGlobalGet, w.fuel)
		w.byte(opLocalGet, 0, opI64Sub, opLocalTee, 0)
		w.op(opGlobalSet, w.fuel)
		w.yieldIfBelow(0)
		w.byte(opI64Const, 0, opEnd)
	})
	w.bulk(4)
	w.bulk(2)
}

// bulk writes a function that takes a length, burns 1/2^shift of it, and returns it.
// What is far longer than memories and tables are is left to trap.
func (w *writer) bulk(shift byte) {
	w.sized(func() {
		w.byte(1, 1, i64)
		w.op(opGlobalGet, w.fuel)
		w.byte(opLocalGet, 0, opI32Const, shift, opI32ShrU, opI64Extend, opI64Sub, opLocalTee, 1)
		w.op(opGlobalSet, w.fuel)
		w.yieldIfBelow(1)
		w.byte(opLocalGet, 0, opEnd)
	})
}
