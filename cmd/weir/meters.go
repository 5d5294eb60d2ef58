package main

import (
	"errors"

	"github.com/weirproxy/weir/edge/cache"
	"github.com/weirproxy/weir/edge/metrics"
	"github.com/weirproxy/weir/edge/upstream"
)

// watchUpstreams lets the metrics ask for the state of pools and endpoints.
func (w *world) watchUpstreams() error {
	var errs []error
	pool := func(name, help string, kind metrics.Kind, value func(*upstream.PoolStatus) float64) {
		errs = append(errs, w.metrics.Register(metrics.Metric{Name: name, Help: help, Kind: kind, Labels: []string{"pool"}}, func(emit metrics.Emit) {
			for _, p := range w.upstreams.Status() {
				emit(value(&p), p.Name)
			}
		}))
	}
	endpoint := func(name, help string, kind metrics.Kind, each func(*upstream.EndpointStatus, func(float64, ...string)), labels ...string) {
		m := metrics.Metric{Name: name, Help: help, Kind: kind, Labels: append([]string{"pool", "endpoint"}, labels...)}
		errs = append(errs, w.metrics.Register(m, func(emit metrics.Emit) {
			for _, p := range w.upstreams.Status() {
				for i := range p.Endpoints {
					e := &p.Endpoints[i]
					each(e, func(v float64, labels ...string) { emit(v, append([]string{p.Name, e.Address}, labels...)...) })
				}
			}
		}))
	}
	pool("weir_upstream_retries_total", "Attempts beyond the first one of a request.", metrics.Counter, func(p *upstream.PoolStatus) float64 { return float64(p.Retries) })
	pool("weir_upstream_retries_over_budget_total", "Attempts that the retry budget did not allow.", metrics.Counter, func(p *upstream.PoolStatus) float64 { return float64(p.Exhausted) })
	pool("weir_upstream_refused_total", "Requests that found no endpoint, or none free in time.", metrics.Counter, func(p *upstream.PoolStatus) float64 { return float64(p.Refused) })
	pool("weir_upstream_pending", "Requests that wait for a free endpoint.", metrics.Gauge, func(p *upstream.PoolStatus) float64 { return float64(p.Pending) })
	endpoint("weir_upstream_requests_total", "Attempts by how they ended: ok, or connect, cut, timeout, status (502 to 504).", metrics.Counter, func(e *upstream.EndpointStatus, emit func(float64, ...string)) {
		failed := e.Connect + e.Cut + e.Timeout + e.Status
		emit(float64(max(e.Calls, failed)-failed), "ok")
		emit(float64(e.Connect), "connect")
		emit(float64(e.Cut), "cut")
		emit(float64(e.Timeout), "timeout")
		emit(float64(e.Status), "status")
	}, "result")
	endpoint("weir_upstream_ejections_total", "Times that an endpoint was left out because it failed requests.", metrics.Counter, func(e *upstream.EndpointStatus, emit func(float64, ...string)) {
		emit(float64(e.Ejections))
	})
	endpoint("weir_upstream_checks_total", "Health checks by whether they passed.", metrics.Counter, func(e *upstream.EndpointStatus, emit func(float64, ...string)) {
		emit(float64(e.Passed), "passed")
		emit(float64(e.Failed), "failed")
	}, "result")
	endpoint("weir_upstream_up", "Whether an endpoint gets requests.", metrics.Gauge, func(e *upstream.EndpointStatus, emit func(float64, ...string)) {
		up := 0.0
		if e.State == "up" || e.State == "starting" {
			up = 1
		}
		emit(up)
	})
	endpoint("weir_upstream_in_flight", "Requests that an endpoint has now.", metrics.Gauge, func(e *upstream.EndpointStatus, emit func(float64, ...string)) {
		emit(float64(e.InFlight))
	})
	endpoint("weir_upstream_connections", "Connections to an endpoint.", metrics.Gauge, func(e *upstream.EndpointStatus, emit func(float64, ...string)) {
		emit(float64(max(e.Open, e.Idle)-e.Idle), "busy")
		emit(float64(e.Idle), "idle")
	}, "state")
	endpoint("weir_upstream_connections_made_total", "Connections that were made to an endpoint.", metrics.Counter, func(e *upstream.EndpointStatus, emit func(float64, ...string)) {
		emit(float64(e.Made))
	})
	endpoint("weir_upstream_latency_seconds", "Moving average of the time to the head of an answer.", metrics.Gauge, func(e *upstream.EndpointStatus, emit func(float64, ...string)) {
		emit(e.Latency.Seconds())
	})
	return errors.Join(errs...)
}

// watchCache lets the metrics ask for what the cache has done.
func (w *world) watchCache() error {
	var errs []error
	one := func(name, help string, kind metrics.Kind, value func(*cache.Stats) int64) {
		errs = append(errs, w.metrics.Register(metrics.Metric{Name: name, Help: help, Kind: kind}, func(emit metrics.Emit) {
			var s cache.Stats
			if store := w.cacheStore(); store != nil {
				s = store.Stats()
			}
			emit(float64(value(&s)))
		}))
	}
	one("weir_cache_hits_total", "Requests answered from the cache.", metrics.Counter, func(s *cache.Stats) int64 { return s.Hits })
	one("weir_cache_stale_hits_total", "Requests answered from the cache with a response that was not fresh.", metrics.Counter, func(s *cache.Stats) int64 { return s.Stale })
	one("weir_cache_misses_total", "Requests that could have been answered from the cache, and were not.", metrics.Counter, func(s *cache.Stats) int64 { return s.Misses })
	one("weir_cache_collapsed_total", "Requests that waited for the answer to another one.", metrics.Counter, func(s *cache.Stats) int64 { return s.Collapsed })
	one("weir_cache_validated_total", "Responses that upstreams found good still.", metrics.Counter, func(s *cache.Stats) int64 { return s.Validated })
	one("weir_cache_stored_total", "Responses put into the cache.", metrics.Counter, func(s *cache.Stats) int64 { return s.Stored })
	one("weir_cache_evicted_total", "Responses that had to make room for others.", metrics.Counter, func(s *cache.Stats) int64 { return s.Evicted })
	one("weir_cache_purged_total", "Responses removed by order.", metrics.Counter, func(s *cache.Stats) int64 { return s.Purged })
	one("weir_cache_responses", "Responses in the cache.", metrics.Gauge, func(s *cache.Stats) int64 { return int64(s.Entries) })
	one("weir_cache_memory_bytes", "Memory that the cache takes.", metrics.Gauge, func(s *cache.Stats) int64 { return s.Memory })
	one("weir_cache_disk_bytes", "Space on disk that the cache takes.", metrics.Gauge, func(s *cache.Stats) int64 { return s.Disk })
	return errors.Join(errs...)
}
