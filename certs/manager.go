package certs

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/certs/storage"
)

// ManagerOptions hold for a Manager's whole life. All but Store have a default.
type ManagerOptions struct {
	Store storage.Store
	Log   *slog.Logger
	Node  string // who this is, noted with what it obtains
	// Cache is how many certificates are kept in memory, ready to be served; the others
	// are read when somebody asks for them. 0 means 10,000.
	Cache int
	// Every is how often what is due is looked for beside its own time, and how often
	// an alarm is repeated at most times ten; 0 means 10 minutes.
	Every time.Duration
	// RenewAt is the share of its life that a certificate has left when it is renewed;
	// 0 means a third.
	RenewAt float64
	// Orders is how many orders are under way at once; 0 means 16.
	Orders int
	// OrderTime bounds one order, over all issuers; 0 means 15 minutes, since records of
	// DNS may take that long to be seen.
	OrderTime time.Duration
	// Wait is how long a handshake waits for a certificate that is being obtained or
	// read; 0 means 15 s.
	Wait time.Duration
	// Retry are the pauses after a first, second, … failure; the last one is repeated.
	// Nil means 1, 5, 15 and 30 minutes, then 1, 2 and 6 hours: no more than five orders
	// in the first hour, which is what Let's Encrypt allows to fail.
	Retry []time.Duration
	// StoreRetry is the pause after the store could not be reached, doubled five times
	// at most while that goes on; 0 means 2 s.
	StoreRetry time.Duration
	// Skew is how far clocks of authorities may be from ours before an alarm; 0 means a
	// minute.
	Skew time.Duration
}

func (o *ManagerOptions) complete() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Cache <= 0 {
		o.Cache = 10_000
	}
	if o.Every <= 0 {
		o.Every = 10 * time.Minute
	}
	if o.RenewAt <= 0 || o.RenewAt >= 1 {
		o.RenewAt = 1.0 / 3
	}
	if o.Orders <= 0 {
		o.Orders = 16
	}
	if o.OrderTime <= 0 {
		o.OrderTime = 15 * time.Minute
	}
	if o.Wait <= 0 {
		o.Wait = 15 * time.Second
	}
	if len(o.Retry) == 0 {
		const m = time.Minute
		o.Retry = []time.Duration{m, 5 * m, 15 * m, 30 * m, 60 * m, 120 * m, 360 * m}
	}
	if o.StoreRetry <= 0 {
		o.StoreRetry = 2 * time.Second
	}
	if o.Skew <= 0 {
		o.Skew = time.Minute
	}
}

// Manager has certificates of authorities for the names of a plan: obtains them, serves
// them, renews them in time, and shares them with the other nodes of its store. There
// is one for the life of the process; its methods are safe for concurrent use.
//
// A handshake takes what it needs from memory, and never waits for the store or an
// authority while there is a certificate to serve. Everything else happens in the
// background: one goroutine, the keeper, knows what is due when, and starts one for
// each certificate that has to be read, ordered or asked about.
type Manager struct {
	o    ManagerOptions
	log  *slog.Logger
	plan atomic.Pointer[Plan]
	// planned is set with the first plan. Until then it is not known which names of the
	// store are of interest.
	planned atomic.Bool
	// uneven says that a wildcard has come, or has failed: see arrange.
	uneven    atomic.Bool
	arranging sync.Mutex
	// names has an *entry for each name that is wanted, or known from the store.
	names sync.Map
	// refused has a *failure for the ID of each issuer that wanted to be left alone.
	refused sync.Map

	life   context.Context // ends with Close
	end    context.CancelFunc
	ending sync.RWMutex // held while Close makes the end known, and while something is started
	done   sync.WaitGroup

	queue  queue
	hot    hotSet
	wake   chan struct{} // the keeper is to look at the queue
	slots  chan struct{} // one for each order that may be under way
	synced chan struct{} // closed when all that the store has was read once
	stale  atomic.Bool   // changes in the store may have been missed
	beat   atomic.Int64  // when the keeper last looked, in seconds
	// The log heard last of certificates of others' authorities, and of a store that has
	// lost some.
	foreign, told seldom
	// unreached has a *seldom by the name of an authority that does not answer.
	unreached sync.Map
	alarms    alarms
	counts    counts
}

// NewManager returns a manager without a plan; Apply gives it one, Close ends it.
func NewManager(o ManagerOptions) *Manager {
	o.complete()
	m := &Manager{o: o, log: o.Log, wake: make(chan struct{}, 1), slots: make(chan struct{}, o.Orders), synced: make(chan struct{})}
	m.plan.Store(&Plan{})
	m.hot.most = o.Cache
	m.stale.Store(true)
	m.life, m.end = context.WithCancel(context.Background())
	m.done.Go(m.keep)
	m.done.Go(func() { o.Store.Watch(m.life, storage.CertPrefix, m.changed) })
	return m
}

// Apply makes p the plan. It waits for nothing: names that are new get their
// certificates in the background, and those that stay keep theirs.
func (m *Manager) Apply(p *Plan) {
	m.plan.Store(p)
	if p.Demand != nil {
		m.stale.Store(true) // names that nothing wanted so far may be in the store
	}
	m.arrange()
	m.planned.Store(true)
	m.rouse()
}

// forget drops what is known of the name of e, which is locked, and on which nobody works.
func (m *Manager) forget(e *entry) {
	e.gone = true
	m.queue.remove(e)
	m.hot.remove(e)
	m.alarms.clear("expiry " + e.name)
	m.names.CompareAndDelete(e.name, e)
}

// entry returns what is known of name, and begins to know it.
func (m *Manager) entry(name string) *entry {
	if v, ok := m.names.Load(name); ok {
		return v.(*entry)
	}
	v, _ := m.names.LoadOrStore(name, &entry{name: name, index: -1, hot: -1})
	return v.(*entry)
}

// locked returns entry(name), locked, and known to others.
func (m *Manager) locked(name string) *entry {
	for {
		e := m.entry(name)
		e.mu.Lock()
		if !e.gone {
			return e
		}
		e.mu.Unlock() // it was forgotten meanwhile
	}
}

func (m *Manager) find(name string) *entry {
	if v, ok := m.names.Load(name); ok {
		return v.(*entry)
	}
	return nil
}

// start runs f on a goroutine that Close waits for, unless that has been called.
func (m *Manager) start(f func()) bool {
	m.ending.RLock()
	defer m.ending.RUnlock()
	if m.life.Err() != nil {
		return false
	}
	m.done.Go(f)
	return true
}

// Close ends the manager: orders under way are broken off and their locks given back,
// so that other nodes go on at once. Certificates are served until the process ends.
// The error is that of ctx, if it ends first.
func (m *Manager) Close(ctx context.Context) error {
	m.ending.Lock()
	m.end()
	m.ending.Unlock()
	ended := make(chan struct{})
	go func() {
		m.done.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
