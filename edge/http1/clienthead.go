package http1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/weirproxy/weir/edge/exchange"
)

// callWork is the memory of a call.
type callWork struct {
	in   input
	head head
	body body
	turn turn
	out  []byte // the request's head, and a small body
	rest int    // where that body begins in out; 0: there is none
}

func newCallWork() *callWork {
	w := &callWork{out: make([]byte, 0, outSize)}
	w.in.buf = make([]byte, inputSize)
	w.head.spans = make([]span, 0, 32)
	return w
}

// keepWork keeps w for the next call. Nothing of this one stays in it.
func (t *Transport) keepWork(w *callWork) {
	w.in.src, w.in.r, w.in.w = nil, 0, 0
	w.body = body{}
	if len(w.in.buf) > inputSize {
		w.in.buf = make([]byte, inputSize)
	}
	w.out = w.out[:0]
	if cap(w.out) > outMax {
		w.out = make([]byte, 0, outSize)
	}
	t.works.Put(w)
}

var (
	errCallMethod    = errors.New("compose request: method is no token, or CONNECT")
	errCallTarget    = errors.New("compose request: forbidden character in the target")
	errCallAuthority = errors.New("compose request: forbidden character in the authority")
	errCallUpgrade   = errors.New("compose request: malformed upgrade")
	errCallLong      = &exchange.Error{Fault: exchange.Client, Status: 400, Err: errors.New("request body longer than announced")}
	errCallShort     = &exchange.Error{Fault: exchange.Client, Status: 400, Err: fmt.Errorf("request body shorter than announced: %w", io.ErrUnexpectedEOF)}
)

// compose writes the head of a request, and a small body behind it, so that both leave
// in one write: the whole of it is there before an upstream hears of it. It tells
// whether a body is still to be streamed.
func (w *callWork) compose(call *exchange.Call, single bool) (streams bool, err error) {
	if err := checkCall(call); err != nil {
		return false, &exchange.Error{Err: err}
	}
	n := call.Body.Len()
	w.rest = 0
	w.out = appendCall(w.out[:0], call, n, single)
	switch {
	case call.Body == exchange.NoBody:
		return false, nil
	case n < 0 || n > smallBody || n > 0 && call.Expect:
		return true, nil
	}
	head := len(w.out)
	if err = w.gather(call.Body, int(n)); err == nil { // also of none: that nothing follows is seen, not believed
		w.rest = head
	}
	return false, err
}

// giveBack makes what was gathered of call's body its body again, where nothing was
// sent: another attempt may need it (exchange.Attempt.Written).
func (w *callWork) giveBack(call *exchange.Call) {
	if w.rest > 0 && !call.Attempt.Written {
		call.Body = exchange.NewBytes(bytes.Clone(w.out[w.rest:]))
	}
}

// gather reads a body of n bytes behind the head.
func (w *callWork) gather(body exchange.Body, n int) error {
	start := len(w.out)
	w.out = slices.Grow(w.out, n+1) // and a byte, to see that nothing follows
	buf, got := w.out[start:start+n+1], 0
	for {
		m, err := body.Read(buf[got:])
		switch got += m; {
		case got > n:
			return errCallLong
		case err == io.EOF && got < n:
			return errCallShort
		case err == io.EOF:
			w.out = w.out[:start+n]
			return nil
		case err != nil:
			return bodyFault(err)
		}
	}
}

// bodyFault wraps an error of the request's body.
func bodyFault(err error) error {
	var known *exchange.Error
	if errors.As(err, &known) || errors.Is(err, exchange.ErrClientGone) {
		return fmt.Errorf("read request body: %w", err)
	}
	return &exchange.Error{Fault: exchange.Client, Err: fmt.Errorf("read request body: %w", err)}
}

// checkCall looks once more at what stands between spaces and line ends (security
// G14): rewriting, configuration and plugins make calls, not only checked requests.
func checkCall(call *exchange.Call) error {
	switch {
	case !exchange.ValidName(call.Method) || call.Method == "CONNECT":
		return errCallMethod
	case call.Target == "" || call.Target[0] != '/' && call.Target != "*":
		return errCallTarget
	case call.Upgrade != "" && (!validProtocol(call.Upgrade) || call.Body.Len() != 0):
		return errCallUpgrade
	}
	for i := range len(call.Target) {
		if !targetByte[call.Target[i]] {
			return errCallTarget
		}
	}
	for i := range len(call.Authority) {
		if !authorityByte[call.Authority[i]] {
			return errCallAuthority
		}
	}
	return nil
}

// validProtocol tells whether s is protocol-name ["/" protocol-version] (RFC 9110 §7.8).
func validProtocol(s string) bool {
	slash := false
	for i := range len(s) {
		if s[i] == '/' && !slash && i > 0 {
			slash = true
		} else if !exchange.TokenByte(s[i]) {
			return false
		}
	}
	return s[len(s)-1] != '/'
}

// authorityByte tells what may stand in Host: what ParseAuthority allows.
var authorityByte = func() (t [256]bool) {
	for c := range 256 {
		b := byte(c)
		t[c] = b|0x20 >= 'a' && b|0x20 <= 'z' || digit(b) || b == '-' || b == '.' || b == '_' || b == ':' || b == '[' || b == ']'
	}
	return t
}()

// appendCall appends the head of a request with a body of n bytes, or of unknown
// length if n is negative.
func appendCall(b []byte, call *exchange.Call, n int64, single bool) []byte {
	b = append(append(append(b, call.Method...), ' '), call.Target...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(append(b, call.Authority...), "\r\n"...)
	trailers := false
	for i := range call.Header.Len() {
		f := call.Header.At(i)
		if f.Name == "te" {
			trailers = trailers || f.Value == "trailers"
			continue
		}
		if ours(f.Name) || oursInCalls(f.Name) {
			continue
		}
		at := len(b)
		b = append(b, f.Name...)
		dress(b[at:])
		b = append(append(append(b, ": "...), f.Value...), "\r\n"...)
	}
	switch {
	case n < 0:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case n > 0 || call.Method == "POST" || call.Method == "PUT" || call.Method == "PATCH": // RFC 9110 §8.6
		b = append(b, "Content-Length: "...)
		b = append(strconv.AppendInt(b, n, 10), "\r\n"...)
	}
	if call.Expect && n != 0 {
		b = append(b, "Expect: 100-continue\r\n"...)
	}
	if trailers {
		b = append(b, "TE: trailers\r\n"...)
	}
	if call.Upgrade != "" {
		b = append(append(append(b, "Upgrade: "...), call.Upgrade...), "\r\n"...)
	}
	return append(b, connectionLine(call.Upgrade != "", trailers, single)...)
}

// connectionLine returns the Connection field and the empty line that ends the head.
// TE and Upgrade are for this connection only (RFC 9110 §7.6.1).
func connectionLine(upgrade, trailers, single bool) string {
	switch {
	case upgrade && trailers:
		return "Connection: Upgrade, TE\r\n\r\n"
	case upgrade:
		return "Connection: Upgrade\r\n\r\n"
	case single && trailers:
		return "Connection: close, TE\r\n\r\n"
	case single:
		return "Connection: close\r\n\r\n"
	case trailers:
		return "Connection: TE\r\n\r\n"
	}
	return "\r\n"
}

// oursInCalls tells which fields of a request only this package writes, besides those
// that responses have, too.
func oursInCalls(name string) bool {
	switch name {
	case "host", "expect", "upgrade", "http2-settings":
		return true
	}
	return false
}
