package metrics

import (
	"runtime"
	runtimemetrics "runtime/metrics"
	"sync/atomic"
	"time"
)

// ownFamilies are the metrics of weir itself: its build, its configuration.
func ownFamilies(g *Registry, o Options) []family {
	return []family{
		{Metric{"weir_build_info", "Always 1; the labels say what is running.", Gauge, []string{"version", "revision", "go"}}, func(t *text) {
			t.begin("weir_build_info")
			t.label("version", o.Version)
			t.label("revision", o.Revision)
			t.label("go", runtime.Version())
			t.uint(1)
		}},
		{Metric{"weir_reload_total", "Attempts to load the configuration anew.", Counter, []string{"result"}}, func(t *text) {
			for i, result := range [...]string{"success", "failure"} {
				t.begin("weir_reload_total")
				t.label("result", result)
				t.uint([...]*atomic.Uint64{&g.reloads.good, &g.reloads.bad}[i].Load())
			}
		}},
		single("weir_config_last_reload_successful", "Whether the last attempt to load the configuration succeeded.", Gauge, func() float64 {
			if g.reloads.lastFine.Load() {
				return 1
			}
			return 0
		}),
		single("weir_config_last_reload_success_timestamp_seconds", "When the configuration in force was loaded.", Gauge, func() float64 {
			return float64(g.reloads.lastGood.Load()) / 1e9
		}),
		single("weir_metrics_invalid_samples_total", "Samples that were left out because their labels were wrong or too many.", Counter, func() float64 {
			return float64(g.invalid.Load())
		}),
	}
}

// processFamilies are the metrics of the process, under the names by which
// dashboards know them.
func processFamilies(start time.Time) []family {
	began := float64(start.UnixNano()) / 1e9
	return append(systemFamilies(),
		single("process_start_time_seconds", "When the process began to count.", Gauge, func() float64 { return began }),
		single("go_goroutines", "Goroutines that exist.", Gauge, fromRuntime("/sched/goroutines:goroutines")),
		single("go_gomaxprocs", "Processors that run goroutines.", Gauge, fromRuntime("/sched/gomaxprocs:threads")),
		single("go_gc_cycles_total", "Garbage collections.", Counter, fromRuntime("/gc/cycles/total:gc-cycles")),
		single("go_gc_cpu_seconds_total", "Processor time of the garbage collector, estimated.", Counter, fromRuntime("/cpu/classes/gc/total:cpu-seconds")),
		single("go_heap_allocated_bytes_total", "Bytes ever allocated on the heap.", Counter, fromRuntime("/gc/heap/allocs:bytes")),
		single("go_heap_objects_bytes", "Bytes of objects on the heap, dead ones included.", Gauge, fromRuntime("/memory/classes/heap/objects:bytes")),
		single("go_heap_goal_bytes", "Size of the heap at which the next collection ends.", Gauge, fromRuntime("/gc/heap/goal:bytes")),
		single("go_memory_bytes", "Memory that the Go runtime has mapped.", Gauge, fromRuntime("/memory/classes/total:bytes")),
	)
}

// single is a family with one sample without labels.
func single(name, help string, kind Kind, value func() float64) family {
	return family{Metric{Name: name, Help: help, Kind: kind}, func(t *text) {
		t.begin(name)
		t.float(value())
	}}
}

func fromRuntime(name string) func() float64 {
	return func() float64 {
		s := []runtimemetrics.Sample{{Name: name}}
		runtimemetrics.Read(s)
		switch s[0].Value.Kind() {
		case runtimemetrics.KindUint64:
			return float64(s[0].Value.Uint64())
		case runtimemetrics.KindFloat64:
			return s[0].Value.Float64()
		}
		return 0
	}
}
