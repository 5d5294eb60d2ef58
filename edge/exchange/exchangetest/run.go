package exchangetest

import (
	"errors"
	"fmt"
	"io"

	"github.com/weirproxy/weir/edge/exchange"
)

// reading is how far a client gets with the body.
type reading int

const (
	readAll   reading = iota
	readBytes         // all of it, byte by byte
	readOne           // one byte, then the client has gone
	readNone
)

// breaches collects what an exchange did against the contract.
type breaches struct {
	about string
	errs  []error
}

func (b *breaches) add(format string, args ...any) {
	b.errs = append(b.errs, fmt.Errorf("%s: %w", b.about, fmt.Errorf(format, args...)))
}

// run lets h answer r and checks what can be seen from outside.
func run(h exchange.Handler, r *exchange.Request, how reading) (*Result, []error) {
	rec := r.Stream().(*Recorder)
	b := &breaches{about: r.Method + " " + r.Target}
	defer r.End()
	resp, err := h.Handle(r)
	if err != nil {
		checkFailure(b, resp, err)
		rec.Status, rec.Err = statusOf(err), err
		return &rec.Result, b.errs
	}
	if !checkHead(b, r, resp) {
		return &rec.Result, b.errs
	}
	var asked, answered exchange.Header
	asked.CopyFrom(&r.Header)
	answered.CopyFrom(&resp.Header)
	status := resp.Status

	send(b, r, resp, how)
	for _, turn := range []string{"first", "second"} {
		if err := resp.Body.Close(); err != nil && turn == "second" {
			b.add("second Close of the body: %w", err)
		}
	}

	checkSame(b, "request header", &asked, &r.Header)
	checkSame(b, "response header", &answered, &resp.Header)
	checkFields(b, "trailer", &resp.Trailer)
	if resp.Status != status {
		b.add("status changed after return: got %d, was %d", resp.Status, status)
	}
	return &rec.Result, b.errs
}

// send plays the protocol's part.
func send(b *breaches, r *exchange.Request, resp *exchange.Response, how reading) {
	rec, body := r.Stream().(*Recorder), resp.Body
	switch {
	case how == readNone:
		return
	case how == readOne:
		_, _ = body.Read(make([]byte, 1))
		return
	case how == readBytes:
		resp.Body = oneByte{body}
	}
	err := rec.Respond(r, resp)
	resp.Body = body
	if bodiless(r, resp) || err != nil {
		return
	}
	if got := int64(len(rec.Body)); rec.Len >= 0 && got != rec.Len {
		b.add("body: got %d bytes and io.EOF, Len said %d", got, rec.Len)
	}
	if n := body.Len(); n > 0 {
		b.add("body: Len is %d after io.EOF", n)
	}
	if n, err := body.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		b.add("body: Read after io.EOF: got %d, %v", n, err)
	}
}

// oneByte reads byte by byte.
type oneByte struct{ exchange.Body }

func (o oneByte) Read(p []byte) (int, error) { return o.Body.Read(p[:min(len(p), 1)]) }

func checkFailure(b *breaches, resp *exchange.Response, err error) {
	if resp != nil {
		b.add("both results: response %d and error %v", resp.Status, err)
	}
	e, ok := errors.AsType[*exchange.Error](err)
	if !ok {
		return
	}
	if e.Status != 0 && (e.Status < 200 || e.Status > 599) {
		b.add("error status %d", e.Status)
	}
	for _, f := range e.Fields {
		checkField(b, "error", f.Name, f.Value)
	}
}

func checkHead(b *breaches, r *exchange.Request, resp *exchange.Response) (usable bool) {
	if resp == nil {
		b.add("no result: response and error are nil")
		return false
	}
	if resp.Status < 200 || resp.Status > 599 {
		b.add("status %d", resp.Status)
	}
	checkFields(b, "header", &resp.Header)
	if resp.Body == nil {
		b.add("body is nil")
		return false
	}
	n := resp.Body.Len()
	if n < -1 {
		b.add("body: Len is %d", n)
	}
	// Framing is the protocol's; a length is only told where no body is there to tell it.
	if v, ok := resp.Header.Lookup("content-length"); ok && !bodiless(r, resp) && v != fmt.Sprint(n) {
		b.add("header content-length %q, Len of the body is %d", v, n)
	}
	for _, name := range []string{"transfer-encoding", "connection", "keep-alive", "proxy-connection"} {
		if resp.Header.Has(name) {
			b.add("header %s is the protocol's business", name)
		}
	}
	return true
}

func checkFields(b *breaches, where string, h *exchange.Header) {
	for name, value := range h.All() {
		checkField(b, where, name, value)
	}
}

func checkField(b *breaches, where, name, value string) {
	if !exchange.ValidName(name) || !isLower(name) {
		b.add("%s: name %q is no token in lower case", where, name)
	}
	if !exchange.ValidValue(value) {
		b.add("%s %s: value %q holds forbidden characters", where, name, value)
	}
}

func isLower(s string) bool {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			return false
		}
	}
	return true
}

func checkSame(b *breaches, what string, was, is *exchange.Header) {
	same := was.Len() == is.Len()
	for i := 0; same && i < was.Len(); i++ {
		same = was.At(i) == is.At(i)
	}
	if !same {
		b.add("%s changed after return", what)
	}
}

func statusOf(err error) int {
	if e, ok := errors.AsType[*exchange.Error](err); ok {
		return e.Status
	}
	return 0
}
