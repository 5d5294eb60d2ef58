package proxywasm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// callTime is how long a call may take for which the guest gives no time.
const callTime = 60 * time.Second

// longestCall is how long any call may take: it outlives the stream that made it, and
// holds one of the instance's places for calls.
const longestCall = 10 * time.Minute

// callTimeout reads what a guest gives as the time for a call, in milliseconds: an i32
// that is not negative, 0 for none.
func callTimeout(v uint64) (time.Duration, bool) {
	n := u32(v)
	if n == 0 {
		return callTime, true
	}
	return min(time.Duration(n)*time.Millisecond, longestCall), n <= math.MaxInt32
}

// calls are those to upstreams that an instance's guest has under way.
type calls struct {
	last uint32 // token given last
	out  map[uint32]*callout
	// running are those of which nobody knows yet that they have ended: those out, and
	// those that the guest has cancelled.
	running atomic.Int32
	// begun is the one that the foreign function which runs has begun; nil: none.
	begun *callout
	// status and message are what proxy_get_status tells, of the callback that runs.
	status  uint32
	message string
}

// callout is one of them. Its goroutine reads call and fills resp; the rest belongs to
// who holds the instance.
type callout struct {
	rt    *root
	token uint32
	// origin is the stream whose callback asked, by its number: it may be over when the
	// answer comes, and its memory another's.
	origin uint32
	call   exchange.Call
	resp   exchange.Response
	ctx    context.Context
	cancel context.CancelCauseFunc
	rpc    *rpc   // nil: no gRPC
	work   func() // of one that a foreign function began: its goroutine
	fetch  *fetch // nil: none of weir.fetch
	owed   int64  // fuel, for the answer, beside what hearing it takes
}

var errCanceled = errors.New("the guest, or its end, has cancelled the call")

// open makes a callout and gives it a token; nil where as many are under way as may be,
// or nobody could be told of the answer.
func (i *instance) open() *callout {
	o := i.place()
	if o == nil {
		return nil
	}
	o.ctx, o.cancel = context.WithCancelCause(context.Background())
	o.call = exchange.Call{Body: exchange.NoBody, Caller: exchange.CallerOf(o.ctx)}
	o.resp.Body = exchange.NoBody
	return o
}

// place is open for what calls nobody: it has nothing to cancel.
func (i *instance) place() *callout {
	c := i.effective
	most := i.vm.Limits.Calls
	if c == nil || i.closed || len(i.calls.out) >= most || int(i.calls.running.Load()) >= 2*most {
		return nil
	}
	o := &callout{rt: c.root, cancel: func(error) {}}
	if c.stream != nil {
		o.origin = c.id
	}
	return o
}

// launch puts the callout among those under way, and tells the guest its token. When it
// returns anything but OK there is no callout.
func (o *callout) launch(i *instance, at uint32) abi.Status {
	o.enlist(i)
	if st := i.put(at, o.token); st != abi.OK {
		o.drop()
		return st
	}
	i.calls.running.Add(1)
	i.plugin.Counters.Callouts.Add(1)
	return abi.OK
}

// enlist puts the callout among those under way.
func (o *callout) enlist(i *instance) {
	k := &i.calls
	if k.out == nil {
		k.out = map[uint32]*callout{}
	}
	for k.last++; k.last == 0 || k.out[k.last] != nil; k.last++ {
	}
	o.token = k.last
	k.out[o.token] = o
	if !o.rt.calling {
		o.rt.calling = true
		o.rt.closers = append(o.rt.closers, o.rt.hangUp)
	}
}

// hangUp cancels all callouts of a root.
func (rt *root) hangUp() {
	rt.calling = false
	for _, o := range rt.i.calls.out {
		if o.rt == rt {
			o.drop()
		}
	}
}

// drop forgets a callout: the guest hears no more of it.
func (o *callout) drop() {
	delete(o.rt.i.calls.out, o.token)
	o.cancel(errCanceled)
}

// end is the last that its goroutine does.
func (o *callout) end() {
	o.cancel(nil)
	o.rt.i.calls.running.Add(-1)
}

// visit runs f with the instance held: for the stream that asked, while it lives, or in
// nobody's time.
func (o *callout) visit(f func()) {
	paid := false
	if o.origin != 0 {
		o.rt.visit(func() {
			if paid = o.context().stream != nil; paid {
				f()
			}
		})
	}
	if !paid {
		o.rt.background(f)
	}
}

// enter tells the guest of the answer. A stream that still lives pays for it.
func (o *callout) enter(f *vm.Func, args ...uint64) {
	c := o.context()
	var b *vm.Budget
	if c.stream != nil {
		b = &c.stream.budget
	}
	o.rt.i.enter(c, b, f, args...)
}

// pending tells whether the guest still waits for the callout.
func (o *callout) pending() bool { return o.rt.i.calls.out[o.token] == o }

// context is what host functions speak of in the answer's callback: the stream that
// asked, while it lives. SDKs choose it themselves; guests written by hand forget to.
func (o *callout) context() *guestContext {
	if c := o.rt.i.contexts[o.origin]; c != nil && c.stream != nil && c.root == o.rt {
		return c
	}
	return &o.rt.guestContext
}

