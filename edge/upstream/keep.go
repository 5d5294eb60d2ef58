package upstream

import (
	"context"
	"log/slog"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	never      = math.MaxInt64
	checksMost = 64 // of one pool, at a time
)

// keep resolves the pool's names and checks its endpoints until ctx ends. It is the
// pool's goroutine; what may take long runs in others, which it waits for.
func (p *Pool) keep(ctx context.Context) {
	var tasks sync.WaitGroup
	defer tasks.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-p.kick:
		}
		timer.Reset(p.tend(ctx, &tasks))
	}
}

// tend starts what is due and returns how long nothing else will be.
func (p *Pool) tend(ctx context.Context, tasks *sync.WaitGroup) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.lookup.changed:
		p.settle()
	case p.changed:
		p.renew(p.set.Load().all)
	}
	p.changed = false
	now := p.now()
	next := now + int64(time.Hour)
	l := &p.lookup
	for i := range l.names {
		switch n := &l.names[i]; {
		case n.fixed, n.running:
		case n.next > now:
			next = min(next, n.next)
		case l.running < lookupsMost: // else one that ends will have us called
			n.running = true
			l.running++
			tasks.Go(func() { p.resolve(ctx, i) })
		}
	}
	if p.settings.Health.Interval == 0 {
		return time.Duration(next - now)
	}
	for _, e := range p.set.Load().all {
		switch c := &e.check; {
		case c.running:
		case c.next > now:
			next = min(next, c.next)
		case p.checks < checksMost:
			c.running = true
			p.checks++
			tasks.Go(func() { p.examine(ctx, e) })
		}
	}
	return time.Duration(next - now)
}

// nudge has the keeper look again.
func (p *Pool) nudge() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// examine checks e once and judges it by that. The keeper makes the set anew, once for
// many endpoints that fall ill together.
func (p *Pool) examine(ctx context.Context, e *endpoint) {
	err := p.probe(ctx, e)
	if ctx.Err() != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &e.check
	c.running = false
	p.checks--
	// Jitter of a tenth, so that many pools do not check in step.
	interval := float64(p.settings.Health.Interval)
	c.next = p.now() + int64(interval*(0.9+0.2*rand.Float64()))
	p.nudge()

	known := c.passed+c.failed > 0
	if well := err == nil; well != c.ok || !known {
		c.ok, c.row = well, 0
	}
	c.row++
	if c.ok {
		c.passed++
	} else {
		c.failed++
	}
	switch {
	case !c.ok && !e.down && (!known || c.row >= p.settings.Health.Fail):
		e.down = true
		p.note(e, slog.LevelWarn, "endpoint is down", reason(err).Error())
	case c.ok && e.down && c.row >= p.settings.Health.Pass:
		e.down = false
		e.started.Store(p.now())
		p.note(e, slog.LevelInfo, "endpoint is up", "")
	default:
		return
	}
	p.changed = true
}
