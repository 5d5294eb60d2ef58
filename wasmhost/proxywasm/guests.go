package proxywasm

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// Speaks tells whether m speaks this ABI: it has a function export that begins with proxy_abi_version_.
func Speaks(m *wasm.Module) bool {
	for i := range m.Exports {
		if e := &m.Exports[i]; e.Kind == wasm.Func && strings.HasPrefix(e.Name, version) {
			return true
		}
	}
	return false
}

// Guests are a plugin's instances. They are safe for concurrent use.
type Guests struct {
	plugin *guest.Plugin
	prog   *vm.Program
	// patience is how long a guest may pause a stream.
	patience time.Duration

	// setup is held while instances are started, and uses added or taken away: one
	// after the other, so that every instance has a root for every use.
	setup  sync.Mutex
	uses   map[string]*use // guarded by setup
	filled bool            // all slots have instances, or will; guarded by setup

	slots []slot
	queue time.Duration // how long a request waits for an instance
	mu    sync.Mutex    // guards what follows, and slots but for their instances
	news  chan struct{}
	ended bool
	stop  chan struct{} // closed by Close
}

// use is a root id with a configuration, however often it is used.
type use struct {
	guest.Use
	refs int   // guarded by Guests.setup
	lone *lone // nil: its streams share instances
}

// Open starts a first instance of prog, so that what is wrong is known now. The others
// follow when there is a use for them.
func Open(ctx context.Context, p *guest.Plugin, prog *vm.Program) (*Guests, error) {
	if err := check(prog.Info); err != nil {
		return nil, err
	}
	n := p.Limits.Instances
	if n <= 0 {
		n = runtime.GOMAXPROCS(0)
	}
	if p.Fresh {
		n = 1 // that serves no streams
	}
	g := &Guests{
		plugin: p, prog: prog, patience: guest.Wait, uses: map[string]*use{}, slots: make([]slot, n),
		queue: p.Limits.WithDefaults().Queue, news: make(chan struct{}), stop: make(chan struct{}),
	}
	g.setup.Lock()
	defer g.setup.Unlock()
	i, err := g.launch()
	if err != nil {
		return nil, err
	}
	g.publish(&g.slots[0], i)
	return g, nil
}

// Filter returns a filter for one place where the plugin is used, and what gives it back
// when no exchange uses it any longer. It fails if the guest refuses its configuration.
func (g *Guests) Filter(ctx context.Context, u guest.Use) (exchange.Filter, func(), error) {
	used, err := g.acquire(u)
	if err != nil {
		return nil, nil, err
	}
	return &filter{g, used}, sync.OnceFunc(func() { g.release(used) }), nil
}

// Handler returns a handler, as Filter does: the guest answers requests.
func (g *Guests) Handler(ctx context.Context, u guest.Use) (exchange.Handler, func(), error) {
	f, release, err := g.Filter(ctx, u)
	if err != nil {
		return nil, nil, err
	}
	return exchange.Chain(exchange.HandlerFunc(guest.Unanswered), f), release, nil
}

// acquire gives every instance a root for u, unless it is in use already.
func (g *Guests) acquire(u guest.Use) (*use, error) {
	g.setup.Lock()
	defer g.setup.Unlock()
	key := u.Root + "\x00" + string(u.Config)
	if used := g.uses[key]; used != nil {
		used.refs++
		return used, nil
	}
	live := g.live()
	if len(live) == 0 { // between a failure and a restart
		i, err := g.launch()
		if err != nil {
			return nil, err
		}
		g.publish(&g.slots[0], i)
		live = []*instance{i}
	}
	used := &use{Use: u, refs: 1}
	for _, i := range live {
		i.hold()
		err := i.addRoot(used)
		i.drop()
		if err == nil {
			continue
		}
		g.forget(used, live)
		if u.Root != "" {
			return nil, fmt.Errorf("configure root %q: %w", u.Root, err)
		}
		return nil, fmt.Errorf("configure: %w", err)
	}
	if g.plugin.Fresh {
		var err error
		if used.lone, err = newLone(g, used); err != nil {
			g.forget(used, live)
			return nil, fmt.Errorf("configure: %w", err)
		}
	}
	g.uses[key] = used
	if !g.filled { // the others get the use as they start, and nobody waits for that
		g.filled = true
		g.fillAll()
	}
	return used, nil
}

// release gives u back; the last one takes its roots away.
func (g *Guests) release(u *use) {
	g.setup.Lock()
	defer g.setup.Unlock()
	if u.refs--; u.refs > 0 {
		return
	}
	delete(g.uses, u.Root+"\x00"+string(u.Config))
	if u.lone != nil {
		u.lone.close()
	}
	g.forget(u, g.live())
}

// forget takes a use's roots away.
func (g *Guests) forget(u *use, from []*instance) {
	for _, i := range from {
		i.hold()
		if rt := i.roots[u]; rt != nil {
			rt.finish()
		}
		i.drop()
	}
}

// Close ends all instances that no exchange uses, and the rest when theirs is over.
func (g *Guests) Close() {
	g.mu.Lock()
	if g.ended {
		g.mu.Unlock()
		return
	}
	g.ended = true
	close(g.stop)
	g.mu.Unlock()
	g.setup.Lock() // no instance is being started any longer
	defer g.setup.Unlock()
	for _, u := range g.uses {
		if u.lone != nil {
			u.lone.close()
		}
	}
	for _, i := range g.live() {
		g.retire(i)
	}
}
