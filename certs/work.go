package certs

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/certs/issuer"
	"github.com/weirproxy/weir/certs/storage"
)

// next says when there is something to do for e, which is locked; ok is false if that
// is never.
func (m *Manager) next(e *entry, now time.Time) (at time.Time, ok bool) {
	switch f := &e.facts; {
	case e.policy == nil:
		return time.Time{}, false
	case e.again:
		return now, true // even while a pause goes on
	case !f.known, e.unsaved != nil, e.forced:
		at = now
	case !f.stored && !e.always:
		// Nobody has a right to it but clients that ask; only the failure is remembered.
		at = e.failed.pause(now)
		return at, now.Before(at)
	case !f.stored:
		at = now
	default:
		if at = m.renewAt(e); !e.fitting() {
			at = now
		}
		if !e.always && !at.After(now) && !m.asked(e) {
			// Not one client since it was obtained: it may run out. But look again.
			if at = now.Add(max(f.notAfter.Sub(now)/4, time.Minute)); now.After(f.notAfter) {
				return time.Time{}, false
			}
		}
		if c := f.renewal.CheckAgain; !c.IsZero() && c.Before(at) && !e.isForeign() {
			at = c
		}
	}
	if until := e.failed.pause(now); at.Before(until) {
		at = until
	}
	return at, true
}

// calmByARI is how long an authority that asks for a renewal again and again has to wait.
const calmByARI = 24 * time.Hour

// renewAt is when the stored certificate of e, which is locked, is to be replaced. An
// authority that wants a certificate back has it renewed once, and not over and over
// if it says the same of the new one.
func (m *Manager) renewAt(e *entry) time.Time {
	at := e.facts.renewAt(e.name, m.o.RenewAt)
	if calm := e.byARI.Add(min(calmByARI, e.facts.life()/4)); !e.byARI.IsZero() && at.Before(calm) {
		return calm
	}
	return at
}

// fitting tells whether the stored certificate of e, which is locked, is one that its
// policy would get: one that somebody imported always is, and one that a node with
// another configuration has obtained since, until it is due.
func (e *entry) fitting() bool {
	return e.facts.issuer == Imported || e.policy.has(e.facts.issuer) || e.isForeign()
}

// isForeign tells whether e, which is locked, has a certificate that only another node
// can ask the authority about.
func (e *entry) isForeign() bool { return e.foreign != "" && e.foreign == e.facts.serial }

// Imported is the issuer of certificates that came from elsewhere.
const Imported = "imported"

// work does what is due for e. It runs on a goroutine of its own; no other works on e.
func (m *Manager) work(e *entry) {
	ctx, cancel := context.WithTimeout(m.life, m.o.OrderTime)
	defer cancel()
	err := m.tend(ctx, e)
	closing := m.life.Err() != nil
	now := time.Now().Round(0)
	e.mu.Lock()
	e.busy = false
	switch {
	case errors.Is(err, errNotYet), errors.Is(err, errNoted):
		err = nil // what failed before, or has just been noted, still counts
	case err == nil:
		e.failed = failure{wait: e.failed.wait}
	case !closing:
		m.fail(e, now, err)
	}
	if !m.plant(e) && lapsed(e) {
		m.forget(e)
	}
	e.ring()
	e.mu.Unlock()
	if strings.HasPrefix(e.name, "*.") {
		m.uneven.Store(true)
	}
	if err != nil && !closing {
		m.report(e, err)
	}
}

// errNotYet: an order is due, and the pause after a failure is not over.
var errNotYet = errors.New("not before the pause is over")

// fail notes that work on e, which is locked, failed, and when to try again: soon where
// it was the store, else after longer and longer pauses, and not before the authorities
// want to be asked.
func (m *Manager) fail(e *entry, now time.Time, err error) {
	f := &e.failed
	f.err, f.at = err, now
	if !e.always {
		e.forced = false
	}
	if _, ok := errors.AsType[*storeError](err); ok {
		f.next = now.Add(m.o.StoreRetry << min(f.store, mostDoublings))
		if unreadable(err) {
			f.next = now.Add(m.o.Every)
		}
		f.store++
		return
	}
	f.times++
	f.store = 0
	pause := m.o.Retry[min(f.times, len(m.o.Retry))-1]
	if unanswered(err) {
		pause = min(pause, firstUnanswered<<min(f.times-1, 20))
	}
	f.next = now.Add(pause + time.Duration(spread(e.name)*0.1*float64(pause)))
	if e.policy == nil {
		return
	}
	first := time.Time{}
	for _, i := range e.policy.Issuers {
		until := f.wait[i.ID()]
		if !now.Before(until) {
			return
		}
		if first.IsZero() || until.Before(first) {
			first = until
		}
	}
	if first.After(f.next) {
		f.next = first
	}
}

