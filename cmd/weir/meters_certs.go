package main

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/certs"
	"github.com/weirproxy/weir/certs/demand"
	"github.com/weirproxy/weir/certs/rotate"
	"github.com/weirproxy/weir/edge/metrics"
	"github.com/weirproxy/weir/edge/store"
)

// mostExpiries is how many certificates have a series of their own: those that end first.
const mostExpiries = 1000

// certStates are what weir_certificates counts by; see `weir cert ls --help`.
func certStates() []string {
	return []string{"ok", "renewing", "due", "expiring", "expired", "failing", "none"}
}

// certMeters registers what metrics ask certificates and the store. None of them asks
// the store: that may be what is down.
type certMeters struct {
	w    *world
	errs []error
}

// watchCertificates lets the metrics ask for the state of certificates, of the store,
// and of what nodes share of TLS.
func (w *world) watchCertificates() error {
	m := &certMeters{w: w}
	m.certificates()
	m.onDemand()
	m.store()
	m.keys()
	return errors.Join(m.errs...)
}

func (m *certMeters) add(name, help string, kind metrics.Kind, labels []string, each func(*authoritiesView, metrics.Emit)) {
	m.errs = append(m.errs, m.w.metrics.Register(metrics.Metric{Name: name, Help: help, Kind: kind, Labels: labels}, func(emit metrics.Emit) {
		view := m.w.certs.view()
		each(&view, emit)
	}))
}

// manager registers one number of the manager.
func (m *certMeters) manager(name, help string, kind metrics.Kind, value func(*certs.Stats) float64) {
	m.add(name, help, kind, nil, func(v *authoritiesView, emit metrics.Emit) {
		if v.manager != nil {
			s := v.manager.Stats()
			emit(value(&s))
		}
	})
}

func (m *certMeters) certificates() {
	m.add("weir_certificates", "Names with certificates of public authorities, by how those are.", metrics.Gauge, []string{"state"}, func(v *authoritiesView, emit metrics.Emit) {
		if v.manager == nil {
			return
		}
		counts, now := map[string]int{}, time.Now()
		for s := range v.manager.Statuses() {
			r := certRow{From: "acme"}
			r.hear(&s)
			counts[r.stateAt(now)]++
		}
		for _, state := range certStates() {
			emit(float64(counts[state]), state)
		}
	})
	m.add("weir_certificate_expiry_timestamp_seconds", "When certificates end: the thousand that do first.", metrics.Gauge, []string{"name"}, func(v *authoritiesView, emit metrics.Emit) {
		if v.manager == nil {
			return
		}
		type end struct {
			at   int64
			name string
		}
		var all []end
		for s := range v.manager.Statuses() {
			if !s.NotAfter.IsZero() {
				all = append(all, end{s.NotAfter.Unix(), s.Name})
			}
		}
		slices.SortFunc(all, func(a, b end) int { return cmp.Or(cmp.Compare(a.at, b.at), strings.Compare(a.name, b.name)) })
		for _, e := range all[:min(len(all), mostExpiries)] {
			emit(float64(e.at), e.name)
		}
	})
	m.manager("weir_certificate_orders_total", "Orders that were begun.", metrics.Counter, func(s *certs.Stats) float64 { return float64(s.Orders) })
	m.manager("weir_certificate_order_failures_total", "Orders that failed.", metrics.Counter, func(s *certs.Stats) float64 { return float64(s.Failures) })
	m.manager("weir_certificate_handshake_waits_total", "Handshakes that did not find their certificate in memory.", metrics.Counter, func(s *certs.Stats) float64 { return float64(s.Waits) })
	m.manager("weir_certificate_last_check_timestamp_seconds", "When it was last looked for what is due; every few minutes, unless that hangs.", metrics.Gauge, func(s *certs.Stats) float64 { return float64(s.Beat.Unix()) })
	m.add("weir_certificate_alarms", "Alarms that are raised, by kind: expiry, a certificate runs out; store, it is not reached; clock, ours differs from an authority's.", metrics.Gauge, []string{"alarm"}, func(v *authoritiesView, emit metrics.Emit) {
		if v.manager == nil {
			return
		}
		counts := map[string]int{"expiry": 0, "store": 0, "clock": 0}
		for _, alarm := range v.manager.Stats().Alarms {
			kind, _, _ := strings.Cut(alarm, " ")
			counts[kind]++
		}
		for _, kind := range sortedKeys(counts) {
			emit(float64(counts[kind]), kind)
		}
	})
	m.add("weir_ca_clock_skew_seconds", "How far an authority's clock was ahead of ours when it answered last.", metrics.Gauge, []string{"ca"}, func(v *authoritiesView, emit metrics.Emit) {
		for _, i := range v.issuers {
			if ahead, _, known := i.Skew(); known {
				emit(ahead.Seconds(), i.ID())
			}
		}
	})
}

// demand registers one number of the guard of names on demand.
func (m *certMeters) demand(name, help string, kind metrics.Kind, each func(*demand.Stats, metrics.Emit), labels ...string) {
	m.add(name, help, kind, labels, func(v *authoritiesView, emit metrics.Emit) {
		if v.guard != nil {
			s := v.guard.Stats()
			each(&s, emit)
		}
	})
}

