package wasmhost

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/services"
	"github.com/weirproxy/weir/wasmhost/vm"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// Plugin is a module that is ready to be used. Close gives it back; what was made of it is
// not used any longer then.
type Plugin struct {
	shared *shared
	closed sync.Once
}

// shared is what all of equal settings, name and content have together. It does not
// change once it is ready.
type shared struct {
	host  *Host
	key   string
	users int // under host.mu

	ready     chan struct{} // closed when what follows is there
	err       error
	abandoned bool // err is of who opened it, and went away
	plugin    *guest.Plugin
	abi       *abi
	program   *vm.Program
	guests    guests
	started   time.Time

	mu    sync.Mutex
	spare guests          // of the first use, where every use has guests of its own
	own   map[guests]bool // of all uses, where that is so
}

// keyOf returns what makes a plugin the same as another.
func keyOf(code []byte, s Settings) (string, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("encode settings of plugin %s: %w", s.Name, err)
	}
	sum := sha256.Sum256(code)
	return hex.EncodeToString(sum[:]) + string(text), nil
}

// open makes p ready, or sets err.
func (p *shared) open(ctx context.Context, code []byte, s Settings) {
	defer close(p.ready)
	if p.err = p.start(ctx, code, s); p.err != nil {
		p.abandoned = ctx.Err() != nil
	}
}

func (p *shared) start(ctx context.Context, code []byte, s Settings) error {
	m, err := wasm.Parse(code)
	if err != nil {
		return err
	}
	if p.abi, err = choose(p.host.abis, m); err != nil {
		return err
	}
	link, err := p.abi.link(m)
	if err != nil {
		return fmt.Errorf("link as %s: %w", p.abi.name, err)
	}
	own := *link
	own.Interpret = s.Interpret
	program, err := p.load(ctx, code, s.Name, &own)
	if err != nil {
		return err
	}
	if p.plugin, err = p.host.plugin(s); err != nil {
		program.Release()
		return err
	}
	first, err := p.abi.open(ctx, p.plugin, program)
	if err != nil {
		program.Release()
		return fmt.Errorf("start as %s: %w", p.abi.name, err)
	}
	p.program, p.started = program, time.Now()
	if s.Own {
		p.spare = first
	} else {
		p.guests = first
	}
	return nil
}

// long is after how much time somebody may wonder why nothing happens.
const long = time.Second

// load compiles the module, and says so where that takes long.
func (p *shared) load(ctx context.Context, code []byte, name string, link *vm.Link) (*vm.Program, error) {
	began := time.Now()
	log := p.host.o.Log.With("plugin", name)
	patience := time.AfterFunc(long, func() { log.Info("compiling", "bytes", len(code)) })
	program, err := p.host.engine.Load(ctx, code, link)
	if !patience.Stop() && err == nil {
		log.Info("compiled", "took", time.Since(began).Round(time.Millisecond).String())
	}
	return program, err
}

// plugin returns what guests are given by settings.
func (h *Host) plugin(s Settings) (*guest.Plugin, error) {
	p := &guest.Plugin{
		Name: s.Name, Limits: s.Limits, Open: s.Open, Fresh: s.Fresh, Log: h.o.Log,
		Env: s.Grants.Env, Files: s.Grants.Files, Args: s.Args,
		VMID: s.VMID, Config: s.Config, HoldHeaders: s.HoldHeaders,
		Upstream: s.Grants.upstream(h.o.Upstream), Commons: h.spaces.Of(cmp.Or(s.VMID, s.Space)),
	}
	if h.o.Services != nil {
		of, err := h.o.Services.Of(services.Plugin{Space: cmp.Or(s.Store, s.Name), Store: s.Grants.Store, Keys: s.Grants.Keys, Room: s.Room})
		if err != nil {
			return nil, err
		}
		p.Services = of
	}
	return p, nil
}

func (p *shared) isReady() bool {
	select {
	case <-p.ready:
		return p.err == nil
	default:
		return false
	}
}

func (p *shared) failed() bool {
	select {
	case <-p.ready:
		return p.err != nil
	default:
		return false
	}
}

// end closes what there is. Nobody uses p any longer.
func (p *shared) end() {
	for _, g := range []guests{p.guests, p.spare} {
		if g != nil {
			g.Close()
		}
	}
	if p.program != nil {
		p.program.Release()
	}
}

// of returns the guests for one use, and what gives them back.
func (p *shared) of(ctx context.Context) (guests, func(), error) {
	if p.guests != nil {
		return p.guests, func() {}, nil
	}
	p.mu.Lock()
	g := p.spare
	p.spare = nil
	p.mu.Unlock()
	if g == nil {
		var err error
		if g, err = p.abi.open(ctx, p.plugin, p.program); err != nil {
			return nil, nil, fmt.Errorf("start as %s: %w", p.abi.name, err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.own == nil {
		p.own = map[guests]bool{}
	}
	p.own[g] = true
	return g, func() {
		p.mu.Lock()
		delete(p.own, g)
		p.mu.Unlock()
		g.Close()
	}, nil
}

// trim lets all guests trim.
func (p *shared) trim() {
	p.mu.Lock()
	all := slices.Collect(maps.Keys(p.own))
	p.mu.Unlock()
	if p.guests != nil {
		all = append(all, p.guests)
	}
	for _, g := range all {
		g.Trim()
	}
}

// ABI returns the name of what the module speaks.
func (p *Plugin) ABI() string { return p.shared.abi.name }

// Info tells what was found in the module.
func (p *Plugin) Info() *wasm.Module { return p.shared.program.Info }

// Filter returns a filter for one place where the plugin is used, and what gives it back
// when no exchange uses it any longer. It fails if the guest refuses that configuration.
func (p *Plugin) Filter(ctx context.Context, u guest.Use) (exchange.Filter, func(), error) {
	return use(ctx, p.shared, u, guests.Filter)
}

// Handler returns a handler, as Filter does: the module answers requests.
func (p *Plugin) Handler(ctx context.Context, u guest.Use) (exchange.Handler, func(), error) {
	return use(ctx, p.shared, u, guests.Handler)
}

// use makes something of the guests for one use.
func use[T any](ctx context.Context, p *shared, u guest.Use, of func(guests, context.Context, guest.Use) (T, func(), error)) (T, func(), error) {
	g, back, err := p.of(ctx)
	if err != nil {
		var none T
		return none, nil, fmt.Errorf("use plugin %s: %w", p.plugin.Name, err)
	}
	made, release, err := of(g, ctx, u)
	if err != nil {
		back()
		return made, nil, fmt.Errorf("use plugin %s: %w", p.plugin.Name, err)
	}
	return made, sync.OnceFunc(func() { release(); back() }), nil
}

// Close gives p back. Closing twice is harmless.
func (p *Plugin) Close() { p.closed.Do(func() { p.shared.host.release(p.shared) }) }
