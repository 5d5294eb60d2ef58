package nethttp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// ClientOptions say how one endpoint is called. A time of 0 or less is no limit.
type ClientOptions struct {
	Protocol string // "h2" (TLS, ALPN h2 only), "h2c" (prior knowledge, RFC 9113 §3.3), "h3"
	Address  string // host:port, for h3
	// Dial makes the connection for h2 and h2c: TCP or unix, before TLS. c is the call
	// that needs it first.
	Dial func(ctx context.Context, c *exchange.Call) (net.Conn, error)
	TLS  *tls.Config // for h2 and h3, with ServerName; not changed

	HeaderBytes int // of one header block, decoded; default 32 KiB
	Fields      int // of one header block; default 100

	Connect time.Duration // for a connection to be ready, handshakes included
	Head    time.Duration // from the request sent to the head of the answer, but of gRPC
	Idle    time.Duration // without a byte of a body either way, while one is waited for; but where exchange.Quiet
	Keep    time.Duration // for a connection without streams
	Tunnel  time.Duration // for a tunnel, or what neither Head nor Idle is for, without a byte either way
}

// Client calls one endpoint over HTTP/2 or HTTP/3. It shares connections among
// calls and makes more when the upstream allows no further streams on those it has.
// It is safe for concurrent use.
//
// The framing is written here, on x/net's and quic-go's frames and compression:
// their own clients send requests again by themselves (security G15), read and close
// a request's body when it may no longer be touched, take a DATA frame that was cut
// for a clean end (security Q7), and do not say whether a request was processed.
type Client struct {
	o ClientOptions

	mu      sync.Mutex
	conns   []upstreamConn // replaced, never changed; the newest comes last
	dialing *dialing
	made    int64
	closed  bool
	sweeper
}

// ClientStats count the connections of a Client.
type ClientStats struct {
	Open int   // now
	Idle int   // of those: without a call
	Made int64 // since the client was made
}

// upstreamConn is one connection: *h2Conn or *h3Conn.
type upstreamConn interface {
	// open begins x on a stream of its own, or returns false if there can be none.
	// Errors are those of x, not of the connection.
	open(x *outgoing) (bool, error)
	// sweep looks at the connection's limits of time and tells whether it is closed.
	sweep(now time.Time, keep time.Duration) (closed bool)
	// retire lets no more calls begin, and closes when those that go on have ended.
	retire()
	idle() bool
}

// dialing is a connection that is being made; others wait for it.
type dialing struct {
	done  chan struct{} // closed when it is made or has failed
	err   error         // set before
	again bool          // who made it gave up: the next one tries
}

// NewClient returns a client without a connection.
func NewClient(o ClientOptions) *Client {
	o.HeaderBytes = orDefault(o.HeaderBytes, 32<<10)
	o.Fields = orDefault(o.Fields, 100)
	c := &Client{o: o}
	c.sweeper.init(o)
	return c
}

var (
	errClientClosed = errors.New("client is closed")
	errNoStreams    = errors.New("upstream allows no streams")
)

// open begins x on a connection, made if need be.
func (c *Client) open(x *outgoing) error {
	for {
		c.mu.Lock()
		conns, made, closed := c.conns, c.made, c.closed
		c.mu.Unlock()
		if closed {
			return upstreamFault(errClientClosed)
		}
		for _, conn := range slices.Backward(conns) {
			if ok, err := conn.open(x); ok || err != nil {
				return err
			}
		}
		began := time.Now()
		ok, err := c.grow(x, made)
		x.call.Attempt.Connect += time.Since(began)
		if ok || err != nil {
			return err
		}
	}
}

