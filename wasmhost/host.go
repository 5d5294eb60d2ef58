package wasmhost

import (
	"context"
	"log/slog"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// Options say how a Host is made.
type Options struct {
	Log      *slog.Logger
	CacheDir string // where compiled code is kept; "": nowhere
	// Upstream finds a pool by its name in the configuration, or makes one for an origin
	// ("https://api.example.com") that a plugin's grants list.
	Upstream func(target string) (guest.Upstream, error)
}

// Settings are a plugin's, from the configuration. Plugins of equal settings, name and
// content are one, and keep their instances over reloads.
type Settings struct {
	Name   string // as logs and metrics call it
	Limits vm.Limits
	Open   bool // on_error: open
	// Own gives every use of the plugin instances of its own, Fresh every request
	// (isolation: filter, request). Else all uses share.
	Own, Fresh  bool
	VMID        string
	Config      []byte // of the VM
	HoldHeaders bool
	Grants      Grants
}

// Grants are what a guest may reach.
type Grants struct {
	Env       [][2]string
	Files     []guest.Mount
	Upstreams []string // names of pools
	URLs      []string // origins: https://api.example.com
}

// Host has all plugins of the process. It is safe for concurrent use. Close ends it, when
// all plugins have been closed.
type Host struct{}

// Plugin is a module that is ready to be used. Close gives it back; what was made of it is
// not used any longer then.
type Plugin struct{}

// New returns a host. It fails where guests cannot be compiled.
func New(o Options) (*Host, error) { return &Host{}, nil }

// Open returns the plugin for a module's content. It compiles the module if no plugin has
// that content, and starts a first instance, so that what is wrong is known now. The
// error says what was found, what was looked for, and how to build it right.
func (h *Host) Open(ctx context.Context, code []byte, s Settings) (*Plugin, error) { return nil, nil }

// Filter returns a filter for one place where the plugin is used, and what gives it back
// when no exchange uses it any longer. It fails if the guest refuses that configuration.
func (p *Plugin) Filter(ctx context.Context, u guest.Use) (exchange.Filter, func(), error) {
	return nil, nil, nil
}

// Handler returns a handler, as Filter does: the module answers requests.
func (p *Plugin) Handler(ctx context.Context, u guest.Use) (exchange.Handler, func(), error) {
	return nil, nil, nil
}

// Close gives p back.
func (p *Plugin) Close() {}

// Close ends the host.
func (h *Host) Close() {}

// Status is what admin, metrics and commands tell of one plugin.
type Status struct {
	Name, ABI, Hash string
	Started         time.Time
	Counters        *guest.Counters
}

// Status lists all plugins.
func (h *Host) Status() []Status { return nil }
