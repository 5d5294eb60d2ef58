package main

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/weirproxy/weir/edge/metrics"
	"github.com/weirproxy/weir/wasmhost/commons"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// pluginCounts are one plugin's, added up over all that have or had its name: during a
// reload the old one lives on beside the new one.
type pluginCounts struct {
	name string
	*guest.Counters
}

// counts lists them by name.
func (p *plugins) counts() []pluginCounts {
	host := p.current()
	if host == nil {
		return nil
	}
	p.retiring.Lock()
	defer p.retiring.Unlock()
	sums := map[string]*guest.Counters{}
	add := func(name string, c *guest.Counters) {
		if sums[name] == nil {
			sums[name] = new(guest.Counters)
		}
		addCounters(sums[name], c)
	}
	for name, c := range p.retired {
		add(name, c)
	}
	for _, s := range host.Status() {
		add(s.Name, s.Counters)
	}
	all := make([]pluginCounts, 0, len(sums))
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		all = append(all, pluginCounts{name, sums[name]})
	}
	return all
}

// addCounters adds what c counts to sum, which nobody else has.
func addCounters(sum, c *guest.Counters) {
	sum.Calls.Add(c.Calls.Load())
	sum.Fuel.Add(c.Fuel.Load())
	sum.Nanos.Add(c.Nanos.Load())
	sum.Instances.Add(c.Instances.Load())
	sum.Memory.Add(c.Memory.Load())
	sum.Started.Add(c.Started.Load())
	sum.Waits.Add(c.Waits.Load())
	sum.Waited.Add(c.Waited.Load())
	sum.Callouts.Add(c.Callouts.Load())
	sum.Streams.Add(c.Streams.Load())
	sum.LogsLost.Add(c.LogsLost.Load())
	for i := range sum.Traps {
		sum.Traps[i].Add(c.Traps[i].Load())
	}
}

// reasons are those for which guests end.
func reasons() []vm.Reason {
	return []vm.Reason{vm.Crashed, vm.Exited, vm.OutOfFuel, vm.OutOfTime, vm.Stack, vm.Broken, vm.Ended}
}

// watchPlugins lets the metrics ask for what plugins have done.
func (w *world) watchPlugins() error {
	var errs []error
	register := func(m metrics.Metric, each func(metrics.Emit)) { errs = append(errs, w.metrics.Register(m, each)) }
	one := func(name, help string, kind metrics.Kind, value func(*guest.Counters) float64) {
		register(metrics.Metric{Name: name, Help: help, Kind: kind, Labels: []string{"plugin"}}, func(emit metrics.Emit) {
			for _, p := range w.plugins.counts() {
				emit(value(p.Counters), p.name)
			}
		})
	}
	one("weir_plugin_calls_total", "Calls into guests.", metrics.Counter, func(c *guest.Counters) float64 { return float64(c.Calls.Load()) })
	one("weir_plugin_fuel_total", "Fuel that guests have burnt: about one unit per instruction.", metrics.Counter, func(c *guest.Counters) float64 { return float64(c.Fuel.Load()) })
	one("weir_plugin_cpu_seconds_total", "Time spent in guests, estimated.", metrics.Counter, func(c *guest.Counters) float64 { return float64(c.Nanos.Load()) / 1e9 })
	one("weir_plugin_instances", "Instances that live now.", metrics.Gauge, func(c *guest.Counters) float64 { return float64(c.Instances.Load()) })
	one("weir_plugin_instances_started_total", "Instances that were made.", metrics.Counter, func(c *guest.Counters) float64 { return float64(c.Started.Load()) })
	one("weir_plugin_memory_bytes", "Linear memory of the instances that live now.", metrics.Gauge, func(c *guest.Counters) float64 { return float64(c.Memory.Load()) })
	one("weir_plugin_streams", "Exchanges that guests have under way.", metrics.Gauge, func(c *guest.Counters) float64 { return float64(c.Streams.Load()) })
	one("weir_plugin_waits_total", "Requests that had to wait for an instance.", metrics.Counter, func(c *guest.Counters) float64 { return float64(c.Waits.Load()) })
	one("weir_plugin_wait_seconds_total", "Time that they waited.", metrics.Counter, func(c *guest.Counters) float64 { return float64(c.Waited.Load()) / 1e9 })
	one("weir_plugin_callouts_total", "Calls of guests to upstreams.", metrics.Counter, func(c *guest.Counters) float64 { return float64(c.Callouts.Load()) })
	one("weir_plugin_log_lines_dropped_total", "Lines of guests above their limit.", metrics.Counter, func(c *guest.Counters) float64 { return float64(c.LogsLost.Load()) })
	register(metrics.Metric{Name: "weir_plugin_traps_total", Help: "Guests that ended before their time, by reason.", Kind: metrics.Counter, Labels: []string{"plugin", "reason"}}, func(emit metrics.Emit) {
		for _, p := range w.plugins.counts() {
			for _, r := range reasons() {
				emit(float64(p.Traps[r].Load()), p.name, r.String())
			}
		}
	})
	register(metrics.Metric{Name: "weir_wasm_programs", Help: "Compiled modules in use.", Kind: metrics.Gauge}, func(emit metrics.Emit) {
		if host := w.plugins.current(); host != nil {
			emit(float64(host.Stats().Programs))
		}
	})
	register(metrics.Metric{Name: "weir_wasm_compiled_total", Help: "Modules that were compiled, or taken from the compilation cache.", Kind: metrics.Counter}, func(emit metrics.Emit) {
		if host := w.plugins.current(); host != nil {
			emit(float64(host.Stats().Compiled))
		}
	})
	register(metrics.Metric{Name: "weir_wasm_engine", Help: "1 for how guests run: compiled or interpreted. Nothing without plugins.", Kind: metrics.Gauge, Labels: []string{"mode"}}, func(emit metrics.Emit) {
		if host := w.plugins.current(); host != nil {
			mode, _ := host.Mode()
			emit(1, mode)
		}
	})
	return errors.Join(append(errs, w.watchGuests(register))...)
}

