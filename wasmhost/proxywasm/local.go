package proxywasm

import (
	"strconv"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// reply is what a guest answers itself.
type reply struct {
	status int
	body   []byte
	header exchange.Header
	grpc   int32   // -1: none
	outlet *outlet // of one whose body is written later; nil: it has body

	beside bool          // the guest may be shown the request's body meanwhile
	shower chan struct{} // closed when nobody reads that any longer; nil: nobody does
}

func (p *reply) reset() {
	p.header.Reset()
	p.body, p.outlet, p.beside, p.shower = nil, nil, false, nil
}

// proxySendLocalResponse takes status, details and body with their sizes, a header and
// its size, and a gRPC status. The first reply of a stream counts. It is answered when
// the guest's callback has returned.
func proxySendLocalResponse(i *instance, a []uint64) abi.Status {
	details, ok1 := i.vm.Read(u32(a[1]), u32(a[2]))
	body, ok2 := i.vm.Read(u32(a[3]), u32(a[4]))
	raw, ok3 := i.vm.Read(u32(a[5]), u32(a[6]))
	if !ok1 || !ok2 || !ok3 {
		return abi.InvalidMemoryAccess
	}
	if i.effective == nil || i.effective.stream == nil {
		i.complain("reply on a context that is no stream: ignored")
		return abi.OK // guests in Rust panic over anything else
	}
	s := i.effective.stream
	if s.answered || s.finished {
		i.complain("second reply to one request, or one too late: ignored")
		return abi.OK
	}
	if int64(len(body)) > i.vm.Limits.Body {
		i.complain("reply over its limit: ignored")
		return abi.InternalFailure
	}
	p := &s.reply
	if p.status = int(u32(a[0])); p.status < 200 || p.status > 599 {
		i.complain("reply with status " + strconv.Itoa(p.status) + ": made 500")
		p.status = 500
	}
	p.body = append([]byte(nil), body...) // it outlives what the guest does with its memory
	p.grpc = int32(u32(a[7]))
	i.chargePairs(raw)
	for name, value := range abi.RawPairs(raw) { // what cannot be read is no header, as in Envoy
		i.setField(&p.header, i.lower(name), string(value), false)
	}
	s.answered = true
	s.details = word(details)
	s.wake()
	s.nudge()
	return abi.OK
}

// word makes one word of what a guest says, for logs.
func word(b []byte) string {
	return strings.Map(func(c rune) rune {
		if c <= ' ' || c == 0x7f || c == 0xfffd {
			return '_'
		}
		return c
	}, string(b[:min(len(b), 256)]))
}

// answer makes the response of the guest's reply.
func (s *stream) answer() *exchange.Response {
	if s.reply.outlet != nil {
		return s.answerLater()
	}
	s.i.hold()
	s.served = true
	s.in.pass()
	s.i.drop()
	p, r := &s.reply, s.r
	r.Record.Plugin, r.Record.Details = s.i.plugin.Name, s.details
	resp := r.NewResponse(p.status)
	resp.Header.CopyFrom(&p.header)
	if exchange.GRPC(&r.Header) {
		s.answerGRPC(resp)
		return resp
	}
	if len(p.body) > 0 {
		if !resp.Header.Has("content-type") {
			resp.Header.Append("content-type", "text/plain")
		}
		resp.SetBytes(p.body)
	}
	return resp
}

// answerGRPC makes resp an answer of trailers only, which is how gRPC tells of failure:
// the status of HTTP says that the call arrived.
func (s *stream) answerGRPC(resp *exchange.Response) {
	p := &s.reply
	status := p.grpc
	if status < 0 || status > 16 {
		status = grpcStatus(p.status)
	}
	resp.Status = 200
	resp.Header.Set("content-type", "application/grpc")
	resp.Header.Set("grpc-status", strconv.Itoa(int(status)))
	if len(p.body) > 0 {
		resp.Header.Set("grpc-message", escapeMessage(p.body))
	}
}

// grpcStatus is the gRPC status for one of HTTP (grpc's http-grpc-status-mapping).
func grpcStatus(status int) int32 {
	switch status {
	case 200:
		return 0
	case 400:
		return 13
	case 401:
		return 16
	case 403:
		return 7
	case 404:
		return 12
	case 429, 502, 503, 504:
		return 14
	}
	return 2
}

// escapeMessage percent-encodes what gRPC does not allow in a message.
func escapeMessage(b []byte) string {
	const hex = "0123456789ABCDEF"
	out := make([]byte, 0, len(b))
	for _, c := range b {
		if c < ' ' || c > '~' || c == '%' {
			out = append(out, '%', hex[c>>4], hex[c&15])
		} else {
			out = append(out, c)
		}
	}
	return strings.TrimSpace(string(out))
}
