package upstream

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Pool is a set of endpoints that calls are divided among. It is shared by all who
// asked for the same; its methods may be called at the same time.
type Pool struct {
	owner    *Upstreams
	name     string
	key      string
	number   int // of all pools ever made
	settings Settings
	policy   policy
	hash     hashBy
	tls      *tls.Config // to be cloned, with ServerName
	origins  []origin
	born     time.Time // what times are counted from
	holders  int       // guarded by owner.mu

	set       atomic.Pointer[set]
	turn      atomic.Uint64 // of round-robin
	calls     atomic.Uint64
	retries   atomic.Uint64
	exhausted atomic.Uint64 // retries that the budget did not allow
	refused   atomic.Uint64 // calls that found no endpoint, or no place in time
	queue     queue
	budget    budget

	// mu guards what endpoints say it does, and that set is made of what is the case.
	// Calls take it only when something has changed.
	mu       sync.Mutex
	lookup   lookup
	checks   int           // that are running
	changed  bool          // by them: set is to be made anew
	kick     chan struct{} // the keeper should look again
	resolved chan struct{} // closed when there is an endpoint, or no name that was not looked up
	cancel   context.CancelFunc
	keeper   sync.WaitGroup
}

func newPool(u *Upstreams, name, key string, number int, s Settings, config *tls.Config) *Pool {
	p := &Pool{
		owner: u, name: name, key: key, number: number, settings: s, tls: config,
		policy: policy(slices.Index(policies, s.Policy)), born: time.Now(),
		kick: make(chan struct{}, 1), resolved: make(chan struct{}),
	}
	// Both were checked before.
	p.hash, _ = parseHash(s.Hash)
	p.origins, _ = s.origins()
	p.queue.most = int64(s.Limits.Pending)
	p.lookup.start(p)
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	if p.lookup.needed || s.Health.Interval > 0 {
		p.keeper.Go(func() { p.keep(ctx) })
	}
	return p
}

// Name is what the pool was asked for by.
func (p *Pool) Name() string { return p.name }

// now is the time since the pool was made, in nanoseconds, and never 0.
func (p *Pool) now() int64 { return int64(time.Since(p.born)) + 1 }

func (p *Pool) end() {
	p.cancel()
	p.keeper.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.set.Load().all {
		e.client.Close()
	}
}

// fresh returns the set, made anew where time alone has made it stale.
func (p *Pool) fresh(now int64) *set {
	s := p.set.Load()
	if !s.stale(now) {
		return s
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s = p.set.Load(); s.stale(now) { // nobody else was faster
		p.comeBack(now)
		p.renew(s.all)
		s = p.set.Load()
	}
	return s
}

// renew makes the set of all anew. p.mu is held.
func (p *Pool) renew(all []*endpoint) {
	p.set.Store(newSet(all, p.now(), p.settings.Sticky != ""))
	if p.queue.length.Load() > 0 {
		p.serve()
	}
}

// note writes down and logs what has become of e. p.mu is held.
func (p *Pool) note(e *endpoint, level slog.Level, event, why string) {
	e.why, e.since = why, time.Now()
	p.owner.log.Log(context.Background(), level, event, "pool", p.name, "endpoint", e.address, "why", why)
}

func (p *Pool) drain(address string, drain bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	all, found, names := p.set.Load().all, false, []string(nil)
	for _, e := range all {
		names = append(names, e.address)
		if address != "" && e.address != address {
			continue
		}
		found = true
		if e.draining == drain {
			continue
		}
		if e.draining = drain; drain {
			p.note(e, slog.LevelInfo, "endpoint is draining", "drained by order")
		} else {
			e.started.Store(p.now())
			p.note(e, slog.LevelInfo, "endpoint takes calls again", "")
		}
	}
	if !found {
		return fmt.Errorf("drain endpoint %q of upstream %q: unknown: there are %s", address, p.name, listed(names))
	}
	p.renew(all)
	return nil
}
