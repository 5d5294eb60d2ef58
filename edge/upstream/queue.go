package upstream

import (
	"container/list"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// queue is where calls wait for an endpoint that has a place, first come, first
// served. They wait in their own goroutines.
type queue struct {
	most   int64
	length atomic.Int64 // of waiting, so that those who need not wait do not look
	mu     sync.Mutex   // guards the rest
	list   list.List    // of *waiter
}

// waiter is a call that waits. Its query is read by who serves it.
type waiter struct {
	query query
	ready chan struct{} // closed when endpoint is set
	got   *endpoint
}

// join has q wait, unless too many do so. Whoever leaves a place after that sees it.
func (w *queue) join(q *query) (*waiter, *list.Element) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.length.Load() >= w.most {
		return nil, nil
	}
	me := &waiter{query: *q, ready: make(chan struct{})}
	w.length.Add(1)
	return me, w.list.PushBack(me)
}

// quit takes a waiter out that no longer waits. It returns the endpoint that it got
// at the last moment, if any.
func (w *queue) quit(me *waiter, at *list.Element) *endpoint {
	w.mu.Lock()
	defer w.mu.Unlock()
	if me.got == nil {
		w.list.Remove(at)
		w.length.Add(-1)
	}
	return me.got
}

// serve gives places that are free to those who wait.
func (p *Pool) serve() {
	w := &p.queue
	w.mu.Lock()
	defer w.mu.Unlock()
	for at := w.list.Front(); at != nil; at = w.list.Front() {
		me := at.Value.(*waiter)
		e := p.grab(p.set.Load(), &me.query)
		if e == nil {
			return
		}
		w.list.Remove(at)
		w.length.Add(-1)
		me.got = e
		close(me.ready)
	}
}

// grab chooses an endpoint and takes a place there; nil if there is none.
func (p *Pool) grab(s *set, q *query) *endpoint {
	for {
		e, _ := p.choose(s, q)
		if e == nil || e.enter(q.limit) {
			return e
		}
	}
}

var (
	errFull    = errors.New("too many calls wait for a free endpoint")
	errWaited  = errors.New("no endpoint became free in time")
	errOverdue = errors.New("the time for the call is over")
)

// await waits in the queue for a place.
func (p *Pool) await(c *exchange.Call, q *query) (*endpoint, error) {
	me, at := p.queue.join(q)
	if me == nil {
		return nil, errFull
	}
	p.serve() // a place may have become free just before
	err := wait(c, me.ready, p.settings.Limits.Wait)
	if err == nil {
		return me.got, nil
	}
	if e := p.queue.quit(me, at); e != nil {
		e.leave()
	}
	return nil, err
}

// wait waits for ready, for c's caller to lose interest, or for its time to be over.
func wait(c *exchange.Call, ready <-chan struct{}, limit time.Duration) error {
	end := errWaited
	if !c.Deadline.IsZero() {
		if left := time.Until(c.Deadline); left < limit {
			limit, end = left, errOverdue
		}
	}
	s := sleeper{gone: make(chan error, 1)}
	if c.Caller != nil {
		c.Caller.Watch(&s)
		defer c.Caller.Watch(nil)
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-ready:
		return nil
	case err := <-s.gone:
		return err
	case <-timer.C:
		return end
	}
}

// sleeper is somebody who waits here.
type sleeper struct{ gone chan error }

func (s *sleeper) Interrupt(cause error) { s.gone <- cause } // at most once: there is room

// gone returns why c's caller has lost interest; nil if it has not.
func gone(c *exchange.Call) error {
	if c.Caller == nil {
		return nil
	}
	s := sleeper{gone: make(chan error, 1)}
	c.Caller.Watch(&s)
	c.Caller.Watch(nil)
	select {
	case err := <-s.gone:
		return err
	default:
		return nil
	}
}
