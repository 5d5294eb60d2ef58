package nethttp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
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
	Head    time.Duration // from the request sent to the head of the answer
	Idle    time.Duration // without a byte of a body either way, while one is waited for
	Keep    time.Duration // for a connection without streams
	Tunnel  time.Duration // for a tunnel without a byte either way
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
	sweep(now time.Time, keep time.Duration)
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
	fresh := false
	for {
		c.mu.Lock()
		conns, made, closed := c.conns, c.made, c.closed
		c.mu.Unlock()
		if closed {
			return upstreamFault(errClientClosed)
		}
		for i := len(conns) - 1; i >= 0; i-- {
			if ok, err := conns[i].open(x); ok || err != nil {
				return err
			}
		}
		if fresh {
			return upstreamFault(errNoStreams)
		}
		var err error
		if fresh, err = c.grow(x, made); err != nil {
			return err
		}
	}
}

// grow makes a connection, or waits for one being made; fresh says that it is x's own.
// made is how many there were when those at hand had no room.
func (c *Client) grow(x *outgoing, made int64) (fresh bool, err error) {
	began := time.Now()
	ctx, stop := x.connecting(c.o.Connect)
	defer stop()
	c.mu.Lock()
	d := c.dialing
	switch {
	case c.made != made:
		c.mu.Unlock()
		return false, nil
	case d == nil:
		d = &dialing{done: make(chan struct{})}
		c.dialing = d
		c.mu.Unlock()
		err = c.connect(ctx, x, d)
		x.call.Attempt.Connect += time.Since(began)
		return true, err
	}
	c.mu.Unlock()
	select {
	case <-d.done:
		err = d.err
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	x.call.Attempt.Connect += time.Since(began)
	if d.again && x.given() == nil {
		return false, nil
	}
	if err != nil {
		err = x.fault(err)
	}
	return false, err
}

func (c *Client) connect(ctx context.Context, x *outgoing, d *dialing) error {
	conn, err := c.dial(ctx, x.call)
	if err != nil && ctx.Err() != nil && x.given() == nil {
		err = timeFault("connecting takes too long")
	}
	c.mu.Lock()
	c.dialing = nil
	if err == nil && !c.closed {
		c.conns = append(c.conns[:len(c.conns):len(c.conns)], conn)
		c.made++
		c.sweeper.startLocked(c)
	}
	if err == nil && c.closed {
		err = errClientClosed
		defer conn.retire()
	}
	d.err, d.again = err, err != nil && x.given() != nil
	c.mu.Unlock()
	close(d.done)
	if err != nil {
		return x.fault(err)
	}
	return nil
}

func (c *Client) dial(ctx context.Context, call *exchange.Call) (upstreamConn, error) {
	if c.o.Protocol == "h3" {
		return c.dialH3(ctx)
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
	return c.newH2Conn(ctx, nc)
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
	c.conns = kept
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
