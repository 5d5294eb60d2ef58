package http1

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// clientConn is one connection to an upstream, and the exchange.Interrupter of the call
// that is using it. One goroutine uses it at a time; the sweeper and whoever
// interrupts only end it.
type clientConn struct {
	client *Client
	raw    net.Conn
	rw     net.Conn  // raw, or secure
	secure *tls.Conn // nil without TLS
	wire   *wire     // between secure and raw
	socket socket
	born   uint64 // by the transport's clock
	index  int    // in transport.conns; guarded by transport.mu

	state atomic.Uint64 // since when and which phase
	until atomic.Uint64 // when the call has to be over, by the transport's clock; 0: never

	mu      sync.Mutex           // guards the four that follow, and is held while feeding is interrupted
	cause   error                // why it was ended
	left    bool                 // by the caller
	feeding exchange.Interrupter // the request's body, while it is waited for
	ear     uint64               // in transport.lookout; 0 if it is not there
	shut    sync.Once

	armed atomic.Bool // the lookout will notice

	work *callWork // nil while no call uses it
	calling
	vec net.Buffers // what is to be sent next
	two [2][]byte   // its memory
}

// calling is the state of one call.
type calling struct {
	call   *exchange.Call
	resp   *exchange.Response
	caller exchange.Caller // call.Caller

	// Of the request.
	sending  bool    // not all of it has been handed to the socket
	headGone bool    // its head has
	chunked  bool    // its body is sent in chunks
	unread   int64   // of its body, or -1
	last     bool    // its body has been read to its end
	piece    *[]byte // what is sent lies here
	broken   bool    // sending has failed

	// Of the response.
	waiting  callPhase // callHead or callBody
	quiet    bool      // the upstream may be silent: callQuiet is what counts
	answered bool      // a byte of it has come
	still    bool      // reading does not wait
	seen     int       // bytes of a head that were looked at
	interims int
	keep     bool // the connection may be used again
	got      int64
	isTunnel bool
}

// callPhase is what a connection is doing.
type callPhase uint64

const (
	callPooled callPhase = iota // waits for its next call
	callBusy                    // is with the caller
	callSend                    // sends
	callHead                    // waits for a head
	callBody                    // waits for a response's body
	callQuiet                   // waits for what may take its time: event streams, gRPC
	callTunnel                  // carries another protocol
	callEnded                   // was interrupted or took too long; final
)

var (
	errHeadSlow   = fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)
	errAnswerSlow = fmt.Errorf("answer stalled: %w", context.DeadlineExceeded)
	errSendSlow   = fmt.Errorf("upstream does not take the request: %w", context.DeadlineExceeded)
	errCallSlow   = fmt.Errorf("call took too long: %w", context.DeadlineExceeded)
	errQuietLong  = fmt.Errorf("stream silent for too long: %w", context.DeadlineExceeded)
	errTunnelIdle = fmt.Errorf("tunnel idle: %w", context.DeadlineExceeded)
	errUnused     = errors.New("connection unused")
)

func newClientConn(c *Client, raw net.Conn) *clientConn {
	conn := &clientConn{client: c, raw: raw, rw: raw, born: c.transport.clock.Load()}
	conn.socket.conn = raw
	if sc, ok := raw.(syscall.Conn); ok {
		conn.socket.sys, _ = sc.SyscallConn()
	}
	conn.enter(callBusy)
	return conn
}

// enter notes that c begins something else now. It fails when c was ended.
func (c *clientConn) enter(p callPhase) bool {
	for {
		old := c.state.Load()
		if phaseOf(old) == callEnded {
			return false
		}
		if c.state.CompareAndSwap(old, c.client.transport.clock.Load()<<phaseBits|uint64(p)) {
			return true
		}
	}
}

// await is enter for waiting for the upstream to speak.
func (c *clientConn) await(p callPhase) bool {
	if c.quiet {
		p = callQuiet
	}
	return c.enter(p)
}

func phaseOf(state uint64) callPhase { return callPhase(state & (1<<phaseBits - 1)) }

// Interrupt implements exchange.Interrupter.
func (c *clientConn) Interrupt(cause error) {
	for {
		state := c.state.Load()
		if phaseOf(state) == callEnded || c.endFor(state, cause, true) {
			return
		}
	}
}

// end ends c for good, unless it has moved on since it was in state.
func (c *clientConn) end(state uint64, cause error) bool { return c.endFor(state, cause, false) }

func (c *clientConn) endFor(state uint64, cause error, left bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.state.CompareAndSwap(state, uint64(callEnded)) {
		return false
	}
	c.cause, c.left = cause, left
	c.raw.SetDeadline(past)
	if c.feeding != nil {
		c.feeding.Interrupt(cause)
	}
	return true
}

// fault says what went wrong: err, unless c was ended.
func (c *clientConn) fault(doing string, err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.left:
		return callerFault(doing, c.cause)
	case c.cause != nil:
		err = c.cause
	}
	return upstreamFault(doing, err)
}

// callerFault is what the end of the caller's interest comes to: nobody's fault, but
// for time.
func callerFault(doing string, cause error) error {
	if errors.Is(cause, context.DeadlineExceeded) {
		return upstreamFault(doing, cause)
	}
	return fmt.Errorf("%s: %w", doing, cause)
}

