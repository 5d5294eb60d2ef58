package metrics

import (
	"fmt"
	"slices"
	"strings"
)

// Kind says how the values of a metric move.
type Kind string

// The kinds of metrics that can be registered.
const (
	Counter Kind = "counter" // only grows, from 0 at the start of the process
	Gauge   Kind = "gauge"
)

const histogram Kind = "histogram"

// Metric describes a metric.
type Metric struct {
	Name   string // "weir_upstream_attempts_total": base units; a counter ends in _total
	Help   string // one sentence
	Kind   Kind
	Labels []string
}

// Emit takes one value of a metric, with the values of its labels in their order.
// It is for the goroutine that collect runs on, until collect returns.
type Emit func(value float64, labels ...string)

// family is a metric with what writes its samples.
type family struct {
	Metric
	write func(*text)
}

// maxSamples is how many values of one registered metric are shown. It bounds what
// a collector with labels that someone else makes up can do to the reader.
const maxSamples = 20_000

// Register adds a metric whose values collect emits whenever they are asked for,
// maybe by several goroutines at once. Values with labels that have been there
// already, that are too few or too many, or of which there are absurdly many are
// left out, and counted in weir_metrics_invalid_samples_total: one collector's
// mistake must not cost the reader all metrics.
func (g *Registry) Register(m Metric, collect func(Emit)) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if m.Kind != Counter && m.Kind != Gauge {
		return fmt.Errorf("register metric %q: kind %q: want counter or gauge", m.Name, m.Kind)
	}
	if err := m.check(); err != nil {
		return fmt.Errorf("register metric %q: %w", m.Name, err)
	}
	if g.names[m.Name] {
		return fmt.Errorf("register metric %q: name taken", m.Name)
	}
	g.add(family{m, func(t *text) {
		seen := g.newSeries(&m)
		collect(func(value float64, labels ...string) {
			if !seen.take(labels) {
				return
			}
			t.begin(m.Name)
			for i, v := range labels {
				t.label(m.Labels[i], v)
			}
			t.float(value)
		})
	}})
	return nil
}

func (m *Metric) check() error {
	switch {
	case !validName(m.Name, true):
		return fmt.Errorf("name is not letters, digits and _")
	case m.Kind == Counter != strings.HasSuffix(m.Name, "_total"):
		return fmt.Errorf("a counter ends in _total, and nothing else does")
	case m.Help == "":
		return fmt.Errorf("help is missing")
	}
	for i, l := range m.Labels {
		if !validName(l, false) || strings.HasPrefix(l, "__") {
			return fmt.Errorf("label %q: not letters, digits and _", l)
		}
		if slices.Contains(m.Labels[:i], l) {
			return fmt.Errorf("label %q: named twice", l)
		}
	}
	return nil
}

func validName(s string, colon bool) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c == ':' && colon
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
