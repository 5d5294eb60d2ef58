package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"time"

	"github.com/weirproxy/weir/certs/storage"
)

// Certificate returns the certificate for the name that a client asks for, in lower
// case, or the address that it has reached. It costs a look into memory where there is
// one. Otherwise it waits, for ManagerOptions.Wait at most or until ctx ends, for one
// that is being read or obtained; and has one obtained where the plan says that names
// get theirs on demand, and its guard agrees.
//
// A certificate that has run out is served if there is no other: the client decides.
func (m *Manager) Certificate(ctx context.Context, name string, client netip.Addr) (*tls.Certificate, error) {
	if c := m.Cached(name); c != nil {
		return c, nil
	}
	return m.wait(ctx, name, client)
}

// wait is Certificate where memory has none, or one that has run out.
func (m *Manager) wait(ctx context.Context, name string, client netip.Addr) (*tls.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, m.o.Wait)
	defer cancel()
	m.counts.waits.Add(1)
	select {
	case <-m.synced:
	case <-ctx.Done():
		return nil, fmt.Errorf("no certificate for %q: the store does not answer", name)
	}
	e := m.covering(name)
	var old *tls.Certificate
	if e != nil {
		c, err := m.await(ctx, e)
		if err == nil && !expired(c) {
			return c, nil
		}
		_, always := e.wants()
		switch {
		case always && errors.Is(err, errNone):
			return nil, m.why(e)
		case always, err != nil && !errors.Is(err, errNone):
			return c, err
		}
		old = c
	}
	policy := m.plan.Load().demand(name)
	switch {
	case policy != nil:
		c, err := m.obtain(ctx, name, policy, client)
		if err != nil && old != nil {
			return old, nil
		}
		return c, err
	case old != nil:
		return old, nil
	case e != nil:
		return nil, m.why(e)
	}
	return nil, fmt.Errorf("no certificate for %q: nothing says where to get one", name)
}

func expired(c *tls.Certificate) bool { return c.Leaf != nil && time.Now().After(c.Leaf.NotAfter) }

// errNone: there is no certificate, and nobody is about to get one.
var errNone = errors.New("no certificate")

// await returns the certificate of e when it has been read or obtained; one that has
// run out if nothing better comes.
func (m *Manager) await(ctx context.Context, e *entry) (*tls.Certificate, error) {
	for {
		c := e.cert.Load()
		if c != nil && time.Now().Unix() < e.till.Load() {
			return c, nil
		}
		e.mu.Lock()
		stored, coming, bell := e.facts.stored || e.unsaved != nil, m.coming(e), e.listen()
		e.mu.Unlock()
		if stored && c == nil {
			var err error
			if c, err = m.load(ctx, e); err != nil || !expired(c) {
				return c, err
			}
		}
		switch {
		case !coming && c != nil:
			return c, nil
		case !coming:
			return nil, errNone
		}
		select {
		case <-bell:
		case <-ctx.Done():
			if c != nil {
				return c, nil
			}
			return nil, m.why(e)
		}
	}
}

// coming tells whether it is worth to wait for a certificate of e, which is locked.
func (m *Manager) coming(e *entry) bool {
	if e.busy || e.claimed || e.forced && !e.always || !e.facts.known {
		return true
	}
	at := m.queue.at(e)
	return (e.always || e.facts.stored) && !at.IsZero() && time.Until(at) < m.o.Wait/2
}

// load reads a certificate that memory had no room for.
func (m *Manager) load(ctx context.Context, e *entry) (*tls.Certificate, error) {
	e.mu.Lock()
	if e.unsaved != nil {
		defer e.mu.Unlock()
		return e.unsaved.TLS()
	}
	r := e.reading
	if r == nil {
		r = &reading{done: make(chan struct{})}
		if !m.start(func() { m.read(e, r) }) {
			e.mu.Unlock()
			return nil, errClosed
		}
		e.reading = r
	}
	e.mu.Unlock()
	select {
	case <-r.done:
	case <-ctx.Done():
		return nil, fmt.Errorf("certificate for %q: the store does not answer", e.name)
	}
	if r.cert == nil && r.err == nil {
		return nil, errNone
	}
	return r.cert, r.err
}

var errClosed = errors.New("weir is stopping")

// reading is a certificate that is being read for all who wait for it. They get it from
// here: memory may have had to make room for another one at once.
type reading struct {
	done chan struct{} // closed at the end, after which the rest does not change
	cert *tls.Certificate
	err  error
}

