package sdktest

import (
	"time"

	"github.com/weirproxy/weir/sdk/internal/host"
	"github.com/weirproxy/weir/sdk/weir"
)

// Option says what is tested, and where.
type Option func(*Host)

// Filter has f tested.
func Filter(f weir.Filter) Option {
	return Configured(func(*weir.Config) (weir.Filter, error) { return f, nil }, "")
}

// Configured has the filter tested that new makes of a configuration. One that is refused
// is what [Host.Refused] tells.
func Configured(new func(*weir.Config) (weir.Filter, error), config string) Option {
	return func(h *Host) { h.make, h.config = func() host.Guest { return weir.Instance(new) }, config }
}

// Registered has what the package has registered tested: the filter that was registered
// under the name; "" for one that has none.
func Registered(rootID, config string) Option {
	return func(h *Host) { h.make, h.rootID, h.config = weir.Registered, rootID, config }
}

// Plain makes the host one of Proxy-Wasm 0.2.1 that knows nothing of weir, with the rules
// of Envoy.
func Plain() Option { return func(h *Host) { h.plain = true } }

// Limits changes how much of a body is held for a filter, and how many calls may be under
// way. They are 1 MiB and 64.
func Limits(body, calls int) Option {
	return func(h *Host) { h.mostBody, h.mostCalls = body, calls }
}

// Patience changes after how long, by the host's clock, a request has taken too long, which
// fails the test. It is ten minutes.
func Patience(d time.Duration) Option { return func(h *Host) { h.patience = d } }

// TB is what a host needs of a test: testing.T, B and F have it.
type TB interface {
	Helper()
	Cleanup(func())
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
	Failed() bool
}
