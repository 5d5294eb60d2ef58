package meter

import "encoding/binary"

// What a function has counted is settled at a loop's head when it is above settleLeaf. In
// functions that call, so much goes unpaid in each frame on the stack, of which there may
// be a hundred thousand: hence settleDeep.
const (
	settleLeaf = 1 << 13
	settleDeep = 1 << 8
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

// sized writes a size in front of what body writes.
func (w *writer) sized(body func()) {
	const room = binary.MaxVarintLen32
	at := len(w.out)
	w.byte(make([]byte, room)...)
	body()
	n := len(w.out) - at - room
	size := binary.PutUvarint(w.out[at:at+room], uint64(n))
	copy(w.out[at+size:], w.out[at+room:])
	w.out = w.out[:at+size+n]
}

// pay takes n units off the fuel that is left, and calls the host if that is below zero.
func (w *writer) pay(cost uint32) {
	w.op(opGlobalGet, w.fuel)
	w.i64(-units(cost))
	w.byte(opI64Add)
	w.settle()
}

// units returns what so many instructions cost, but nothing is for nothing.
func units(cost uint32) int64 { return max(1, (int64(cost)+1<<(unit-1))>>unit) }

// settle makes what is on the stack the fuel that is left, and calls the host if it is
// below zero.
func (w *writer) settle() {
	w.op(opGlobalSet, w.fuel)
	w.op(opGlobalGet, w.fuel)
	w.byte(opI64Const, 0, opI64LtS, opIf, void, opCall, 0, opEnd)
}

// count adds n to the local, by local.set, or local.tee, which leaves it on the stack.
func (w *writer) count(n uint32, local uint32, op byte) {
	w.op(opLocalGet, local)
	w.i64(int64(n))
	w.byte(opI64Add)
	w.op(op, local)
}

// turn counts a turn of a loop in the local, and pays when that is above n.
func (w *writer) turn(cost uint32, n int64, local uint32) {
	w.count(cost, local, opLocalTee)
	w.i64(n)
	w.byte(opI64GtS, opIf, void)
	w.op(opLocalGet, local)
	w.op(opCall, w.burn)
	w.op(opLocalSet, local)
	w.byte(opEnd)
}

// function writes one body. It has a local more if it counts.
func (w *writer) function(f *function) {
	w.locals(f)
	if f.counts {
		w.byte(opBlock)
		w.wrapper(f)
	}
	w.body(f)
	if f.counts {
		w.op(opGlobalGet, w.fuel)
		w.op(opLocalGet, f.vars)
		w.i64(unit)
		w.byte(opI64ShrU, opI64Sub)
		if f.calls {
			w.settle()
		} else { // and whoever calls it asks
			w.op(opGlobalSet, w.fuel)
		}
		w.byte(opEnd)
	}
}

func (w *writer) locals(f *function) {
	groups := f.groups
	if f.counts {
		groups++
	}
	w.uint(groups)
	w.byte(w.code[f.locals[0]:f.locals[1]]...)
	if f.counts {
		w.byte(1, i64)
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

// charge writes what pays for a segment.
func (w *writer) charge(f *function, e *edit, entry bool) {
	most := int64(settleLeaf)
	if f.calls {
		most = settleDeep
	}
	switch {
	case e.n == 0:
	case !f.counts:
		w.pay(e.n)
	case e.kind != segment || e.asks:
		w.turn(e.n, most, f.vars)
	case entry:
		w.i64(int64(e.n))
		w.op(opLocalSet, f.vars)
	default:
		w.count(e.n, f.vars, opLocalSet)
	}
}

// body writes a function's instructions with all edits made.
func (w *writer) body(f *function) {
	from := f.code[0]
	for i := f.first; i < f.last; i++ {
		e := &w.m.edits[i]
		w.out = append(w.out, w.code[from:e.at]...)
		from = e.at + uint32(e.skip)
		switch e.kind {
		case segment, loopHead, callLoop:
			w.charge(f, e, i == f.first)
		case toCall:
			w.op(opCall, e.n+1)
		case toFunc:
			w.op(opRefFunc, e.n+1)
		case toReturn:
			if f.counts {
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
		w.settle()
		w.byte(opI64Const, 0, opEnd)
	})
	// A byte that is filled or copied takes some sixteenth of a nanosecond, an entry a
	// quarter.
	w.bulk(4)
	w.bulk(2)
}

// bulk writes a function that takes a length, burns 1/2^shift of it, and returns it.
// What is far longer than memories and tables are is left to trap.
func (w *writer) bulk(shift byte) {
	w.sized(func() {
		w.byte(0)
		w.op(opGlobalGet, w.fuel)
		w.byte(opLocalGet, 0, opI32Const, shift, opI32ShrU, opI64Extend, opI64Sub)
		w.settle()
		w.byte(opLocalGet, 0, opEnd)
	})
}
