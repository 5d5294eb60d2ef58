package vm

import (
	"errors"
	"sync"
	"time"
)

// Pool lends instances of which each serves one request at a time. It is safe for
// concurrent use.
type Pool struct {
	o     PoolOptions
	mu    sync.Mutex
	idle  []*Instance // the one used last at the end
	live  int
	line  []chan *Instance // of those who wait; nil is sent where they may make one
	ended bool
}

// PoolOptions say how a Pool is made.
type PoolOptions struct {
	Limits Limits
	New    func() (*Instance, error) // makes an instance that is ready to be used
}

// ErrBusy says that no instance became free in time.
var ErrBusy = errors.New("all instances are busy")

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
// waiting only where there is any; it may be nil.
func (p *Pool) Get(done func() <-chan struct{}) (*Instance, error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		i := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return i, nil
	}
	if p.live < p.o.Limits.Instances {
		p.live++
		p.mu.Unlock()
		return p.make()
	}
	place := make(chan *Instance, 1)
	p.line = append(p.line, place)
	p.mu.Unlock()
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

func (p *Pool) make() (*Instance, error) {
	i, err := p.o.New()
	if err != nil {
		p.pass(nil, true)
	}
	return i, err
}

// leave takes a place out of the line, and passes on what has come to it.
func (p *Pool) leave(place chan *Instance) {
	p.mu.Lock()
	for k, c := range p.line {
		if c == place {
			p.line = append(p.line[:k], p.line[k+1:]...)
			p.mu.Unlock()
			return
		}
	}
	p.mu.Unlock()
	p.pass(<-place, false)
}

// Put gives an instance back. One that is dead is closed.
func (p *Pool) Put(i *Instance) {
	if i.Dead() != nil {
		i.Close()
		p.pass(nil, true)
		return
	}
	p.pass(i, false)
}

// pass hands i, or the right to make one, to the first in line. gone says that one
// instance less lives.
func (p *Pool) pass(i *Instance, gone bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case len(p.line) > 0:
		p.line[0] <- i
		p.line = p.line[1:]
	case i == nil:
		p.live--
	case p.ended:
		p.live--
		i.Close()
	default:
		p.idle = append(p.idle, i)
	}
}

// Close closes what is idle now, and the rest when it comes back.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	for _, i := range p.idle {
		p.live--
		i.Close()
	}
	p.idle = nil
}
