package sdktest

import abi "github.com/weirproxy/weir/sdk/abi/proxywasm"

// metrics are those that the guest has defined.
type metrics struct {
	all  []*metric
	byID map[string]uint32
}

type metric struct {
	kind   abi.Metric
	value  uint64
	values []uint64 // of a histogram
}

// DefineMetric implements host.Host.
func (e env) DefineMetric(kind abi.Metric, name string) (id uint32, st abi.Status) {
	e.asks()
	m := &e.h.metrics
	if kind > abi.Histogram || name == "" {
		return 0, abi.BadArgument
	}
	if id, ok := m.byID[name]; ok {
		if m.all[id-1].kind != kind {
			e.h.warn("the metric %s is of two kinds", name)
			return 0, abi.BadArgument
		}
		return id, abi.OK
	}
	m.all = append(m.all, &metric{kind: kind})
	if m.byID == nil {
		m.byID = map[string]uint32{}
	}
	m.byID[name] = uint32(len(m.all))
	return uint32(len(m.all)), abi.OK
}

func (e env) metric(id uint32) *metric {
	if id == 0 || int(id) > len(e.h.metrics.all) {
		return nil
	}
	return e.h.metrics.all[id-1]
}

// Record implements host.Host.
func (e env) Record(id uint32, value uint64) abi.Status {
	e.asks()
	m := e.metric(id)
	switch {
	case m == nil:
		return abi.NotFound
	case m.kind == abi.Counter:
		m.value += value
	case m.kind == abi.Gauge:
		m.value = value
	default:
		m.value++
		m.values = append(m.values, value)
	}
	return abi.OK
}

// Increment implements host.Host.
func (e env) Increment(id uint32, delta int64) abi.Status {
	e.asks()
	m := e.metric(id)
	switch {
	case m == nil:
		return abi.NotFound
	case m.kind == abi.Histogram || m.kind == abi.Counter && delta <= 0:
		return abi.BadArgument
	}
	m.value += uint64(delta)
	return abi.OK
}

// Metric implements host.Host.
func (e env) Metric(id uint32) (uint64, abi.Status) {
	e.asks()
	m := e.metric(id)
	switch {
	case m == nil:
		return 0, abi.NotFound
	case m.kind == abi.Histogram:
		return 0, abi.BadArgument
	}
	return m.value, abi.OK
}
