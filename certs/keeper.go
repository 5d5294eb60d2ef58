package certs

import (
	"strings"
	"time"

	"github.com/weirproxy/weir/certs/storage"
)

func (m *Manager) rouse() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// changed hears of what any node has written.
func (m *Manager) changed(key string) {
	if key == "" {
		m.stale.Store(true)
		m.rouse()
		return
	}
	name := strings.TrimPrefix(key, storage.CertPrefix)
	if !m.concerns(name) {
		return
	}
	e := m.locked(name)
	defer e.mu.Unlock()
	m.adopt(e)
	e.again = true
	m.plant(e)
}

// fullReads is how many times Every it takes until all that the store has is read again.
const fullReads = 6

// keep is the keeper: it does what is due.
func (m *Manager) keep() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	checked, read := time.Now(), time.Now()
	for {
		now := time.Now()
		if now.Sub(read) >= fullReads*m.o.Every {
			// Nobody tells of a store that was emptied, and word of changes may be lost.
			read = now
			m.stale.Store(true)
		}
		m.beat.Store(now.Unix())
		wait := m.o.StoreRetry
		if m.planned.Load() && (!m.stale.Load() || m.sync()) {
			if m.uneven.Swap(false) {
				m.arrange()
			}
			wait = min(m.startDue(now), m.o.Every)
		}
		if now.Sub(checked) >= m.o.Every {
			checked = now
			m.check(now)
			m.uneven.Store(true) // one may have run out
		}
		timer.Reset(wait)
		select {
		case <-m.life.Done():
			return
		case <-m.wake:
		case <-timer.C:
		}
	}
}

// startDue starts work on what is due, as far as there are free hands. It returns when
// it should be called again, unless it is roused.
func (m *Manager) startDue(now time.Time) time.Duration {
	for {
		select {
		case m.slots <- struct{}{}:
		default:
			return time.Hour // whoever gets free rouses
		}
		e, wait := m.queue.pop(now)
		if e == nil {
			<-m.slots
			return wait
		}
		free := func() {
			<-m.slots
			m.rouse()
		}
		begun := m.begin(e, free)
		m.queue.begun()
		if !begun {
			free()
		}
	}
}

// begin starts work on e, unless some is under way: then there will be more.
// finished is called at the end.
func (m *Manager) begin(e *entry, finished func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.busy {
		e.again = true
		return false
	}
	e.busy = m.start(func() {
		defer finished()
		m.work(e)
	})
	e.again = false
	return e.busy
}

// sync reads everything that the store has, once at the beginning and whenever changes
// may have been missed. It tells whether that worked.
func (m *Manager) sync() bool {
	m.stale.Store(false)
	seen := make(map[string]bool)
	for after := ""; ; {
		page, err := m.o.Store.List(m.life, storage.CertPrefix, after, syncPage)
		if err != nil {
			m.stale.Store(true)
			m.alarms.raise(m, "store", "certificates cannot be read from the store, which is tried again and again", "err", err)
			return false
		}
		for _, r := range page {
			name := strings.TrimPrefix(r.Key, storage.CertPrefix)
			seen[name] = true
			m.learn(name, r.Value)
		}
		if len(page) < syncPage {
			break
		}
		after = page[len(page)-1].Key
	}
	m.alarms.clear("store")
	m.names.Range(func(_, v any) bool {
		if e := v.(*entry); !seen[e.name] {
			m.learn(e.name, nil)
		}
		return true
	})
	select {
	case <-m.synced:
	default:
		close(m.synced)
	}
	return true
}

const syncPage = 500

// learn takes note of what the store has for name: nil is nothing.
func (m *Manager) learn(name string, value []byte) {
	if !m.concerns(name) {
		return
	}
	e := m.locked(name)
	m.adopt(e)
	if value == nil {
		m.rescue(e)
	}
	e.mu.Unlock()
	var c *storage.Cert
	var err error
	if value != nil {
		c, err = storage.DecodeCert(value)
	}
	if err == nil {
		err = m.take(e, c, m.hot.room())
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.again = e.again || err != nil // and then it will be said what that means
	if e.failed.store > 0 {
		e.failed.store, e.failed.next = 0, time.Time{} // it answers again
	}
	m.plant(e)
}

// adopt has e, which is locked and known from the store, renewed like those that clients
// ask for now, as long as they do.
func (m *Manager) adopt(e *entry) {
	if e.policy != nil {
		return
	}
	p := m.plan.Load()
	policy := p.demand(e.name)
	if policy == nil {
		if policy = p.Names[e.name]; policy == nil {
			return
		}
		m.uneven.Store(true) // a wildcard covers it
	}
	e.policy = policy
	e.used.CompareAndSwap(0, time.Now().Unix())
}

// concerns tells whether it matters what the store has for name.
func (m *Manager) concerns(name string) bool {
	p := m.plan.Load()
	return m.find(name) != nil || p.Names[name] != nil || p.demand(name) != nil
}

// plant gives e, which is locked, its place in the queue, by what is known of it: nothing
// else does, so that no moment is overwritten by one that was found out earlier. What
// nobody wants is forgotten. ok is false if there will be nothing to do.
func (m *Manager) plant(e *entry) (ok bool) {
	at, ok := m.next(e, time.Now())
	switch {
	case e.gone:
	case e.policy == nil && !e.busy && !e.claimed:
		m.forget(e)
	case !ok:
		m.queue.remove(e)
	case m.queue.set(e, at):
		m.rouse()
	}
	return ok
}
