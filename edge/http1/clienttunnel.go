package http1

import (
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// upstreamTunnel is the upstream's end of a connection that has switched protocols.
type upstreamTunnel struct {
	c     *clientConn
	early []byte      // what came behind the 101
	ended atomic.Bool // our half was closed in order
}

var _ exchange.Tunnel = (*upstreamTunnel)(nil)

// tunnel turns c into one. Nobody is interrupted any longer: whoever carries bytes
// learns from reading that the client has left, and one that has only ended its own
// half has not.
func (c *clientConn) tunnel() *upstreamTunnel {
	if c.caller != nil {
		c.caller.Watch(nil)
	}
	t := &upstreamTunnel{c: c, early: append([]byte(nil), c.work.in.rest()...)}
	c.release()
	if c.enter(callTunnel) {
		c.mu.Lock() // the sweeper may just be waking who was sending, and will not do so again
		if phaseOf(c.state.Load()) != callEnded {
			c.raw.SetWriteDeadline(time.Time{})
		}
		c.mu.Unlock()
	}
	return t
}

// Read implements exchange.Tunnel.
func (t *upstreamTunnel) Read(p []byte) (int, error) {
	if len(t.early) > 0 {
		n := copy(p, t.early)
		t.early = t.early[n:]
		return n, nil
	}
	n, err := t.c.rw.Read(p)
	return n, t.note(err)
}

// Write implements exchange.Tunnel.
func (t *upstreamTunnel) Write(p []byte) (int, error) {
	n, err := t.c.rw.Write(p)
	return n, t.note(err)
}

// note notes that bytes have moved, or blames the upstream.
func (t *upstreamTunnel) note(err error) error {
	switch {
	case err == nil:
		if t.c.client.options.Tunnel > 0 {
			t.c.enter(callTunnel)
		}
		return nil
	case err == io.EOF:
		return err
	}
	return t.c.fault("carry upgraded connection", err)
}

// CloseWrite implements exchange.Tunnel.
func (t *upstreamTunnel) CloseWrite() error {
	t.ended.Store(true)
	if t.c.secure != nil {
		if err := t.c.secure.CloseWrite(); err != nil {
			return t.note(err)
		}
	}
	if half, ok := t.c.raw.(interface{ CloseWrite() error }); ok {
		return t.note(half.CloseWrite())
	}
	return t.c.raw.Close()
}

// Close implements exchange.Tunnel. Where our half did not end in order, the upstream
// is to see that, by a reset.
func (t *upstreamTunnel) Close() error {
	t.c.closeOr(!t.ended.Load())
	return nil
}

// WriteTo implements io.WriterTo for io.Copy.
func (t *upstreamTunnel) WriteTo(w io.Writer) (int64, error) {
	return exchange.Ferry(w, t, t.bulk(w, t.plain()))
}

// ReadFrom implements io.ReaderFrom for io.Copy. What has a limit is bulk already.
func (t *upstreamTunnel) ReadFrom(r io.Reader) (int64, error) {
	if limited, ok := r.(*io.LimitedReader); ok && t.plain() != nil {
		n, err := t.plain().ReadFrom(limited)
		return n, t.note(err)
	}
	return exchange.Ferry(t, r, t.bulk(t, r))
}

// plain returns the socket that bytes may go to and from without being seen here, or
// nil: over TLS, and with a limit on idling.
func (t *upstreamTunnel) plain() *net.TCPConn {
	if t.c.secure != nil || t.c.client.options.Tunnel > 0 {
		return nil
	}
	tcp, _ := t.c.raw.(*net.TCPConn)
	return tcp
}

// bulk returns a function that leaves bytes in the kernel (splice) where src and dst
// are sockets, or nil.
func (t *upstreamTunnel) bulk(dst io.Writer, src io.Reader) func() (int64, error) {
	if t.plain() == nil {
		return nil
	}
	return func() (int64, error) {
		n, err := io.Copy(dst, io.LimitReader(src, tunnelBulk))
		if err == nil && n < tunnelBulk {
			err = io.EOF
		}
		return n, err
	}
}
