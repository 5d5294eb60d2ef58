package wasmhost

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weirproxy/weir/wasmhost/commons"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/services"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// Options say how a Host is made.
type Options struct {
	Log      *slog.Logger // nil: nowhere
	CacheDir string       // where compiled code is kept; "": nowhere
	// Upstream finds a pool by its name in the configuration, or makes one for an origin
	// ("https://api.example.com") that a plugin's grants list. It is asked anew for each
	// call, since pools may change while a plugin lives on.
	Upstream func(target string) (guest.Upstream, error)
	// Services are what guests of Proxy-Wasm may ask for beside the ABI; nil: nothing.
	Services *services.Backend
}

// Settings are a plugin's, from the configuration. Plugins of equal settings, name and
// content are one, and keep their instances over reloads.
type Settings struct {
	Name   string // as logs and metrics call it
	Limits vm.Limits
	Open   bool // on_error: open
	// Own gives every use of the plugin instances of its own, Fresh every request
	// (isolation: filter, request). Else all uses share.
	Own, Fresh bool
	// VMID is whose data and queues the guests share. Space is that, too, where guests are
	// shown none: the id of who has not been given one.
	VMID, Space string
	// Store is the part of the store that is the plugin's own; "": that of Name. Room is how
	// many bytes the parts that it writes to may hold; 0: any number.
	Store       string
	Room        int64
	Config      []byte // of the VM
	HoldHeaders bool
	Args        []string // of a command, after its name
	Interpret   bool     // run it without the compiler, see vm.Link
	Grants      Grants
}

// Host has all plugins of the process. It is safe for concurrent use. Close ends it, when
// all plugins have been closed.
type Host struct {
	o      Options
	engine *vm.Engine
	spaces commons.Spaces
	abis   []abi

	mu      sync.Mutex
	plugins map[string]*shared // by key
}

// New returns a host. It fails where guests cannot be compiled.
func New(o Options) (*Host, error) { return newHost(o, abis) }

func newHost(o Options, abis []abi) (*Host, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	engine, err := vm.NewEngine(vm.Options{CacheDir: o.CacheDir, Log: o.Log})
	if err != nil {
		return nil, fmt.Errorf("start wasm engine: %w", err)
	}
	return &Host{o: o, engine: engine, abis: abis, plugins: map[string]*shared{}}, nil
}

// Open returns the plugin for a module's content. It compiles the module if no plugin has
// that content, and starts a first instance, so that what is wrong is known now. The
// error says what was found, what was looked for, and how to build it right. ctx bounds
// the starting alone. Whoever gets the plugin closes it.
func (h *Host) Open(ctx context.Context, code []byte, s Settings) (*Plugin, error) {
	key, err := keyOf(code, s)
	if err != nil {
		return nil, err
	}
	for {
		p, first := h.hold(key)
		if first {
			p.open(ctx, code, s)
		} else {
			select {
			case <-p.ready:
			case <-ctx.Done():
				h.release(p)
				return nil, fmt.Errorf("open plugin %s: %w", s.Name, context.Cause(ctx))
			}
		}
		if p.err == nil {
			return &Plugin{shared: p}, nil
		}
		h.release(p)
		// That somebody else gave up says nothing about the module.
		if first || !p.abandoned || ctx.Err() != nil {
			return nil, fmt.Errorf("open plugin %s: %w", s.Name, p.err)
		}
	}
}

// hold returns the plugin of that key for one more user, who is the first, and opens it,
// or waits until it is ready.
func (h *Host) hold(key string) (p *shared, first bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p = h.plugins[key]; p == nil {
		p = &shared{host: h, key: key, ready: make(chan struct{})}
		h.plugins[key], first = p, true
	}
	p.users++
	return p, first
}

// release gives p back, and ends it with its last user.
func (h *Host) release(p *shared) {
	h.mu.Lock()
	p.users--
	last := p.users == 0
	if h.plugins[p.key] == p && (last || p.failed()) {
		delete(h.plugins, p.key)
	}
	h.mu.Unlock()
	if last {
		p.end()
	}
}

// Close ends the host.
func (h *Host) Close() { h.engine.Close() }

// Trim has plugins close instances that nobody has used since it was last called, and
// count those that are left. Whoever has the host calls it now and then.
func (h *Host) Trim() {
	h.mu.Lock()
	var all []*shared
	for _, p := range h.plugins {
		if p.isReady() {
			all = append(all, p)
		}
	}
	h.mu.Unlock()
	for _, p := range all {
		p.trim()
	}
}

// Status is what admin, metrics and commands tell of one plugin.
type Status struct {
	Name, ABI, Hash string
	Started         time.Time
	Users           int // snapshots and their places that have it open
	Counters        *guest.Counters
}

// Status lists all plugins that are ready, by name, and the older first.
func (h *Host) Status() []Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []Status
	for _, p := range h.plugins {
		if p.isReady() {
			list = append(list, Status{p.plugin.Name, p.abi.name, p.program.Hash, p.started, p.users, &p.plugin.Counters})
		}
	}
	slices.SortFunc(list, func(a, b Status) int {
		if n := strings.Compare(a.Name, b.Name); n != 0 {
			return n
		}
		return a.Started.Compare(b.Started)
	})
	return list
}

// Mode tells how guests run, "compiler" or "interpreter", and why not the first.
func (h *Host) Mode() (mode, reason string) { return h.engine.Mode() }

// Stats counts what the engine holds.
func (h *Host) Stats() vm.Stats { return h.engine.Stats() }

// Metrics lists what guests count themselves.
func (h *Host) Metrics() []commons.Metric { return h.spaces.Metrics() }
