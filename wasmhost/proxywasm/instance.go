package proxywasm

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// instance is one guest: its root contexts, and the streams that it serves. Everything in
// it, and every call into the guest, belongs to whoever holds it: hold and drop. Nobody
// waits while holding it, so that a stream which is paused keeps nobody else waiting.
type instance struct {
	vm      *vm.Instance // set by the first host function, or when it has started
	plugin  *guest.Plugin
	guests  *Guests
	exports *exports
	gate    vm.Gate

	nextID   uint32 // of contexts; never reused while it may matter, never 0
	contexts map[uint32]*guestContext
	roots    map[*use]*root
	// effective is the context that host functions speak of: the one whose callback is
	// running, unless the guest has chosen another. Nil while no callback runs.
	effective *guestContext
	// later is what host functions asked for that must not be done before the guest's
	// callback has returned: answering calls that failed at once, deleting roots. It is
	// done with the instance held, and may enter the guest.
	later []func()
	// lent is what the callback that runs was given beside streams' headers and bodies:
	// answers to calls, arguments. It stays readable whatever context is effective.
	lent lent

	// lone is whose it is if it serves one stream alone; nil: it serves many. Its guest is
	// that of another instance before and after it.
	lone   *lone
	origin *origin // of lone ones

	streams  atomic.Int32 // that it serves
	retiring atomic.Bool  // it takes no more streams, and is closed after the last
	closed   bool         // dead, or closed: nobody enters it again
	lines    logLines     // what it logged lately
	calls    calls        // out, under way
	starting bool         // proxy_on_vm_start is running
	scratch  []byte
	spent    int64 // fuel, when last counted
	nanos    int64
	pairs    []abi.Pair
	names    map[string]string // header names, and values, that guests have used
	values   map[string]string
	took     time.Duration // to start
}

// lent is set before a callback and emptied after it.
type lent struct {
	// maps are those of calls out, by abi.Map from GRPCInitialMetadata on; nil: there is
	// none. Pseudo fields (":status") come first in them, put there with Append.
	maps [8]*exchange.Header
	// buffers are those of calls out and foreign functions, by abi.Buffer from
	// CallResponseBody on; nil: there is none, so an empty one is not nil.
	buffers [9][]byte
}

// guestContext is a root or a stream, as guests number them.
type guestContext struct {
	id     uint32
	i      *instance
	root   *root
	stream *stream // nil: the root's own
}

// root is a plugin's use on one instance: its configuration, timer, calls out.
type root struct {
	guestContext
	use *use
	// ended says that it takes no more callbacks of streams, and is being done with.
	ended bool
	// undone says that the guest asked to be kept until it calls proxy_done.
	undone bool
	// closers are called once, with the instance held, when the root is deleted or its
	// instance has died: they stop timers and cancel calls. They do not enter the guest.
	closers []func()
	ticker  ticker
	bell    *bell // nil: it has registered for no queue
	spare   spare
	calling bool // closers know of its calls
}

// newInstance returns an instance without a guest yet.
func newInstance(g *Guests) *instance {
	return &instance{
		plugin: g.plugin, guests: g, exports: &exports{},
		contexts: map[uint32]*guestContext{}, roots: map[*use]*root{}, names: map[string]string{}, values: map[string]string{},
	}
}

// hold takes the instance; drop gives it back, when what was asked for later is done.
func (i *instance) hold() { i.gate.LockAlways() }

// await is hold for a request that has just come: it may be more than the guest has time
// for, and waits no longer than for an instance.
func (i *instance) await(r *exchange.Request) error {
	var began time.Time
	err := i.gate.Lock(i.guests.queue, func() <-chan struct{} {
		began = time.Now()
		return r.Context().Done()
	})
	if !began.IsZero() {
		i.plugin.Counters.Waits.Add(1)
		i.plugin.Counters.Waited.Add(int64(time.Since(began)))
	}
	if err == nil {
		return nil
	}
	if gone := r.Context(); gone.Err() != nil {
		return context.Cause(gone)
	}
	return guestError{err}
}

func (i *instance) drop() {
	for n := 0; n < len(i.later); n++ {
		f := i.later[n]
		i.later[n] = nil
		f()
	}
	i.later = i.later[:0]
	i.gate.Unlock()
}

