package vm

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/weirproxy/weir/wasmhost/meter"
)

// Config is what one instance gets.
type Config struct {
	Limits Limits
	// State is the ABI's, for its host functions to find: see InstanceOf.
	State any
	// Stdout and Stderr take what the guest prints; nil: nobody does. Stdin nil is empty.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Args           []string
	Env            [][2]string // names and values; the instance keeps it
	Files          []Mount     // directories that it sees; none else
}

// Instance is a guest that runs. It is entered by one caller at a time; a host function
// that it called may enter it again (for its allocator), and has left it before it
// returns. Methods are for the caller that has it, unless they say otherwise.
type Instance struct {
	State   any
	Limits  Limits
	program *Program
	module  api.Module
	fuel    api.MutableGlobal
	image   *Image // that Reset goes back to; nil: none
	globals []api.MutableGlobal
	files   handles
	memory  []byte // the guest's, now
	mapping *mapping
	stack   *mapping // see nativeStacks; nil: it has had none yet, or the engine's
	initial int      // bytes of memory after it was started
	starved bool     // it was refused more memory
	roots   []*rootFS
	env     [][2]string
	ctx     *callContext
	args    [maxArgs]uint64
	current *Func // that runs
	depth   int
	calls   uint32
	nanos   int64
	worn    bool
	trap    *Trap
	usage   *Usage  // that it is counted in; nil: none
	printed printed // to stderr, in the call under way
	random  randomness

	limit   int64 // fuel that the call under way may burn in all
	granted int64 // of it, given so far
	charged int64 // by host functions, not yet taken from its fuel
	paid    int64 // of guests that are not metered: taken so far
	burnt   int64 // by calls that are over
	wall    time.Duration
	until   time.Time // zero: nobody has asked yet

	state atomic.Int32
	cause atomic.Pointer[error]
	stop  chan struct{} // closed when cause is set
}

// The states of an instance. Closing is of one that was closed while somebody was in it.
const (
	idle = iota
	inside
	closing
	closed
)

const (
	maxArgs  = 16 // values that a function takes or returns
	maxDepth = 16 // calls of the guest, host functions between them
)

// callContext is the context of all calls of one instance.
type callContext struct {
	context.Context
	i *Instance
}

type instanceKey struct{}

// Value implements context.Context.
func (c *callContext) Value(key any) any {
	if _, ok := key.(instanceKey); ok {
		return c.i
	}
	return c.Context.Value(key)
}

// InstanceOf returns the instance on whose behalf a host function is called.
func InstanceOf(ctx context.Context) *Instance {
	if c, ok := ctx.(*callContext); ok {
		return c.i
	}
	i, _ := ctx.Value(instanceKey{}).(*Instance)
	return i
}

// Instantiate makes an instance, and runs nothing of it but the module's start section.
// Host functions may be called meanwhile.
func (p *Program) Instantiate(c Config) (*Instance, error) {
	i := &Instance{State: c.State, Limits: c.Limits.WithDefaults(), program: p, stop: make(chan struct{})}
	// Of instances that are called but once each sixteenth is timed, too.
	i.calls = p.made.Add(1)
	i.Limits.Memory = min(i.Limits.Memory, 1<<32)
	if m := p.Info.Memory; m != nil && m.Min > uint64(i.Limits.Memory)>>16 {
		return nil, fmt.Errorf("start instance: it needs %d KiB of memory; its limit is %d KiB", m.Min<<6, i.Limits.Memory>>10)
	}
	mc, err := i.configure(c)
	if err != nil {
		i.free()
		return nil, fmt.Errorf("start instance: %w", err)
	}
	p.retain()
	p.engine.instances.Add(1)
	i.ctx = &callContext{context.Background(), i}
	i.state.Store(inside)
	i.enter(fuel(i.Limits.Start), startWall(i.Limits))
	i.depth++
	module, err := i.instantiate(mc)
	i.depth--
	if err == nil {
		i.adopt(module)
	}
	i.leave()
	if err != nil {
		err = i.failed("start section", err)
	}
	if i.exit() || err != nil {
		i.Close()
		if err == nil {
			err = i.trap
		}
		return nil, err
	}
	i.initial = len(i.memory)
	return i, nil
}

