package certs

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/weirproxy/weir/certs/storage"
)

// Renew has the certificate of a name obtained now, whatever its age, and waits for
// that. The error is why it was not.
func (m *Manager) Renew(ctx context.Context, name string) error {
	e := m.find(name)
	if w := wildcardOf(name); e == nil && w != "" && m.find(w) != nil {
		return fmt.Errorf("renew %q: it is served with the certificate of %q, which is the one to renew", name, w)
	}
	if e == nil {
		return fmt.Errorf("renew %q: no site has that name", name)
	}
	e.mu.Lock()
	if e.policy == nil || e.gone {
		e.mu.Unlock()
		return fmt.Errorf("renew %q: nothing says where to get a certificate", name)
	}
	before := e.facts.serial
	e.forced, e.over, e.failed.next, e.failed.err = true, before, time.Time{}, nil
	clear(e.failed.wait)
	bell := e.listen()
	m.plant(e)
	e.mu.Unlock()
	for {
		select {
		case <-bell:
		case <-ctx.Done():
			return fmt.Errorf("renew %q: it goes on in the background: %w", name, ctx.Err())
		case <-m.life.Done():
			return fmt.Errorf("renew %q: %w", name, errClosed)
		}
		e.mu.Lock()
		now, err := e.facts.serial, e.failed.err
		bell = e.listen()
		e.mu.Unlock()
		if now != before {
			return nil
		}
		if err != nil {
			return fmt.Errorf("renew %q: %w", name, err)
		}
	}
}

// Revoke takes the certificate of a name back, for one of the reasons of RFC 5280
// §5.3.1, and has another one with another key obtained: if need be later, by any node.
func (m *Manager) Revoke(ctx context.Context, name string, reason int) error {
	c, err := m.revoke(ctx, name, reason)
	if err != nil {
		return fmt.Errorf("revoke %q: %w", name, err)
	}
	m.log.Warn("certificate revoked", "name", name, "serial", c.Serial, "reason", reason)
	if err := m.condemn(ctx, name, c.Serial); err != nil {
		m.log.Warn("a revoked certificate is not marked in the store, and would be served after a restart", "name", name, "err", err)
	}
	return m.Renew(ctx, name)
}

func (m *Manager) revoke(ctx context.Context, name string, reason int) (*storage.Cert, error) {
	c, err := m.stored(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("there is no certificate of that name")
	}
	if err != nil {
		return nil, err
	}
	cert, err := c.TLS()
	if err != nil {
		return nil, err
	}
	key, ok := cert.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, errors.New("its key cannot sign")
	}
	from := m.issuerOf(name, c.Issuer)
	if from == nil {
		return nil, fmt.Errorf("its issuer %s is not among those of the configuration", c.Issuer)
	}
	return c, from.Revoke(ctx, cert.Leaf, key, reason)
}

// stored is what the store itself has for name.
func (m *Manager) stored(ctx context.Context, name string) (*storage.Cert, error) {
	value, err := m.o.Store.Get(storage.Fresh(ctx), storage.CertKey(name))
	if err != nil {
		return nil, err
	}
	return storage.DecodeCert(value)
}

// condemn has the certificate of that serial number be due at once, on all nodes.
func (m *Manager) condemn(ctx context.Context, name, serial string) error {
	lock, err := m.o.Store.Lock(ctx, "issue/"+name)
	if err != nil {
		return err
	}
	defer m.unlock(ctx, lock)
	c, err := m.stored(ctx, name)
	if err != nil || c.Serial != serial {
		return err
	}
	now := time.Now().UTC()
	c.Renewal = storage.Renewal{Start: now, End: now, Selected: now}
	return lock.Put(ctx, storage.CertKey(name), c.Encode(), time.Until(c.NotAfter)+keptAfterEnd)
}

func (m *Manager) issuerOf(name, id string) Issuer {
	e := m.find(name)
	if e == nil {
		return nil
	}
	policy, _ := e.wants()
	if policy == nil {
		return nil
	}
	for _, i := range policy.Issuers {
		if i.ID() == id {
			return i
		}
	}
	return nil
}
