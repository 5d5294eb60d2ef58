package meter

import (
	"errors"
	"fmt"

	"github.com/weirproxy/weir/wasmhost/wasm"
)

// maxLocals is how many locals, parameters included, a function may have.
const maxLocals = 49_999 // one less than the engine's, for the counter

// What the compiler is spared: it takes memory and time by these numbers, or their
// squares, and modules of some KiB would take gigabytes. What toolchains emit is far below,
// and browsers have the first limit, too.
const (
	maxWidth = 1000    // parameters of a type, or results
	fewWide  = 16      // values that instructions pass on for nothing
	maxWide  = 1 << 18 // others, of all instructions together
	maxLoops = 1000    // loops, each inside the last
)

// edit is a place in a function's body where something is to be put in, or put in the
// place of what is there.
type edit struct {
	at    uint32 // in the code section
	n     uint32 // cost, function, or depth of the return
	payer int32  // of a segment: the edit that pays for it, first the one above it; of a call: see bill
	kind  kind
	asks  bool  // of a segment: too much may be unpaid for
	blind bool  // of a segment: it calls indirectly
	skip  uint8 // bytes that are replaced
	extra uint8 // what it pays for others
}

type kind uint8

const (
	segment  kind = iota
	loopHead      // of a loop that may turn without a call
	callLoop      // of one that calls at each turn
	toCall
	toFunc
	toReturn
	bytesOf   // a bulk operation on memory; its length is on the stack
	entriesOf // on tables
)

// function is what the scan of one body finds.
type function struct {
	code        [2]uint32 // from, to: instructions in the code section
	locals      [2]uint32 // from, to: declarations of locals there
	first, last int32     // edits; the first is the entry's segment
	typ         uint32
	groups      uint32 // of declared locals
	vars        uint32 // parameters and locals
	entry       uint32 // what its callers pay for it
	payers      int32  // segments that are neither its entry nor a loop's head
	counts      bool   // in a local
	calls       bool
	pays        bool // for its own entry
	assessed    bool
}

// unit says how many instructions, by its power of two, cost one unit of fuel: so many
// take about a nanosecond.
const unit = 3

const (
	// pays is how much a segment pays for others at most, and a caller for a callee's entry.
	pays = 32
	// owes is how much may have been counted in a local, loops aside, and be unpaid when
	// a function calls another.
	owes = 512
)

type scope struct {
	op      form
	segment int32  // that was under way when it was opened
	passed  uint32 // scanner.passed at that time
	calls   uint32 // scanner.calls at that time
	head    int32  // of a loop
	before  uint32 // scanner.unpaid when it was opened
	unpaid  uint32 // the most, on all ways that branch to its end
	width   uint32 // parameters and results
}

// scanner reads function bodies.
type scanner struct {
	wasm.Reader
	m      *module
	edits  []edit
	scopes []scope
	f      *function
	now    int32 // the segment under way
	cost   uint32
	unpaid uint32 // the most that has come together since it was asked for, on all ways to here
	calls  uint32 // how many calls there were so far
	passed uint32 // the number of the last one that was made on each way to here
	dead   bool   // it is never reached
	loops  int    // that are open
}

// function reads one body whose size has been read.
func (s *scanner) function(f *function, stop int) {
	s.f = f
	f.locals[0] = uint32(s.At())
	f.groups = s.Uint32()
	start := s.At()
	vars := uint64(s.m.types[f.typ].params)
	for n := f.groups; n > 0 && s.Err() == nil; n-- {
		vars += uint64(s.Uint32())
		s.Value()
		if vars > maxLocals {
			s.Fail(fmt.Errorf("function %d has more than %d locals", s.m.number(f), maxLocals))
		}
	}
	f.locals[0], f.locals[1] = uint32(start), uint32(s.At())
	f.vars = uint32(vars)
	f.code[0] = uint32(s.At())
	f.first = int32(len(s.edits))
	s.loops = 0
	s.calls, s.passed, s.unpaid = 0, 0, 0
	s.scopes = append(s.scopes[:0], scope{op: block, segment: f.first, width: s.m.types[f.typ].results})
	s.open(segment, f.first)
	for s.At() < stop && len(s.scopes) > 0 {
		s.instruction()
	}
	if s.Err() == nil && (s.At() != stop || len(s.scopes) > 0) {
		s.Fail(fmt.Errorf("function %d does not end where it should", s.m.number(f)))
	}
	f.code[1], f.last = uint32(s.At()), int32(len(s.edits))
}

// open begins a segment that is reached only by way of above.
func (s *scanner) open(k kind, above int32) {
	s.now, s.dead = int32(len(s.edits)), false
	s.edits = append(s.edits, edit{at: uint32(s.At()), kind: k, payer: above})
}

// close ends the segment under way.
func (s *scanner) close() {
	if !s.dead {
		e := &s.edits[s.now]
		e.n = s.cost
		if s.unpaid += s.cost; s.unpaid > owes {
			e.asks = true
			s.unpaid = 0
		}
	}
	s.cost = 0
}

// within opens a scope.
func (s *scanner) within(f form, width uint32) {
	s.scopes = append(s.scopes, scope{op: f, segment: s.now, width: width, passed: s.passed, calls: s.calls, before: s.unpaid})
}

// call notes that the segment under way calls.
func (s *scanner) call() {
	s.f.calls = true
	s.calls++
	s.passed = s.calls
}

func (s *scanner) mark(k kind, at int, n uint32, skip bool) {
	e := edit{at: uint32(at), n: n, kind: k}
	if skip {
		e.skip = uint8(s.At() - at)
	}
	s.edits = append(s.edits, e)
}

