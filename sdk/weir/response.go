package weir

import (
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/sdk/internal/host"
)

// Response is an answer: of what comes after the filter, or of the filter's own, which
// [Reply] and [Redirect] make.
type Response struct {
	Header  Header
	Trailer Header // complete when the body has ended; of an answer from next alone
	Body    *Body  // of an answer from next alone; else nil

	// Details is what the access log shows of an answer of the filter's own: one word.
	Details string
	// GRPC is the status of an answer of the filter's own to a gRPC call, 0 to 16; zero:
	// the one that belongs to the status of HTTP.
	GRPC int

	s      *stream // nil: it is the filter's own
	status int
	body   []byte
}

// Reply returns an answer. Its content type is text/plain unless a field says otherwise.
func Reply(status int, body string, fields ...Field) *Response {
	r := &Response{status: status, body: []byte(body)}
	r.Header.local = &localHeader{fields: append([]Field(nil), fields...)}
	return r
}

// Redirect returns an answer that sends the client elsewhere: with 302, 303, 307 for now,
// 301, 308 for good.
func Redirect(status int, location string) *Response {
	return Reply(status, "", F("location", location))
}

// Status returns the status: 200.
func (r *Response) Status() int {
	if r.s == nil {
		return r.status
	}
	return atoi(r.Header.Get(":status"))
}

// SetStatus changes the status.
func (r *Response) SetStatus(status int) {
	if r.s == nil {
		r.status = status
	} else {
		r.Header.Set(":status", itoa(status))
	}
}

// SetBody puts body in the place of the answer's: one from next takes as much as the
// plugin's limits.body.
func (r *Response) SetBody(body []byte) {
	if r.s == nil {
		r.body = body
	} else {
		r.s.out.set(body)
	}
}

// Transform has f make another body of the answer's, while that goes on: what it writes
// to dst is sent in place of what it reads from src. It may wait, and is called once,
// when the filter has returned; an error cuts the answer. Of an answer of the filter's
// own there is nothing to transform: see [Request.Respond].
func (r *Response) Transform(f func(dst *Writer, src *Body) error) {
	if r.s != nil {
		r.s.out.reshape(f)
	}
}

// finish sees to what the filter has returned.
func (s *stream) finish(resp *Response, err error) {
	switch {
	case s.ended:
		return
	case s.writer != nil:
		if err != nil && !s.writer.gone { // that nobody takes the rest is no failure of the filter's
			LogError("answer request: " + err.Error())
			s.writer.abort()
			return
		}
		if resp != nil {
			LogError("answer request: the filter has returned an answer beside the one that it has written: left out")
		}
		_ = s.writer.Close()
		return
	case err != nil:
		LogError("filter request: " + err.Error())
		resp = Reply(500, "")
		resp.Details = "filter_error"
	case resp == nil:
		LogError("filter request: the filter has returned neither an answer nor an error")
		resp = Reply(500, "")
		resp.Details = "filter_no_answer"
	case resp.s != nil && resp != &s.resp:
		LogError("filter request: the filter has returned the answer to another request")
		resp = Reply(500, "")
		resp.Details = "filter_other_answer"
	case resp.s != nil && s.out.drop && s.out.shape == nil:
		LogError("filter request: the filter has returned a response whose body it has taken away")
		resp = Reply(500, "")
		resp.Details = "filter_took_body"
	}
	if resp.s == nil {
		s.reply(resp)
	}
}

// reply has the host send an answer of the filter's own.
func (s *stream) reply(r *Response) {
	s.replied = true
	grpc := int32(-1)
	if r.GRPC > 0 {
		grpc = int32(r.GRPC)
	}
	var fields []Field
	if r.Header.local != nil {
		fields = r.Header.local.fields
	}
	if st := host.Reply(r.status, r.Details, r.body, pairsOf(fields), grpc); st != abi.OK {
		LogError("answer request: the host refuses the answer")
		host.Close(abi.Response)
	}
}
