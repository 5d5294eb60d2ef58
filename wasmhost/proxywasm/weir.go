package proxywasm

import (
	"crypto/rand"
	"time"

	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// The functions that weir offers beside the ABI; sdk/HOST.md says what they do. This
// file has those that are about no stream.

// weirHello tells the version of all of them.
func weirHello(_ *instance, argument []byte) ([]byte, abi.Status) {
	if len(argument) > 0 {
		return nil, abi.BadArgument
	}
	return ext.AppendUint(nil, ext.Version), abi.OK
}

const mostRandom = 64 << 10

// weirRandom has how many bytes.
func weirRandom(i *instance, argument []byte) ([]byte, abi.Status) {
	f := ext.Read(argument)
	n := f.Uint()
	if f.End() != nil || n == 0 || n > mostRandom {
		return nil, abi.BadArgument
	}
	i.vm.Charge(500 + int64(n))
	b := make([]byte, n)
	rand.Read(b)
	return ext.Append(nil, b), abi.OK
}

// longestTimer is how long a timer runs at most: nobody waits for longer within a process
// that is to be replaced now and then.
const longestTimer = 24 * time.Hour

// weirTimer has milliseconds.
func weirTimer(i *instance, argument []byte) ([]byte, abi.Status) {
	f := ext.Read(argument)
	ms := f.Uint()
	if f.End() != nil || ms > uint64(longestTimer/time.Millisecond) {
		return nil, abi.BadArgument
	}
	i.vm.Charge(starting)
	o := i.place()
	if o == nil {
		i.complain("timer beside as many calls as may be under way: refused")
		return nil, abi.InternalFailure
	}
	o.enlist(i)
	timer := time.AfterFunc(time.Duration(ms)*time.Millisecond, func() {
		o.rt.i.calls.running.Add(1)
		defer o.rt.i.calls.running.Add(-1)
		o.finish(nil, abi.OK, nil)
	})
	o.cancel = func(error) { timer.Stop() }
	return ext.AppendUint(nil, uint64(o.token)), abi.OK
}

// weirCancel has a token: of any call, whoever began it.
func weirCancel(i *instance, argument []byte) ([]byte, abi.Status) {
	f := ext.Read(argument)
	token := f.Uint()
	if f.End() != nil {
		return nil, abi.BadArgument
	}
	o := i.pendingOf(token)
	if o == nil {
		return nil, abi.NotFound
	}
	o.drop()
	return nil, abi.OK
}

// pendingOf finds a callout by what a guest says is its token.
func (i *instance) pendingOf(token uint64) *callout {
	if token > 1<<32-1 {
		return nil
	}
	return i.calls.out[uint32(token)]
}
