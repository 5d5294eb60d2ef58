package proxywasm

import (
	"sync"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/commons"
)

// bell tells a root of items in queues. Whoever puts an item there may be in the middle
// of another guest's callback, or of this one's: so the guest is told by a goroutine,
// which lives as long as there is something to tell.
type bell struct {
	commons.Listener
	rt      *root
	mu      sync.Mutex
	waiting []uint32 // queues, once for every item
	running bool
}

// ring is the Listener's.
func (b *bell) ring(queue uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	// A guest that has so many calls before it will find what else there is.
	if len(b.waiting) >= commons.MaxItems {
		return
	}
	b.waiting = append(b.waiting, queue)
	if !b.running {
		b.running = true
		go b.run()
	}
}

func (b *bell) next() (uint32, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 {
		b.running, b.waiting = false, nil
		return 0, false
	}
	q := b.waiting[0]
	b.waiting = b.waiting[1:]
	return q, true
}

func (b *bell) run() {
	rt := b.rt
	for {
		q, ok := b.next()
		if !ok {
			return
		}
		// A root that has gone takes no more; what waits is forgotten at once.
		rt.background(func() {
			rt.i.enter(&rt.guestContext, nil, rt.i.exports.queueReady, uint64(rt.id), uint64(q))
		})
	}
}

// visit runs f with the instance held, unless the root has gone meanwhile. It is for
// goroutines that are nobody's request.
func (rt *root) visit(f func()) {
	i := rt.i
	i.hold()
	defer i.drop()
	if !i.closed && i.contexts[rt.id] == &rt.guestContext {
		f()
	}
}

// proxyRegisterSharedQueue has name, where to put the number.
func proxyRegisterSharedQueue(i *instance, a []uint64) abi.Status {
	number := u32(a[2])
	name, ok := i.view(a[0], a[1])
	if !ok {
		return abi.InvalidMemoryAccess
	}
	if len(name) > commons.MaxName {
		return abi.BadArgument
	}
	if i.effective == nil {
		return abi.InternalFailure
	}
	rt := i.effective.root
	if i.lone != nil { // its root listens elsewhere
		if q, err := i.plugin.Commons.Resolve("", string(name)); err == nil {
			return i.put(number, q)
		}
	}
	if rt.bell == nil {
		rt.bell = &bell{rt: rt}
		rt.bell.Ready = rt.bell.ring
		rt.closers = append(rt.closers, func() { i.plugin.Commons.Leave(&rt.bell.Listener) })
	}
	q, err := i.plugin.Commons.Register(string(name), &rt.bell.Listener)
	if err != nil {
		return failing(err)
	}
	return i.put(number, q)
}

// put writes a number to where the guest wants it.
func (i *instance) put(p, v uint32) abi.Status {
	if !i.vm.PutUint32(p, v) {
		return abi.InvalidMemoryAccess
	}
	return abi.OK
}

// proxyResolveSharedQueue has VM id, name, where to put the number.
func proxyResolveSharedQueue(i *instance, a []uint64) abi.Status {
	id, ok := i.view(a[0], a[1])
	if !ok {
		return abi.InvalidMemoryAccess
	}
	name, ok := i.view(a[2], a[3])
	if !ok {
		return abi.InvalidMemoryAccess
	}
	if len(id) > maxTarget || len(name) > commons.MaxName {
		return abi.NotFound
	}
	q, err := i.plugin.Commons.Resolve(string(id), string(name))
	if err != nil {
		return failing(err)
	}
	return i.put(u32(a[4]), q)
}

// proxyEnqueueSharedQueue has number, item.
func proxyEnqueueSharedQueue(i *instance, a []uint64) abi.Status {
	item, ok := i.view(a[1], a[2])
	if !ok {
		return abi.InvalidMemoryAccess
	}
	return failing(i.plugin.Commons.Push(u32(a[0]), item))
}

// proxyDequeueSharedQueue has number, where to put the item.
func proxyDequeueSharedQueue(i *instance, a []uint64) abi.Status {
	item, err := i.plugin.Commons.Pop(u32(a[0]))
	if err != nil {
		return failing(err)
	}
	return i.give(u32(a[1]), u32(a[2]), item)
}
