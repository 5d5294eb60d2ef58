package sdktest

import (
	"fmt"

	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/sdk/internal/host"
)

// stage says which callback runs, or has paused a direction.
type stage uint8

const (
	idle stage = iota
	inHeaders
	inBody
	inTrailers
	passed
)

// pause says what a direction waits for.
type pause uint8

const (
	flowing   pause = iota // more of the body, and shows it
	buffering              // as well, and the guest keeps what it was shown
	atHead                 // the guest, which may ask for the body
	full                   // the guest
)

// half is one direction of an exchange, on its way through the guest.
type half struct {
	x       *Exchange
	dir     abi.Direction
	header  Header
	trailer Header
	source  []string // that the guest was not shown yet

	ready  bool // the head is there
	bare   bool // and nothing follows it
	closed bool // source is all that there will be
	broken bool // what follows source will never come

	stage   stage
	pause   pause
	order   uint64 // what the guest asks for while it holds the head; 0: nothing
	held    []byte
	kept    bool // held was kept from an earlier callback
	begun   bool // the guest was shown the head
	sent    bool // which has gone on
	ended   bool // the guest was shown the end
	done    bool // all has gone on
	unseen  bool // the guest wants to see no more
	calling bool // a callback runs
	resumed bool // the guest wants it to go on
	tooLong bool // the guest holds more than it may
}

func (h *half) give(pieces ...string) { h.source = append(h.source, pieces...) }

// more tells whether there is something to show.
func (h *half) more() bool { return len(h.source) > 0 || h.closed && !h.ended }

// wanting tells whether more of the body would be shown.
func (h *half) wanting() bool {
	return h.begun && !h.done && (h.pause <= buffering || h.pause == atHead && h.order != 0)
}

// step has one thing happen.
func (h *half) step() (bool, error) {
	switch {
	case h.done:
		return false, nil
	case h.tooLong:
		return true, h.x.tooLong(h)
	case !h.begun:
		if h.ready {
			h.begun = true
			return true, h.head()
		}
		return false, nil
	case h.resumed:
		h.resumed = false
		return true, h.goOn()
	case !h.wanting() || h.dir == abi.Response && h.x.stalled:
		return false, nil
	case h.more():
		return true, h.show()
	case h.broken:
		return true, h.x.cut()
	}
	return false, nil
}

// call calls a callback, and returns what follows from it. stop says that what the guest
// did meanwhile is all that counts.
func (h *half) call(at stage, f func(g host.Guest) abi.Action) (a abi.Action, stop bool, err error) {
	x := h.x
	h.stage, h.resumed, h.calling = at, false, true
	err = x.h.enter(x, func(g host.Guest) { a = f(g) })
	h.calling = false
	if err != nil || x.over {
		return a, true, err
	}
	if x.local != nil && (!x.local.begun || h.dir == abi.Request) || x.aborted || h.tooLong {
		h.pause = atHead
		return a, true, nil
	}
	if h.resumed {
		h.resumed, a = false, abi.Continue
	}
	if a == ext.ContinueUnseen && x.h.plain {
		x.h.warn("action 5 on a host that is not weir: the stream stops for good")
		a = abi.StopAllAndWatermark
	}
	if a == ext.ContinueUnseen {
		h.unseen, a = true, abi.Continue
	}
	return a, false, nil
}

// head shows the head.
func (h *half) head() error {
	a, stop, err := h.call(inHeaders, func(g host.Guest) abi.Action {
		if h.dir == abi.Request {
			return g.OnRequestHeaders(h.x.id, len(h.header), h.bare)
		}
		return g.OnResponseHeaders(h.x.id, len(h.header), h.bare)
	})
	if h.bare {
		h.ended, h.closed = true, true
	}
	if stop || err != nil {
		return err
	}
	if a == abi.Continue || a == abi.ContinueAndEndStream {
		return h.goOn()
	}
	h.pause = atHead
	return nil
}

