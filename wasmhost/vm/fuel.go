package vm

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/tetratelabs/wazero/api"
)

// quantum is how much fuel is given at a time: how long at most a guest keeps Go's
// scheduler and collector waiting, some milliseconds.
const quantum = 1 << 20

// enter begins a call that may burn so much.
func (i *Instance) enter(name string, allowed int64) {
	i.entered, i.limit, i.granted = name, allowed, min(quantum, allowed)
	i.until = time.Time{}
	if i.fuel != nil {
		i.fuel.Set(uint64(i.granted))
	}
}

// leave ends it, and returns what it has burnt.
func (i *Instance) leave() int64 {
	spent := i.granted
	if i.fuel != nil {
		spent -= int64(i.fuel.Get())
	} else {
		spent = 0
	}
	i.burnt += spent
	return spent
}

var (
	errFuel = errors.New("it computed for too long")
	errTime = errors.New("it took too long")
)

// yield is called by a guest that has run out of fuel.
func yield(ctx context.Context, m api.Module, _ []uint64) {
	i := InstanceOf(ctx)
	i.adopt(m)
	runtime.Gosched()
	if i.until.IsZero() {
		i.until = time.Now().Add(i.Limits.Wall)
	}
	left := i.limit - i.granted
	switch cause := i.cause.Load(); {
	case cause != nil:
		panic(&Trap{Reason: Ended, Err: *cause})
	case left <= 0:
		panic(&Trap{Reason: OutOfFuel, Err: errFuel})
	case time.Now().After(i.until):
		panic(&Trap{Reason: OutOfTime, Err: errTime})
	}
	more := min(quantum, left)
	i.granted += more
	i.fuel.Set(uint64(int64(i.fuel.Get()) + more))
}
