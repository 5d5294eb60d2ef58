package proxywasm

import (
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/guest"
)

// fetch is what a callout is besides, whose answer the guest reads as it comes.
type fetch struct {
	// wanted holds a token when the guest wants the next piece.
	wanted chan struct{}
	// open says that there is a body to be read, and asked that the guest waits for a
	// piece of it. Both belong to who holds the instance.
	open, asked bool
}

// weirFetch has upstream, pairs, body, milliseconds.
func weirFetch(i *instance, argument []byte) ([]byte, abi.Status) {
	f := ext.Read(argument)
	target, head, body, ms := f.Bytes(), f.Bytes(), f.Bytes(), f.Uint()
	if f.End() != nil || ms > math.MaxInt32 || abi.CheckPairs(head) != nil {
		return nil, abi.BadArgument
	}
	if int64(len(body)) > i.vm.Limits.Body {
		i.complain("call with a body over its limit: refused")
		return nil, abi.InternalFailure
	}
	i.chargePairs(head)
	o := i.begin(len(argument))
	if o == nil {
		return nil, abi.InternalFailure
	}
	if err := o.fill(head, body, nil); err != nil {
		i.complain(err.Error())
		o.cancel(errCanceled)
		return nil, abi.BadArgument
	}
	up, err := i.upstream(string(target[:min(len(target), maxTarget)]))
	if err != nil {
		return o.promise(func() { o.finish(nil, ext.Denied, err) })
	}
	timeout, _ := callTimeout(ms)
	o.call.Deadline = time.Now().Add(timeout)
	o.fetch = &fetch{wanted: make(chan struct{}, 1)}
	i.plugin.Counters.Callouts.Add(1)
	return o.promise(func() { o.stream(up) })
}

// stream makes the call, tells the guest of the answer, and reads its body as the guest
// wants it. It is a goroutine of its own, which ends with the call's time.
func (o *callout) stream(up guest.Upstream) {
	if err := up.Do(&o.call, &o.resp); err != nil {
		o.finish(nil, abi.BrokenConnection, err)
		return
	}
	defer o.resp.Body.Close()
	if n := o.resp.Body.Len(); n >= 0 && n <= small {
		body, err := io.ReadAll(o.resp.Body)
		if err != nil {
			o.finish(nil, abi.BrokenConnection, fmt.Errorf("read answer: %w", err))
			return
		}
		b := ext.AppendUint(ext.Append(o.head(), body), 0)
		o.finish(ext.Append(b, pairsIn(&o.resp.Trailer)), abi.OK, nil)
		return
	}
	b := ext.AppendUint(ext.Append(o.head(), ""), 1)
	if o.say(b) {
		o.pieces()
	}
}

// head is the answer's, as a field.
func (o *callout) head() []byte {
	h := &exchange.Header{}
	h.Append(":status", statusText(o.resp.Status))
	for name, value := range o.resp.Header.All() {
		h.Append(name, value)
	}
	return ext.Append(nil, pairsIn(h))
}

// pairsIn is h as guests read it.
func pairsIn(h *exchange.Header) []byte {
	list := make([]abi.Pair, 0, h.Len())
	for name, value := range h.All() {
		list = append(list, abi.Pair{Key: name, Value: value})
	}
	return abi.AppendPairs(nil, list)
}

// say tells the guest something, after which more may follow. It says whether the guest
// still cares.
func (o *callout) say(fields []byte) (told bool) {
	o.visit(func() {
		if told = o.pending(); told {
			o.fetch.open, o.fetch.asked = true, false
			if c := o.context(); c.stream != nil {
				c.stream.budget.Passed(len(fields))
			}
			o.late(fields, abi.OK, nil)
		}
	})
	return told
}

// shortPiece is how much is read at a time as long as no more comes: those who are waited
// for send little at once.
const shortPiece = 4 << 10

var errFetchTime = errors.New("read answer: nobody has read it in time")

// pieces reads one piece after the other, when it is wanted.
func (o *callout) pieces() {
	timer := time.NewTimer(time.Until(o.call.Deadline))
	defer timer.Stop()
	buf := make([]byte, shortPiece)
	for {
		select {
		case <-o.fetch.wanted:
		case <-o.ctx.Done():
			return
		case <-timer.C:
			o.forget()
			return
		}
		n, err := o.piece(buf)
		switch {
		case n > 0:
			if !o.say(ext.Append(nil, buf[:n])) {
				return
			}
			if n == len(buf) && n < chunk {
				buf = make([]byte, chunk)
			}
		case err == io.EOF:
			o.finish(ext.Append(nil, pairsIn(&o.resp.Trailer)), abi.Empty, nil)
			return
		default:
			o.finish(nil, abi.BrokenConnection, fmt.Errorf("read answer: %w", err))
			return
		}
	}
}

// piece reads what is there of the body. An error that comes with it comes again.
func (o *callout) piece(buf []byte) (int, error) {
	for range 100 {
		n, err := o.resp.Body.Read(buf)
		if n > 0 || err != nil && err != exchange.ErrPause {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// forget gives the place of a callout to others, whose guest did not read it in time. One
// that has just asked is told.
func (o *callout) forget() {
	o.visit(func() {
		switch {
		case !o.pending():
		case o.fetch.asked:
			delete(o.rt.i.calls.out, o.token)
			o.late(nil, abi.BrokenConnection, errFetchTime)
		default:
			o.drop()
		}
	})
}

// weirFetchRead has the token of an answer whose body is to be read.
func weirFetchRead(i *instance, argument []byte) ([]byte, abi.Status) {
	f := ext.Read(argument)
	token := f.Uint()
	if f.End() != nil {
		return nil, abi.BadArgument
	}
	o := i.pendingOf(token)
	switch {
	case o == nil && token != 0 && token <= uint64(i.calls.last): // there was one: its time is over
		return nil, abi.BrokenConnection
	case o == nil || o.fetch == nil:
		return nil, abi.NotFound
	case !o.fetch.open || o.fetch.asked:
		return nil, abi.BadArgument
	}
	o.fetch.asked = true
	o.fetch.wanted <- struct{}{} // it has room: what was asked before has been answered
	return nil, abi.OK
}
