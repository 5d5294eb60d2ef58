package http1

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// conn is one connection, and the exchange.Stream of the exchange that is going on
// over it. What an exchange needs besides is in work, which waiting connections do
// not have.
type conn struct {
	server *Server
	raw    net.Conn
	rw     net.Conn // raw, or secure
	secure *tls.Conn
	out    *RecordWriter
	tcp    *net.TCPConn // raw, when responses may bypass us; nil over TLS
	facts  *exchange.Conn
	scheme string
	index  int // in server.conns; guarded by server.mu

	state    atomic.Uint64 // since when and which phase; see sweep.go
	bodyGot  atomic.Int64  // bytes of this request body that were waited for
	bodyWait atomic.Uint64 // milliseconds spent on that

	interruption atomic.Pointer[error] // why reading the body is to return; nil if it is not

	work   *work
	one    [1]byte // what a parked connection reads into
	served int     // requests so far

	// Of the present exchange:
	busy      bool        // it is with the dispatcher
	closing   bool        // the connection ends after it
	lingering bool        // and there may be bytes in flight that a close would answer with RST
	broken    bool        // a message was cut: nothing more is sent, and the client must notice
	responded bool        // the final head has been made
	unended   bool        // and what follows it has not: still so afterwards, if its body panicked
	expecting bool        // the client waits for 100 Continue
	draining  bool        // what is left of the request body is read for nobody
	apart     bool        // the request body is read on another goroutine
	ended     atomic.Bool // and to its end
	headAt    int         // where in work.out the final head starts, while it is there

	file sendfile
	vec  net.Buffers
	two  [2][]byte

	speak sync.Mutex // guards expecting and responded, where the body is read apart

	mu  sync.Mutex // guards what follows, for the sweeper
	sys syscall.RawConn
	lifetime
}

// work is the memory of an exchange.
type work struct {
	request exchange.Request
	in      input
	head    head
	body    body
	out     []byte // what is to be sent next
}

const (
	outSize    = 4 << 10
	outMax     = 64 << 10 // a larger buffer is not kept
	drainMax   = 256 << 10
	smallBody  = 16 << 10 // up to here a body is copied behind its head
	gatherMax  = 16 << 10 // up to here responses to pipelined requests are gathered
	largePiece = 64 << 10
)

func newWork() *work {
	w := &work{out: make([]byte, 0, outSize)}
	w.in.buf = make([]byte, inputSize)
	w.head.spans = make([]span, 0, 32)
	return w
}

func newConn(s *Server, raw net.Conn, secure *tls.Conn, out *RecordWriter, facts *exchange.Conn) *conn {
	c := &conn{server: s, raw: raw, rw: raw, secure: secure, out: out, facts: facts, scheme: "http"}
	if secure != nil {
		c.rw, c.scheme = secure, "https"
		if out != nil {
			out.pool = &s.records
		}
	} else {
		c.tcp, _ = raw.(*net.TCPConn)
	}
	if sc, ok := raw.(syscall.Conn); ok {
		c.sys, _ = sc.SyscallConn()
	}
	c.acquire()
	c.enter(phaseIdle)
	return c
}

// acquire gives c the memory of an exchange.
func (c *conn) acquire() {
	w := c.server.works.Get().(*work)
	w.in.src = (*source)(c)
	w.body = body{in: &w.in, limits: &c.server.limits, head: &w.head,
		trailer: &w.request.Trailer, got: &w.request.Record.Received}
	c.work = w
}

// release gives it back. Nothing of this client stays in it.
func (c *conn) release() {
	w := c.work
	c.work = nil
	if w.in.buf == nil {
		return // it was given back before: see lighten
	}
	w.request.Reset(nil, nil)
	w.in.src, w.in.r, w.in.w = nil, 0, 0
	w.body = body{}
	c.giveBack(w)
}

// giveBack keeps w for the next who needs one, at its usual size.
func (c *conn) giveBack(w *work) {
	if len(w.in.buf) > inputSize {
		w.in.buf = make([]byte, inputSize)
	}
	w.out = w.out[:0]
	if cap(w.out) > outMax {
		w.out = make([]byte, 0, outSize)
	}
	c.server.works.Put(w)
}

// serve runs one exchange after the other.
func (c *conn) serve() {
	for !c.closing {
		if bad, ok := c.await(); !ok {
			c.closing = true
		} else {
			c.exchange(bad)
		}
	}
}

// await gets a complete head into the buffer. It returns a refusal where that will
// not happen and the client is to be told, and false when the connection is over.
func (c *conn) await() (bad *refusal, ok bool) {
	seen, skipped := 0, false
	for {
		var b []byte
		if c.work != nil {
			b = c.work.in.rest()
		}
		// RFC 9112 §2.2: one empty line before a request is forgiven; old clients
		// send it after a POST.
		if len(b) >= 2 && !skipped && b[0] == '\r' && b[1] == '\n' {
			c.work.in.skip(2)
			seen, skipped = 0, true
			continue
		}
		if len(b) > seen {
			if complete(b, seen) {
				return nil, c.arrived()
			}
			if bad = refusePart(b, seen, &c.server.limits); bad != nil {
				return bad, c.arrived()
			}
			seen = len(b)
		}
		if err := c.moreHead(seen > 0); err != nil {
			return refHeadSlow, err == errSlow && c.revive()
		}
	}
}

