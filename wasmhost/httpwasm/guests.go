package httpwasm

import (
	"context"
	"log/slog"
	"sync"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// Guests are a plugin's instances. They are safe for concurrent use. Uses of equal
// configuration share a pool, so that instances last over reloads.
type Guests struct {
	plugin *guest.Plugin
	prog   *vm.Program
	mu     sync.Mutex
	shared map[string]*shared // by configuration
}

// shared is the pool of all uses of one configuration.
type shared struct {
	pool  *vm.Pool
	mold  vm.Mold
	users int
	ready bool // an instance could be started
}

// Open returns the guests of a program that Link has accepted. None is started yet: they
// read their configuration when they start, which is a use's.
func Open(_ context.Context, p *guest.Plugin, prog *vm.Program) (*Guests, error) {
	return &Guests{plugin: p, prog: prog, shared: map[string]*shared{}}, nil
}

// Filter returns a filter for one place where the plugin is used, and what gives it back
// when no exchange uses it any longer. It starts a first instance, and fails if the guest
// refuses its configuration.
func (g *Guests) Filter(ctx context.Context, u guest.Use) (exchange.Filter, func(), error) {
	f, free, err := g.open(ctx, u)
	if err != nil {
		return nil, nil, err
	}
	return f, free, nil
}

// Handler returns a handler, as Filter does: the guest answers requests. Where it calls
// for the next handler, there is none, and nothing to be found.
func (g *Guests) Handler(ctx context.Context, u guest.Use) (exchange.Handler, func(), error) {
	f, free, err := g.open(ctx, u)
	if err != nil {
		return nil, nil, err
	}
	return exchange.Chain(exchange.HandlerFunc(guest.Unanswered), f), free, nil
}

func (g *Guests) open(ctx context.Context, u guest.Use) (*filter, func(), error) {
	key := string(u.Config)
	g.mu.Lock()
	s := g.shared[key]
	if s == nil {
		s = g.newShared(key)
		g.shared[key] = s
	}
	s.users++
	ready := s.ready
	g.mu.Unlock()
	free := sync.OnceFunc(func() { g.free(key, s) })
	if !ready { // else all may be busy, with exchanges of a snapshot before this one
		if err := g.try(ctx, s); err != nil {
			free()
			return nil, nil, err
		}
	}
	return &filter{plugin: g.plugin, pool: s.pool}, free, nil
}

func (g *Guests) newShared(config string) *shared {
	p := g.plugin
	s := &shared{mold: vm.Mold{
		Make: func(of *vm.Image) (*vm.Instance, error) { return start(p, g.prog, config, of) },
		Warn: func(err error) {
			p.Log.Warn("each request starts a guest", slog.String("plugin", p.Name), slog.Any("err", err))
		},
	}}
	o := vm.PoolOptions{Limits: p.Limits, Fresh: p.Fresh, New: s.mold.New}
	if !p.Fresh {
		o.New = func() (*vm.Instance, error) { return start(p, g.prog, config, nil) }
	}
	s.pool = vm.NewPool(o)
	return s
}

// try starts a first instance.
func (g *Guests) try(ctx context.Context, s *shared) error {
	first, err := s.pool.Get(ctx.Done)
	if err != nil {
		return err
	}
	s.pool.Put(first)
	g.mu.Lock()
	s.ready = true
	g.mu.Unlock()
	return nil
}

func (g *Guests) free(key string, s *shared) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s.users--; s.users > 0 {
		return
	}
	if g.shared[key] == s {
		g.end(key, s)
	}
}

func (g *Guests) end(key string, s *shared) {
	s.pool.Close()
	s.mold.Close()
	delete(g.shared, key)
}

// Trim closes instances that have not been used since it was last called.
func (g *Guests) Trim() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.shared {
		s.pool.Trim()
	}
}

// Close ends all instances that no exchange uses, and the rest when theirs is over.
func (g *Guests) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for key, s := range g.shared {
		g.end(key, s)
	}
}
