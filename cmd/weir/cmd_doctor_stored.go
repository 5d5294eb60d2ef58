package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/weirproxy/weir/certs"
	"github.com/weirproxy/weir/certs/storage"
)

// examineStored says how it stands with the certificate of a name: until when it lasts,
// and why the last attempt to have another failed. Nothing where the store cannot tell.
func (d *doctor) examineStored(ctx context.Context, t *target) []finding {
	o := d.opened.Load()
	if o.err != nil || o.shelf.missing() != nil {
		return nil
	}
	now := time.Now()
	f := finding{Level: fine, Found: "there is none yet"}
	value, err := o.shelf.certs.Get(storage.Fresh(ctx), storage.CertKey(t.name))
	var c *storage.Cert
	if err == nil {
		c, err = storage.DecodeCert(value)
	}
	if err == nil {
		err = storage.CheckRecord(storage.Record{Key: storage.CertKey(t.name), Value: value}, now)
	}
	switch {
	case err == nil:
		f.Found = "good until " + dated(c.NotAfter, now)
	case errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, storage.ErrExpired), errors.Is(err, storage.ErrDamaged), errors.Is(err, storage.ErrNewer), errors.Is(err, storage.ErrSealed), errors.Is(err, storage.ErrOtherKey):
		f.Level, f.Found, f.Hint = wrong, brief(err), "weir cert show "+t.name+" says more"
		if errors.Is(err, storage.ErrOtherKey) {
			f.Hint = lostKeyHint
		}
	default:
		return nil // of which the check of the store has told
	}
	if last := lastFailure(ctx, o.shelf.certs, t.name); last != nil && (c == nil || last.At.After(c.Obtained)) {
		f.Level = warning
		if err != nil {
			f.Level = wrong
		}
		f.Found += fmt.Sprintf("; the last attempt failed %s ago: %s", span(now.Sub(last.At)), cmp.Or(last.Saw, last.Error))
		f.Hint = last.Hint
	}
	return []finding{f}
}

// lastFailure is what nodes have left of a failure; nil if there is none.
func lastFailure(ctx context.Context, s storage.Store, name string) *certs.Failure {
	value, err := s.Get(ctx, certs.FailureKey(name))
	f := new(certs.Failure)
	if err != nil || json.Unmarshal(value, f) != nil || f.Error == "" {
		return nil
	}
	return f
}

// lostKeyHint is what to do about what no key opens.
const lostKeyHint = "give the key it was written with as well, behind the others; if that is lost, weir cert check --lost-key has all of it obtained anew"