var (
	errSlow = errors.New("too slow")
	errOver = fmt.Errorf("connection over: %w", exchange.ErrClientGone)
)

// moreHead waits for bytes of a head, of which some are there already or none. It
// returns errSlow where the client is to hear of it.
func (c *conn) moreHead(begun bool) error {
	if err := c.flush(); err != nil {
		return errOver
	}
	p, _ := c.doing()
	switch {
	case begun && p != phaseHead && !c.enter(phaseHead):
		return errSlow
	case !begun && p != phaseIdle && !c.enter(phaseIdle):
		return errOver
	case !begun && c.server.draining.Load():
		return errOver
	}
	// Over TLS waiting without memory is free: the byte that ends it brings the rest
	// of its record along without another system call.
	if !begun && c.secure != nil {
		return c.park()
	}
	for {
		n, err := c.rw.Read(c.work.in.room())
		c.work.in.w += n
		switch {
		case n > 0:
			return nil
		case err == nil:
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return errOver
		case !c.awake():
			if begun {
				return errSlow
			}
			return errOver
		case !begun:
			return c.park()
		}
	}
}

// park waits for the first byte of a head without holding any memory.
func (c *conn) park() error {
	c.release()
	if !c.turn(phaseParked) {
		return errOver
	}
	for {
		if c.server.draining.Load() {
			return errOver
		}
		n, err := c.rw.Read(c.one[:])
		switch {
		case n > 0:
			c.acquire()
			c.work.in.buf[0], c.work.in.w = c.one[0], 1
			if !c.enter(phaseHead) {
				return errOver
			}
			return nil
		case err == nil:
		case !errors.Is(err, os.ErrDeadlineExceeded) || !c.awake():
			return errOver
		}
	}
}

// exchange answers the request whose head is in the buffer, or refuses it.
func (c *conn) exchange(bad *refusal) {
	w := c.work
	r := &w.request
	r.Reset(c.facts, c)
	r.Scheme, r.Proto = c.scheme, exchange.HTTP11
	c.lingering, c.responded, c.unended, c.expecting, c.draining, c.apart = false, false, false, false, false, false
	c.served++
	w.body.start(&noFraming)
	r.Record.Start = time.Now()
	if bad == nil {
		var end int
		end, bad = w.head.parseRequest(w.in.rest(), &c.server.limits, r)
		w.in.skip(end)
	}
	if bad != nil && !bad.keep {
		c.closing, c.lingering = true, true
	} else {
		c.begin(r, &w.head.framing)
	}
	c.busy = true
	if bad != nil {
		c.server.dispatcher.Reject(r, &bad.err)
	} else {
		c.server.dispatcher.Dispatch(r)
	}
	c.finish()
}

// begin sets up what the framing of r says.
func (c *conn) begin(r *exchange.Request, f *framing) {
	c.closing = f.closes || r.Proto == exchange.HTTP10 && !f.keepAlive ||
		c.server.requests > 0 && c.served >= c.server.requests
	if f.length == 0 {
		return
	}
	c.work.body.start(f)
	r.Body = (*received)(c)
	// RFC 9110 §10.1.1: from an HTTP/1.0 client the expectation is ignored.
	c.expecting = f.expects && r.Proto == exchange.HTTP11
	c.bodyGot.Store(0)
	c.bodyWait.Store(0)
	c.interruption.Store(nil)
	c.ended.Store(false)
}

// finish ends an exchange: its context, and the rest of the request's body.
func (c *conn) finish() {
	c.busy = false
	c.cancel(nil)
	b := &c.work.body
	switch {
	case !c.responded || c.unended || c.broken:
		c.closing, c.broken = true, true
	case b.finished():
		c.lingering = c.lingering || c.closing && c.work.in.r < c.work.in.w
	case c.closing || !c.drain(b):
		c.closing, c.lingering = true, true
	}
	if c.closing && !c.broken && c.flush() != nil {
		c.broken = true
	}
}

// close ends the connection the way the last exchange asks for.
func (c *conn) close() {
	switch {
	case c.busy || c.broken: // busy: the dispatcher has panicked
		c.cancel(nil)
		// A reset, so that a message that ends with the connection, too, is seen to
		// be cut.
		if tcp, ok := c.raw.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
	case c.lingering:
		c.linger()
	case c.secure != nil:
		c.secure.Close()
	}
	c.raw.Close()
	if c.work != nil {
		c.release()
	}
}

// linger stops sending and reads on for a while. Closing with bytes unread makes
// the kernel send a reset, which may overtake the answer (RFC 9112 §9.6).
func (c *conn) linger() {
	half, ok := c.raw.(interface{ CloseWrite() error })
	if !ok || !c.enter(phaseLinger) {
		return
	}
	if c.secure != nil {
		c.secure.CloseWrite()
	}
	if half.CloseWrite() != nil {
		return
	}
	p := c.server.pieces.Get().(*[]byte)
	defer c.server.pieces.Put(p)
	for {
		_, err := c.raw.Read(*p)
		if err != nil && (!errors.Is(err, os.ErrDeadlineExceeded) || !c.awake()) {
			return
		}
	}
}
