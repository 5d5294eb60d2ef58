package guest

import (
	"sync/atomic"

	"github.com/weirproxy/weir/wasmhost/vm"
)

// Counters are what metrics tell of a plugin.
type Counters struct {
	vm.Usage
	Calls    atomic.Int64    // into guests
	Fuel     atomic.Int64    // units burnt
	Nanos    atomic.Int64    // spent in guests, estimated
	Started  atomic.Int64    // instances made, in all
	Waits    atomic.Int64    // requests that had to wait for an instance
	Waited   atomic.Int64    // nanoseconds they did
	Callouts atomic.Int64    // calls to upstreams, in all
	Streams  atomic.Int64    // exchanges under way
	LogsLost atomic.Int64    // lines above the limit
	Traps    [8]atomic.Int64 // by vm.Reason
}
