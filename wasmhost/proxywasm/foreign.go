package proxywasm

import (
	"bytes"
	"compress/zlib"
	"io"

	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// foreign is a function that guests call by name. What it is given is the guest's
// memory, good until it returns.
type foreign func(i *instance, argument []byte) ([]byte, abi.Status)

// foreigner finds one; nil: there is none of that name.
func foreigner(name []byte) foreign {
	switch string(name) {
	case "clear_route_cache":
		return func(*instance, []byte) ([]byte, abi.Status) { return nil, abi.OK }
	case "compress":
		return compress
	case "uncompress":
		return uncompress
	case ext.Hello:
		return weirHello
	case ext.Random:
		return weirRandom
	case ext.Timer:
		return weirTimer
	case ext.Cancel:
		return weirCancel
	case ext.Fetch:
		return weirFetch
	case ext.FetchRead:
		return weirFetchRead
	case ext.Body:
		return weirBody
	case ext.ReplyStart:
		return weirReplyStart
	case ext.ReplyWrite:
		return weirReplyWrite
	case ext.ReplyEnd:
		return weirReplyEnd
	case ext.Inform:
		return weirInform
	}
	return nil
}

// proxyCallForeignFunction has name, argument, where to put the result; null pointers
// if nowhere.
func proxyCallForeignFunction(i *instance, a []uint64) abi.Status {
	pointer, size := u32(a[4]), u32(a[5])
	name, ok := i.view(a[0], a[1])
	if !ok {
		return abi.InvalidMemoryAccess
	}
	argument, ok := i.view(a[2], a[3])
	if !ok {
		return abi.InvalidMemoryAccess
	}
	result, st := i.foreign(name, argument)
	begun := i.calls.begun
	if i.calls.begun = nil; st == abi.OK && pointer != 0 && size != 0 {
		st = i.give(pointer, size, result) // whose allocator may call, too
	}
	i.calls.begun = begun
	i.settle(st)
	return st
}

// foreign calls one: the ABI's, weir's, or a service.
func (i *instance) foreign(name, argument []byte) ([]byte, abi.Status) {
	if f := foreigner(name); f != nil {
		return f(i, argument)
	}
	if s := i.plugin.Services; s != nil && len(name) <= maxTarget && s.Has(string(name)) {
		return i.serve(s, string(name), argument)
	}
	return nil, abi.NotFound
}

// What a byte costs to compress, and to bring back, in fuel: about the nanoseconds.
const (
	perDeflated = 50
	perInflated = 10
	// What there has to be before the first byte takes some hundred KiB, and some ten.
	deflating = 100_000
	inflating = 10_000
)

// compress makes zlib's format (RFC 1950) of the argument.
func compress(i *instance, argument []byte) ([]byte, abi.Status) {
	if int64(len(argument)) > i.vm.Limits.Body {
		return nil, abi.BadArgument
	}
	i.vm.Charge(deflating + perDeflated*int64(len(argument)))
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	_, _ = w.Write(argument) // memory takes everything
	_ = w.Close()
	return out.Bytes(), abi.OK
}

// uncompress is the reverse. A few bytes may stand for a thousand times as many, and many
// for none.
func uncompress(i *instance, argument []byte) ([]byte, abi.Status) {
	i.vm.Charge(inflating + perInflated*int64(len(argument)))
	r, err := zlib.NewReader(bytes.NewReader(argument))
	if err != nil {
		return nil, abi.SerializationFailure
	}
	limit := i.vm.Limits.Body
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	i.vm.Charge(perInflated * int64(len(b)))
	if err != nil {
		return nil, abi.SerializationFailure
	}
	if int64(len(b)) > limit {
		return nil, abi.InternalFailure
	}
	return b, abi.OK
}
