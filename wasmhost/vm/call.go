package vm

import (
	"time"
	"unsafe"

	"github.com/tetratelabs/wazero/api"
)

// Func is an exported function of one instance.
type Func struct {
	of              *Instance
	name            string
	params, results int
	f               api.Function   // nil: not called yet
	native          unsafe.Pointer // the engine's f, where its stack is i's; else nil
	top             uintptr        // of the stack that it was lent
	busy            bool
}

// sampled is every how many calls the time is taken.
const sampled = 16

// Lookup returns the exported function of that name, or nil. ABIs look functions up
// once per instance and keep them.
func (i *Instance) Lookup(name string) *Func {
	d := i.program.exports[name]
	if d == nil {
		return nil
	}
	return &Func{of: i, name: name, params: len(d.ParamTypes()), results: len(d.ResultTypes())}
}

// Call calls f with as much fuel as one call may burn, and the budget has left; nil is
// no budget. It returns f's result, 0 if it has none. An error is a *Trap: the instance
// is dead, unless the budget was used up before, or f is another instance's.
func (i *Instance) Call(f *Func, b *Budget, args ...uint64) (uint64, error) {
	if i.depth > 0 {
		return i.nested(f, args)
	}
	allowed := fuel(i.Limits.CPU)
	if b != nil {
		if b.left < allowed && b.earns {
			b.earn(time.Now())
		}
		if allowed = min(allowed, b.left); allowed <= 0 {
			i.limit = 0
			return 0, &Trap{Func: f.name, Reason: OutOfFuel, Err: i.spendthrift()}
		}
	}
	v, spent, err := i.outer(f, allowed, i.Limits.Wall, args)
	if b != nil {
		b.left -= spent
	}
	return v, err
}

// Start calls f as Call does, within Limits.Start: for what a guest does once.
func (i *Instance) Start(f *Func, args ...uint64) (uint64, error) {
	v, _, err := i.outer(f, fuel(i.Limits.Start), startWall(i.Limits), args)
	i.Started()
	return v, err
}

// Started says that what the guest has done so far belongs to its start: the memory that
// it has now is what it needs, and no sign of wear.
func (i *Instance) Started() { i.initial = max(i.initial, len(i.memory)) }

// startWall bounds by the clock what Limits.Start bounds by fuel: instructions take up to
// some nanoseconds, and more on a machine that has other things to do.
func startWall(l Limits) time.Duration { return max(l.Wall, 4*l.Start) }

func (i *Instance) outer(f *Func, allowed int64, wall time.Duration, args []uint64) (v uint64, spent int64, err error) {
	if f.of != i {
		return 0, 0, &Trap{Func: f.name, Reason: Broken, Err: errForeign}
	}
	// Before this, who closes it may be at its fields.
	if !i.state.CompareAndSwap(idle, inside) {
		return 0, 0, &Trap{Func: f.name, Reason: Ended, Err: errClosed}
	}
	if cause := i.cause.Load(); cause != nil && i.trap == nil {
		i.failed(f.name, &Trap{Reason: Ended, Err: *cause})
	}
	if t := i.trap; t != nil {
		i.exit()
		return 0, 0, t
	}
	i.enter(allowed, wall)
	var begin time.Time
	if i.calls++; i.calls%sampled == 0 {
		begin = time.Now()
	}
	v, err = i.call(f, args)
	if !begin.IsZero() {
		i.nanos += int64(time.Since(begin))
	}
	spent = i.leave()
	if err != nil {
		err = i.failed(f.name, err)
	}
	i.exit()
	return v, spent, err
}

// nested calls f on behalf of a host function, within what the outer call may burn. If
// it fails, the outer call does, as soon as the host function returns.
func (i *Instance) nested(f *Func, args []uint64) (uint64, error) {
	if i.trap != nil {
		return 0, i.trap
	}
	if f.of != i {
		return 0, i.failed(f.name, &Trap{Reason: Broken, Err: errForeign})
	}
	if i.depth >= maxDepth {
		return 0, i.failed(f.name, &Trap{Reason: Broken, Err: errNested})
	}
	v, err := i.call(f, args)
	if err != nil {
		return 0, i.failed(f.name, err)
	}
	return v, nil
}

func (i *Instance) call(f *Func, args []uint64) (uint64, error) {
	if f.f == nil {
		f.f = i.module.ExportedFunction(f.name)
		f.native = i.program.engine.native.of(f.f)
	}
	if f.busy {
		// The engine's function has one stack: entered twice, it would overwrite it.
		f = &Func{of: i, name: f.name, params: f.params, results: f.results}
		return i.call(f, args)
	}
	if f.native != nil {
		if err := i.program.engine.native.lend(i, f); err != nil {
			return 0, err
		}
	}
	n := copy(i.args[:], args)
	if n < f.params {
		clear(i.args[n:]) // a guest that takes more than the ABI says gets zeros
	}
	before := i.current
	i.current, f.busy = f, true
	i.depth++
	err := f.f.CallWithStack(i.ctx, i.args[:])
	i.depth--
	i.current, f.busy = before, false
	if err != nil || f.results == 0 {
		return 0, err
	}
	return i.args[0], nil
}

// Break ends the guest from within a host function: it has broken a rule of its ABI.
// It does not return.
func (i *Instance) Break(err error) { panic(&Trap{Reason: Broken, Err: err}) }
