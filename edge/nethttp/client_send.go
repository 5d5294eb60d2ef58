package nethttp

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

var (
	errBodyShort  = errors.New("request body ended before its announced length")
	errBodyLong   = errors.New("request body is longer than announced")
	errAnswered   = errors.New("the upstream has answered: the rest of the request is not wanted")
	errCallMethod = errors.New("call has a method that cannot be sent")
	errCallScheme = errors.New("call has neither scheme http nor https")
	errCallTarget = errors.New("call has a target that cannot be sent")
)

// check looks at what becomes pseudo header fields: nothing else has made sure that
// they hold what they may (security G14). CONNECT would turn a shared connection into
// somebody's tunnel (security P3).
func (x *outgoing) check() error {
	call := x.call
	if !exchange.ValidName(call.Method) || call.Method == "CONNECT" {
		return errCallMethod
	}
	if call.Scheme != "http" && call.Scheme != "https" {
		return errCallScheme
	}
	if _, _, _, err := exchange.ParseAuthority(call.Authority); err != nil {
		return fmt.Errorf("call: %w", err)
	}
	if call.Target == "" || call.Target[0] != '/' && call.Target != "*" {
		return errCallTarget
	}
	for i := range len(call.Target) {
		if c := call.Target[i]; c <= ' ' || c == 0x7f {
			return errCallTarget
		}
	}
	x.length = call.Body.Len()
	return nil
}

// bodiless tells whether the request's header is its end.
func (x *outgoing) bodiless() bool { return x.length == 0 && x.call.Upgrade == "" }

// fields calls f for each field of the request's head, pseudo header fields first
// (RFC 9113 §8.3.1, RFC 9114 §4.3.1). f's secret says that the value must not get into
// a compression table that the connection's other calls share.
func (x *outgoing) fields(f func(name, value string, secret bool)) {
	call := x.call
	method := call.Method
	if call.Upgrade != "" {
		method = "CONNECT"
	}
	f(":method", method, false)
	f(":scheme", call.Scheme, false)
	f(":authority", call.Authority, false)
	f(":path", call.Target, false)
	if call.Upgrade != "" {
		f(":protocol", call.Upgrade, false)
	}
	for i := range call.Header.Len() {
		h := call.Header.At(i)
		switch h.Name {
		case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade",
			"http2-settings", "host", "content-length", "expect":
			continue // RFC 9113 §8.2.2, RFC 9114 §4.2; the others are said otherwise
		case "te":
			if h.Value != "trailers" {
				continue
			}
		}
		f(h.Name, h.Value, h.Name == "authorization" || h.Name == "proxy-authorization" || h.Name == "cookie")
	}
	if call.Expect && x.length != 0 {
		f("expect", "100-continue", false)
	}
	if call.Upgrade == "" && (x.length > 0 || x.length == 0 && takesBody(method)) {
		f("content-length", strconv.FormatInt(x.length, 10), false)
	}
}

func takesBody(method string) bool { return method == "POST" || method == "PUT" || method == "PATCH" }

// startSending sees to the request's body: at once if it is in memory and small, else
// on a goroutine of its own, since the response may come, and end, meanwhile.
func (x *outgoing) startSending() {
	if x.bodiless() || x.call.Upgrade != "" {
		x.watched.sent.Store(x.client.sweeper.clock())
		return
	}
	if mem, ok := x.call.Body.(*exchange.Bytes); ok && !x.call.Expect && (x.call.Trailer == nil || x.call.Trailer.Len() == 0) &&
		x.length <= smallBody && x.wire.trySend(mem.Rest()) {
		x.watched.sent.Store(x.client.sweeper.clock())
		return
	}
	x.sending = make(chan struct{})
	if x.call.Expect {
		x.goAhead, x.unwanted = make(chan struct{}), make(chan struct{})
	}
	if r, ok := x.call.Caller.(interface{ ReadApart() }); ok {
		r.ReadApart()
	}
	go x.runSending(x.goAhead)
}

// smallBody is what is sent together with the head.
const smallBody = 16 << 10

// continueWait is how long an upstream has to ask for a body that waits for it
// (RFC 9110 §10.1.1: a client does not wait for ever).
const continueWait = time.Second

// proceed says that the upstream wants the body.
func (x *outgoing) proceed() {
	if x.goAhead != nil {
		close(x.goAhead)
		x.goAhead = nil
	}
}

// decline says that the upstream does not want the body, if that still waits.
func (x *outgoing) decline() {
	if x.goAhead != nil {
		close(x.unwanted)
		x.goAhead = nil
	}
}

func (x *outgoing) runSending(goAhead <-chan struct{}) {
	defer close(x.sending)
	if goAhead != nil {
		t := time.NewTimer(continueWait)
		defer t.Stop()
		select {
		case <-goAhead:
		case <-t.C:
		case <-x.unwanted:
			return
		}
	}
	if err := x.sendBody(); err != nil {
		x.giveUp(err)
	}
}

// sendBody sends the body and the trailers. It returns errors of the body; those of the
// stream are seen by who receives.
func (x *outgoing) sendBody() error {
	buf := pieces.Get().(*[32 << 10]byte)
	defer pieces.Put(buf)
	body, left := x.call.Body, x.length
	for {
		n, err := body.Read(buf[:])
		if left >= 0 {
			if left -= int64(n); left == 0 && err == nil {
				// The last bytes go with the end of the stream, so it must be the end.
				var more int
				more, err = body.Read(buf[n:min(n+1, len(buf))])
				left -= int64(more)
			}
		}
		switch {
		case left < 0 && x.length >= 0:
			return &exchange.Error{Fault: exchange.Client, Status: 400, Err: errBodyLong}
		case err == io.EOF && left > 0:
			return &exchange.Error{Fault: exchange.Client, Status: 400, Err: errBodyShort}
		case err != nil && err != io.EOF:
			return err
		}
		end := err == io.EOF
		trailers := end && x.call.Trailer != nil && x.call.Trailer.Len() > 0
		if n > 0 || end && !trailers {
			if x.put(buf[:n], end && !trailers) != nil {
				return nil
			}
		}
		if trailers && x.wire.sendTrailer(x.call.Trailer) != nil {
			return nil
		}
		if end {
			x.watched.sent.Store(x.client.sweeper.clock())
			return nil
		}
	}
}

// put sends bytes under the sweeper's eyes.
func (x *outgoing) put(p []byte, end bool) error {
	x.watched.writing.Store(x.client.sweeper.clock())
	err := x.wire.send(p, end)
	x.watched.writing.Store(0)
	if err == nil {
		x.watched.active.Store(x.client.sweeper.clock())
	}
	return err
}

// stopSending waits until the body is not touched any more. What has not been sent by
// then the upstream does not want.
func (x *outgoing) stopSending() {
	if x.sending == nil {
		return
	}
	select {
	case <-x.sending:
		return
	default:
	}
	x.decline()
	x.giveUp(errAnswered)
	if waiting, ok := x.call.Body.(exchange.Interrupter); ok {
		waiting.Interrupt(errAnswered)
	}
	<-x.sending
}
