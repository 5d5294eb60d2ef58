package httpwasm

import (
	"errors"
	"net/http"

	"github.com/weirproxy/weir/edge/exchange"
	abi "github.com/weirproxy/weir/sdk/abi/httpwasm"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// visit is one exchange on an instance: what host functions work on.
type visit struct {
	r        *exchange.Request // nil: there is none, the guest is starting
	method   string            // that the client asked with
	features abi.Features
	budget   vm.Budget
	wrote    int // bytes of fields that the guest has written

	// after says that handle_response runs. resp is the next handler's response then,
	// nil if it failed, with status. Before, status and header are of the response
	// that the guest makes itself.
	after  bool
	resp   *exchange.Response
	status int // 0: not set
	header exchange.Header

	asked, answer content
	own           exchange.Header // trailers of the guest's response
	none          exchange.Header // of what cannot be looked at now; always empty
	copy          *copied         // of the request's body, for handle_response

	// changed says that the exchange is not what it was: there is no going on as if
	// the guest had not been.
	changed bool
	before  saved

	// err is why the exchange ends, whatever the guest does now. That is not the
	// guest's fault, so its instance lives on. excess says that it is the limit of what
	// is held for guests.
	err    error
	excess bool
	limit  int64 // bytes
}

// saved is what a response was, for where a guest may fail and nothing comes of it.
type saved struct {
	status int
	header exchange.Header
}

// begin makes x ready for r.
func (x *visit) begin(r *exchange.Request, f abi.Features, b vm.Budget, limit int64) {
	x.r, x.method, x.features, x.budget, x.limit = r, r.Method, f, b, limit
	x.asked.begin(r.Body, &r.Trailer)
	x.answer.begin(exchange.NoBody, &x.own)
}

// end forgets the exchange, but for memory that the next one can use.
func (x *visit) end() {
	x.header.Reset()
	x.own.Reset()
	x.before.header.Reset()
	*x = visit{header: x.header, own: x.own, before: saved{header: x.before.header}}
}

// ignorable tells whether the exchange goes on as if the guest had not been there.
func (x *visit) ignorable(p *guest.Plugin) bool {
	return p.Open && !x.changed && (x.err == nil || x.excess)
}

// fail ends the exchange with err, unless something else has.
func (x *visit) fail(err error) {
	if x.err == nil {
		x.err = err
	}
}

// tooMuch ends the exchange for a body that is longer than what is held.
func (x *visit) tooMuch(err *exchange.Error) {
	if x.err == nil {
		x.err, x.excess = err, true
	}
}

var (
	errRequestSize  = &exchange.Error{Fault: exchange.Client, Status: http.StatusRequestEntityTooLarge, Err: errors.New("body is larger than what is held for a guest")}
	errResponseSize = &exchange.Error{Fault: exchange.Upstream, Status: http.StatusBadGateway, Err: errors.New("response is larger than what is held for a guest")}
	errWrittenSize  = &exchange.Error{Fault: exchange.Plugin, Err: errors.New("guest writes more than what is held for it")}
)

// reply makes the response of a guest that answers itself.
func (x *visit) reply() *exchange.Response {
	resp := x.r.NewResponse(http.StatusOK)
	if x.status != 0 {
		resp.Status = x.status
	}
	resp.Header.CopyFrom(&x.header)
	resp.Trailer.CopyFrom(&x.own)
	switch b := x.answer.written; {
	case x.own.Len() > 0:
		resp.Body = &joined{head: b, rest: exchange.NoBody, open: true}
	case len(b) > 0:
		resp.SetBytes(b)
	}
	settle(x.method, resp)
	return resp
}

// pass makes the request what the guest wants the next handler to see.
func (x *visit) pass() {
	r := x.r
	if r.Upgrade != "" { // there is no body, and nowhere to put one
		return
	}
	if x.asked.wrote {
		r.Header.Del("content-length")
	} else if x.features.Has(abi.BufferRequest) && r.Body != exchange.NoBody {
		x.copy = &copied{bytes: x.asked.held}
	}
	r.Body = x.asked.whole(x.copy, x.limit)
}

// restore makes the request's body what it was.
func (x *visit) restore() {
	x.asked.forget()
	x.r.Body = x.asked.whole(nil, 0)
}

// answered takes what the next handler has answered, and keeps it where it may have to
// be restored.
func (x *visit) answered(resp *exchange.Response, err error, keep bool) {
	x.after, x.resp, x.changed = true, resp, false
	if resp == nil {
		x.status = statusOf(err)
		return
	}
	merge(&resp.Header, &x.header)
	first, edits := x.answer.written, x.answer.edits
	x.answer.begin(resp.Body, &resp.Trailer)
	for _, e := range edits {
		x.answer.edit(e)
	}
	if len(first) > 0 && !bodiless(x.method, resp.Status) {
		x.answer.held = first // what the guest wrote before the others did comes first
		if x.answer.length >= 0 {
			x.answer.length += int64(len(first))
		}
	}
	if keep {
		x.before.status = resp.Status
		x.before.header.CopyFrom(&resp.Header)
	}
}

// undo makes the response what it was before handle_response.
func (x *visit) undo() {
	x.resp.Status = x.before.status
	x.resp.Header.CopyFrom(&x.before.header)
	x.answer.forget()
	x.finish()
}

// finish makes the response what the guest has made of it.
func (x *visit) finish() {
	resp, a := x.resp, &x.answer
	if a.wrote || a.ended {
		a.src.Close()
	}
	resp.Body = a.whole(nil, 0)
	settle(x.method, resp)
}

// settle removes what only the protocol says: how long a body is. Where there is none,
// the header may tell of the one that there would be.
func settle(method string, resp *exchange.Response) {
	if !bodiless(method, resp.Status) || resp.Body != exchange.NoBody {
		resp.Header.Del("content-length")
	}
}

func bodiless(method string, status int) bool {
	return method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified
}

// merge adds to h what a guest set before h was known. What the next handler says goes
// first, and both have their say where a field is a list.
func merge(h, own *exchange.Header) {
	theirs := h.Len()
	has := func(name string) bool {
		for n := range theirs {
			if h.At(n).Name == name {
				return true
			}
		}
		return false
	}
	for n := range own.Len() {
		f := own.At(n)
		switch f.Name {
		case "link", "set-cookie", "vary":
		default:
			if has(f.Name) {
				continue
			}
		}
		h.Append(f.Name, f.Value)
	}
}

// statusOf says what the client is going to learn of an error, as far as that is known here.
func statusOf(err error) int {
	e, ok := errors.AsType[*exchange.Error](err)
	switch {
	case ok && e.Status != 0:
		return e.Status
	case ok && e.Fault == exchange.Client:
		return http.StatusBadRequest
	case ok && e.Fault == exchange.Upstream:
		return http.StatusBadGateway
	}
	return http.StatusInternalServerError
}