// maxTarget is how long the name of an upstream may be; what is longer is none.
const maxTarget = 1 << 10

// upstream finds what a guest wants to call.
func (i *instance) upstream(target string) (guest.Upstream, error) {
	if len(target) >= maxTarget {
		return nil, errors.New("find upstream: its name is too long")
	}
	up, err := i.plugin.Upstream(target)
	if err != nil {
		return nil, fmt.Errorf("find upstream: %w", err)
	}
	return up, nil
}

// proxyHttpCall has upstream, headers, body, trailers, timeout, where to put the token.
func proxyHttpCall(i *instance, a []uint64) abi.Status {
	timeout, ok := callTimeout(a[8])
	if !ok {
		return abi.BadArgument
	}
	target, ok := i.view(a[0], a[1])
	if !ok {
		return abi.InvalidMemoryAccess
	}
	head, ok := i.view(a[2], a[3])
	if !ok {
		return abi.InvalidMemoryAccess
	}
	body, ok := i.view(a[4], a[5])
	if !ok {
		return abi.InvalidMemoryAccess
	}
	trailer, ok := i.view(a[6], a[7])
	if !ok {
		return abi.InvalidMemoryAccess
	}
	if int64(len(body)) > i.vm.Limits.Body {
		i.complain("call with a body over its limit: refused")
		return abi.InternalFailure
	}
	i.chargePairs(head)
	i.chargePairs(trailer)
	o := i.open()
	if o == nil {
		i.complain("call beside as many as may be under way: refused")
		return abi.InternalFailure
	}
	err := o.fill(head, body, trailer)
	var up guest.Upstream
	if err == nil {
		up, err = i.upstream(string(target[:min(len(target), maxTarget)]))
	}
	if err != nil {
		i.complain(err.Error())
		o.cancel(errCanceled)
		return abi.BadArgument
	}
	o.call.Deadline = time.Now().Add(timeout)
	if st := o.launch(i, u32(a[9])); st != abi.OK {
		return st
	}
	go o.run(up, i.vm.Limits.Body)
	return abi.OK
}

// fill makes the call of what the guest gave.
func (o *callout) fill(head, body, trailer []byte) error {
	if err := o.setHead(head); err != nil {
		return err
	}
	if len(body) > 0 {
		o.call.Body = exchange.NewBytes(append([]byte(nil), body...))
	}
	if len(trailer) == 0 {
		return nil
	}
	t := &exchange.Header{}
	for name, value := range abi.Pairs(trailer) {
		if keep, _ := exchange.TrailerFate(name); !keep {
			continue
		}
		if err := t.Add(name, value); err != nil {
			return err
		}
	}
	if t.Len() > 0 {
		o.call.Trailer = t
	}
	return nil
}

// run makes the call and brings the guest its answer. It is a goroutine of its own: the
// guest's callback that asked has returned when the answer is told, since the instance
// is held until then.
func (o *callout) run(up guest.Upstream, most int64) {
	defer o.end()
	body, err := o.do(up, most)
	o.visit(func() {
		if o.pending() {
			delete(o.rt.i.calls.out, o.token)
			o.answer(body, err)
		}
	})
}

// do makes the call and reads the whole answer.
func (o *callout) do(up guest.Upstream, most int64) ([]byte, error) {
	if err := up.Do(&o.call, &o.resp); err != nil {
		return nil, err
	}
	defer o.resp.Body.Close()
	if o.resp.Body.Len() > most {
		return nil, fmt.Errorf("read answer: longer than %d bytes", most)
	}
	body, err := io.ReadAll(io.LimitReader(o.resp.Body, most+1))
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if int64(len(body)) > most {
		return nil, fmt.Errorf("read answer: longer than %d bytes", most)
	}
	return body, nil
}

// answer tells the guest: without a header, and with a status, where there was none.
func (o *callout) answer(body []byte, err error) {
	i := o.rt.i
	if err != nil {
		i.calls.status, i.calls.message = uint32(abi.BrokenConnection), err.Error()
		o.enter(i.exports.httpCall, uint64(o.rt.id), uint64(o.token), 0, 0, 0)
	} else {
		head := &exchange.Header{}
		head.Append(":status", strconv.Itoa(o.resp.Status))
		for name, value := range o.resp.Header.All() {
			head.Append(name, value)
		}
		l := &i.lent
		l.maps[abi.CallResponseHeaders], l.maps[abi.CallResponseTrailers] = head, &o.resp.Trailer
		l.buffers[abi.CallResponseBody] = body
		o.enter(i.exports.httpCall,
			uint64(o.rt.id), uint64(o.token), uint64(head.Len()), uint64(len(body)), uint64(o.resp.Trailer.Len()))
	}
	i.lent = lent{}
	i.calls.status, i.calls.message = 0, ""
}

// proxyGetStatus has where to put the status, and where its message.
func proxyGetStatus(i *instance, a []uint64) abi.Status {
	message := i.calls.message
	if st := i.put(u32(a[0]), i.calls.status); st != abi.OK {
		return st
	}
	return i.giveString(u32(a[1]), u32(a[2]), message)
}
