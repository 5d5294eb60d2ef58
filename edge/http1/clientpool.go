package http1

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// connection returns a connection for a call: the one that was used last and is still
// good, or a new one if there is none or the call wants one. Where a turn will look
// whether a connection is silent, it is not asked here.
func (c *Client) connection(call *exchange.Call, whole bool) (*clientConn, error) {
	for {
		conn, err := c.take(call.Fresh)
		switch {
		case err != nil:
			return nil, err
		case conn == nil:
			return c.connect(call)
		case !conn.enter(callBusy): // the sweeper is closing it
		case conn.old() || !(whole && conn.turns()) && !conn.silent():
			conn.close()
		default:
			call.Attempt.Reused = true
			return conn, nil
		}
	}
}

// take returns the idle connection that was used last; nil if there is none, or a fresh
// one is wanted.
func (c *Client) take(fresh bool) (*clientConn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, upstreamFault("call upstream", errClientClosed)
	}
	last := len(c.idle) - 1
	if last < 0 || fresh {
		return nil, nil
	}
	conn := c.idle[last]
	c.idle[last] = nil
	c.idle = c.idle[:last]
	return conn, nil
}

// keep puts conn among the idle ones, if it may be used again.
func (c *Client) keep(conn *clientConn) bool {
	if conn.old() {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.idle) >= c.options.MaxIdle || !conn.enter(callPooled) {
		return false
	}
	c.idle = append(c.idle, conn)
	return true
}

// forget takes conn out of the idle ones.
func (c *Client) forget(conn *clientConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.idle, conn); i >= 0 {
		c.idle = slices.Delete(c.idle, i, i+1)
	}
}

var (
	errConnectSlow = fmt.Errorf("connection not made in time: %w", context.DeadlineExceeded)
	errProtocol    = errors.New("upstream chose another protocol than HTTP/1.1")
)

// dialing is who waits for a new connection.
type dialing struct{ cancel context.CancelCauseFunc }

// Interrupt implements exchange.Interrupter.
func (d *dialing) Interrupt(cause error) { d.cancel(cause) }

// connect makes a connection.
func (c *Client) connect(call *exchange.Call) (*clientConn, error) {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	if call.Caller != nil {
		call.Caller.Watch(&dialing{cancel})
		defer call.Caller.Watch(nil)
	}
	if c.options.Connect > 0 {
		limited, stop := context.WithTimeoutCause(ctx, c.options.Connect, errConnectSlow)
		defer stop()
		ctx = limited
	}
	if !call.Deadline.IsZero() {
		limited, stop := context.WithDeadlineCause(ctx, call.Deadline, errCallSlow)
		defer stop()
		ctx = limited
	}
	began := time.Now()
	conn, err := c.dial(ctx, call)
	call.Attempt.Connect = time.Since(began)
	if cause := context.Cause(ctx); cause != nil {
		if err == nil {
			conn.raw.Close()
		}
		return nil, callerFault("connect", cause)
	}
	if err != nil {
		return nil, upstreamFault("connect", err)
	}
	if err := c.transport.add(conn); err != nil {
		conn.raw.Close()
		return nil, upstreamFault("connect", err)
	}
	c.open.Add(1)
	c.made.Add(1)
	return conn, nil
}

// dial makes a connection, TLS included.
func (c *Client) dial(ctx context.Context, call *exchange.Call) (*clientConn, error) {
	raw, err := c.options.Dial(ctx, call)
	if err != nil {
		return nil, err
	}
	conn := newClientConn(c, raw)
	if c.options.TLS == nil {
		return conn, nil
	}
	conn.wire = &wire{Conn: raw, socket: &conn.socket, pool: &c.transport.records}
	conn.secure = tls.Client(conn.wire, c.options.TLS)
	conn.rw = conn.secure
	if err := conn.secure.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	if p := conn.secure.ConnectionState().NegotiatedProtocol; p != "" && p != "http/1.1" {
		raw.Close()
		return nil, errProtocol
	}
	return conn, nil
}