// show shows the next piece of the body, or the trailers.
func (h *half) show() error {
	piece, last := "", false
	if len(h.source) > 0 {
		piece, h.source = h.source[0], h.source[1:]
		last = len(h.source) == 0 && h.closed && len(h.trailer) == 0
	} else if len(h.trailer) > 0 {
		return h.showTrailers()
	} else {
		last = true
	}
	h.ended = last
	if h.unseen {
		h.pass([]byte(piece))
		return h.settled()
	}
	h.kept = len(h.held) > 0
	h.held = append(h.held, piece...)
	asked := !h.sent
	h.order = 0
	a, stop, err := h.call(inBody, func(g host.Guest) abi.Action {
		if h.dir == abi.Request {
			return g.OnRequestBody(h.x.id, len(h.held), last)
		}
		return g.OnResponseBody(h.x.id, len(h.held), last)
	})
	switch {
	case stop || err != nil:
		return err
	case a == abi.Continue:
		return h.goOn()
	case a == abi.StopNoBuffer:
		h.held = nil
	case len(h.held) > h.x.h.mostBody:
		h.tooLong = true
		return nil
	}
	switch {
	case asked:
		h.pause = atHead
	case last || a == abi.StopAndWatermark:
		h.pause = full
	default:
		h.pause = buffering
	}
	return nil
}

func (h *half) showTrailers() error {
	h.ended = true
	if h.unseen {
		return h.settled()
	}
	h.order, h.kept = 0, len(h.held) > 0
	a, stop, err := h.call(inTrailers, func(g host.Guest) abi.Action {
		if h.dir == abi.Request {
			return g.OnRequestTrailers(h.x.id, len(h.trailer))
		}
		return g.OnResponseTrailers(h.x.id, len(h.trailer))
	})
	switch {
	case stop || err != nil:
		return err
	case a == abi.Continue:
		return h.goOn()
	case h.sent:
		h.pause = full
	default:
		h.pause = atHead
	}
	return nil
}

// goOn lets go on what the guest holds.
func (h *half) goOn() error {
	h.stage, h.pause, h.order = idle, flowing, 0
	if !h.sent {
		h.sendHead()
	}
	h.pass(h.held)
	h.held = nil
	return h.settled()
}

// settled sees to the end of a direction, when that has come.
func (h *half) settled() error {
	if h.ended {
		h.finish()
	}
	if h.ended || h.unseen {
		h.stage = passed
	}
	return nil
}

func (h *half) sendHead() {
	h.sent = true
	x := h.x
	header := h.header.clone()
	if h.dir == abi.Response {
		x.resp.Status = atoi(header.take(":status"))
		x.resp.Header, x.resp.At = header, x.h.clock.now
		return
	}
	x.forwarded = Request{
		Method: header.take(":method"), Path: header.take(":path"), Authority: header.take(":authority"),
		Scheme: header.take(":scheme"), Header: header, Client: x.req.Client,
	}
}

func (h *half) pass(data []byte) {
	switch {
	case len(data) == 0:
	case h.dir == abi.Request:
		h.x.forwarded.Chunks = append(h.x.forwarded.Chunks, string(data))
	case h.x.req.Method != "HEAD":
		h.x.resp.Chunks = append(h.x.resp.Chunks, Chunk{h.x.h.clock.now, string(data)})
	}
}

// finish ends what goes on, and looks after its length.
func (h *half) finish() {
	x, n := h.x, 0
	h.done = true
	header := &x.forwarded.Header
	if h.dir == abi.Request {
		x.forwarded.Trailer = h.trailer
		for _, c := range x.forwarded.Chunks {
			n += len(c)
		}
	} else {
		header = &x.resp.Header
		x.resp.Trailer = h.trailer
		for _, c := range x.resp.Chunks {
			n += len(c.Data)
		}
		if x.req.Method == "HEAD" || x.resp.Status == 304 {
			return
		}
	}
	if said := header.Get("content-length"); said == "" || said == fmt.Sprint(n) {
		return
	} else if x.h.plain {
		x.h.warn("%s: content-length says %s, and %d bytes have gone on", x.name(), said, n)
	}
	header.del("content-length")
}

// tooLong is what becomes of an exchange whose body is more than the guest may hold.
func (x *Exchange) tooLong(h *half) error {
	x.h.warn("%s: the filter holds more than %d bytes of a body: see Limits", x.name(), x.h.mostBody)
	if x.resp.Status != 0 {
		return x.cut()
	}
	x.resp.Status, x.resp.At = 500, x.h.clock.now
	if h.dir == abi.Request {
		x.resp.Status = 413
	}
	return x.finish()
}

func atoi(s string) (n int) {
	_, _ = fmt.Sscan(s, &n)
	return n
}
