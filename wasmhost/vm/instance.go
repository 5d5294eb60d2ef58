package vm

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

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
	Env            [][2]string // names and values
}

// Instance is a guest that runs. It is entered by one caller at a time; a host function
// that it called may enter it again (for its allocator), and has left it before it
// returns. Methods are for the caller that has it.
type Instance struct {
	State   any
	Limits  Limits
	program *Program
	module  api.Module
	memory  api.Memory
	fuel    api.MutableGlobal
	ctx     *callContext
	args    [16]uint64
	depth   int
	trap    *Trap
	limit   int64 // fuel that the call under way may burn in all
	granted int64 // of it, given so far
	burnt   int64 // by calls that are over
	until   time.Time
	entered string // the export that was called
	cause   atomic.Pointer[error]
}

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

// Func is an exported function of one instance.
type Func struct {
	name    string
	f       api.Function
	results int
}

// Instantiate makes an instance, and runs nothing of it but the module's start section.
// Host functions may be called meanwhile.
func (p *Program) Instantiate(c Config) (*Instance, error) {
	i := &Instance{State: c.State, Limits: c.Limits.WithDefaults(), program: p}
	i.ctx = &callContext{context.Background(), i}
	mc := wazero.NewModuleConfig().WithName("").WithStartFunctions().WithSysWalltime().WithSysNanotime()
	if c.Stdin != nil {
		mc = mc.WithStdin(c.Stdin)
	}
	if c.Stdout != nil {
		mc = mc.WithStdout(c.Stdout)
	}
	if c.Stderr != nil {
		mc = mc.WithStderr(c.Stderr)
	}
	if c.Args != nil {
		mc = mc.WithArgs(c.Args...)
	}
	for _, e := range c.Env {
		mc = mc.WithEnv(e[0], e[1])
	}
	i.enter("start section", fuel(i.Limits.Start))
	module, err := p.runtime.InstantiateModule(i.ctx, p.code, mc)
	i.leave()
	if err != nil {
		return nil, i.failed("start section", err)
	}
	i.adopt(module)
	return i, nil
}

// adopt takes the module that is being, or has been, instantiated.
func (i *Instance) adopt(m api.Module) {
	if i.module != nil {
		return
	}
	i.module, i.memory = m, m.Memory()
	i.fuel, _ = m.ExportedGlobal(meter.Fuel).(api.MutableGlobal)
}

// Lookup returns the exported function of that name, or nil. ABIs look functions up
// once per instance and keep them.
func (i *Instance) Lookup(name string) *Func {
	f := i.module.ExportedFunction(name)
	if f == nil {
		return nil
	}
	return &Func{name, f, len(f.Definition().ResultTypes())}
}

// Call calls f with as much fuel as one call may burn, and the budget has left; nil is
// no budget. It returns f's result, 0 if it has none. An error is a *Trap: the instance
// is dead.
func (i *Instance) Call(f *Func, b *Budget, args ...uint64) (uint64, error) {
	if i.trap != nil {
		return 0, i.trap
	}
	if i.depth > 0 {
		return i.call(f, args)
	}
	allowed := fuel(i.Limits.CPU)
	if b != nil {
		allowed = min(allowed, b.left)
	}
	i.enter(f.name, allowed)
	v, err := i.call(f, args)
	spent := i.leave()
	if b != nil {
		b.left -= spent
	}
	if err != nil {
		return 0, i.failed(f.name, err)
	}
	return v, nil
}

func (i *Instance) call(f *Func, args []uint64) (uint64, error) {
	copy(i.args[:], args)
	i.depth++
	err := f.f.CallWithStack(i.ctx, i.args[:])
	i.depth--
	if err != nil || f.results == 0 {
		return 0, err
	}
	return i.args[0], nil
}

// Budget is what is left of Limits.Request.
type Budget struct{ left int64 }

// NewBudget returns the budget of one request.
func (l *Limits) NewBudget() Budget { return Budget{fuel(l.Request)} }

// Spent returns how much fuel all calls have burnt so far.
func (i *Instance) Spent() int64 { return i.burnt }

// Interrupt makes the guest end soon. It may be called from any goroutine.
func (i *Instance) Interrupt(cause error) { i.cause.CompareAndSwap(nil, &cause) }

// Break ends the guest from within a host function: it has broken a rule of its ABI.
// It does not return.
func (i *Instance) Break(err error) { panic(&Trap{Reason: Broken, Err: err}) }

// Dead returns what ended the instance; nil: it lives.
func (i *Instance) Dead() *Trap { return i.trap }

// Close frees the instance. Nobody may be in it.
func (i *Instance) Close() {
	if i.trap == nil {
		i.trap = &Trap{Reason: Ended, Err: errors.New("closed")}
	}
	i.module.Close(context.Background())
}

// failed makes the trap of err.
func (i *Instance) failed(name string, err error) error {
	t, ok := errors.AsType[*Trap](err)
	if !ok {
		t = &Trap{Reason: Crashed, Err: err}
	}
	t.Func = name
	i.trap = t
	return t
}
