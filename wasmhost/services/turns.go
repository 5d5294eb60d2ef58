package services

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"
)

// turns bound how much of a kind of work is done at a time, how much waits for that, and
// how long. Plugins that wait have their turns one after the other, however much each has.
type turns struct {
	most     int // that wait
	patience time.Duration

	mu      sync.Mutex
	free    int      // places for those who work
	lines   []*queue // those of which something waits, in the order of their turns
	waiting int
}

// queue is what of those that wait belongs to one plugin: a channel for each, which holds
// a token when it has its turn. It is guarded by the mutex of its turns.
type queue struct{ waiting []chan struct{} }

// passwordTurns leave half of the processors to those who serve, and bound the memory
// that hashes take, on large machines too: 19 MiB each, up to commonMemory. As many wait
// as may be served within their patience, some 25 ms each.
func passwordTurns() *turns {
	places := processors()
	return &turns{free: places, most: 128 * places, patience: 5 * time.Second}
}

func processors() int { return min(16, max(1, runtime.GOMAXPROCS(0)/2)) }

// largeTurns are for hashes that take more memory or time than others: one at a time.
func largeTurns() *turns {
	return &turns{free: 1, most: 64, patience: 5 * time.Second}
}

// listTurns bound what lists hold in memory before they are answered: some MiB each.
func listTurns() *turns {
	return &turns{free: 8, most: 1024, patience: 5 * time.Second}
}

var errBusy = errors.New("too much of this is being done at once")

// take waits for a turn of a plugin's, which back ends. No plugin has more than half of
// those that wait.
func (t *turns) take(ctx context.Context, of *queue) (back func(), err error) {
	place, err := t.enter(of)
	if place == nil {
		return t.back, err
	}
	timer := time.NewTimer(t.patience)
	defer timer.Stop()
	select {
	case <-place:
		return t.back, nil
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-timer.C:
		err = errBusy
	}
	t.leave(of, place)
	return nil, err
}

// enter takes a turn, or a place among those that wait.
func (t *turns) enter(of *queue) (place chan struct{}, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.free > 0:
		t.free--
		return nil, nil
	case t.waiting >= t.most || len(of.waiting) >= t.most/2:
		return nil, errBusy
	}
	place = make(chan struct{}, 1)
	if of.waiting = append(of.waiting, place); len(of.waiting) == 1 {
		t.lines = append(t.lines, of)
	}
	t.waiting++
	return place, nil
}

// leave waits no longer.
func (t *turns) leave(of *queue, place chan struct{}) {
	t.mu.Lock()
	k := slices.Index(of.waiting, place)
	if k >= 0 {
		of.waiting = slices.Delete(of.waiting, k, k+1)
		t.waiting--
		if len(of.waiting) == 0 {
			n := slices.Index(t.lines, of)
			t.lines = slices.Delete(t.lines, n, n+1)
		}
	}
	t.mu.Unlock()
	if k < 0 { // it was its turn in that moment
		t.back()
	}
}

// back gives a turn to the plugin whose it is.
func (t *turns) back() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == 0 {
		t.free++
		return
	}
	of := t.lines[0]
	t.lines = slices.Delete(t.lines, 0, 1)
	of.waiting[0] <- struct{}{} // it has room
	of.waiting = slices.Delete(of.waiting, 0, 1)
	t.waiting--
	if len(of.waiting) > 0 {
		t.lines = append(t.lines, of)
	}
}