// upstreamFault blames the upstream. What the parser refuses, it refuses in the words
// for clients.
func upstreamFault(doing string, err error) error {
	if known, ok := errors.AsType[*exchange.Error](err); ok && known.Err != nil {
		if known.Fault == exchange.Upstream {
			return err
		}
		err = known.Err
	}
	status := 502
	if errors.Is(err, context.DeadlineExceeded) {
		status = 504
	}
	return &exchange.Error{Fault: exchange.Upstream, Status: status, Err: fmt.Errorf("%s: %w", doing, err)}
}

// begin makes c work for call.
func (c *clientConn) begin(w *callWork, call *exchange.Call, resp *exchange.Response, streams bool) {
	c.work = w
	c.calling = calling{call: call, resp: resp, sending: true, unread: call.Body.Len(), waiting: callHead}
	c.quiet = call.Method == "POST" && exchange.GRPC(&call.Header)
	c.chunked = streams && c.unread < 0
	c.last = !streams
	w.in.src = (*answerSource)(c)
	w.body = body{in: &w.in, limits: &c.client.options.Limits, head: &w.head, trailer: &resp.Trailer, got: &c.got}
	if t := c.client.transport; !call.Deadline.IsZero() {
		c.until.Store(uint64(max(1, call.Deadline.Sub(t.start)/time.Millisecond)))
		t.hurry(time.Until(call.Deadline)) // afterwards, so that no look in between slows down again
	}
	if c.caller = call.Caller; c.caller != nil {
		c.caller.Watch(c)
	}
}

// answerSource is where a response comes from: the connection, waiting included.
type answerSource clientConn

// Read implements io.Reader.
func (s *answerSource) Read(p []byte) (int, error) {
	c := (*clientConn)(s)
	if c.still {
		return c.try(p)
	}
	if c.waiting == callBody && !c.await(callBody) {
		return 0, errEnded
	}
	n, err := c.rw.Read(p)
	if c.waiting == callBody {
		c.enter(callBusy)
	}
	return c.received(n, err)
}

// errEnded is a placeholder for clientConn.cause.
var errEnded = errors.New("connection ended")

// errStill says that nothing can be read without waiting.
var errStill error = stillError{}

// stillError is a net.Error that crypto/tls does not take for the end.
type stillError struct{}

func (stillError) Error() string   { return "nothing to read" }
func (stillError) Timeout() bool   { return true }
func (stillError) Temporary() bool { return true }

func (c *clientConn) received(n int, err error) (int, error) {
	if n > 0 {
		if !c.answered {
			c.answered, c.call.Attempt.Answered = true, true
		}
		return n, nil
	}
	// Without the closing alert anyone may have cut the connection (RFC 8446 §6.1).
	if err == io.EOF && c.wire != nil && c.wire.ended {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// try reads without waiting.
func (c *clientConn) try(p []byte) (int, error) {
	n, err := c.tryRaw(p)
	return c.received(n, err)
}

func (c *clientConn) tryRaw(p []byte) (n int, err error) {
	if c.wire == nil {
		return c.socket.try(p)
	}
	c.wire.still = true
	n, err = c.secure.Read(p)
	c.wire.still = false
	return n, err
}

// silent tells whether the upstream has neither sent anything nor closed the
// connection. Over TLS, that takes away what belongs to TLS alone.
func (c *clientConn) silent() bool {
	n, err := c.tryRaw(c.socket.one[:])
	return n == 0 && err == errStill
}

// old tells whether c is not to be used again.
func (c *clientConn) old() bool {
	return c.older(c.client.transport.clock.Load(), c.born, c.client.options.Age)
}

// awake undoes the sweeper's waking of a blocked write, and tells whether c goes on.
func (c *clientConn) awake(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	c.raw.SetWriteDeadline(time.Time{})
	return phaseOf(c.state.Load()) != callEnded
}

// finish ends a call whose answer has come to its end.
func (c *clientConn) finish() {
	if c.caller != nil {
		c.caller.Watch(nil)
	}
	in := &c.work.in
	reuse := c.keep && !c.sending && !c.broken && in.r == in.w && !c.client.options.Single
	cut := c.sending
	c.release()
	if reuse && c.client.keep(c) {
		return
	}
	c.closeOr(cut)
}

// abort ends a call that has failed: the upstream is to see that, too.
func (c *clientConn) abort() {
	if c.caller != nil {
		c.caller.Watch(nil)
	}
	c.release()
	c.closeOr(true)
}

// discard ends a connection that a call has not used, which goes on with another.
func (c *clientConn) discard() {
	if c.call.Caller != nil {
		c.call.Caller.Watch(nil)
	}
	c.work, c.calling = nil, calling{}
	c.close()
}

// release gives the memory of the call back.
func (c *clientConn) release() {
	t := c.client.transport
	if c.piece != nil {
		t.pieces.Put(c.piece)
	}
	if c.wire != nil {
		c.wire.drop()
	}
	t.keepWork(c.work)
	c.work, c.vec, c.two = nil, nil, [2][]byte{}
	if c.until.Load() != 0 {
		c.until.Store(0) // before another call can take c
	}
	c.calling = calling{}
}

// closeOr closes c, or cuts it by a reset, so that a message that is not complete
// does not look so.
func (c *clientConn) closeOr(cut bool) {
	if tcp, ok := c.raw.(*net.TCPConn); ok && cut {
		tcp.SetLinger(0)
	}
	c.close()
}

// close closes c, once.
func (c *clientConn) close() {
	c.shut.Do(func() {
		c.client.transport.remove(c)
		c.mu.Lock()
		ear := c.ear
		c.mu.Unlock()
		if ear != 0 {
			c.client.transport.lookout.remove(ear)
		}
		c.client.open.Add(-1)
		c.raw.Close()
	})
}
