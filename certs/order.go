package certs

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/weirproxy/weir/certs/issuer"
	"github.com/weirproxy/weir/certs/storage"
)

// storeError says that it was the store, and not an authority, that failed: which is
// tried again soon.
type storeError struct {
	what string
	err  error
}

func (e *storeError) Error() string { return e.what + " store: " + e.err.Error() }
func (e *storeError) Unwrap() error { return e.err }

// order obtains a certificate for e, unless another node has meanwhile. The lock is
// taken before anything is asked of an authority: where it cannot be written to, the
// store could not keep the certificate either.
func (m *Manager) order(ctx context.Context, e *entry) error {
	lock, err := m.o.Store.Lock(ctx, "issue/"+e.name)
	if err != nil {
		return &storeError{"lock name in", err}
	}
	defer m.unlock(ctx, lock)
	stored, err := m.refresh(storage.Fresh(ctx), e)
	if err != nil {
		return &storeError{"read", err}
	}
	e.mu.Lock()
	order, _ := m.verdict(e, time.Now())
	policy, always, forced, byARI := e.policy, e.always, e.forced, m.byARI(e)
	another := e.facts.serial != e.over
	e.mu.Unlock()
	if !order || forced && another {
		e.settle()
		return nil
	}
	if err := m.heed(ctx, e); err != nil {
		return err
	}
	if !always && !forced {
		if err := m.permitted(ctx, e); err != nil {
			return err
		}
	}
	c, err := m.tryUnder(ctx, lock, e, policy, stored)
	if err != nil {
		return m.failed(e, err)
	}
	if byARI {
		e.mu.Lock()
		e.byARI = c.Obtained
		e.mu.Unlock()
	}
	return m.save(ctx, e, lock, c)
}

// tryUnder is try, broken off when the lock is lost: then another node has it, and what
// we would obtain could not be written.
func (m *Manager) tryUnder(ctx context.Context, lock storage.Lock, e *entry, policy *Policy, stored *storage.Cert) (*storage.Cert, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	m.done.Go(func() {
		select {
		case <-lock.Lost():
			cancel(storage.ErrLost)
		case <-ctx.Done():
		}
	})
	c, err := m.try(ctx, e, policy, stored)
	if err != nil && errors.Is(context.Cause(ctx), storage.ErrLost) {
		return nil, &storeError{"keep lock in", storage.ErrLost}
	}
	return c, err
}

// good tells whether the store has a certificate that is in date.
func (e *entry) good() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.facts.stored && time.Now().Before(e.facts.notAfter)
}

// lacks tells whether the store still waits for c.
func (e *entry) lacks(c *storage.Cert) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.unsaved == c
}

// settle takes note that what was wanted is there.
func (e *entry) settle() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.forced = false
}

// byARI tells whether it is the authority's wish that e, which is locked, is renewed now.
func (m *Manager) byARI(e *entry) bool {
	s := e.facts.renewal.Selected
	return e.facts.stored && !e.forced && !s.IsZero() && !time.Now().Before(s)
}

func (m *Manager) unlock(ctx context.Context, lock storage.Lock) {
	// Also when the order was broken off: other nodes wait for the lock.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := lock.Unlock(ctx); err != nil {
		m.log.Warn("a lock was not given back, others have to wait until it runs out", "err", err)
	}
}

// try asks one issuer after the other for a certificate in place of the stored one, if
// there is one. The error has what each of them said.
func (m *Manager) try(ctx context.Context, e *entry, policy *Policy, stored *storage.Cert) (*storage.Cert, error) {
	var errs []error
	for _, from := range policy.Issuers {
		until, all := m.leftAlone(e, from.ID())
		if time.Now().Before(until) {
			if all {
				e.leaveAlone(from.ID(), until)
			}
			errs = append(errs, &issuer.Error{CA: from.ID(), Name: e.name, RetryAt: until, Err: errors.New("it has asked to be left alone until " + until.Format(time.DateTime))})
			continue
		}
		var replaces *x509.Certificate
		if stored != nil && stored.Issuer == from.ID() { // an authority knows its own only (RFC 9773 §5)
			replaces, _ = leafOf(stored.Chain)
		}
		c, err := m.obtainFrom(ctx, e, from, policy.Profile, replaces)
		m.watchClock(from)
		if err == nil {
			return c, nil
		}
		errs = append(errs, err)
		if refused, ok := errors.AsType[*issuer.Error](err); ok && !refused.RetryAt.IsZero() {
			e.leaveAlone(from.ID(), refused.RetryAt)
			if refused.All {
				m.refused.Store(from.ID(), &failure{at: time.Now().Round(0), next: refused.RetryAt.Round(0)})
			}
		}
		if ctx.Err() != nil {
			break
		}
		m.counts.failures.Add(1)
	}
	if len(errs) == 1 {
		return nil, errs[0]
	}
	return nil, errors.Join(errs...)
}

