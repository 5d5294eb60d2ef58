package vm

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Pool lends instances of which each serves one request at a time. It is safe for
// concurrent use.
type Pool struct {
	o      PoolOptions
	waits  atomic.Int64
	waited atomic.Int64
	mu     sync.Mutex
	idle   []resting // the one used last at the end
	live   int
	line   []chan *Instance // of those who wait; nil is sent where they may make one
	ended  bool
	round  int // of Trim

	failures int       // of New, one after another
	failed   error     // the last one
	retry    time.Time // when New is tried again
}

// resting is an instance that nobody uses, since that round.
type resting struct {
	i     *Instance
	since int
}

// PoolOptions say how a Pool is made.
type PoolOptions struct {
	Limits Limits
	New    func() (*Instance, error) // makes an instance that is ready to be used
	// Fresh has instances serve one request: Put resets one, or closes it where that is
	// not possible.
	Fresh bool
}

var (
	// ErrBusy says that no instance became free in time.
	ErrBusy = errors.New("all instances are busy")
	// ErrClosed says that the pool has been closed.
	ErrClosed = errors.New("the plugin has been closed")
)

// NewPool returns an empty pool.
func NewPool(o PoolOptions) *Pool {
	o.Limits = o.Limits.WithDefaults()
	if o.Limits.Instances == 0 {
		o.Limits.Instances = 64
	}
	return &Pool{o: o}
}

// Get returns an instance: an idle one, a new one, or, where all that may be are in
// use, the next that comes back in time. done is asked for a channel that ends the
// waiting only where there is any; it may be nil. After New has failed again and again,
// Get returns its last error for a while without trying.
func (p *Pool) Get(done func() <-chan struct{}) (*Instance, error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		i := p.idle[n-1].i
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return i, nil
	}
	if p.ended {
		p.mu.Unlock()
		return nil, ErrClosed
	}
	if p.live < p.o.Limits.Instances {
		p.live++
		p.mu.Unlock()
		return p.make()
	}
	place := make(chan *Instance, 1)
	p.line = append(p.line, place)
	p.mu.Unlock()
	return p.wait(place, done)
}

func (p *Pool) wait(place chan *Instance, done func() <-chan struct{}) (*Instance, error) {
	begin := time.Now()
	p.waits.Add(1)
	defer func() { p.waited.Add(int64(time.Since(begin))) }()
	timer := time.NewTimer(p.o.Limits.Queue)
	defer timer.Stop()
	var gone <-chan struct{}
	if done != nil {
		gone = done()
	}
	select {
	case i := <-place:
		if i == nil {
			return p.make()
		}
		return i, nil
	case <-timer.C:
	case <-gone:
	}
	p.leave(place)
	return nil, ErrBusy
}

// make makes an instance, of which the caller has the right to.
func (p *Pool) make() (*Instance, error) {
	err := p.backOff()
	var i *Instance
	if err == nil {
		i, err = p.o.New()
		p.made(err)
	}
	if err != nil {
		p.pass(nil)
		return nil, err
	}
	return i, nil
}

// backOff returns why New is not to be called now.
func (p *Pool) backOff() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return ErrClosed
	}
	if p.failures > 0 && time.Now().Before(p.retry) {
		return p.failed
	}
	return nil
}

// made notes how New has ended. A guest that cannot start must not burn a start's worth
// of CPU for every request: after the third failure in a row it rests for 100 ms, then
// for twice as long each time, up to ten seconds.
func (p *Pool) made(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.failures, p.failed = 0, nil
		return
	}
	p.failures++
	p.failed = err
	if n := p.failures - 3; n >= 0 {
		p.retry = time.Now().Add(min(100*time.Millisecond<<min(n, 10), 10*time.Second))
	}
}

// leave takes a place out of the line, and passes on what has come to it.
func (p *Pool) leave(place chan *Instance) {
	p.mu.Lock()
	k := slices.Index(p.line, place)
	if k >= 0 {
		p.line = slices.Delete(p.line, k, k+1)
	}
	p.mu.Unlock()
	if k < 0 {
		p.pass(<-place)
	}
}

// Put gives an instance back. One that is dead or worn is closed.
func (p *Pool) Put(i *Instance) {
	if p.o.Fresh && !i.Reset() || i.Dead() != nil || i.Worn() {
		i.Close()
		i = nil
	}
	p.pass(i)
}

// pass hands i, or, where it is nil, the right to make one, to the first in line.
func (p *Pool) pass(i *Instance) {
	p.mu.Lock()
	switch {
	case len(p.line) > 0:
		p.line[0] <- i
		p.line = slices.Delete(p.line, 0, 1)
		i = nil
	case i == nil:
		p.live--
	case p.ended:
		p.live--
	default:
		p.idle = append(p.idle, resting{i, p.round})
		i = nil
	}
	p.mu.Unlock()
	if i != nil {
		i.Close()
	}
}

// Trim closes instances that have not been used since it was last called, but for the
// last of all. Whoever has pools calls it now and then.
func (p *Pool) Trim() {
	p.mu.Lock()
	n := 0
	for n < len(p.idle) && p.live-n > 1 && p.idle[n].since < p.round {
		n++
	}
	old := slices.Clone(p.idle[:n])
	p.idle = slices.Delete(p.idle, 0, n)
	p.live -= n
	p.round++
	p.mu.Unlock()
	for _, r := range old {
		r.i.Close()
	}
}

// Close closes what is idle now, and the rest when it comes back. Those who wait are
// served.
func (p *Pool) Close() {
	p.mu.Lock()
	p.ended = true
	idle := p.idle
	p.idle = nil
	p.live -= len(idle)
	p.mu.Unlock()
	for _, r := range idle {
		r.i.Close()
	}
}

// PoolStats are what a pool has and did.
type PoolStats struct {
	Live, Idle, Waiting int           // now
	Waits               int64         // so far
	Waited              time.Duration // so far, by all
}

// Stats returns the pool's counts.
func (p *Pool) Stats() PoolStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return PoolStats{p.live, len(p.idle), len(p.line), p.waits.Load(), time.Duration(p.waited.Load())}
}