// configure says what WASI gives to the guest.
func (i *Instance) configure(c Config) (wazero.ModuleConfig, error) {
	mc := i.program.config.WithNanosleep(i.sleep).WithRandSource(&i.random).
		WithStdout(&output{i, c.Stdout, nil}).WithStderr(&output{i, c.Stderr, &i.printed})
	if c.Stdin != nil {
		mc = mc.WithStdin(&input{i, c.Stdin})
	}
	if c.Args != nil {
		mc = mc.WithArgs(c.Args...)
	}
	if err := checkEnviron(c.Env); err != nil {
		return nil, err
	}
	i.env = c.Env
	if len(c.Files) > 0 {
		fs, err := i.mount(c.Files)
		if err != nil {
			return nil, err
		}
		mc = mc.WithFSConfig(fs)
	}
	return mc, nil
}

func (i *Instance) instantiate(mc wazero.ModuleConfig) (m api.Module, err error) {
	p := i.program
	defer func() {
		// The engine panics where it gets no memory.
		if r := recover(); r != nil {
			p.engine.o.Log.Error("engine panicked", "hash", p.Hash, "err", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("instantiate: %v", r)
		}
	}()
	if !p.started.Load() {
		p.first.Lock()
		defer p.first.Unlock()
		defer p.started.Store(true)
	}
	return p.runtime.InstantiateModule(experimental.WithMemoryAllocator(i.ctx, (*allocator)(i)), p.code, mc)
}

// adopt takes the module that is being, or has been, instantiated. Its fuel, which begins
// at nothing, is what the start section may burn.
func (i *Instance) adopt(m api.Module) {
	if i.module != nil {
		return
	}
	i.module = m
	if i.fuel, _ = m.ExportedGlobal(meter.Fuel).(api.MutableGlobal); i.fuel != nil {
		i.refuel(i.granted)
	}
}

// exit says that nobody is inside any longer, and tells whether the instance was closed
// meanwhile; it is freed then.
func (i *Instance) exit() (wasClosed bool) {
	if i.state.CompareAndSwap(inside, idle) {
		return false
	}
	i.state.Store(closed)
	i.free()
	return true
}

// Interrupt makes the guest end soon, also while it sleeps. It may be called from any
// goroutine.
func (i *Instance) Interrupt(cause error) {
	if i.cause.CompareAndSwap(nil, &cause) {
		close(i.stop)
	}
}

// Stopped is closed once Interrupt has been called: host functions that wait end then.
func (i *Instance) Stopped() <-chan struct{} { return i.stop }

// Dead returns what ended the instance; nil: it lives.
func (i *Instance) Dead() *Trap { return i.trap }

// Spent returns how much fuel all calls have burnt so far.
func (i *Instance) Spent() int64 { return i.burnt }

// Nanos returns how long, by estimate, calls into the guest have taken in all, in
// nanoseconds: each sixteenth is timed.
func (i *Instance) Nanos() int64 { return i.nanos * sampled }

// Worn tells that the instance works, but is better replaced: its memory has grown to
// more than half of its limit and four times what it was, and never shrinks; or it has
// recursed deeply, which leaves it a large stack.
func (i *Instance) Worn() bool {
	n := len(i.memory)
	return i.worn || n > 4*i.initial && int64(n) > i.Limits.Memory/2
}

// Close frees the instance. It may be called more than once. Nobody should be in it; if
// somebody is, the guest is interrupted, and freed when it has been left.
func (i *Instance) Close() {
	for {
		switch i.state.Load() {
		case idle:
			if i.state.CompareAndSwap(idle, closed) {
				i.free()
				return
			}
		case inside:
			if i.state.CompareAndSwap(inside, closing) {
				i.Interrupt(errClosed)
				return
			}
		default:
			return
		}
	}
}

// free gives back all that the instance has. Whoever calls it is the last.
func (i *Instance) free() {
	if i.trap == nil {
		i.trap = &Trap{Reason: Ended, Err: errClosed}
	}
	if i.module != nil {
		i.module.Close(context.Background())
	}
	for _, r := range i.roots {
		r.close()
	}
	i.countOut()
	i.memory = nil
	if i.mapping != nil {
		i.program.engine.memories.put(i.mapping)
		i.mapping = nil
	}
	if i.stack != nil {
		i.program.engine.native.spare.put(i.stack)
		i.stack = nil
	}
	if i.ctx != nil { // it had begun
		i.program.engine.instances.Add(-1)
		i.program.Release()
	}
}
