package cgi

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// Speaks tells whether m speaks this ABI: it exports _start. Others that do so as well
// are asked before.
func Speaks(m *wasm.Module) bool {
	e := m.Export("_start")
	return e != nil && e.Kind == wasm.Func && len(e.Type.Params) == 0 && len(e.Type.Results) == 0
}

// Link returns what the ABI offers to m: nothing beside WASI.
func Link(*wasm.Module) (*vm.Link, error) { return &vm.Link{Name: "cgi"}, nil }

// The limits of a run where the configuration names none. A run is a program from its
// start to its end, so that those of a filter's callbacks are too narrow: an interpreter
// takes some 100 ms to start, and a stream of events may last.
const (
	defaultCPU  = time.Second
	defaultWall = 30 * time.Second
	forever     = 10 * 365 * 24 * time.Hour
)

// Guests are a plugin's programs at work. They are safe for concurrent use.
type Guests struct {
	plugin  *guest.Plugin
	program *vm.Program
	limits  vm.Limits     // as configured, with the defaults of this package
	inner   vm.Limits     // of instances
	places  chan struct{} // one token for each run
	grace   time.Duration // see run.go

	mu     sync.Mutex
	second int64 // in which lines were logged last
	said   int   // how many
}

// Open makes a first instance of prog, so that what is wrong is known now. It runs
// nothing.
func Open(_ context.Context, p *guest.Plugin, prog *vm.Program) (*Guests, error) {
	g := &Guests{plugin: p, program: prog, limits: p.Limits, grace: grace}
	l := &g.limits
	if l.Request == 0 {
		l.Request = max(l.CPU, defaultCPU)
	}
	if l.Wall == 0 {
		l.Wall = defaultWall
	}
	if l.Instances == 0 {
		l.Instances = 64
	}
	*l = l.WithDefaults()
	g.places = make(chan struct{}, l.Instances)
	g.inner = *l
	g.inner.CPU = l.Request // a run is one call
	g.inner.Wall = forever  // see run.tick
	i, err := prog.Instantiate(vm.Config{Limits: g.inner})
	if err != nil {
		return nil, err
	}
	i.Close()
	return g, nil
}

var errNoFilter = errors.New("it is a program that answers requests (WASI command, run as CGI), and no filter; use it as a module, or build a filter: Go with -buildmode=c-shared, Rust as cdylib")

// Filter fails: commands are no filters.
func (g *Guests) Filter(context.Context, guest.Use) (exchange.Filter, func(), error) {
	return nil, nil, errNoFilter
}

// Handler returns a handler that runs the program for each request. What the use
// configures is in the program's environment as WEIR_CONFIG. There is nothing to give
// back.
func (g *Guests) Handler(_ context.Context, u guest.Use) (exchange.Handler, func(), error) {
	h := &handler{guests: g, env: slices.Clone(g.plugin.Env), args: append([]string{g.plugin.Name}, g.plugin.Args...)}
	if len(u.Config) > 0 {
		h.env = append(h.env, [2]string{"WEIR_CONFIG", string(u.Config)})
	}
	return h, func() {}, nil
}

// Trim has nothing to close: no program waits for work.
func (g *Guests) Trim() {}

// Close has nothing to end: runs are over when their exchanges are.
func (g *Guests) Close() {}

// enter waits for a place to run at.
func (g *Guests) enter(r *exchange.Request) error {
	select {
	case g.places <- struct{}{}:
		return nil
	default:
	}
	began := time.Now()
	timer := time.NewTimer(g.limits.Queue)
	defer timer.Stop()
	gone := r.Context()
	g.plugin.Counters.Waits.Add(1)
	defer func() { g.plugin.Counters.Waited.Add(int64(time.Since(began))) }()
	select {
	case g.places <- struct{}{}:
		return nil
	case <-timer.C:
		return vm.ErrBusy
	case <-gone.Done():
		return context.Cause(gone)
	}
}

func (g *Guests) leave() { <-g.places }
