package certs

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/certs/storage"
)

// heed looks whether another node has tried to have a certificate for e and failed, and
// if so joins its pause: the error says that it is not over. Otherwise a name would be
// tried once by each node. Whoever says that it is to be now, or has just been given
// other issuers, does not wait; neither does a node that comes back after a restart for
// what it has left itself.
func (m *Manager) heed(ctx context.Context, e *entry) error {
	e.mu.Lock()
	now, obtained := e.forced || e.urgent, e.facts.obtained
	e.urgent = false
	e.mu.Unlock()
	if now {
		return nil
	}
	value, err := m.o.Store.Get(storage.Fresh(ctx), FailureKey(e.name))
	if err != nil {
		return nil // there is none; or it cannot be read, and then neither can the lock be kept
	}
	var f Failure
	if json.Unmarshal(value, &f) != nil || f.Node == m.o.Node || f.At.Before(obtained) {
		return nil
	}
	theirs := failure{at: f.At, next: f.Next}
	if now := time.Now(); !now.Before(theirs.pause(now)) {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.noted = true // so that success takes it back
	e.failed.times, e.failed.at, e.failed.err = f.Attempts, f.At, errors.New(f.Error)
	e.failed.next = f.Next
	return errNotYet
}

// failed notes that an order of e failed while its lock is held: who waits for the lock
// looks for that first. It returns what work is to be told.
func (m *Manager) failed(e *entry, err error) error {
	if _, ok := errors.AsType[*storeError](err); ok || m.life.Err() != nil {
		return err
	}
	e.mu.Lock()
	m.fail(e, time.Now().Round(0), err)
	e.mu.Unlock()
	m.report(e, err)
	return errNoted
}

// errNoted: what went wrong has been noted already.
var errNoted = errors.New("noted")

// tolerate takes note that another node has put c in the place of what e, which is
// locked, had, and that c is of an authority that this configuration does not name: as
// it is while the configurations of nodes are changed one after the other.
func (m *Manager) tolerate(e *entry, c *storage.Cert) {
	if e.policy == nil || c.Issuer == Imported || e.policy.has(c.Issuer) {
		return
	}
	e.foreign = c.Serial
	m.foreign.seldom(m.o.Every, func() {
		m.log.Warn("another node has certificates of an authority that this configuration does not name: they are kept until they are due",
			"name", e.name, "ca", c.Issuer, "node", c.Node)
	})
}

// seldom lets through what would be said again and again.
type seldom struct{ last atomic.Int64 } // in seconds

// seldom calls say, unless it did so within every.
func (s *seldom) seldom(every time.Duration, say func()) {
	now, last := time.Now().Unix(), s.last.Load()
	if now-last >= int64(every.Seconds()) && s.last.CompareAndSwap(last, now) {
		say()
	}
}

// reached has names tried soon that failed since an authority was away, now that one
// answers: by their own pauses that might take hours.
func (m *Manager) reached() {
	away := false
	m.unreached.Range(func(_, _ any) bool { away = true; return false })
	if !away {
		return
	}
	m.unreached.Clear()
	m.names.Range(func(_, v any) bool {
		e := v.(*entry)
		e.mu.Lock()
		defer e.mu.Unlock()
		soon := time.Now().Round(0).Add(time.Duration(spread(e.name) * float64(firstUnanswered)))
		if e.failed.err != nil && unanswered(e.failed.err) && soon.Before(e.failed.next) {
			e.failed.next = soon
			m.plant(e)
		}
		return true
	})
}
