package http1

import (
	"io"
	"net"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// upstreamTunnel is the upstream's end of a connection that has switched protocols.
type upstreamTunnel struct {
	c     *clientConn
	early []byte // what came behind the 101
}

var _ exchange.Tunnel = (*upstreamTunnel)(nil)

// tunnel turns c into one. Nobody is interrupted any longer: whoever carries bytes
// learns from reading that the client has left, and one that has only ended its own
// half has not.
func (c *clientConn) tunnel() *upstreamTunnel {
	if c.call.Caller != nil {
		c.call.Caller.Watch(nil)
	}
	t := &upstreamTunnel{c: c, early: append([]byte(nil), c.work.in.rest()...)}
	c.release()
	c.until.Store(0)
	c.raw.SetWriteDeadline(time.Time{}) // the sweeper may just have woken us
	if !c.enter(callTunnel) {
		c.raw.SetDeadline(past)
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

// Close implements exchange.Tunnel.
func (t *upstreamTunnel) Close() error {
	t.c.close()
	return nil
}

// ReadFrom implements io.ReaderFrom: what can go past us from socket to socket
// (splice) does. With a limit on idling every piece has to be seen.
func (t *upstreamTunnel) ReadFrom(r io.Reader) (int64, error) {
	if tcp, ok := t.c.raw.(*net.TCPConn); ok && t.c.secure == nil && t.c.client.options.Tunnel == 0 {
		n, err := tcp.ReadFrom(r)
		return n, t.note(err)
	}
	return io.Copy(writerOnly{t}, r)
}

type writerOnly struct{ io.Writer }
