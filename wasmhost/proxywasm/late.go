package proxywasm

import (
	"bytes"
	"strings"
	"time"

	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/guest"
)

// This file has what foreign functions need that answer later: weir's own, see
// sdk/HOST.md, and those of services.

const (
	// starting is what such a function costs in fuel: a goroutine, a context, being told.
	starting = 3000
	// perCopied is how many bytes are copied, and kept, for a unit.
	perCopied = 8
	// perServed is what a service costs beside that, perGiven for each byte that it is given,
	// and perTold for each that it tells: it signs that, or finds it in a store.
	perServed = 20_000
	perGiven  = 4
	perTold   = 8
	// longestMessage is how much of an error a guest is told.
	longestMessage = 1 << 10
)

// begin makes a callout for a foreign function; nil where there may be no more.
func (i *instance) begin(cost int) *callout {
	i.vm.Charge(starting + int64(cost)/perCopied)
	o := i.open()
	if o == nil {
		i.complain("call beside as many as may be under way: refused")
	}
	return o
}

// promise has the guest told a token as the result of the foreign function that runs, and
// work done on a goroutine then.
func (o *callout) promise(work func()) ([]byte, abi.Status) {
	i := o.rt.i
	o.work = work
	o.enlist(i)
	i.calls.begun = o
	return ext.AppendUint(nil, uint64(o.token)), abi.OK
}

// settle starts what the foreign function that ends with st has begun, or forgets it:
// nobody knows its token.
func (i *instance) settle(st abi.Status) {
	o := i.calls.begun
	if o == nil {
		return
	}
	i.calls.begun = nil
	if st != abi.OK || i.closed {
		o.drop()
		return
	}
	i.calls.running.Add(1)
	go func() {
		defer o.end()
		o.work()
	}()
}

// serve has a service do what the guest asks of it.
func (i *instance) serve(s guest.Services, name string, argument []byte) ([]byte, abi.Status) {
	if int64(len(argument)) > i.vm.Limits.Body {
		return nil, abi.BadArgument
	}
	i.vm.Charge(perServed + perGiven*int64(len(argument)))
	o := i.begin(len(argument))
	if o == nil {
		return nil, abi.InternalFailure
	}
	argument = bytes.Clone(argument)
	return o.promise(func() {
		began := time.Now()
		fields, st, err := s.Call(o.ctx, name, argument)
		o.owed = perTold * int64(len(fields))
		if o.origin == 0 && (name == ext.PasswordHash || name == ext.PasswordVerify) {
			o.owed += int64(time.Since(began)) // a request needs one or two, which may take long
		}
		o.finish(fields, st, err)
	})
}

// pay takes what the answer has cost from the budget of the stream that asked. If that is
// over, the root rests for it: whoever tells is in the background then.
func (o *callout) pay() {
	if s := o.context().stream; s != nil {
		s.budget.Spend(o.owed)
	} else {
		o.rt.spare.owed += restFor * time.Duration(o.owed)
	}
	o.rt.i.plugin.Counters.Fuel.Add(o.owed)
}

// finish brings the guest the last of its answers; nothing where it has lost interest.
func (o *callout) finish(fields []byte, st abi.Status, err error) {
	o.visit(func() {
		if o.pending() {
			delete(o.rt.i.calls.out, o.token)
			o.pay()
			o.late(fields, st, err)
		}
	})
}

// late calls the guest with an answer. It is called with the instance held.
func (o *callout) late(fields []byte, st abi.Status, err error) {
	i := o.rt.i
	if err != nil && st == abi.OK {
		st = abi.InternalFailure
	}
	b := ext.AppendUint(make([]byte, 0, 28+len(fields)), uint64(o.token))
	b = ext.AppendUint(b, uint64(st))
	switch {
	case err != nil:
		b = ext.Append(b, message(err))
	case st != abi.OK && len(fields) == 0:
		b = ext.Append(b, "")
	default:
		b = append(b, fields...)
	}
	i.lent.buffers[abi.CallData] = b
	o.enter(i.exports.foreign, uint64(o.rt.id), ext.Answer, uint64(len(b)))
	i.lent = lent{}
}

// message is what a guest is told of an error.
func message(err error) string {
	s := strings.ToValidUTF8(err.Error(), "?")
	return strings.ToValidUTF8(s[:min(len(s), longestMessage)], "")
}
