package proxywasm

import (
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// instance is one guest: its root contexts, and the streams that it serves. Everything in
// it, and every call into the guest, belongs to whoever holds it: hold and drop. Nobody
// waits while holding it, so that a stream which is paused keeps nobody else waiting.
type instance struct {
	vm     *vm.Instance
	plugin *guest.Plugin
	guests *Guests
	gate   chan struct{} // holds one token while somebody has the instance
	malloc *vm.Func

	nextID   uint32 // of contexts; never reused, never 0
	contexts map[uint32]*guestContext
	// effective is the context that host functions speak of: the one whose callback is
	// running, unless the guest has chosen another.
	effective *guestContext
	// later is what host functions asked for that must not be done before the guest's
	// callback has returned: going on, replying, closing, answering calls that failed at
	// once.
	later []func()
}

// guestContext is a root or a stream, as guests number them.
type guestContext struct {
	id     uint32
	root   *root
	stream *stream // nil: the root's own
}

// root is a plugin's use on one instance: its configuration, timer, calls out.
type root struct {
	guestContext
	use guest.Use
}

// stream is one exchange on one instance.
type stream struct {
	guestContext
}

// hold takes the instance; drop gives it back, when what was asked for later is done.
func (i *instance) hold() { i.gate <- struct{}{} }

func (i *instance) drop() {
	for len(i.later) > 0 {
		f := i.later[0]
		i.later = i.later[1:]
		f()
	}
	<-i.gate
}

// enter calls a callback of c, with c the effective context.
func (i *instance) enter(c *guestContext, b *vm.Budget, f *vm.Func, args ...uint64) (uint64, error) {
	before := i.effective
	i.effective = c
	v, err := i.vm.Call(f, b, args...)
	i.effective = before
	return v, err
}

// give copies data into memory of the guest's allocation, and writes where it is to
// pointer and size. Empty data is a null pointer: allocators fail for 0 bytes.
func (i *instance) give(pointer, size uint32, data []byte) abi.Status {
	at := uint32(0)
	if len(data) > 0 {
		v, err := i.vm.Call(i.malloc, nil, uint64(len(data)))
		if err != nil || v == 0 {
			return abi.InternalFailure
		}
		if at = uint32(v); !i.vm.Write(at, data) {
			return abi.InvalidMemoryAccess
		}
	}
	if !i.vm.PutUint32(pointer, at) || !i.vm.PutUint32(size, uint32(len(data))) {
		return abi.InvalidMemoryAccess
	}
	return abi.OK
}
