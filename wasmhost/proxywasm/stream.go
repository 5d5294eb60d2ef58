package proxywasm

import (
	"errors"
	"io"
	"sync"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// stream is one exchange on one instance. What host functions change is guarded by the
// instance: callbacks for the request's body may run on another goroutine than those
// for the response.
type stream struct {
	guestContext
	r      *exchange.Request
	resp   *exchange.Response // nil until there is one
	budget vm.Budget
	in     half // the request
	out    half // the response
	method string
	wrote  int // bytes of fields that the guest has written

	answered bool  // the guest has replied itself: reply holds what
	served   bool  // and that is the response that goes out
	aborted  bool  // the guest has asked to close the stream
	finished bool  // the exchange is over: nothing can be changed any longer
	lost     error // what ended its instance; no callbacks after that
	reply    reply
	details  string // what the guest said of its reply
	hinted   []hint // interim responses that the exchange's goroutine has to send

	// properties are what the guest has set, by their path; made when first wanted.
	properties map[string][]byte
}

// stage says where a half is: which callback runs, or has paused it.
type stage uint8

const (
	idle stage = iota
	inHeaders
	inBody
	inTrailers
	passed
)

// half is one direction of a stream.
type half struct {
	header  *exchange.Header
	trailer *exchange.Header
	length  int64 // that guests see as content-length; -1: none
	stage   stage
	sent    bool  // its head has gone on: changes of it come too late
	last    bool  // no content follows what the guest has, and no trailers
	resumed bool  // the guest wants it to go on
	touched bool  // the guest has changed something of it
	changed bool  // the guest has changed the content
	tooLong bool  // the guest has made the content longer than it may
	unseen  bool  // the guest wants to be shown nothing more of it
	ended   bool  // the guest has been shown the end
	order   uint8 // of weir.body, that nobody has followed yet; 0: none
	cut     bool  // the guest has ended it early: content is not passed on

	signal chan struct{} // holds a token when who waits for the guest should look again

	// buffer is the content that the guest has been told of and that has not gone on
	// yet. It is written to only where it is owned.
	buffer  []byte
	owned   bool
	content *content // that is being read; nil: none is
}

// room gives streams back their memory.
var room = sync.Pool{New: func() any { return &stream{in: newHalf(), out: newHalf()} }}

func newHalf() half { return half{signal: make(chan struct{}, 1), owned: true, length: -1} }

var errClosed = errors.New("instance is closed")

// newStream makes the stream of an exchange on i, which is held.
func newStream(i *instance, rt *root, r *exchange.Request) *stream {
	s := room.Get().(*stream)
	s.r, s.method = r, r.Method
	s.root, s.stream = rt, s
	s.budget = i.vm.Limits.NewBudget()
	h := &s.in
	h.header, h.trailer, h.length = &r.Header, &r.Trailer, contentLength(r.Body)
	h.last = h.length == 0 && r.Trailer.Len() == 0
	i.add(&s.guestContext)
	i.plugin.Counters.Streams.Add(1)
	return s
}

// End implements exchange.Ender: the guest is told, and forgets the stream.
func (s *stream) End(*exchange.Request) {
	i := s.i
	i.hold()
	s.finished = true
	s.in.stage, s.out.stage = passed, passed
	if o := s.reply.outlet; o != nil { // that nobody has taken, or it has been closed
		o.leave()
	}
	shower := s.reply.shower // nil, unless whoever had the reply has not closed it
	if !i.closed {
		c := &s.guestContext
		i.enter(c, nil, i.exports.done, uint64(s.id)) // its result means nothing for streams
		i.enter(c, nil, i.exports.log, uint64(s.id))
		i.enter(c, nil, i.exports.delete, uint64(s.id))
	}
	delete(i.contexts, s.id)
	i.account()
	if !i.closed && i.vm.Worn() && !i.retiring.Load() {
		i.guests.renew(i)
	}
	i.drop()
	if shower != nil {
		s.in.content.Interrupt(io.ErrClosedPipe)
		<-shower
	}
	i.plugin.Counters.Streams.Add(-1)
	i.guests.leave(i)
	for _, h := range [...]*half{&s.in, &s.out} {
		if h.content != nil {
			h.content.end()
		}
	}
	s.free()
}

// free gives the stream's memory to the next.
func (s *stream) free() {
	s.in.reset()
	s.out.reset()
	clear(s.properties)
	s.reply.reset()
	*s = stream{in: s.in, out: s.out, properties: s.properties, reply: s.reply}
	room.Put(s)
}

func (h *half) reset() {
	select {
	case <-h.signal:
	default:
	}
	var buffer []byte
	if h.owned && cap(h.buffer) <= 2*chunk {
		buffer = h.buffer[:0]
	}
	*h = half{signal: h.signal, buffer: buffer, owned: true, length: -1}
}

// wake has who waits for the guest look again. It is called with the instance held.
func (s *stream) wake() {
	for _, h := range [...]*half{&s.in, &s.out} {
		select {
		case h.signal <- struct{}{}:
		default:
		}
	}
	switch o := s.reply.outlet; {
	case o == nil:
	case s.lost != nil:
		o.Interrupt(guestError{s.lost})
	case s.aborted:
		o.Interrupt(errAborted)
	}
}
