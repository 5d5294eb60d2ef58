package http1

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// Transport has what the clients of many endpoints share: memory, and the one sweeper
// that enforces all their time limits. It lives as long as the process. Its methods
// are safe for concurrent use.
type Transport struct {
	start time.Time
	clock atomic.Uint64 // milliseconds since start, as of the sweeper's last tick
	tick  atomic.Int64  // between two ticks, in nanoseconds

	lookout lookout // for upstreams that answer before they have the whole request

	works   sync.Pool // of *callWork
	pieces  sync.Pool // of *[]byte, largePiece long
	records sync.Pool // of *[]byte, for what is sent over TLS

	mu     sync.Mutex
	conns  []*clientConn // clientConn.index is the place in it
	ticker *time.Ticker  // nil before the first connection
	stop   chan struct{}
	swept  chan struct{} // closed when the sweeper has ended
	closed bool
}

// NewTransport returns a Transport. It starts nothing before its first connection.
func NewTransport() *Transport {
	t := &Transport{start: time.Now(), stop: make(chan struct{}), swept: make(chan struct{})}
	t.tick.Store(int64(time.Second))
	t.works.New = func() any { return newCallWork() }
	t.pieces.New = func() any { b := make([]byte, largePiece); return &b }
	t.records.New = func() any { b := make([]byte, 0, recordRoom); return &b }
	return t
}

// Close cuts all connections of all clients and ends the sweeper. Calls fail from then on.
func (t *Transport) Close() {
	t.mu.Lock()
	first := !t.closed
	t.closed = true
	conns := append([]*clientConn(nil), t.conns...)
	running := t.ticker != nil
	t.mu.Unlock()
	for _, c := range conns {
		c.Interrupt(errClientClosed)
		c.client.forget(c)
		c.close()
	}
	t.lookout.close()
	if running {
		if first {
			close(t.stop)
		}
		<-t.swept
	}
}

// ClientOptions say how a Client works. Only Dial is required.
type ClientOptions struct {
	// Dial connects to the endpoint, without TLS, for a call; a PROXY header has been
	// sent where one is wanted. It returns soon after ctx has ended.
	Dial func(ctx context.Context, c *exchange.Call) (net.Conn, error)
	// TLS makes the client speak TLS over what Dial returns; nil: plain.
	TLS    *tls.Config
	Limits Limits // of heads and bodies of responses

	// Time limits; 0: none. All but Connect are checked once per tick (a quarter of the
	// shortest, a second at most), so they overrun by up to two ticks.
	Connect time.Duration // for Dial and the TLS handshake
	Head    time.Duration // from the request sent to the head of the final response, but of gRPC
	Idle    time.Duration // between two pieces of a body, either way, but where exchange.Quiet
	Keep    time.Duration // an unused connection is kept
	Age     time.Duration // no connection is used again after
	Tunnel  time.Duration // a tunnel, or what neither Head nor Idle is for, without a byte

	MaxIdle int  // unused connections kept; 0: 64, negative: none
	Single  bool // connections serve one call each
}

// Client makes calls of one endpoint. Its methods are safe for concurrent use.
type Client struct {
	transport *Transport
	options   ClientOptions
	tick      time.Duration // the sweeper looks at least so often

	open, made atomic.Int64

	mu     sync.Mutex
	idle   []*clientConn // the last one was used last
	closed bool
}

var errClientClosed = errors.New("client closed")

// NewClient returns a Client of t. Nothing is connected before its first call.
func (t *Transport) NewClient(o ClientOptions) *Client {
	o.Limits = o.Limits.withDefaults()
	if o.MaxIdle == 0 {
		o.MaxIdle = 64
	}
	if o.TLS != nil {
		o.TLS = o.TLS.Clone()
		o.TLS.DynamicRecordSizingDisabled = true // records are gathered, so small ones only cost
	}
	return &Client{transport: t, options: o, tick: o.tick()}
}

// Do makes one attempt at call and fills resp, which is empty, with the answer. The
// caller's goroutine does all the work. While the request's body is being sent, which
// may be until resp.Body has ended, call must not change. After an error resp is as it was; call.Attempt
// says how far it came, with and without one. Do never sends anything twice: whether
// another attempt may be made is for the caller to decide.
//
// The connection is used for the next call as soon as the last byte of resp.Body has
// been read; what was not read when it is closed costs the connection. An answer that
// comes before the request's body was sent is returned: if it is a success the rest of
// the body is sent while resp.Body is read, else it is not sent at all. A body that
// makes wait holds it back unless it can be interrupted (exchange.ErrPause).
//
// Errors are *exchange.Error with the upstream's fault and status 502, or 504 and
// wrapping context.DeadlineExceeded where a time limit was exceeded; or what the
// request's body has failed with, and then the upstream never sees a complete request;
// or, when the caller has lost interest, wrap the cause that it gave.
func (c *Client) Do(call *exchange.Call, resp *exchange.Response) error {
	began := time.Now()
	call.Attempt = exchange.Attempt{}
	w := c.transport.works.Get().(*callWork)
	streams, err := w.compose(call, c.options.Single)
	if err != nil {
		c.transport.keepWork(w)
		return err
	}
	conn, err := c.converse(w, call, resp, streams)
	if err != nil {
		return err
	}
	call.Attempt.Head = time.Since(began)
	conn.deliver()
	return nil
}

// converse sends the request in w over a connection and reads the head of the answer.
func (c *Client) converse(w *callWork, call *exchange.Call, resp *exchange.Response, streams bool) (*clientConn, error) {
	for {
		conn, err := c.connection(call, !streams)
		if err != nil {
			w.giveBack(call)
			c.transport.keepWork(w)
			return nil, err
		}
		conn.begin(w, call, resp, streams)
		switch err := conn.exchange(); {
		case err == nil:
			return conn, nil
		case err == errSpoken && call.Attempt.Reused:
			conn.discard()
			call.Attempt = exchange.Attempt{}
		default:
			if err == errSpoken { // to whoever connects: it would do so again and again
				err = upstreamFault("send request", err)
			}
			w.giveBack(call)
			conn.abort()
			resp.Header.Reset()
			return nil, err
		}
	}
}

// CloseIdle closes the connections that no call is using.
func (c *Client) CloseIdle() {
	c.mu.Lock()
	idle := c.idle
	c.idle = nil
	c.mu.Unlock()
	for _, conn := range idle {
		if conn.enter(callBusy) { // else the sweeper is closing it
			conn.close()
		}
	}
}

// Close closes idle connections now and busy ones when their exchange ends. Calls
// that have not begun fail.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.CloseIdle()
}

// ClientStats are figures of a Client.
type ClientStats struct {
	Open int   // connections that are there, tunnels included
	Idle int   // of them unused
	Made int64 // connections made so far
}

// Stats returns the figures of now.
func (c *Client) Stats() ClientStats {
	c.mu.Lock()
	idle := len(c.idle)
	c.mu.Unlock()
	return ClientStats{Open: int(c.open.Load()), Idle: idle, Made: c.made.Load()}
}
