package nethttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2/hpack"

	"github.com/weirproxy/weir/edge/exchange"
)

// outgoing is one call on its way: from Do to the end of the response's body.
type outgoing struct {
	client *Client
	call   *exchange.Call
	resp   *exchange.Response
	wire   callStream
	length int64 // of the request's body; -1: unknown
	start  time.Time
	timer  *time.Timer     // of call.Deadline; may be nil
	caller exchange.Caller // while it is watched
	body   answerBody
	over   atomic.Bool // end has begun

	mu     sync.Mutex
	cause  error                   // why the call was given up, as its caller is told
	cancel context.CancelCauseFunc // while connecting
	stream callStream              // what giving up has to reset

	sending chan struct{} // closed when the body's sender has ended; nil without one
	// goAhead is closed when the upstream asks for the body, unwanted when it is over
	// without; nil if the body does not wait for that.
	goAhead, unwanted chan struct{}
	watched           outgoingWatch
}

// callStream is one call's stream: *h2Stream or *h3Stream. One goroutine receives, one
// sends; any may cancel.
type callStream interface {
	// head waits for the next header block. end says that nothing follows.
	head() (fields []hpack.HeaderField, end bool, err error)
	// read waits for bytes of the body; io.EOF comes after its orderly end.
	read(p []byte) (int, error)
	buffered() int
	trailer() []hpack.HeaderField // after io.EOF
	// send waits for room. end says that these bytes are the last.
	send(p []byte, end bool) error
	// trySend sends p as the whole body, or returns false where it would have to wait.
	trySend(p []byte) bool
	sendTrailer(h *exchange.Header) error
	// cancel resets the stream; who waits on it fails with err. It does not wait.
	cancel(err error)
	// done ends what has not ended. Nothing else may be called after it.
	done()
}

// errUnprocessed is in errors of streams that the upstream says it did not process.
var errUnprocessed = errors.New("upstream refused the stream")

// interimMost is how many interim responses one call may get.
const interimMost = 32

// Do sends call and fills resp, which is empty and the caller's, up to its head; the
// body and the trailers come as they are read. The response's Body must be closed, or
// with status 101 the Tunnel. On errors resp is empty.
//
// Errors of the call's own body come back as they are, and the upstream sees a reset
// stream, never the end of a message. All others are *exchange.Error of the
// upstream: 504 and context.DeadlineExceeded where a limit of time was passed, else
// 502. Nothing is ever sent twice; call.Attempt says whether it may be.
//
// The call's body may be read until the response's is closed, which waits for that
// to end: a Body that is an exchange.Interrupter is interrupted.
func (c *Client) Do(call *exchange.Call, resp *exchange.Response) error {
	call.Attempt = exchange.Attempt{}
	x := &outgoing{client: c, call: call, resp: resp, start: time.Now()}
	x.body.x = x
	if err := x.check(); err != nil {
		return &exchange.Error{Fault: exchange.Internal, Err: err}
	}
	if x.caller = call.Caller; x.caller != nil {
		x.caller.Watch(x)
	}
	if !call.Deadline.IsZero() {
		x.timer = time.AfterFunc(time.Until(call.Deadline), func() { x.giveUp(timeFault("the call takes too long")) })
	}
	x.watched.quiet.Store(exchange.GRPC(&call.Header))
	c.sweeper.add(x)
	err := c.open(x)
	if err == nil {
		x.startSending()
		err = x.answer()
	}
	if err != nil {
		x.end()
		resp.Header.Reset()
		resp.Status, resp.Body, resp.Tunnel = 0, nil, nil
	}
	return err
}

// began is called by connections when the head of the request is about to leave.
func (x *outgoing) began(w callStream, reused bool) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.cause != nil {
		return x.cause
	}
	x.wire, x.stream = w, w
	x.call.Attempt.Reused = reused
	x.call.Attempt.Written = true
	return nil
}

// Interrupt implements exchange.Interrupter: the caller has gone.
func (x *outgoing) Interrupt(cause error) { x.giveUp(cause) }

// giveUp ends the call for a reason that its caller is to be told. The first counts.
func (x *outgoing) giveUp(cause error) {
	x.mu.Lock()
	if x.cause == nil {
		x.cause = cause
	}
	cancel, stream := x.cancel, x.stream
	x.mu.Unlock()
	if cancel != nil {
		cancel(cause)
	}
	if stream != nil {
		stream.cancel(cause)
	}
}

func (x *outgoing) given() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.cause
}

