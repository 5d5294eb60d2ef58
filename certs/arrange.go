package certs

import "time"

// arrange makes names wanted, or not, by the plan and by what there is of its wildcards.
func (m *Manager) arrange() {
	m.arranging.Lock()
	defer m.arranging.Unlock()
	p := m.plan.Load()
	wanted := m.wanted(p)
	for name, policy := range wanted {
		e := m.locked(name)
		changed := !e.always || e.policy == nil || !sameIssuers(e.policy, policy)
		e.urgent = e.urgent || changed && e.always && e.policy != nil
		e.policy, e.always = policy, true
		if changed {
			// Whoever changes the settings wants to see whether it works now.
			e.failed.next, e.foreign = time.Time{}, ""
			m.plant(e)
		}
		e.mu.Unlock()
	}
	m.names.Range(func(_, v any) bool {
		e := v.(*entry)
		if _, ok := wanted[e.name]; !ok {
			m.release(e, p)
		}
		return true
	})
}

// release takes a name out of the plan. What clients get on demand stays.
func (m *Manager) release(e *entry, p *Plan) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.policy, e.always = p.demand(e.name), false
	m.plant(e)
}

// wanted drops the names that a wildcard covers: as soon as that is there.
func (m *Manager) wanted(p *Plan) map[string]*Policy {
	if p.OwnAlways {
		return p.Names
	}
	wanted := make(map[string]*Policy, len(p.Names))
	for name, policy := range p.Names {
		w := wildcardOf(name)
		if w == "" || p.Names[w] == nil || m.alone(name, policy, w, p.Names[w]) {
			wanted[name] = policy
		}
	}
	return wanted
}

// alone tells whether a name has to do without the wildcard that would cover it. Until
// that is there, the certificate that the name has is served and kept. If it fails, the
// name gets one of its own, unless that would be had in the same way.
func (m *Manager) alone(name string, policy *Policy, wildcard string, covers *Policy) bool {
	state := m.find(wildcard).wildcard()
	switch {
	case state == wildcardThere:
		return false
	case state == wildcardFails && !sameIssuers(policy, covers):
		return true
	}
	own := m.find(name)
	return own != nil && own.good()
}

func sameIssuers(a, b *Policy) bool {
	if len(a.Issuers) != len(b.Issuers) || a.Profile != b.Profile {
		return false
	}
	for i := range a.Issuers {
		if a.Issuers[i] != b.Issuers[i] {
			return false
		}
	}
	return true
}

// What a wildcard is to the names below it.
const (
	wildcardComes = iota
	wildcardFails
	wildcardThere
)

// wildcard tells how it stands with e, which may be nil.
func (e *entry) wildcard() int {
	if e == nil {
		return wildcardComes
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch f := &e.facts; {
	case (f.stored || e.unsaved != nil) && time.Now().Before(f.notAfter):
		return wildcardThere
	case e.failed.err != nil:
		return wildcardFails
	}
	return wildcardComes
}
