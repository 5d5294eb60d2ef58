package vm

import (
	"slices"
	"sync"
	"time"
)

// Gate lets one at a time pass, in the order in which they came. The zero Gate is open.
type Gate struct {
	mu   sync.Mutex
	held bool
	line []chan struct{}
}

// Lock waits for the gate, and takes it. It returns ErrBusy if it has not got it after
// wait, or when done's channel is closed; done is asked only where there is a wait, and
// may be nil.
func (g *Gate) Lock(wait time.Duration, done func() <-chan struct{}) error {
	place := g.enter()
	if place == nil {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	var gone <-chan struct{}
	if done != nil {
		gone = done()
	}
	select {
	case <-place:
		return nil
	case <-timer.C:
	case <-gone:
	}
	g.mu.Lock()
	k := slices.Index(g.line, place)
	if k >= 0 {
		g.line = slices.Delete(g.line, k, k+1)
	}
	g.mu.Unlock()
	if k >= 0 {
		return ErrBusy
	}
	g.Unlock() // it was handed over in that moment
	return ErrBusy
}

// LockAlways waits for the gate as long as it takes, and takes it.
func (g *Gate) LockAlways() {
	if place := g.enter(); place != nil {
		<-place
	}
}

// enter takes the gate, or a place in the line.
func (g *Gate) enter() chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.held {
		g.held = true
		return nil
	}
	place := make(chan struct{}, 1)
	g.line = append(g.line, place)
	return place
}

// Unlock lets the next pass.
func (g *Gate) Unlock() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.line) == 0 {
		g.held = false
		return
	}
	g.line[0] <- struct{}{}
	g.line = slices.Delete(g.line, 0, 1)
}