// firstUnanswered is the pause after an authority could not be reached, which costs it
// nothing: at start the network may not be there yet. Further ones are twice as long each.
const firstUnanswered = 5 * time.Second

// unanswered tells whether no authority was reached.
func unanswered(err error) bool {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return !slices.ContainsFunc(many.Unwrap(), func(err error) bool { return !unanswered(err) })
	}
	e, ok := errors.AsType[*issuer.Error](err)
	return ok && e.Status == 0 && e.Challenge == "" && e.Type == "" && e.RetryAt.IsZero()
}

// mostDoublings bounds the pauses after the store has failed, so to about a minute.
const mostDoublings = 5

// unreadable tells whether the store has something that people have to see to.
func unreadable(err error) bool {
	return errors.Is(err, storage.ErrNewer) || errors.Is(err, storage.ErrOtherKey) || errors.Is(err, storage.ErrSealed)
}

// lapsed tells whether nobody would miss e, which is locked and for which there is
// nothing to do.
func lapsed(e *entry) bool { return !e.claimed && !e.always && e.unsaved == nil && !e.gone }

// tend looks what the store has for e, and obtains what is missing or due.
func (m *Manager) tend(ctx context.Context, e *entry) error {
	if _, err := m.refresh(ctx, e); err != nil {
		return &storeError{"read", err}
	}
	e.mu.Lock()
	policy, now := e.policy, time.Now()
	order, ask := m.verdict(e, now)
	unsaved, stored, pause := e.unsaved, e.facts.stored, now.Before(e.failed.pause(now))
	e.mu.Unlock()
	switch {
	case policy == nil:
		return nil
	case unsaved != nil && !order:
		return m.saveLate(ctx, e, unsaved)
	case pause && (order || !stored):
		return errNotYet // something else has roused us, and has been looked at
	case order:
		return m.order(ctx, e)
	case ask:
		return m.askAgain(ctx, e, policy)
	}
	return nil
}

// verdict says what is due for e, which is locked.
func (m *Manager) verdict(e *entry, now time.Time) (order, ask bool) {
	f := &e.facts
	if e.policy == nil {
		return false, false
	}
	if u := e.unsaved; u != nil {
		return now.After(factsOfRef(u).renewAt(e.name, m.o.RenewAt)), false
	}
	if !f.stored {
		return e.always || e.forced, false
	}
	due := e.forced || !e.fitting() || !now.Before(m.renewAt(e))
	if !e.always && !e.forced && !m.asked(e) {
		due = false
	}
	return due, !f.renewal.CheckAgain.IsZero() && !now.Before(f.renewal.CheckAgain) && !e.isForeign()
}

func factsOfRef(c *storage.Cert) *facts {
	f := factsOf(c)
	return &f
}

// asked tells whether e, which is locked, has been of use since it was obtained.
func (m *Manager) asked(e *entry) bool { return e.used.Load() >= e.facts.obtained.Unix() }

// refresh reads what the store has for e, and returns it: nil if that is nothing that
// can be used. What cannot be read here, though it may be good, is an error.
func (m *Manager) refresh(ctx context.Context, e *entry) (*storage.Cert, error) {
	value, err := m.o.Store.Get(ctx, storage.CertKey(e.name))
	var c *storage.Cert
	if err == nil {
		c, err = storage.DecodeCert(value)
	}
	if err == nil {
		_, err = pairFor(e.name, c)
	}
	switch {
	case err == nil:
		return c, m.take(e, c, m.hot.room())
	case errors.Is(err, fs.ErrNotExist):
		e.mu.Lock()
		m.rescue(e)
		e.mu.Unlock()
		defer m.rescueCopy(ctx, e)
	case errors.Is(err, storage.ErrDamaged):
		m.log.Error("a stored certificate is damaged and will be replaced", "name", e.name, "err", err)
	default:
		return nil, err
	}
	return nil, m.take(e, nil, false)
}

// permitted asks once more whether a name that is had on demand may be renewed.
func (m *Manager) permitted(ctx context.Context, e *entry) error {
	p := m.plan.Load()
	if p.Guard == nil {
		return errors.New("nothing decides about names that are obtained on demand")
	}
	return p.Guard.Allowed(ctx, e.name, netip.Addr{})
}
