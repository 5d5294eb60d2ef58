package storetest

import (
	"sync/atomic"
	"testing"
	"time"
)

// stall measures by how much this process was late to notice that time has passed: what
// a busy machine adds to every deadline.
type stall struct{ worst atomic.Int64 }

// watchStall measures until the test ends.
func watchStall(t testing.TB) *stall {
	s := &stall{}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		const every = 10 * time.Millisecond
		tick := time.NewTicker(every)
		defer tick.Stop()
		for last := time.Now(); ; {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			now := time.Now()
			if late := int64(now.Sub(last) - every); late > s.worst.Load() {
				s.worst.Store(late)
			}
			last = now
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-done
	})
	return s
}

// allowed is how much longer than its deadline an operation may take: a quarter of a
// second on an idle machine.
func (s *stall) allowed() time.Duration {
	return 250*time.Millisecond + 4*time.Duration(s.worst.Load())
}