// grow makes a connection and begins x on it, or waits for one being made. made is how
// many had been when those at hand had no room.
func (c *Client) grow(x *outgoing, made int64) (begun bool, err error) {
	ctx, stop := x.connecting(c.o.Connect)
	defer stop()
	c.mu.Lock()
	if c.made != made || c.closed {
		c.mu.Unlock()
		return false, nil
	}
	d := c.dialing
	if d == nil {
		d = &dialing{done: make(chan struct{})}
		c.dialing = d
		c.mu.Unlock()
		return true, c.connect(ctx, x, d)
	}
	c.mu.Unlock()
	select {
	case <-d.done:
		err = d.err
	case <-ctx.Done():
		return false, x.fault(context.Cause(ctx))
	}
	if err == nil || d.again && x.given() == nil {
		return false, nil
	}
	return false, x.fault(err)
}

// connect makes a connection, begins x on it as its first call, and shares it.
func (c *Client) connect(ctx context.Context, x *outgoing, d *dialing) error {
	conn, err := c.dial(ctx, x.call)
	begun := false
	if err == nil {
		begun, err = conn.open(x)
		if !begun && err == nil {
			err = errNoStreams
		}
	} else if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	c.mu.Lock()
	c.dialing = nil
	if conn != nil {
		c.made++
		c.conns = append(c.conns[:len(c.conns):len(c.conns)], conn)
		c.sweeper.startLocked(c)
	}
	// Others share what happened to the connection, not what happened to x.
	if d.again = x.given() != nil; conn == nil || err == errNoStreams {
		d.err = err
	}
	closed := c.closed
	c.mu.Unlock()
	close(d.done)
	if conn != nil && (closed || err == errNoStreams) {
		conn.retire()
	}
	if err != nil {
		err = x.fault(err)
	}
	return err
}

func (c *Client) dial(ctx context.Context, call *exchange.Call) (upstreamConn, error) {
	if c.o.Protocol == "h3" {
		h, err := c.dialH3(ctx)
		if err != nil {
			return nil, err // not as a nil *h3Conn
		}
		return h, nil
	}
	nc, err := c.o.Dial(ctx, call)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if c.o.Protocol == "h2" {
		if nc, err = c.handshake(ctx, nc); err != nil {
			return nil, err
		}
	}
	h, err := c.newH2Conn(ctx, nc)
	if err != nil {
		return nil, err // not as a nil *h2Conn
	}
	return h, nil
}

// handshake makes TLS of nc, and closes it if that fails. An upstream that chooses no
// protocol, or another one, is not spoken to.
func (c *Client) handshake(ctx context.Context, nc net.Conn) (net.Conn, error) {
	conf := c.o.TLS.Clone()
	conf.NextProtos = []string{"h2"}
	tc := tls.Client(nc, conf)
	if err := tc.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, fmt.Errorf("tls: %w", err)
	}
	if got := tc.ConnectionState().NegotiatedProtocol; got != "h2" {
		nc.Close()
		return nil, fmt.Errorf("tls: upstream speaks no h2, but %q", got)
	}
	return tc, nil
}

// drop forgets a connection that is closed.
func (c *Client) drop(conn upstreamConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var kept []upstreamConn
	for _, k := range c.conns {
		if k != conn {
			kept = append(kept, k)
		}
	}
	if c.conns = kept; len(kept) == 0 {
		c.sweeper.gone()
	}
}

// CloseIdle closes the connections that no call uses.
func (c *Client) CloseIdle() {
	for _, conn := range c.connections() {
		if conn.idle() {
			conn.retire()
		}
	}
}

// Close ends the client: connections without calls are closed now, others when
// their calls are over. Further calls fail.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	conns := c.conns
	c.mu.Unlock()
	for _, conn := range conns {
		conn.retire()
	}
}

func (c *Client) connections() []upstreamConn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conns
}

// Stats counts connections.
func (c *Client) Stats() ClientStats {
	c.mu.Lock()
	s := ClientStats{Open: len(c.conns), Made: c.made}
	conns := c.conns
	c.mu.Unlock()
	for _, conn := range conns {
		if conn.idle() {
			s.Idle++
		}
	}
	return s
}
