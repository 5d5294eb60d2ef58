package weir

import (
	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/sdk/internal/host"
)

// stream is one request on its way through the filter.
type stream struct {
	g    *guest
	id   uint32
	root *root
	main task // runs the filter
	req  Request
	resp Response
	in   side // the request
	out  side // the response

	asked    bool      // the filter has called next
	returned bool      // the filter has returned
	replied  bool      // it has answered by itself
	writer   *Writer   // of its answer, if that is being written
	ended    bool      // the request is over
	parts    []*task   // that do something for it beside the filter, see Detach
	answers  []*Answer // to its calls, that have not been read to their end
	farewell func()    // is called when the request is over before the filter is
}

// side is one direction of a stream: what the host holds of its body, and who reads that.
type side struct {
	s    *stream
	dir  abi.Direction
	kind abi.Buffer

	avail  int  // bytes that the host holds
	pos    int  // up to where they have been read
	end    bool // no more will come
	drop   bool // what has been read is not wanted any longer
	passed bool // its head has gone on
	paused bool // the host waits to be told to go on
	unseen bool // nobody looks at its body

	shape func(dst *Writer, src *Body) error // what transforms its body; nil: nothing
	turn  *task                              // runs that
	made  []byte                             // what it has written, and the host has not got yet
	body  Body
}

// newStream makes a stream. Its memory is never another's: an author may have kept a
// request, a header or a writer of one that is over, and finds that it is.
func (g *guest) newStream(id uint32) *stream {
	if len(g.blank) == 0 {
		g.blank = make([]stream, atOnce)
	}
	s := &g.blank[0]
	g.blank = g.blank[1:]
	s.g, s.id = g, id
	s.in.s, s.in.dir, s.in.kind = s, abi.Request, abi.RequestBody
	s.out.s, s.out.dir, s.out.kind = s, abi.Response, abi.ResponseBody
	s.in.body.side, s.out.body.side = &s.in, &s.out
	return s
}

// atOnce is how many streams memory is asked for at once. One by one, that is a quarter of
// what a small filter costs; and as long as one of them is there, all are.
const atOnce = 8

// room returns memory for what a transform writes.
func (g *guest) room() []byte {
	n := len(g.spare)
	if n == 0 {
		return nil
	}
	b := g.spare[n-1]
	g.spare = g.spare[:n-1]
	return b
}

// mostSpare is how many pieces of such memory are kept.
const mostSpare = 64

// recycle takes it back from a stream that is over, to which nobody writes any longer.
func (g *guest) recycle(s *stream) {
	for _, d := range [...]*side{&s.in, &s.out} {
		if n := cap(d.made); n > 0 && n <= 128<<10 && len(g.spare) < mostSpare {
			g.spare = append(g.spare, d.made[:0])
		}
		d.made = nil
	}
}

// active tells whether the host speaks of s now.
func (s *stream) active() bool {
	t := s.g.current
	return t != nil && t.s == s && !s.ended
}

// end says that the request is over. Whoever waits learns it, and comes to an end.
func (s *stream) end() {
	if s.ended {
		return
	}
	s.ended = true
	if s.farewell != nil {
		s.farewell()
	}
	for _, t := range append([]*task(nil), s.parts...) {
		t.gone = true
		t.run()
	}
	for _, t := range [...]*task{&s.main, s.in.turn, s.out.turn} {
		if t.waiting() {
			t.gone = true
			t.run()
		}
	}
	closeAll(s.answers)
}

// event takes what the host has to say about a reply.
func (s *stream) event(kind uint64) {
	w := s.writer
	if w == nil {
		return
	}
	switch kind {
	case ext.Room:
		w.full = false
	case ext.Gone:
		w.full, w.gone = false, true
	}
	for _, t := range append([]*task(nil), w.tasks...) { // one may fill what another waits for
		s.g.wake(t)
	}
}

// OnRequestHeaders implements host.Guest.
func (g *guest) OnRequestHeaders(id uint32, _ int, end bool) abi.Action {
	g.enter()
	defer g.leave()
	s := g.streams.get(id)
	if s == nil || s.root == nil || s.root.filter == nil {
		return abi.Continue
	}
	s.in.end = end
	s.req = Request{
		Header: Header{s: s, m: abi.RequestHeaders}, Trailer: Header{s: s, m: abi.RequestTrailers},
		Body: &s.in.body, s: s,
	}
	s.main = task{g: g, s: s}
	s.main.ready(nil) // and not start: that is a frame more
	s.main.run()
	if !s.goesOn(&s.in) {
		s.in.paused = true
		return abi.Pause
	}
	return s.head(&s.in)
}