// connecting returns a context for making a connection, which giveUp ends.
func (x *outgoing) connecting(limit time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	x.mu.Lock()
	x.cancel = cancel
	if x.cause != nil {
		cancel(x.cause)
	}
	x.mu.Unlock()
	stop := context.CancelFunc(func() {})
	if limit > 0 {
		ctx, stop = context.WithTimeoutCause(ctx, limit, timeFault("connecting takes too long"))
	}
	return ctx, func() {
		x.mu.Lock()
		x.cancel = nil
		x.mu.Unlock()
		stop()
		cancel(nil)
	}
}

// fault makes of an error what the caller is told.
func (x *outgoing) fault(err error) error {
	if cause := x.given(); cause != nil {
		return cause
	}
	return upstreamFault(err)
}

func upstreamFault(err error) error {
	if known, ok := errors.AsType[*exchange.Error](err); ok {
		return known
	}
	return &exchange.Error{Fault: exchange.Upstream, Status: 502, Err: err}
}

func timeFault(what string) error {
	return &exchange.Error{Fault: exchange.Upstream, Status: 504, Err: fmt.Errorf("%s: %w", what, context.DeadlineExceeded)}
}

// answer waits for the head of the final response and fills resp.
func (x *outgoing) answer() error {
	x.watched.phase.Store(phaseHead)
	for interim := 0; ; interim++ {
		fields, end, err := x.wire.head()
		if err != nil {
			if errors.Is(err, errUnprocessed) && interim == 0 {
				x.call.Attempt.Written = false
			}
			return x.fault(err)
		}
		x.call.Attempt.Answered = true
		if interim > interimMost {
			return x.fault(errManyInterim)
		}
		x.resp.Header.Reset()
		status, length, err := readHead(fields, &x.resp.Header, x.client.o.Fields)
		switch {
		case err != nil:
			return x.fault(err)
		case status >= 200:
			x.call.Attempt.Head = time.Since(x.start)
			return x.final(status, length, end)
		case end:
			return x.fault(errInterimEnd)
		case status == 100:
			x.proceed()
		case x.call.Caller != nil:
			// Whether the client still takes it will show when the response is sent: there
			// may be others who wait for that.
			_ = x.call.Caller.Inform(status, &x.resp.Header)
		}
	}
}

// final fills resp. length is what the response announces, or -1.
func (x *outgoing) final(status int, length int64, end bool) error {
	x.watched.phase.Store(phaseBody)
	x.resp.Status = status
	if status >= 300 {
		x.decline() // who waits to be asked for the body waits in vain (RFC 9110 §10.1.1)
	}
	bare := x.call.Method == "HEAD" || status == 204 || status == 304
	switch {
	case x.call.Upgrade != "" && status < 300:
		if end {
			return x.fault(errTunnelEnd)
		}
		x.tunnel()
		return nil
	case end && length > 0 && !bare:
		return x.fault(errShortAnswer)
	case bare || end:
		length = 0
	}
	if !bare || status == 204 {
		x.resp.Header.Del("content-length") // the body says it
	}
	if length < 0 && exchange.Quiet(&x.resp.Header) {
		x.watched.quiet.Store(true)
	}
	x.body.left = length
	x.resp.Body = &x.body
	if end || bare {
		x.body.err = io.EOF
		x.endIfSent()
	}
	return nil
}

// endIfSent ends a call whose response has been read, unless its body still goes out:
// then the response's Close does.
func (x *outgoing) endIfSent() {
	if x.sending != nil {
		select {
		case <-x.sending:
		default:
			return
		}
	}
	x.end()
}

// end gives back all that the call has taken. After it nothing of the call or its
// caller is touched.
func (x *outgoing) end() {
	if x.over.Swap(true) {
		return
	}
	x.unwatch()
	if x.timer != nil {
		x.timer.Stop()
	}
	x.stopSending()
	x.client.sweeper.remove(x)
	if x.wire != nil {
		x.wire.done()
	}
}

// unwatch ends the caller's watch, once.
func (x *outgoing) unwatch() {
	if caller := x.caller; caller != nil {
		x.caller = nil
		caller.Watch(nil)
	}
}

// phases of receiving, for the sweeper
const (
	phaseConnect int32 = iota
	phaseHead
	phaseBody
	phaseTunnel
)

// outgoingWatch is what the sweeper sees of a call. Times are nanoseconds of its clock; 0: not.
type outgoingWatch struct {
	prev, next *outgoing
	phase      atomic.Int32
	quiet      atomic.Bool  // the upstream may be silent: event streams, gRPC
	sent       atomic.Int64 // when the request was sent whole
	reading    atomic.Int64 // since when bytes are waited for
	writing    atomic.Int64 // since when room is waited for
	active     atomic.Int64 // when bytes last went either way
}
