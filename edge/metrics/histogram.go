package metrics

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Histogram is how values are spread.
type Histogram struct {
	Bounds []float64 // of the buckets, upwards; without the last one, which has none
	Below  []uint64  // how many values were at most Bounds[i]; as long as Bounds
	Count  uint64    // of all values
	Sum    float64   // of all values
}

// EmitHistogram is Emit for histograms. It keeps nothing of h.
type EmitHistogram func(h *Histogram, labels ...string)

// RegisterHistogram is Register for histograms; m.Kind is not looked at.
func (g *Registry) RegisterHistogram(m Metric, collect func(EmitHistogram)) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	m.Kind = histogram
	if err := m.check(); err != nil {
		return fmt.Errorf("register metric %q: %w", m.Name, err)
	}
	if slices.Contains(m.Labels, "le") {
		return fmt.Errorf("register metric %q: label le is the buckets'", m.Name)
	}
	for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
		if g.names[m.Name+suffix] {
			return fmt.Errorf("register metric %q: name taken", m.Name)
		}
	}
	g.add(family{m, func(t *text) {
		seen := g.newSeries(&m)
		collect(func(h *Histogram, labels ...string) {
			if seen.take(labels) {
				t.histogram(&m, h, labels)
			}
		})
	}})
	return nil
}

func (t *text) histogram(m *Metric, h *Histogram, labels []string) {
	begin := func(suffix string) {
		t.begin(m.Name + suffix)
		for i, v := range labels {
			t.label(m.Labels[i], v)
		}
	}
	for i, bound := range h.Bounds {
		begin("_bucket")
		t.label("le", strconv.FormatFloat(bound, 'g', -1, 64))
		t.uint(h.Below[i])
	}
	begin("_bucket")
	t.label("le", "+Inf")
	t.uint(h.Count)
	begin("_sum")
	t.float(h.Sum)
	begin("_count")
	t.uint(h.Count)
}

// series are those of one metric that have been written.
type series struct {
	g    *Registry
	m    *Metric
	seen map[string]bool
}

func (g *Registry) newSeries(m *Metric) *series { return &series{g, m, map[string]bool{}} }

// take tells whether one of these labels may be written; what may not is counted.
func (s *series) take(labels []string) bool {
	// As they are written: two broken texts may look the same.
	key := strings.ToValidUTF8(strings.Join(labels, "\x00"), "\ufffd")
	if len(labels) != len(s.m.Labels) || s.seen[key] || len(s.seen) >= maxSamples {
		s.g.invalid.Add(1)
		return false
	}
	s.seen[key] = true
	return true
}
