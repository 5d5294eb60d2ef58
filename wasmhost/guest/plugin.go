package guest

import (
	"log/slog"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/wasmhost/commons"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// Plugin is one entry of the configuration's plugins: what its guests are given. It is
// shared by all filters that use the plugin, and does not change once made, but for its
// counters.
type Plugin struct {
	Name   string // as logs and metrics call it
	Limits vm.Limits
	// Open lets requests pass without the filter when a guest fails before it has
	// changed anything. Else they fail.
	Open bool
	// Fresh gives each request an instance that served no other.
	Fresh bool
	Log   *slog.Logger
	Env   [][2]string // names and values
	Args  []string    // of a command, after its name
	// Files are directories that guests may read, and write where they say so.
	Files []Mount

	// VMID is what Proxy-Wasm guests see as the id of their VM, and Config what
	// they read as the configuration of their VM.
	VMID   string
	Config []byte
	// HoldHeaders goes on calling for a body while a Proxy-Wasm guest holds the headers
	// back (Envoy's allow_on_headers_stop_iteration).
	HoldHeaders bool

	// Upstream finds what guests may call, by the name of a pool or by URL. Errors say
	// what the plugin's grants lack.
	Upstream func(target string) (Upstream, error)
	// Services are what guests may call by name beside the ABI; nil: nothing.
	Services Services
	// Commons is what guests of one VM have in common. Never nil.
	Commons *commons.Space

	Counters Counters
}

// Mount is a directory that guests see.
type Mount = vm.Mount

// Use is one place in the configuration where a plugin is used.
type Use struct {
	Root   string // which filter of several in a module; Proxy-Wasm's root id
	Config []byte // what the guest reads as its configuration
}

// Upstream answers calls of guests.
type Upstream interface {
	// Do sends c and fills resp, which is empty; the caller reads and closes its body.
	// An empty Authority or Scheme of c is the upstream's own. It waits until c.Caller
	// loses interest.
	Do(c *exchange.Call, resp *exchange.Response) error
}

// MostFields is how many bytes of fields, names and values, a guest may write for one
// exchange: they are not in its memory, of which it has but so much.
const MostFields = 4 << 20

// Wait is how long at most something waits for a guest that has paused it.
const Wait = 60 * time.Second