// add gives c a number.
func (i *instance) add(c *guestContext) {
	for {
		if i.nextID++; i.nextID != 0 && i.contexts[i.nextID] == nil {
			break
		}
	}
	c.id, c.i = i.nextID, i
	i.contexts[c.id] = c
}

// enter calls a callback of c, with c the effective context. A guest without that
// callback (f is nil) is taken to have returned 0. An error means that the instance is
// dead, and has been seen to, or that c's stream has used up its budget before, which is
// no other stream's affair.
func (i *instance) enter(c *guestContext, b *vm.Budget, f *vm.Func, args ...uint64) (uint64, error) {
	if i.closed {
		return 0, errClosed
	}
	if f == nil {
		return 0, nil
	}
	before := i.effective
	i.effective = c
	v, err := i.vm.Call(f, b, args...)
	i.effective = before
	i.plugin.Counters.Calls.Add(1)
	switch {
	case err == nil:
	case i.vm.Dead() != nil:
		i.die(c, err)
	case c.stream != nil:
		c.stream.lost = err
		c.stream.wake()
	}
	return v, err
}

// die ends an instance that failed on behalf of c: timers and calls stop, streams learn
// of it, another takes its place.
func (i *instance) die(c *guestContext, err error) {
	if i.closed {
		return
	}
	if c.stream != nil {
		i.plugin.Trapped(c.stream.r, err)
	} else {
		i.plugin.Trapped(nil, err)
	}
	i.guests.failed(i)
	i.close()
	for _, c := range i.contexts {
		if c.stream != nil {
			c.stream.lost = err
			c.stream.wake()
		}
	}
}

// close ends the guest without a word to it. It is held by the caller.
func (i *instance) close() {
	i.closed = true
	for _, rt := range i.roots {
		rt.close()
	}
	clear(i.roots)
	clear(i.later)
	i.later = i.later[:0]
	if i.vm != nil {
		i.account()
		if i.lone == nil {
			i.vm.Close()
		}
	}
}

// account counts what the guest has used since it was last counted.
func (i *instance) account() {
	c := &i.plugin.Counters
	if spent := i.vm.Spent(); spent != i.spent {
		c.Fuel.Add(spent - i.spent)
		i.spent = spent
	}
	if nanos := i.vm.Nanos(); nanos != i.nanos {
		c.Nanos.Add(nanos - i.nanos)
		i.nanos = nanos
	}
}

// close calls the closers.
func (rt *root) close() {
	for _, f := range rt.closers {
		f()
	}
	rt.closers = nil
}

// alloc takes n bytes of the guest's allocation. 0 bytes are the null pointer: guests'
// allocators fail for them.
func (i *instance) alloc(n int) (uint32, bool) {
	if n == 0 {
		return 0, true
	}
	if i.exports.malloc == nil { // the module's start section wants something already
		i.exports.find(i.vm, i.guests.prog.Info)
	}
	v, err := i.vm.Call(i.exports.malloc, nil, uint64(n))
	return uint32(v), err == nil && uint32(v) != 0
}

// give copies data into memory of the guest's allocation, and writes where it is to
// pointer and size.
func (i *instance) give(pointer, size uint32, data []byte) abi.Status {
	at, ok := i.alloc(len(data))
	if !ok {
		return abi.InternalFailure
	}
	if len(data) > 0 && !i.vm.Write(at, data) {
		return abi.InvalidMemoryAccess
	}
	return i.tell(pointer, size, at, len(data))
}

// giveString is give.
func (i *instance) giveString(pointer, size uint32, s string) abi.Status {
	at, ok := i.alloc(len(s))
	if !ok {
		return abi.InternalFailure
	}
	if s != "" && !i.vm.WriteString(at, s) {
		return abi.InvalidMemoryAccess
	}
	return i.tell(pointer, size, at, len(s))
}

// tell writes where something is to pointer and size.
func (i *instance) tell(pointer, size, at uint32, n int) abi.Status {
	if !i.vm.PutUint32(pointer, at) || !i.vm.PutUint32(size, uint32(n)) {
		return abi.InvalidMemoryAccess
	}
	return abi.OK
}
