package weir

import (
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/sdk/internal/host"
)

// Counter is a metric, by its name, that only ever grows: Counter("logins").Add(1). All
// instances of the plugin count together.
type Counter string

// Add adds n, if that is positive.
func (c Counter) Add(n int) {
	if id, ok := metric(abi.Counter, string(c)); ok && n > 0 {
		host.Increment(id, int64(n))
	}
}

// Gauge is a metric that goes up and down.
type Gauge string

// Set sets it.
func (m Gauge) Set(n uint64) {
	if id, ok := metric(abi.Gauge, string(m)); ok {
		host.Record(id, n)
	}
}

// Add adds n, which may be negative.
func (m Gauge) Add(n int) {
	if id, ok := metric(abi.Gauge, string(m)); ok {
		host.Increment(id, int64(n))
	}
}

// Histogram is a metric that counts values by their size.
type Histogram string

// Record counts one.
func (m Histogram) Record(n uint64) {
	if id, ok := metric(abi.Histogram, string(m)); ok {
		host.Record(id, n)
	}
}

// metric returns the host's number for one.
func metric(kind abi.Metric, name string) (uint32, bool) {
	g := inside
	if g == nil {
		return 0, false
	}
	key := string(rune('0'+kind)) + name
	id, ok := g.metrics[key]
	if !ok {
		var st abi.Status
		if id, st = host.DefineMetric(kind, name); st != abi.OK {
			return 0, false
		}
		g.metrics[key] = id
	}
	return id, true
}
