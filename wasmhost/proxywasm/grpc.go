package proxywasm

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/guest"
)

// rpc is what a callout is besides, that speaks gRPC.
type rpc struct {
	feed *feed // of a stream; nil: a call of one message each way
}

// proxyGrpcCall has service, its name, method, metadata, message, timeout, where to put
// the token.
func proxyGrpcCall(i *instance, a []uint64) abi.Status {
	timeout, ok := callTimeout(a[10])
	if !ok {
		return abi.ParseFailure
	}
	message, ok := i.view(a[8], a[9])
	if !ok {
		return abi.InvalidMemoryAccess
	}
	if int64(len(message)) > i.vm.Limits.Body {
		i.complain("call with a message over its limit: refused")
		return abi.InternalFailure
	}
	o, up, st := i.openRPC(a)
	if st != abi.OK {
		return st
	}
	o.call.Body = exchange.NewBytes(appendFrame(make([]byte, 0, frameHead+len(message)), message))
	o.call.Deadline = time.Now().Add(timeout)
	o.call.Header.Append("grpc-timeout", grpcTimeout(timeout))
	if st := o.launch(i, u32(a[11])); st != abi.OK {
		return st
	}
	go o.converse(up, i.vm.Limits.Body)
	return abi.OK
}

// proxyGrpcStream has service, its name, method, metadata, where to put the token.
func proxyGrpcStream(i *instance, a []uint64) abi.Status {
	o, up, st := i.openRPC(a)
	if st != abi.OK {
		return st
	}
	o.rpc.feed = newFeed()
	o.call.Body = o.rpc.feed
	if st := o.launch(i, u32(a[8])); st != abi.OK {
		return st
	}
	go o.converse(up, i.vm.Limits.Body)
	return abi.OK
}

// grpcTimeout is how the protocol has it: eight digits and a unit.
func grpcTimeout(d time.Duration) string {
	if ms := d.Milliseconds(); ms < 1e8 {
		return strconv.FormatInt(ms, 10) + "m"
	}
	return strconv.FormatInt(int64(d/time.Second), 10) + "S"
}

// openRPC makes a callout of service, its name, method and metadata. Whatever is wrong
// with them is a ParseFailure: guests in Rust know no other status for it.
func (i *instance) openRPC(a []uint64) (*callout, guest.Upstream, abi.Status) {
	var part [4][]byte
	for k := range part {
		var ok bool
		if part[k], ok = i.view(a[2*k], a[2*k+1]); !ok {
			return nil, nil, abi.InvalidMemoryAccess
		}
	}
	i.chargePairs(part[3])
	o := i.open()
	if o == nil {
		i.complain("call beside as many as may be under way: refused")
		return nil, nil, abi.InternalFailure
	}
	target, err := serviceOf(part[0])
	if err == nil {
		err = o.setRPC(part[1], part[2], part[3])
	}
	var up guest.Upstream
	if err == nil {
		up, err = i.upstream(target)
	}
	if err != nil {
		i.complain(err.Error())
		o.cancel(errCanceled)
		return nil, nil, abi.ParseFailure
	}
	return o, up, abi.OK
}

// setRPC makes the head of a gRPC request.
func (o *callout) setRPC(service, method, metadata []byte) error {
	o.rpc = &rpc{}
	o.call.Method = "POST"
	if len(service) > maxTarget || len(method) > maxTarget {
		return errors.New("call upstream: the name of its method is too long")
	}
	if err := o.setTarget("/" + string(service) + "/" + string(method)); err != nil {
		return err
	}
	h := &o.call.Header
	h.Append("te", "trailers")
	h.Append("content-type", "application/grpc")
	for name, value := range abi.Pairs(metadata) {
		name = strings.ToLower(name)
		if name == "content-type" || strings.HasPrefix(name, "grpc-") {
			continue // the protocol's own
		}
		if err := o.addField(name, value); err != nil {
			return err
		}
	}
	return nil
}

// rpcOf finds a gRPC callout of the guest's.
func (i *instance) rpcOf(token uint64) *callout {
	if o := i.calls.out[u32(token)]; o != nil && o.rpc != nil {
		return o
	}
	return nil
}

// proxyGrpcSend has token, message, whether it is the last.
func proxyGrpcSend(i *instance, a []uint64) abi.Status {
	o := i.rpcOf(a[0])
	if o == nil {
		return abi.NotFound
	}
	if o.rpc.feed == nil {
		return abi.BadArgument
	}
	message, ok := i.view(a[1], a[2])
	if !ok {
		return abi.InvalidMemoryAccess
	}
	if !o.rpc.feed.send(message, i.vm.Limits.Body) {
		return abi.InternalFailure
	}
	if u32(a[3]) != 0 {
		o.rpc.feed.end()
	}
	return abi.OK
}

// proxyGrpcCancel has token. The guest hears no more of it.
func proxyGrpcCancel(i *instance, a []uint64) abi.Status {
	o := i.rpcOf(a[0])
	if o == nil {
		return abi.NotFound
	}
	o.drop()
	return abi.OK
}

// proxyGrpcClose has token: of a stream, to which nothing more is sent, while the answer
// may go on; or of a call, which is cancelled.
func proxyGrpcClose(i *instance, a []uint64) abi.Status {
	o := i.rpcOf(a[0])
	if o == nil {
		return abi.NotFound
	}
	if o.rpc.feed != nil {
		o.rpc.feed.end()
	} else {
		o.drop()
	}
	return abi.OK
}
