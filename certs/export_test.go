package certs

import (
	"slices"
	"strings"
	"time"
)

// Kept lists the names that have a certificate.
func (c *Internal) Kept() string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var names []string
	for name := range c.leaves {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// SetBack has all that m knows of a name be as if the clock had been set back since.
func (m *Manager) SetBack(name string, by time.Duration) {
	e := m.find(name)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failed.at, e.failed.next = e.failed.at.Add(by), e.failed.next.Add(by)
	for id, until := range e.failed.wait {
		e.failed.wait[id] = until.Add(by)
	}
	if at := m.queue.at(e); !at.IsZero() {
		m.queue.set(e, at.Add(by))
	}
}

// Moments are those of a name that m compares with the clock.
func (m *Manager) Moments(name string) []time.Time {
	e := m.find(name)
	e.mu.Lock()
	defer e.mu.Unlock()
	return []time.Time{e.failed.at, e.failed.next, e.facts.renewal.CheckAgain}
}
