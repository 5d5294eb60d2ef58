package vm

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/weirproxy/weir/wasmhost/meter"
)

const (
	// quantum is how much fuel is given at a time: how long a guest keeps Go's scheduler
	// and collector waiting, a tenth of a millisecond. Where each of its instructions waits
	// for memory that no cache has, it is some hundred times that; hence so little.
	quantum = 1 << 17
	// tab is what host functions may charge before it is taken from the guest's fuel,
	// which costs some nanoseconds each time.
	tab = 1 << 14
	// bytesPerUnit is how many bytes are copied in about a nanosecond.
	bytesPerUnit = 16
)

var (
	errClosed  = errors.New("it has been closed")
	errNested  = errors.New("host functions called back too deeply")
	errForeign = errors.New("the function belongs to another instance")
	errStack   = errors.New("it called too deeply")
)

// enter begins a call that may burn so much, and take so long.
func (i *Instance) enter(allowed int64, wall time.Duration) {
	i.limit, i.granted, i.charged, i.paid = allowed, min(quantum, allowed), 0, 0
	i.wall, i.until = wall, time.Time{}
	i.printed.forget()
	if i.fuel != nil {
		i.fuel.Set(uint64(i.granted))
	}
}

// leave ends it, and returns what it has burnt.
func (i *Instance) leave() int64 {
	spent := i.spent()
	i.burnt += spent
	return spent
}

// left is how much fuel the guest has.
func (i *Instance) left() int64 { return meter.Left(i.fuel.Get()) }

// refuel gives the guest n units more.
func (i *Instance) refuel(n int64) { i.fuel.Set(uint64(int64(i.fuel.Get()) + n)) }

// spent is what the call under way has burnt.
func (i *Instance) spent() int64 {
	if i.fuel == nil {
		return i.paid + i.charged
	}
	return i.granted - i.left() + i.charged
}

// Charge makes the guest pay n units for what a host function does for it: about the
// nanoseconds that it takes. The base price of calling a host function is charged
// already, and bytes are by Read and Write. A guest that cannot pay ends now.
// Only host functions may charge.
func (i *Instance) Charge(n int64) {
	if i.charged += n; i.charged >= tab {
		i.settle()
	}
}

func (i *Instance) settle() {
	if i.depth > 0 && i.spent() > i.limit {
		panic(&Trap{Reason: OutOfFuel, Err: i.spendthrift()})
	}
	if i.fuel == nil {
		i.paid += i.charged
		i.charged = 0
		return
	}
	// What does not fit into the guest's counter stays here until it yields.
	if n := min(i.charged, i.left()+1<<30); n > 0 {
		i.refuel(-n)
		i.charged -= n
	}
}

// spendthrift says which limit has ended the call, as configurations call it.
func (i *Instance) spendthrift() error {
	l := &i.Limits
	switch allowed := time.Duration(i.limit); {
	case i.limit == fuel(l.Start):
		return fmt.Errorf("it computed for more than %s (limits.start)", allowed)
	case i.limit < fuel(l.CPU) || i.limit == fuel(l.request()):
		return fmt.Errorf("it computed for more than %s in a request (limits.request_cpu)", l.request())
	default:
		return fmt.Errorf("it computed for more than %s (limits.cpu)", allowed)
	}
}

// Until returns when the call under way has to be over: Limits.Wall from now at the
// latest. Host functions that wait do so no longer, nor after Stopped.
func (i *Instance) Until() time.Time {
	if i.until.IsZero() {
		i.until = time.Now().Add(i.wall)
	}
	return i.until
}

// check ends a guest that is not to go on.
func (i *Instance) check() {
	if cause := i.cause.Load(); cause != nil {
		panic(&Trap{Reason: Ended, Err: *cause})
	}
	if time.Now().After(i.Until()) {
		panic(&Trap{Reason: OutOfTime, Err: fmt.Errorf("it took more than %s (limits.wall)", i.wall)})
	}
}

// yield is called by a guest that has run out of fuel.
func yield(ctx context.Context, m api.Module, _ []uint64) {
	i := InstanceOf(ctx)
	if i.module == nil {
		i.adopt(m)
		return
	}
	runtime.Gosched()
	i.check()
	i.standing() // notes how deep it is
	had := i.left()
	left := had - i.charged
	i.charged = 0
	more := min(i.limit-i.granted, quantum-left)
	if left+more < 0 {
		panic(&Trap{Reason: OutOfFuel, Err: i.spendthrift()})
	}
	i.granted += more
	i.refuel(left + more - had)
}