// label reads a label, and checks that it is one. Whether there is a call in each turn
// of a loop is known when all branches to it are.
func (s *scanner) label() {
	n := s.Uint32()
	if n >= uint32(len(s.scopes)) {
		s.Fail(errors.New("a branch goes nowhere"))
		return
	}
	to := &s.scopes[len(s.scopes)-1-int(n)]
	s.pass(to.width)
	switch {
	case s.dead:
	case to.op != loop:
		to.unpaid = max(to.unpaid, s.unpaid+s.cost)
	case s.passed <= to.calls:
		s.edits[to.head].kind = loopHead
		s.f.counts = true
	}
}

// pass counts the values that an instruction passes on.
func (s *scanner) pass(width uint32) {
	if width <= fewWide {
		return
	}
	if s.m.wide += uint64(width); s.m.wide > maxWide {
		s.Fail(errors.New("it passes on too many values at once, too often"))
	}
}

// called is pass, for a call.
func (s *scanner) called(typ uint32) {
	if s.Err() == nil {
		s.pass(s.m.types[typ].params + s.m.types[typ].results)
	}
}

// below reads an index, and checks that it is below n: what a module must not reach
// becomes reachable where something is added at the end.
func (s *scanner) below(n int, what string) uint32 {
	i := s.Uint32()
	if uint64(i) >= uint64(n) {
		s.Fail(fmt.Errorf("there is no %s %d", what, i))
	}
	return i
}

func (s *scanner) instruction() {
	at := s.At()
	o := opOf(s.Byte())
	s.cost += uint32(o.cost)
	switch o.form {
	case plain:
	case local:
		s.below(int(s.f.vars), "local")
	case const32:
		s.Int64(32)
	case const64:
		s.Int64(64)
	case memory:
		s.address()
	case global:
		s.below(s.m.globals, "global")
	case call:
		callee := s.below(s.m.functions, "function")
		if s.Err() == nil {
			s.called(s.m.callees[callee])
		}
		s.call()
		s.mark(toCall, at, callee, true)
	case indirect:
		s.called(s.below(len(s.m.types), "type"))
		s.Uint32()
		s.call()
		s.edits[s.now].blind = true
	case refFunc:
		s.mark(toFunc, at, s.below(s.m.functions, "function"), true)
	case index:
		s.Uint32()
		if s.Since(at)[0] == tableSet {
			s.m.hide("table.set")
		}
	case zero:
		s.Byte()
	case float32:
		s.Take(4)
	case float64:
		s.Take(8)
	case types:
		for n := s.Count(1); n > 0; n-- {
			s.Value()
		}
	case refType:
		s.Value()
	case prefixed:
		s.bulk(at)
	case vector:
		s.simd()
	default:
		s.control(at, o.form)
	}
}

func (s *scanner) address() {
	if s.Uint32() >= 64 {
		s.Fail(wasm.Uses(wasm.MultiMemory))
	}
	s.Uint32()
}

// control reads what begins and ends segments.
func (s *scanner) control(at int, f form) {
	switch f {
	case block:
		s.within(f, s.blockType())
	case loop:
		s.within(f, s.blockType())
		s.close()
		if s.loops++; s.loops > maxLoops {
			s.Fail(fmt.Errorf("it has more than %d loops, each inside the last", maxLoops))
		}
		s.open(callLoop, s.now)
		s.unpaid = 0
		s.scopes[len(s.scopes)-1].head = s.now
	case ifelse:
		s.within(f, s.blockType())
		s.next()
	case elseArm:
		top := &s.scopes[len(s.scopes)-1]
		if top.op != ifelse {
			s.Fail(errors.New("else without if"))
		}
		top.op = block
		s.close()
		s.passed = top.passed
		top.unpaid = max(top.unpaid, s.unpaid)
		s.unpaid = top.before
		s.open(segment, top.segment)
	case end:
		s.close()
		top := s.scopes[len(s.scopes)-1]
		if top.op == loop {
			s.loops--
		}
		if s.scopes = s.scopes[:len(s.scopes)-1]; len(s.scopes) > 0 {
			s.passed = top.passed
			s.unpaid = max(s.unpaid, top.unpaid)
			if top.op == ifelse {
				s.unpaid = max(s.unpaid, top.before)
			}
			s.open(segment, top.segment)
		}
	case branchIf:
		s.label()
		s.next()
	case branch:
		s.label()
		s.stop()
	case table:
		for n := s.Count(1); n >= 0 && s.Err() == nil; n-- {
			s.label()
		}
		s.stop()
	case leave:
		s.mark(toReturn, at, uint32(len(s.scopes)-1), true)
		s.pass(s.scopes[0].width)
		s.stop()
	case trap:
		s.stop()
	default:
		s.unsupported(at, f)
	}
}

// next begins a segment that the one before goes on to.
func (s *scanner) next() {
	s.close()
	s.open(segment, s.now)
}

// stop begins a segment that nothing goes on to.
func (s *scanner) stop() {
	s.next()
	s.dead, s.unpaid = true, 0
}

// blockType reads one, and returns how many parameters and results it has.
func (s *scanner) blockType() (width uint32) {
	t := s.Int64(33)
	switch {
	case t == -64, t <= -1 && t >= -5, t == -16, t == -17:
	case t < 0:
		s.Fail(fmt.Errorf("a block is of a type that is not known (%d)", t))
	case t >= int64(len(s.m.types)):
		s.Fail(fmt.Errorf("there is no type %d", t))
	default:
		width = s.m.types[t].params + s.m.types[t].results
		s.pass(width)
	}
	return width
}