// leftAlone is until when an issuer wants to be left alone for e, or for all names.
func (m *Manager) leftAlone(e *entry, id string) (until time.Time, all bool) {
	now := time.Now()
	e.mu.Lock()
	until = e.failed.alone(id, now)
	e.mu.Unlock()
	if v, ok := m.refused.Load(id); ok {
		if at := v.(*failure).pause(now); at.After(until) {
			return at, true
		}
	}
	return until, false
}

func (e *entry) leaveAlone(id string, until time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failed.wait == nil {
		e.failed.wait = map[string]time.Time{}
	}
	e.failed.wait[id] = until.Round(0)
}

func (m *Manager) obtainFrom(ctx context.Context, e *entry, from Issuer, profile string, replaces *x509.Certificate) (*storage.Cert, error) {
	began := time.Now()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	m.counts.orders.Add(1)
	issued, err := from.Obtain(ctx, issuer.Order{Names: []string{e.name}, Key: key, Replaces: replaces, Profile: profile})
	if err != nil {
		return nil, err
	}
	leaf, err := leafOf(issued.Chain)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from.ID(), err)
	}
	if ahead := time.Until(leaf.NotBefore); ahead > m.o.Skew && e.good() {
		return nil, &issuer.Error{CA: from.ID(), Name: e.name, Err: fmt.Errorf("its certificate begins in %v only, by the clock of this machine: the old one is kept as long as it is good", ahead.Round(time.Second))}
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	c := &storage.Cert{
		Names: []string{e.name}, Chain: issued.Chain, Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		Issuer: from.ID(), URL: issued.URL, Profile: profile, Node: m.o.Node,
		Obtained: time.Now().UTC().Truncate(time.Second), NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter,
		Serial: leaf.SerialNumber.Text(16),
	}
	c.Renewal = m.renewal(ctx, from, leaf)
	m.log.Info("certificate obtained", "name", e.name, "ca", called(from), "until", leaf.NotAfter, "took", time.Since(began).Round(time.Millisecond).String())
	return c, nil
}

func leafOf(chain []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(chain)
	if block == nil {
		return nil, errors.New("the chain has no certificate")
	}
	return x509.ParseCertificate(block.Bytes)
}

// keptAfterEnd is how long a certificate that has run out stays in the store.
const keptAfterEnd = 90 * 24 * time.Hour

// save writes c down and serves it. When the store fails, c is served from memory and
// written later: the order has been paid for. When another node has the lock by now,
// its certificate counts.
func (m *Manager) save(ctx context.Context, e *entry, lock storage.Lock, c *storage.Cert) error {
	if err := c.Valid(); err != nil {
		return err
	}
	err := lock.Put(context.WithoutCancel(ctx), storage.CertKey(e.name), c.Encode(), time.Until(c.NotAfter)+keptAfterEnd)
	if errors.Is(err, storage.ErrLost) {
		return &storeError{"write", fmt.Errorf("certificate %s was not written: %w", c.Serial, err)}
	}
	cert, broken := c.TLS()
	if broken != nil {
		return broken
	}
	e.mu.Lock()
	e.facts, e.forced, e.unsaved = factsOf(c), false, nil
	e.rescued = e.rescued && err != nil
	if err != nil {
		e.facts.stored, e.unsaved = false, c
	}
	m.serve(e, cert)
	e.mu.Unlock()
	if err != nil {
		return &storeError{"write certificate to", err}
	}
	m.reportSuccess(ctx, e)
	return nil
}

// saveLate writes down what could not be written when it was obtained.
func (m *Manager) saveLate(ctx context.Context, e *entry, c *storage.Cert) error {
	lock, err := m.o.Store.Lock(ctx, "issue/"+e.name)
	if err != nil {
		return &storeError{"lock name in", err}
	}
	defer m.unlock(ctx, lock)
	if _, err := m.refresh(storage.Fresh(ctx), e); err != nil {
		return &storeError{"read", err}
	}
	if !e.lacks(c) {
		return nil // another node was faster
	}
	return m.save(ctx, e, lock, c)
}
