package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// gate bounds what the engine is asked: how long for, how much at once, how much that
// hangs, and how often while it does not answer. Reads and writes have one each: while
// another process keeps us from writing to a file, it can be read.
type gate struct {
	deadline time.Duration
	turns    chan struct{} // holds a value for each operation that the engine works at
	most     int           // so many may hang

	mu      sync.Mutex
	late    map[*flight]time.Time // given up then, and not returned yet
	fails   int                   // without an answer in between
	until   time.Time             // the breaker is open
	probing bool
	last    error // why
}

// flight is one operation within the engine.
type flight struct {
	value any
	err   error
	done  chan struct{}
	probe bool
}

const (
	slack    = 20 * time.Millisecond  // what an engine may take to notice that the time is up
	forgive  = 200 * time.Millisecond // what is given up and returns within that does not hang
	patience = 5                      // failures in a row that open the breaker
	pause    = 500 * time.Millisecond // between two tries while it is open
)

// call runs f for s, bounded and counted.
func call[T any](ctx context.Context, s *Store, k kind, f func(context.Context) (T, error)) (T, error) {
	var zero T
	if s.isClosed() && k != kindRelease {
		return zero, ErrClosed
	}
	began := time.Now()
	v, err := s.gates[k.side()].run(ctx, k, func(ctx context.Context) (any, error) { return f(ctx) })
	s.stats[k].add(time.Since(began), err)
	if err != nil {
		return zero, err
	}
	t, _ := v.(T) // nil has no type
	return t, nil
}

// run runs f in a goroutine of its own and waits for it no longer than the deadline.
func (g *gate) run(ctx context.Context, k kind, f func(context.Context) (any, error)) (any, error) {
	if ctx.Err() != nil {
		return nil, g.outOfTime(ctx, nil)
	}
	probe, err := g.admit(k.urgent())
	if err != nil {
		return nil, err
	}
	began := time.Now()
	inner, cancel := context.WithTimeout(ctx, g.deadline*k.patience())
	defer cancel()
	fl := &flight{done: make(chan struct{}), probe: probe}
	select {
	case g.turns <- struct{}{}:
		go func() {
			fl.value, fl.err = f(inner)
			g.back(fl)
		}()
	case <-inner.Done():
		err := g.outOfTime(ctx, errors.New("too many operations at once"))
		g.judge(fl, nil, false)
		return nil, err
	}
	// A caller that is in a hurry is not the engine's fault.
	blame := func() bool { return ctx.Err() == nil || time.Since(began) >= g.deadline/2 }
	if !g.wait(inner, fl) {
		err := g.outOfTime(ctx, nil)
		g.judge(fl, err, blame())
		return nil, err
	}
	err = fl.err
	left := errors.Is(ctx.Err(), context.Canceled)
	if err != nil && inner.Err() != nil && !answered(err) && (left || !errors.Is(err, ErrUnavailable)) {
		err = g.outOfTime(ctx, err)
	}
	g.judge(fl, err, blame())
	return fl.value, err
}

// wait waits for fl; false says that it was given up.
func (g *gate) wait(ctx context.Context, fl *flight) bool {
	select {
	case <-fl.done:
		return true
	case <-ctx.Done():
	}
	t := time.NewTimer(slack)
	defer t.Stop()
	select {
	case <-fl.done:
		return true
	case <-t.C:
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-fl.done:
		return true
	default:
		g.late[fl] = time.Now()
		return false
	}
}

// back is called when the engine is done with fl.
func (g *gate) back(fl *flight) {
	g.mu.Lock()
	delete(g.late, fl)
	close(fl.done)
	g.mu.Unlock()
	<-g.turns
}

// outOfTime returns the error of an operation that ctx or the deadline ended.
func (g *gate) outOfTime(ctx context.Context, why error) error {
	switch err := context.Cause(ctx); {
	case err == nil && why == nil:
		return fmt.Errorf("%w: nothing within %v", ErrUnavailable, g.deadline)
	case err == nil:
		return fmt.Errorf("%w: nothing within %v: %w", ErrUnavailable, g.deadline, why)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	default:
		return err
	}
}

// admit says whether the engine may be asked now, and whether that is a try. Urgent
// operations go through an open breaker.
func (g *gate) admit(urgent bool) (probe bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if len(g.late) >= g.most {
		if n := g.hanging(now); n >= g.most {
			return false, fmt.Errorf("%w: %d operations hang in it", ErrUnavailable, n)
		}
	}
	if g.fails < patience || urgent {
		return false, nil
	}
	if g.probing || now.Before(g.until) {
		return false, fmt.Errorf("%w for a while: %w", ErrUnavailable, g.last)
	}
	g.probing = true
	return true, nil
}

func (g *gate) hanging(now time.Time) (n int) {
	for _, since := range g.late {
		if now.Sub(since) > forgive {
			n++
		}
	}
	return n
}

// judge learns from the end of an operation how the engine is, unless it is not to blame.
func (g *gate) judge(fl *flight, err error, blame bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if fl.probe {
		g.probing = false
	}
	select {
	case <-fl.done:
		if answered(err) {
			g.fails, g.last = 0, nil
		}
	default:
	}
	if blame && errors.Is(err, ErrUnavailable) {
		g.fails++
		g.last = err
		g.until = time.Now().Add(pause)
	}
}

// state tells how many operations run, how many hang, and how many in a row had no answer.
func (g *gate) state() (running, hanging, fails int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.turns), g.hanging(time.Now()), g.fails
}
