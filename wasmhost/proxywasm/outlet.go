package proxywasm

import (
	"errors"
	"io"
	"sync"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// highWater is from how much unsent on a guest is told to wait; below half of it there is
// room again.
const highWater = 64 << 10

// outlet is the body of a reply that the guest writes while it goes out. What the guest
// does with it happens with the instance held; reading it does not.
type outlet struct {
	s    *stream
	resp *exchange.Response // whose trailer is filled; nil: nobody reads yet
	most int64              // unsent

	mu     sync.Mutex
	filled sync.Cond // signalled when Read has something to return
	buf    []byte    // not sent: from off on
	off    int
	left   int64            // to be written, of the length that was announced; -1: none was
	unread int64            // of it, to be read
	full   bool             // the guest has been told to wait
	ended  bool             // it writes no more
	closed bool             // nobody reads any longer
	cause  error            // that ends, or pauses, reading
	tail   *exchange.Header // the trailer; nil: none
}

var (
	_ exchange.Body        = (*outlet)(nil)
	_ exchange.Interrupter = (*outlet)(nil)

	errReplyLong  = errors.New("the guest has written more than it announced")
	errReplyShort = errors.New("the guest has written less than it announced")
)

func newOutlet(s *stream, length, most int64) *outlet {
	o := &outlet{s: s, most: most, left: length, unread: length}
	o.filled.L = &o.mu
	return o
}

// write takes what the guest writes, and says whether there is room for more.
func (o *outlet) write(b []byte) (room bool, st abi.Status) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch waits := int64(len(o.buf) - o.off); {
	case o.ended:
		return false, abi.BadArgument
	case o.closed || o.cause != nil && o.cause != exchange.ErrPause:
		return false, abi.BrokenConnection
	case o.left >= 0 && int64(len(b)) > o.left:
		o.fail(guestError{errReplyLong})
		return false, abi.BadArgument
	case waits+int64(len(b)) > o.most:
		return false, abi.InternalFailure
	}
	if o.left >= 0 {
		o.left -= int64(len(b))
	}
	if o.off > 0 && len(o.buf)+len(b) > cap(o.buf) {
		o.buf, o.off = o.buf[:copy(o.buf, o.buf[o.off:])], 0
	}
	o.buf = append(o.buf, b...)
	o.s.budget.Made(len(b))
	o.filled.Signal()
	o.full = int64(len(o.buf)-o.off) >= o.high()
	return !o.full, abi.OK
}

func (o *outlet) high() int64 { return min(highWater, max(o.most/2, 1)) }

// end says that the guest writes no more.
func (o *outlet) end(tail *exchange.Header) abi.Status {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.ended:
		return abi.BadArgument
	case o.closed:
		return abi.BrokenConnection
	case o.left > 0:
		o.fail(guestError{errReplyShort})
	}
	o.ended, o.tail = true, tail
	o.filled.Signal()
	return abi.OK
}

// whole returns what was written, if that is all and needs no stream.
func (o *outlet) whole() ([]byte, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.ended || o.cause != nil || o.tail != nil && o.tail.Len() > 0 {
		return nil, false
	}
	o.closed = true
	return o.buf, true
}

// fail ends reading. mu is held.
func (o *outlet) fail(cause error) {
	if o.cause == nil || o.cause == exchange.ErrPause {
		o.cause = cause
	}
	o.filled.Signal()
}

// Interrupt implements exchange.Interrupter.
func (o *outlet) Interrupt(cause error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fail(cause)
}

// Read implements exchange.Body.
func (o *outlet) Read(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		switch waits := len(o.buf) - o.off; {
		case o.cause == exchange.ErrPause:
			o.cause = nil
			return 0, exchange.ErrPause
		case o.cause != nil:
			return 0, failed(o.s.i.plugin, o.s.r, o.cause)
		case o.full && int64(waits) < o.high()/2+1: // what was read before is on its way
			o.full = false
			o.mu.Unlock()
			o.tell(ext.Room)
			o.mu.Lock()
			continue
		case waits > 0:
			n := copy(p, o.buf[o.off:])
			if o.off += n; o.off == len(o.buf) {
				o.buf, o.off = o.buf[:0], 0
			}
			if o.unread > 0 {
				o.unread -= int64(n)
			}
			return n, nil
		case o.ended:
			if o.tail != nil {
				o.resp.Trailer.CopyFrom(o.tail)
				o.tail = nil
			}
			return 0, io.EOF
		}
		o.filled.Wait()
	}
}

// Buffered says how much Read returns without waiting. See exchange.Body.
func (o *outlet) Buffered() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.buf) - o.off
}

// Len implements exchange.Body.
func (o *outlet) Len() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.unread
}

// Close implements exchange.Body: nobody reads any longer, nor does anybody read the
// request's body for the guest.
func (o *outlet) Close() error {
	s := o.s
	s.i.hold()
	o.leave()
	shower := s.reply.shower
	s.i.drop()
	if shower != nil {
		s.in.content.Interrupt(io.ErrClosedPipe)
		<-shower
	}
	s.r.Watch(nil)
	return nil
}

// leave tells the guest that nobody takes what it may still write. The instance is held.
func (o *outlet) leave() {
	o.s.reply.beside = false
	o.mu.Lock()
	done := o.closed || o.ended
	o.closed = true
	o.fail(io.ErrClosedPipe)
	o.mu.Unlock()
	if !done {
		o.say(ext.Gone)
	}
}

// tell is say, for who does not hold the instance.
func (o *outlet) tell(kind uint64) {
	o.s.i.hold()
	defer o.s.i.drop()
	o.say(kind)
}

// say tells the guest of an event.
func (o *outlet) say(kind uint64) {
	s, i := o.s, o.s.i
	if i.closed || s.lost != nil || i.contexts[s.id] != &s.guestContext {
		return
	}
	b := ext.AppendUint(ext.AppendUint(make([]byte, 0, 24), uint64(s.id)), kind)
	i.lent.buffers[abi.CallData] = b
	i.enter(&s.guestContext, &s.budget, i.exports.foreign, uint64(s.root.id), ext.Event, uint64(len(b)))
	i.lent = lent{}
}
