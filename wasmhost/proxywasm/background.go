package proxywasm

import (
	"time"

	"github.com/weirproxy/weir/wasmhost/vm"
)

const (
	// restFor is how many times as long as it has computed a root leaves the processor to
	// others, after what was nobody's request: ticks, items of queues, answers to calls
	// that no stream made. No request's budget bounds that, and each may lead to the next.
	restFor = 4
	// restLeast is what a rest has to come to before it is worth a timer.
	restLeast = time.Millisecond
)

// spare is a root's time that is no request's: one after the other has its turn.
type spare struct {
	gate vm.Gate
	owed time.Duration // of rest; under gate
}

// background runs f as visit does, after what else the root had to do in nobody's time,
// and after the rest that it owes for it.
func (rt *root) background(f func()) {
	s := &rt.spare
	s.gate.LockAlways()
	defer s.gate.Unlock()
	i := rt.i
	rt.visit(func() {
		before := i.vm.Spent()
		f()
		s.owed += restFor * time.Duration(i.vm.Spent()-before) // a unit is about a nanosecond
	})
	if s.owed < restLeast {
		return
	}
	timer := time.NewTimer(s.owed)
	defer timer.Stop()
	s.owed = 0
	select {
	case <-timer.C:
	case <-i.guests.stop:
	}
}
