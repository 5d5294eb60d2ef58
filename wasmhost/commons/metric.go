package commons

import (
	"sync"
	"sync/atomic"
)

// Kind is a kind of metric.
type Kind uint8

// The kinds, as Proxy-Wasm numbers them.
const (
	Counter Kind = iota
	Gauge
	Histogram
)

// Bounds are the upper bounds of the histograms' buckets. Guests give whole numbers,
// most of them milliseconds or bytes.
var Bounds = [...]uint64{1, 5, 10, 25, 50, 100, 250, 500, 1e3, 2500, 5e3, 1e4, 3e4, 6e4, 3e5, 6e5, 18e5, 36e5}

// metrics are found by number without a lock.
type metrics struct {
	mu    sync.Mutex // of who defines
	names map[string]uint32
	list  atomic.Pointer[[]*metric] // by number, less one
}

type metric struct {
	name    string
	kind    Kind
	value   atomic.Uint64   // of a histogram, the sum
	buckets []atomic.Uint64 // of a histogram; the last one has what is above all bounds
}

// Define returns the number of the metric of that name, which is made if there is none.
func (s *Space) Define(kind Kind, name string) (uint32, error) {
	if kind > Histogram || len(name) > MaxName {
		return 0, ErrArgument
	}
	m := &s.metrics
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []*metric
	if p := m.list.Load(); p != nil {
		list = *p
	}
	if n, ok := m.names[name]; ok {
		if list[n-1].kind != kind {
			return 0, ErrArgument
		}
		return n, nil
	}
	if len(list) >= MaxSeries {
		return 0, ErrFull
	}
	made := &metric{name: name, kind: kind}
	if kind == Histogram {
		made.buckets = make([]atomic.Uint64, len(Bounds)+1)
	}
	// Readers of the old list see no more of the array than its length.
	list = append(list, made)
	m.list.Store(&list)
	if m.names == nil {
		m.names = map[string]uint32{}
	}
	m.names[name] = uint32(len(list))
	return uint32(len(list)), nil
}

func (s *Space) metric(n uint32) *metric {
	p := s.metrics.list.Load()
	if p == nil || n == 0 || uint64(n) > uint64(len(*p)) {
		return nil
	}
	return (*p)[n-1]
}

// Record adds v to a counter, sets a gauge to it, or counts it in a histogram.
func (s *Space) Record(n uint32, v uint64) error {
	m := s.metric(n)
	if m == nil {
		return ErrNotFound
	}
	switch m.kind {
	case Counter:
		m.value.Add(v)
	case Gauge:
		m.value.Store(v)
	case Histogram:
		k := 0
		for k < len(Bounds) && v > Bounds[k] {
			k++
		}
		m.buckets[k].Add(1)
		m.value.Add(v)
	}
	return nil
}

// Increment adds to a counter, which only grows, or to a gauge.
func (s *Space) Increment(n uint32, by int64) error {
	m := s.metric(n)
	switch {
	case m == nil:
		return ErrNotFound
	case m.kind == Histogram, m.kind == Counter && by <= 0:
		return ErrArgument
	}
	m.value.Add(uint64(by))
	return nil
}

// Value returns that of a counter or gauge.
func (s *Space) Value(n uint32) (uint64, error) {
	m := s.metric(n)
	switch {
	case m == nil:
		return 0, ErrNotFound
	case m.kind == Histogram:
		return 0, ErrArgument
	}
	return m.value.Load(), nil
}

// Metric is one of a listing.
type Metric struct {
	VMID  string
	Name  string // as the guest gave it: any bytes
	Kind  Kind
	Value int64    // of a counter or gauge; guests may bring gauges below zero
	Sum   uint64   // of a histogram
	Count uint64   // of a histogram
	Below []uint64 // of a histogram: how many values were at most Bounds[i]
}

// Metrics lists those of all spaces, in no order of spaces, and of one space in that of
// their definition.
func (s *Spaces) Metrics() []Metric {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []Metric
	for _, space := range s.byID {
		p := space.metrics.list.Load()
		if p == nil {
			continue
		}
		for _, m := range *p {
			all = append(all, m.read(space.id))
		}
	}
	return all
}

func (m *metric) read(vmID string) Metric {
	r := Metric{VMID: vmID, Name: m.name, Kind: m.kind}
	if m.kind != Histogram {
		r.Value = int64(m.value.Load())
		return r
	}
	r.Sum = m.value.Load()
	r.Below = make([]uint64, len(Bounds))
	for i := range m.buckets {
		r.Count += m.buckets[i].Load()
		if i < len(Bounds) {
			r.Below[i] = r.Count
		}
	}
	return r
}
