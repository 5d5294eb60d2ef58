package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// obtain has a certificate obtained for a name that a client asks for, if the guard
// agrees, and waits for it. Clients that ask for the same name wait for the same order;
// a name whose order has failed is refused at once until the pause is over.
func (m *Manager) obtain(ctx context.Context, name string, policy *Policy, client netip.Addr) (*tls.Certificate, error) {
	guard := m.plan.Load().Guard
	if guard == nil {
		return nil, fmt.Errorf("no certificate for %q: nothing decides about names that are obtained on demand", name)
	}
	if e := m.find(name); e != nil && m.failing(e) {
		return nil, m.why(e)
	}
	if err := guard.Allowed(ctx, name, client); err != nil {
		return nil, err
	}
	e, mine := m.claim(name, policy)
	if mine {
		finished, err := guard.Begin(name, client)
		m.decided(e, err == nil)
		if err != nil {
			return nil, err
		}
		if !m.begin(e, finished) {
			finished()
		}
	}
	c, err := m.await(ctx, e)
	if errors.Is(err, errNone) {
		err = m.why(e)
	}
	return c, err
}

func (m *Manager) failing(e *entry) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	return now.Before(e.failed.pause(now))
}

// claim tells whether the caller is the one who has to start the order.
func (m *Manager) claim(name string, policy *Policy) (e *entry, mine bool) {
	e = m.locked(name)
	defer e.mu.Unlock()
	if e.busy || e.claimed || e.forced || e.always {
		return e, false
	}
	e.policy, e.claimed, e.facts.known = policy, true, true
	e.used.Store(time.Now().Unix())
	return e, true
}

// decided ends a claim: what was claimed is obtained, or left. Nothing else may have it
// obtained before, such as a look into the store: it would not be counted.
func (m *Manager) decided(e *entry, yes bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.claimed, e.forced, e.over = false, yes, e.facts.serial
	e.ring()
	if !yes && !e.facts.stored && !e.busy {
		m.forget(e)
	}
}
