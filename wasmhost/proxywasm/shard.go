package proxywasm

import (
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// slot is a place for one instance of a plugin.
type slot struct {
	current atomic.Pointer[instance]
	filling bool          // somebody is starting one
	wait    time.Duration // before the next is started: longer after every failure
	since   time.Time     // when the present one was started
}

const (
	// A guest that fails at once after every start costs a start each time.
	waitFirst = 10 * time.Millisecond
	waitMost  = time.Second
	// lasting is how long an instance lives that is not held to be failing at once.
	lasting = 10 * time.Second
)

// take returns the instance that has the fewest streams, and counts one more for it. The
// caller gives it back with leave.
func (g *Guests) take(r *exchange.Request) (*instance, error) {
	if i := g.least(); i != nil {
		return i, nil
	}
	return g.await(r)
}

func (g *Guests) least() *instance {
	for range 3 {
		var best *instance
		var fewest int32
		for k := range g.slots {
			i := g.slots[k].current.Load()
			if i == nil {
				continue
			}
			if n := i.streams.Load(); best == nil || n < fewest {
				best, fewest = i, n
			}
		}
		if best == nil {
			return nil
		}
		best.streams.Add(1)
		if !best.retiring.Load() {
			return best
		}
		g.leave(best) // it was replaced meanwhile
	}
	return nil
}

// await waits for an instance where there is none.
func (g *Guests) await(r *exchange.Request) (*instance, error) {
	start := time.Now()
	c := &g.plugin.Counters
	c.Waits.Add(1)
	defer func() { c.Waited.Add(int64(time.Since(start))) }()
	timer := time.NewTimer(g.queue)
	defer timer.Stop()
	gone := r.Context().Done()
	for {
		g.mu.Lock()
		news := g.news
		g.mu.Unlock()
		if i := g.least(); i != nil {
			return i, nil
		}
		select {
		case <-news:
		case <-timer.C:
			return nil, vm.ErrBusy
		case <-gone:
			return nil, exchange.ErrClientGone
		case <-g.stop:
			return nil, errClosed
		}
	}
}

// leave gives back what take gave. The last stream of an instance that takes no more
// closes it.
func (g *Guests) leave(i *instance) {
	if i.lone != nil {
		i.lone.leave(i)
		return
	}
	if i.streams.Add(-1) == 0 && i.retiring.Load() {
		i.shut()
	}
}

// fillAll has instances started for all slots that are empty, one after the other. That
// is done before there is work for them, as guests expect: many begin with setting anew
// what they share.
func (g *Guests) fillAll() {
	g.mu.Lock()
	defer g.mu.Unlock()
	var empty []*slot
	for k := range g.slots {
		if s := &g.slots[k]; s.current.Load() == nil && !s.filling {
			s.filling = true
			empty = append(empty, s)
		}
	}
	if len(empty) == 0 || g.ended {
		return
	}
	go func() {
		for _, s := range empty {
			g.start(s, 0)
		}
	}()
}

// fill has an instance started for a slot. It is called with mu held.
func (g *Guests) fill(s *slot) {
	if s.filling || g.ended {
		return
	}
	s.filling = true
	go g.start(s, s.wait)
}

// start puts a new instance into a slot, in place of the one that may be there, trying
// until that works or the guests are closed.
func (g *Guests) start(s *slot, wait time.Duration) {
	for {
		if wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-g.stop:
			}
			timer.Stop()
		}
		g.setup.Lock()
		select {
		case <-g.stop:
			g.setup.Unlock()
			return
		default:
		}
		began := time.Now()
		i, err := g.launch()
		took := time.Since(began)
		if err == nil {
			i.took = took
			g.publish(s, i)
		}
		g.setup.Unlock()
		if err == nil {
			return
		}
		wait = max(longer(wait), restFor*took) // or it would do nothing but start
		g.plugin.Log.Error("plugin did not start", "plugin", g.plugin.Name, "err", err, "again", wait)
	}
}

func longer(wait time.Duration) time.Duration { return min(max(waitFirst, 2*wait), waitMost) }

// publish puts i into a slot and retires what was there. It is called with setup held.
func (g *Guests) publish(s *slot, i *instance) {
	g.mu.Lock()
	before := s.current.Swap(i)
	s.filling, s.since = false, time.Now()
	close(g.news)
	g.news = make(chan struct{})
	g.mu.Unlock()
	if before != nil {
		g.retire(before)
	}
}

// retire lets i take no more streams, and closes it when it has none.
func (g *Guests) retire(i *instance) {
	i.streams.Add(1) // so that it is closed once: by the last to leave
	i.retiring.Store(true)
	g.leave(i)
}

// renew replaces i, which goes on until its successor has started.
func (g *Guests) renew(i *instance) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for k := range g.slots {
		if g.slots[k].current.Load() == i {
			g.fill(&g.slots[k])
		}
	}
}

// failed has another instance take the place of i, which has died.
func (g *Guests) failed(i *instance) {
	i.retiring.Store(true)
	g.mu.Lock()
	defer g.mu.Unlock()
	for k := range g.slots {
		s := &g.slots[k]
		if s.current.CompareAndSwap(i, nil) {
			if time.Since(s.since) > lasting {
				s.wait = 0
			}
			g.fill(s)
			s.wait = max(longer(s.wait), i.took)
		}
	}
}

// live returns the instances that there are.
func (g *Guests) live() []*instance {
	var all []*instance
	for k := range g.slots {
		if i := g.slots[k].current.Load(); i != nil {
			all = append(all, i)
		}
	}
	return all
}