func (m *certMeters) onDemand() {
	m.demand("weir_on_demand_asks_total", "Questions whether a name may have a certificate.", metrics.Counter, func(s *demand.Stats, emit metrics.Emit) { emit(float64(s.Asks)) })
	m.demand("weir_on_demand_answers_total", "Answers to them: yes, no, failed; or stale, an old one that counted since nobody could be asked.", metrics.Counter, func(s *demand.Stats, emit metrics.Emit) {
		emit(float64(s.Yes), "yes")
		emit(float64(s.No), "no")
		emit(float64(s.Failures), "failed")
		emit(float64(s.Stale), "stale")
	}, "answer")
	m.demand("weir_on_demand_refused_total", "Handshakes for names without a certificate that got none, by reason.", metrics.Counter, func(s *demand.Stats, emit metrics.Emit) {
		for _, reason := range sortedKeys(s.Refused) {
			emit(float64(s.Refused[reason]), reason)
		}
	}, "reason")
	m.demand("weir_on_demand_issuances_total", "Certificates that were let through to be ordered.", metrics.Counter, func(s *demand.Stats, emit metrics.Emit) { emit(float64(s.Issuances)) })
	m.demand("weir_on_demand_in_flight", "Certificates on demand that are being ordered.", metrics.Gauge, func(s *demand.Stats, emit metrics.Emit) { emit(float64(s.InFlight)) })
}

// kept registers numbers of the store.
func (m *certMeters) kept(name, help string, kind metrics.Kind, each func(*store.Stats, metrics.Emit), labels ...string) {
	m.add(name, help, kind, labels, func(v *authoritiesView, emit metrics.Emit) {
		if v.store != nil {
			s := v.store.Stats()
			each(&s, emit)
		}
	})
}

func (m *certMeters) store() {
	m.kept("weir_store_operations_total", "Operations of the store by result: ok, or failed without an answer.", metrics.Counter, func(s *store.Stats, emit metrics.Emit) {
		for _, o := range s.Operations {
			emit(float64(max(o.Count, o.Failed)-o.Failed), o.Name, "ok")
			emit(float64(o.Failed), o.Name, "failed")
		}
	}, "op", "result")
	m.kept("weir_store_operation_seconds_total", "Time that operations of the store took.", metrics.Counter, func(s *store.Stats, emit metrics.Emit) {
		for _, o := range s.Operations {
			emit(o.Time.Seconds(), o.Name)
		}
	}, "op")
	m.kept("weir_store_operations_running", "Operations of the store under way: waiting, and hanging beyond their time.", metrics.Gauge, func(s *store.Stats, emit metrics.Emit) {
		emit(float64(max(s.Running, s.Hanging)-s.Hanging), "waiting")
		emit(float64(s.Hanging), "hanging")
	}, "state")
	m.kept("weir_store_up", "Whether the store answered last.", metrics.Gauge, func(s *store.Stats, emit metrics.Emit) { emit(truth(!s.Silent)) })
	m.kept("weir_store_locks", "Locks that this node holds.", metrics.Gauge, func(s *store.Stats, emit metrics.Emit) { emit(float64(s.Locks)) })
	m.add("weir_store_copy_stale", "Whether the copy on this machine answers in place of the store.", metrics.Gauge, nil, func(v *authoritiesView, emit metrics.Emit) {
		if v.mirror != nil {
			emit(truth(v.mirror.Stale()))
		}
	})
}

// rotated registers one number of keys that nodes share.
func (m *certMeters) rotated(name, help string, status func(*authoritiesView) *rotate.Status, value func(*rotate.Status) float64) {
	m.add(name, help, metrics.Gauge, nil, func(v *authoritiesView, emit metrics.Emit) {
		if s := status(v); s != nil {
			emit(value(s))
		}
	})
}

func (m *certMeters) keys() {
	tickets := func(v *authoritiesView) *rotate.Status {
		if v.tickets == nil {
			return nil
		}
		s := v.tickets.Status()
		return &s
	}
	ech := func(v *authoritiesView) *rotate.Status {
		if v.ech == nil {
			return nil
		}
		s := v.ech.Status()
		return &s
	}
	keys := func(s *rotate.Status) float64 { return float64(s.Keys) }
	age := func(s *rotate.Status) float64 { return s.Age.Seconds() }
	shared := func(s *rotate.Status) float64 { return truth(s.Shared) }
	m.rotated("weir_tls_ticket_keys", "Keys of session tickets that are accepted.", tickets, keys)
	m.rotated("weir_tls_ticket_key_age_seconds", "Since when new tickets have been made with the present key.", tickets, age)
	m.rotated("weir_tls_ticket_keys_shared", "Whether they are those of all nodes.", tickets, shared)
	m.rotated("weir_ech_keys", "Keys of Encrypted Client Hello that are accepted.", ech, keys)
	m.rotated("weir_ech_key_age_seconds", "Since when the present key has been given out.", ech, age)
}

// truth is 1 for true.
func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