// read brings the certificate of e into memory, for all who wait for it.
func (m *Manager) read(e *entry, r *reading) {
	value, err := m.o.Store.Get(m.life, storage.CertKey(e.name))
	var c *storage.Cert
	if err == nil {
		c, err = storage.DecodeCert(value)
	}
	gone := errors.Is(err, fs.ErrNotExist)
	if err == nil || gone {
		err = m.take(e, c, true)
	}
	r.cert, r.err = e.cert.Load(), err
	if r.cert == nil && c != nil && err == nil {
		r.cert, r.err = c.TLS()
	}
	e.mu.Lock()
	e.reading = nil
	if gone || errors.Is(err, storage.ErrDamaged) {
		e.again = true // not due by what was known before
		m.plant(e)
	}
	e.mu.Unlock()
	close(r.done)
}

// take notes what the store has for e, nil for nothing, and serves it; a certificate
// that is not in memory stays out of it unless it is to be loaded.
func (m *Manager) take(e *entry, c *storage.Cert, load bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone {
		return nil
	}
	if u := e.unsaved; c == nil || u != nil && !e.rescued && !c.NotAfter.After(u.NotAfter) {
		if u == nil {
			e.facts = facts{known: true}
		}
		e.ring()
		return nil
	}
	if e.facts.stored && e.facts.serial == c.Serial && e.cert.Load() != nil {
		e.facts = factsOf(c)
		return nil
	}
	cert := (*tls.Certificate)(nil)
	if load || e.cert.Load() != nil {
		var err error
		if cert, err = pairFor(e.name, c); err != nil {
			e.facts = facts{known: true}
			return err
		}
	}
	if e.facts.known && e.facts.serial != "" && e.facts.serial != c.Serial {
		e.failed = failure{wait: e.failed.wait}
		m.tolerate(e, c)
	}
	if e.outlasts(c) {
		cert = nil
	}
	e.facts, e.unsaved, e.rescued = factsOf(c), nil, false
	m.serve(e, cert)
	return nil
}

// outlasts tells whether e, which is locked, is served by a certificate that is newer
// than c, and good for longer: c is of a copy of the store, then, or of its past.
func (e *entry) outlasts(c *storage.Cert) bool {
	has := e.cert.Load()
	return has != nil && !expired(has) && c.Issuer != Imported &&
		c.Obtained.Before(e.facts.obtained) && c.NotAfter.Before(has.Leaf.NotAfter)
}

// pairFor is a record as handshakes for name take it. Errors are [storage.ErrDamaged].
func pairFor(name string, c *storage.Cert) (*tls.Certificate, error) {
	pair, err := c.TLS()
	if err != nil {
		return nil, err
	}
	if err := pair.Leaf.VerifyHostname(name); err != nil {
		return nil, fmt.Errorf("%w: %w", storage.ErrDamaged, err)
	}
	return pair, nil
}

// serve gives handshakes cert from now on. e is locked.
func (m *Manager) serve(e *entry, cert *tls.Certificate) {
	if cert != nil {
		e.till.Store(e.facts.notAfter.Unix())
		m.hot.put(e, cert)
	}
	e.ring()
}

// why says for people why there is no certificate.
func (m *Manager) why(e *entry) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.failed.err != nil:
		return fmt.Errorf("no certificate for %q: %w; next attempt %s", e.name, e.failed.err, e.failed.next.Format(time.TimeOnly))
	case !e.facts.known:
		return fmt.Errorf("no certificate for %q: the store has not been read yet", e.name)
	}
	return fmt.Errorf("no certificate for %q yet: it is being obtained", e.name)
}

// Cached returns the certificate for a name if that is in memory and in date, else nil.
// It never waits.
func (m *Manager) Cached(name string) *tls.Certificate {
	e := m.covering(name)
	if e == nil {
		return nil
	}
	now := time.Now().Unix()
	if e.used.Load() != now {
		e.used.Store(now)
	}
	if c := e.cert.Load(); c != nil && now < e.till.Load() {
		return c
	}
	return nil
}

// covering returns the entry of name, or of the wildcard that covers it.
func (m *Manager) covering(name string) *entry {
	if e := m.find(name); e != nil {
		return e
	}
	if w := wildcardOf(name); w != "" {
		return m.find(w)
	}
	return nil
}

// Knows tells whether a name is wanted, or known from the store.
func (m *Manager) Knows(name string) bool { return m.find(name) != nil }
