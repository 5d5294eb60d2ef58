package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/weirproxy/weir/certs/storage"
)

// RenewAt is when a Manager whose ManagerOptions.RenewAt is share renews the stored
// certificate of a name; 0 means the default.
func RenewAt(c *storage.Cert, name string, share float64) time.Time {
	o := ManagerOptions{RenewAt: share}
	o.complete()
	return factsOfRef(c).renewAt(name, o.RenewAt)
}

// Import writes a certificate that came from elsewhere into the store, under the first
// of its names and as of issuer [Imported]. Managers of all nodes serve it as soon as
// they hear of it, and renew it in time as if it were theirs. A certificate that is good
// for longer, or for as long, stays as it is unless replace is set: it is returned.
//
// It waits for the lock of the name, so for an order that is under way, until ctx ends.
func Import(ctx context.Context, store storage.Store, c *storage.Cert, replace bool) (kept *storage.Cert, err error) {
	c.Issuer = Imported
	if err := c.Valid(); err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	if _, err := c.TLS(); err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	name := c.Names[0]
	lock, err := store.Lock(ctx, "issue/"+name)
	if err != nil {
		return nil, fmt.Errorf("import %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, lock.Unlock(context.WithoutCancel(ctx))) }()
	if value, err := store.Get(storage.Fresh(ctx), storage.CertKey(name)); err == nil && !replace {
		if old, err := usable(value); err == nil && !old.NotAfter.Before(c.NotAfter) {
			return old, nil
		}
	}
	if err := lock.Put(ctx, storage.CertKey(name), c.Encode(), time.Until(c.NotAfter)+keptAfterEnd); err != nil {
		return nil, fmt.Errorf("import %s: %w", name, err)
	}
	if err := store.Delete(ctx, FailureKey(name)); err != nil {
		return nil, fmt.Errorf("import %s: take back its last failure: %w", name, err)
	}
	return nil, nil
}

// usable reads a record whose certificate could be served.
func usable(value []byte) (*storage.Cert, error) {
	c, err := storage.DecodeCert(value)
	if err != nil {
		return nil, err
	}
	_, err = c.TLS()
	return c, err
}

// ReadPair reads a certificate chain and its key, in PEM form, which may be one file.
// Warnings are for what clients may refuse, errors, which say what to do, for what
// cannot be served.
func ReadPair(cert, key string) (pair *tls.Certificate, warnings []string, err error) {
	l, err := readPair(cert, key)
	if err != nil {
		return nil, nil, err
	}
	return l.cert, l.warnings, nil
}
