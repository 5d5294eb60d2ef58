package httpwasm

import (
	"errors"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	abi "github.com/weirproxy/weir/sdk/abi/httpwasm"
)

var (
	errNoRoom         = errors.New("there is no room to read to")
	errBufferRequest  = errors.New("the request's body has gone on: the feature buffer_request keeps it")
	errBufferResponse = errors.New("the response's body is not held: the feature buffer_response does that")
)

// readBody: kind, buf, limit -> eof_len.
func readBody(i *instance, a []uint64) {
	const what = "read_body"
	x := i.visit(what)
	to := i.read(what, a[1], a[2])
	if len(to) == 0 {
		i.refuse(what, errNoRoom)
	}
	kind := abi.BodyKind(u32(a[0]))
	switch {
	case kind > abi.ResponseBody:
		i.refuse(what, errKind)
	case x.err != nil: // the guest need not know that nobody cares any longer
		a[0] = abi.EOFLen(true, 0)
	case kind == abi.RequestBody && x.after:
		a[0] = i.reread(to)
	case kind == abi.RequestBody:
		keep := x.features.Has(abi.BufferRequest)
		if !keep && x.asked.length != 0 {
			x.changed = true
		}
		a[0] = i.pull(&x.asked, to, keep, errRequestSize)
	case x.resp == nil:
		a[0] = abi.EOFLen(true, 0)
	case !x.features.Has(abi.BufferResponse):
		i.refuse(what, errBufferResponse)
	default:
		a[0] = i.pull(&x.answer, to, true, errResponseSize)
	}
}

// pull reads from a body that has not gone on. How long that takes is not the guest's fault.
func (i *instance) pull(c *content, to []byte, keep bool, tooMuch *exchange.Error) uint64 {
	x, begin := &i.x, time.Now()
	n, full, err := c.read(to, keep, x.limit)
	i.vm.Waited(time.Since(begin))
	switch {
	case err != nil:
		x.fail(err)
	case full:
		x.tooMuch(tooMuch)
	default:
		return abi.EOFLen(c.over(), n)
	}
	return abi.EOFLen(true, 0)
}

// reread reads what has gone on to the next handler.
func (i *instance) reread(to []byte) uint64 {
	x := &i.x
	switch {
	case !x.features.Has(abi.BufferRequest):
		i.refuse("read_body", errBufferRequest)
	case x.copy == nil: // there was none, or it was the guest's own
		return abi.EOFLen(true, 0)
	}
	n, full, over := x.copy.read(to, x.asked.at)
	if full {
		x.tooMuch(errRequestSize)
	}
	x.asked.at += n
	return abi.EOFLen(over, n)
}

// writeBody: kind, text.
func writeBody(i *instance, a []uint64) {
	const what = "write_body"
	x := i.visit(what)
	b := i.read(what, a[1], a[2])
	c := &x.asked
	switch kind := abi.BodyKind(u32(a[0])); {
	case kind > abi.ResponseBody:
		i.refuse(what, errKind)
	case kind == abi.RequestBody && x.after:
		i.refuse(what, errAfter)
	case kind == abi.ResponseBody:
		if x.resp != nil && !x.features.Has(abi.BufferResponse) {
			i.refuse(what, errBufferResponse)
		}
		c = &x.answer
	}
	c.wrote = true
	if int64(len(c.written)+len(b)) > x.limit {
		x.tooMuch(errWrittenSize)
		return
	}
	c.written = append(c.written, b...)
}
