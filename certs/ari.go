package certs

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/weirproxy/weir/certs/storage"
)

// ariTime bounds a question for renewal information, which nothing depends on.
const ariTime = 10 * time.Second

// renewal asks when a certificate should be replaced. Without an answer its age decides,
// and it is asked again later.
func (m *Manager) renewal(ctx context.Context, from Issuer, leaf *x509.Certificate) storage.Renewal {
	ctx, cancel := context.WithTimeout(ctx, ariTime)
	defer cancel()
	r, err := from.RenewalInfo(ctx, leaf)
	switch {
	case err != nil:
		m.log.Debug("no renewal information", "ca", called(from), "err", err)
		return storage.Renewal{CheckAgain: time.Now().Round(0).Add(time.Hour)}
	case !r.Supported:
		return storage.Renewal{}
	}
	return storage.Renewal{Start: r.Start, End: r.End, Selected: r.Selected, CheckAgain: r.CheckAgain.Round(0), Explanation: r.Explanation}
}

// askAgain asks for the renewal information of the certificate of e, one node for all.
func (m *Manager) askAgain(ctx context.Context, e *entry, policy *Policy) error {
	lock, err := m.o.Store.TryLock(ctx, "issue/"+e.name)
	if errors.Is(err, storage.ErrHeld) {
		m.postpone(e, time.Minute)
		return nil
	}
	if err != nil {
		return &storeError{"lock name in", err}
	}
	defer m.unlock(ctx, lock)
	c, err := m.refresh(storage.Fresh(ctx), e)
	if err != nil {
		return &storeError{"read", err}
	}
	if c == nil || time.Now().Before(c.Renewal.CheckAgain) {
		return nil
	}
	leaf, err := leafOf(c.Chain)
	if err != nil {
		return fmt.Errorf("renewal information of %s: %w", e.name, err)
	}
	old := c.Renewal
	c.Renewal = storage.Renewal{} // an authority that is not asked any more has no say
	for _, from := range policy.Issuers {
		if from.ID() == c.Issuer {
			c.Renewal = keepSelected(old, m.renewal(ctx, from, leaf))
		}
	}
	if err := lock.Put(ctx, storage.CertKey(e.name), c.Encode(), time.Until(c.NotAfter)+keptAfterEnd); err != nil {
		return &storeError{"write", err}
	}
	return m.take(e, c, false)
}

// keepSelected keeps the moment that was chosen in a window, as long as the window does
// not move: chosen anew at every question it would wander to the window's end.
func keepSelected(old, now storage.Renewal) storage.Renewal {
	if now.Start.Equal(old.Start) && now.End.Equal(old.End) && !old.Selected.IsZero() {
		now.Selected = old.Selected
	}
	if now.Selected.IsZero() && !old.Selected.IsZero() && now.Start.IsZero() && !now.CheckAgain.IsZero() {
		now.Start, now.End, now.Selected = old.Start, old.End, old.Selected // it did not answer
	}
	return now
}

func (m *Manager) postpone(e *entry, by time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.facts.renewal.CheckAgain = time.Now().Round(0).Add(by)
}
