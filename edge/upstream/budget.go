package upstream

import (
	"sync"
	"sync/atomic"
)

// budget holds a pool's retries to a share of its calls, so that an upstream that is
// ill of too much work does not get twice as much.
type budget struct {
	mu      sync.Mutex
	seconds [budgetSpan]second
}

const (
	budgetSpan = 10 // seconds
	budgetFree = 3  // retries per second, whatever the share
)

// second is one of the last ten that had a retry.
type second struct {
	at      int64 // in seconds of the pool's time, counted from 1
	calls   uint64
	retries uint64
}

// spend tells whether one more retry is allowed at now: percent of the calls since
// the first second with a retry in the last ten, and some. made is how many calls
// there have been since the pool was made.
func (b *budget) spend(now int64, made *atomic.Uint64, percent int) bool {
	at := now/1e9 + 1
	b.mu.Lock()
	defer b.mu.Unlock()
	calls := made.Load() // never less than what is noted
	this := &b.seconds[at%budgetSpan]
	if this.at != at {
		*this = second{at: at, calls: calls}
	}
	first, retries := this.calls, uint64(0)
	for _, s := range b.seconds {
		if s.at > at-budgetSpan {
			first = min(first, s.calls)
			retries += s.retries
		}
	}
	if retries >= budgetFree*budgetSpan+(calls-first)*uint64(percent)/100 {
		return false
	}
	this.retries++
	return true
}
