package sdktest

import (
	"fmt"
	"strings"

	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/sdk/internal/host"
)

// reply is an answer of the filter's own.
type reply struct {
	status  int
	header  Header
	body    string
	details string

	streamed bool // the body is written later
	begun    bool
	ended    bool // the filter has written all
	waits    bool // it was told to wait for room
	unsent   []string
	trailer  Header
	length   int // announced; -1: none
	wrote    int
}

// reply takes an answer, and says whether it counts.
func (x *Exchange) reply(r *reply) abi.Status {
	h := x.h
	switch {
	case x.over || x.local != nil:
		h.warn("%s: a second answer, or one too late: ignored", x.name())
		if r.streamed {
			return abi.BadArgument
		}
		return abi.OK
	case len(r.body) > h.mostBody:
		h.warn("%s: an answer of more than %d bytes: ignored", x.name(), h.mostBody)
		return abi.InternalFailure
	case r.status < 200 || r.status > 599:
		h.warn("%s: an answer with the status %d", x.name(), r.status)
		if r.streamed {
			return abi.BadArgument
		}
		r.status = 500
	}
	r.length = -1
	if said := r.header.Get("content-length"); said != "" && r.streamed {
		r.length = atoi(said)
	}
	kept := r.header[:0]
	for _, f := range r.header {
		switch f.Name {
		case "transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer":
			h.warn("%s: an answer with the field %s, which is the host's: left out", x.name(), f.Name)
			continue
		case "content-length":
			if !r.streamed {
				continue
			}
		}
		if !strings.HasPrefix(f.Name, ":") {
			kept = append(kept, f)
		}
	}
	r.header = kept
	x.local = r
	return abi.OK
}

// begunLocal begins to send the filter's own answer, when its callback has returned.
func (x *Exchange) begunLocal() error {
	h, r := x.h, x.local
	r.begun = true
	x.in.resumed = false
	if x.resp.Status != 0 {
		h.warn("%s: an answer after the head of another has gone to the client", x.name())
		return x.cut()
	}
	if r.body != "" && !r.header.Has("content-type") {
		r.header.add("content-type", "text/plain")
	}
	if !r.streamed && x.req.Method != "HEAD" {
		r.header.add("content-length", fmt.Sprint(len(r.body)))
	}
	x.resp.Local, x.resp.Details = true, r.details
	if h.plain && !x.out.begun { // Envoy shows it to the filter as it would any answer
		o := &x.out
		o.header = append(Fields(":status", fmt.Sprint(r.status)), r.header...)
		o.ready, o.closed, o.bare = true, true, r.body == ""
		if r.body != "" {
			o.give(r.body)
		}
		x.in.stage, x.in.pause = passed, full
		return nil
	}
	x.resp.Status, x.resp.Header, x.resp.At = r.status, r.header, h.clock.now
	if r.streamed {
		return nil
	}
	if r.body != "" && x.req.Method != "HEAD" {
		x.resp.Chunks = append(x.resp.Chunks, Chunk{h.clock.now, r.body})
	}
	return x.finish()
}

// stepLocal has one thing happen to a streamed answer.
func (x *Exchange) stepLocal() (bool, error) {
	r := x.local
	switch {
	case r == nil || !r.streamed || x.stalled:
		return false, nil
	case len(r.unsent) > 0:
		piece := r.unsent[0]
		r.unsent = r.unsent[1:]
		if x.req.Method != "HEAD" {
			x.resp.Chunks = append(x.resp.Chunks, Chunk{x.h.clock.now, piece})
		}
		return true, nil
	case r.ended && r.length >= 0 && r.wrote != r.length:
		x.h.warn("%s: content-length says %d, and %d bytes were written", x.name(), r.length, r.wrote)
		return true, x.cut()
	case r.ended:
		x.resp.Trailer = r.trailer
		return true, x.finish()
	case r.waits:
		r.waits = false
		return true, x.tell(ext.Room)
	}
	return false, nil
}

// tell tells the guest of what has become of its answer.
func (x *Exchange) tell(kind uint64) error {
	x.h.lent.data = ext.AppendUint(ext.AppendUint(nil, uint64(x.id)), kind)
	n := len(x.h.lent.data)
	return x.h.enter(x, func(g host.Guest) { g.OnForeign(rootID, ext.Event, n) })
}

func (x *Exchange) tellGone() error {
	x.local.waits = false
	x.local.unsent = nil
	return x.tell(ext.Gone)
}

// write takes a piece of a streamed answer, and says whether there is room for more.
func (x *Exchange) write(data []byte) (room bool, st abi.Status) {
	r := x.local
	if r == nil || !r.streamed || r.ended || x.over {
		x.h.warn("%s: written to an answer that is none, or has ended", x.name())
		return false, abi.BadArgument
	}
	unsent := len(data)
	for _, p := range r.unsent {
		unsent += len(p)
	}
	if x.stalled && unsent > x.h.mostBody {
		return false, abi.InternalFailure
	}
	r.wrote += len(data)
	if r.length >= 0 && r.wrote > r.length {
		x.h.warn("%s: content-length says %d, and more was written", x.name(), r.length)
		x.aborted = true
		return false, abi.BadArgument
	}
	if len(data) > 0 {
		r.unsent = append(r.unsent, string(data))
	}
	r.waits = x.stalled
	return !x.stalled, abi.OK
}

// grpc makes an answer to a gRPC call one of trailers alone, as hosts do.
func (r *reply) grpc(status int32) {
	if status < 0 || status > 16 {
		switch r.status {
		case 200:
			status = 0
		case 400:
			status = 13
		case 401:
			status = 16
		case 403:
			status = 7
		case 404:
			status = 12
		case 429, 502, 503, 504:
			status = 14
		default:
			status = 2
		}
	}
	r.status = 200
	r.header.set("content-type", "application/grpc")
	r.header.set("grpc-status", fmt.Sprint(status))
	if r.body != "" {
		r.header.set("grpc-message", r.body)
		r.body = ""
	}
}