// onward returns what a filter calls to have the request go on: one function for all the
// streams of a worker, one after the other. Kept, it is of no use to another's.
func (w *worker) onward() Next {
	return func(r *Request) (*Response, error) {
		s := w.s
		switch {
		case s == nil || r != &s.req || !s.active():
			return nil, ErrGone
		case s.asked || s.replied || s.writer != nil:
			return nil, &Error{Op: "call next", Message: "the request has gone on, or was answered"}
		case s.in.drop:
			return nil, &Error{Op: "call next", Message: "its body has been taken away"}
		case s.g.current != &s.main:
			return nil, &Error{Op: "call next", Message: "it is the filter's own to call"}
		}
		s.asked = true
		for s.resp.s == nil {
			if !s.main.wait() {
				return nil, ErrGone
			}
		}
		return &s.resp, nil
	}
}

// OnResponseHeaders implements host.Guest.
func (g *guest) OnResponseHeaders(id uint32, _ int, end bool) abi.Action {
	g.enter()
	defer g.leave()
	s := g.streams.get(id)
	if s == nil {
		return abi.Continue
	}
	if s.replied || !s.main.waiting() {
		s.out.unseen = true // other hosts show it the body all the same
		return g.unseen()   // of a reply of its own, a filter has nothing more to see
	}
	s.out.end = end
	s.resp = Response{
		Header: Header{s: s, m: abi.ResponseHeaders}, Trailer: Header{s: s, m: abi.ResponseTrailers},
		Body: &s.out.body, s: s,
	}
	s.main.run()
	if !s.goesOn(&s.out) {
		s.out.paused = true
		return abi.Pause
	}
	return s.head(&s.out)
}

// unseen is what a callback returns that wants no more of a direction.
func (g *guest) unseen() abi.Action {
	if g.onWeir() {
		return ext.ContinueUnseen
	}
	return abi.Continue
}

// goesOn tells whether a direction's head may go on.
func (s *stream) goesOn(d *side) bool {
	switch {
	case s.replied:
		return false
	case d == &s.in:
		return s.asked
	}
	return s.returned
}

// head is called when a direction's head may go on, in the callback for it. It returns
// what that returns.
func (s *stream) head(d *side) abi.Action {
	d.passed, d.paused = true, false
	if d.shape == nil {
		d.unseen = true
		return s.g.unseen()
	}
	s.reshaped(d)
	if d.end { // there is no body, and no callback for one
		d.transform()
		if d.busy() {
			d.paused = true
			return abi.Pause
		}
	}
	return abi.Continue
}

// reshaped prepares a head for another body than it came with.
func (s *stream) reshaped(d *side) {
	if !s.g.onWeir() {
		host.Remove(mapOf(d), "content-length") // it will not be true
	}
}

// busy tells whether the transform waits for something else than more of the body.
func (d *side) busy() bool { return d.turn.waiting() && d.body.reader != d.turn }

func mapOf(d *side) abi.Map {
	if d.dir == abi.Request {
		return abi.RequestHeaders
	}
	return abi.ResponseHeaders
}

// settle is called when something that was waited for has come, and one of the stream's
// tasks has gone on: it tells the host what that means for what it holds.
func (s *stream) settle() {
	if s.ended {
		return
	}
	for _, d := range [...]*side{&s.in, &s.out} {
		if !d.paused || s.replied {
			continue
		}
		switch {
		case d.passed: // it is the transform that had to wait
			if d.busy() {
				continue
			}
			d.hand()
		case s.goesOn(d):
			d.passed = true
			if d.unseen = d.shape == nil; d.unseen {
				break
			}
			s.reshaped(d)
			if d.avail == 0 && !d.end {
				break // the host has shown nothing yet, and will
			}
			d.rewind()
			if d.transform(); d.busy() {
				continue
			}
		default:
			continue
		}
		d.paused = false
		host.Continue(d.dir)
	}
}