// watchGuests lets the metrics ask for what guests count themselves. Their names are any
// bytes, and so a label.
func (w *world) watchGuests(register func(metrics.Metric, func(metrics.Emit))) error {
	each := func(kind commons.Kind, emit func(m *commons.Metric, vm, name string)) {
		host := w.plugins.current()
		if host == nil {
			return
		}
		all := host.Metrics()
		for i := range all {
			if all[i].Kind == kind {
				emit(&all[i], vmName(all[i].VMID), strings.ToValidUTF8(all[i].Name, "\ufffd"))
			}
		}
	}
	one := func(name, help string, kind metrics.Kind, of commons.Kind, value func(*commons.Metric) float64) {
		register(metrics.Metric{Name: name, Help: help, Kind: kind, Labels: []string{"vm", "name"}}, func(emit metrics.Emit) {
			each(of, func(m *commons.Metric, vm, name string) { emit(value(m), vm, name) })
		})
	}
	one("weir_guest_counter_total", "Counters of guests, by the id of their VM and their names.", metrics.Counter, commons.Counter, func(m *commons.Metric) float64 { return float64(m.Value) })
	one("weir_guest_gauge", "Gauges of guests.", metrics.Gauge, commons.Gauge, func(m *commons.Metric) float64 { return float64(m.Value) })
	bounds := make([]float64, len(commons.Bounds))
	for i, n := range commons.Bounds {
		bounds[i] = float64(n)
	}
	m := metrics.Metric{Name: "weir_guest_histogram", Help: "Histograms of guests.", Labels: []string{"vm", "name"}}
	return w.metrics.RegisterHistogram(m, func(emit metrics.EmitHistogram) {
		each(commons.Histogram, func(m *commons.Metric, vm, name string) {
			emit(&metrics.Histogram{Bounds: bounds, Below: m.Below, Count: m.Count, Sum: float64(m.Sum)}, vm, name)
		})
	})
}

// vmName is what metrics call a VM: the id that a configuration gives it, or the name of
// the one plugin that has it.
func vmName(id string) string {
	return strings.ToValidUTF8(strings.TrimPrefix(id, ownVM), "\ufffd")
}
