package http1

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"

	"github.com/weirproxy/weir/edge/exchange"
)

// tunnel is the client's end of a connection that has switched to another protocol.
type tunnel struct {
	conn  *conn
	early []byte      // what the client has sent behind its request
	ended atomic.Bool // our half was closed in order
}

// tunnelBulk is how much is left to the kernel at a time (splice).
const tunnelBulk = 16 << 20

// Read implements exchange.Tunnel.
func (t *tunnel) Read(p []byte) (int, error) {
	if len(t.early) > 0 {
		n := copy(p, t.early)
		t.early = t.early[n:]
		return n, nil
	}
	for {
		n, err := t.conn.rw.Read(p)
		if n == 0 && t.again(err) {
			continue
		}
		return n, t.blame(err)
	}
}

// again tells whether waiting was only interrupted: the sweeper wakes idle
// connections, and may come too late.
func (t *tunnel) again(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) && t.conn.awake()
}

// Write implements exchange.Tunnel.
func (t *tunnel) Write(p []byte) (int, error) {
	n, err := t.conn.rw.Write(p)
	return n, t.blame(err)
}

// blame says that it was the client who ended the tunnel, unless we did.
func (t *tunnel) blame(err error) error {
	if err == nil || err == io.EOF || errors.Is(err, net.ErrClosed) {
		return err
	}
	return fmt.Errorf("%w: %w", exchange.ErrClientGone, err)
}

// CloseWrite implements exchange.Tunnel: the client reads the end, and may go on sending.
func (t *tunnel) CloseWrite() error {
	c := t.conn
	t.ended.Store(true)
	if c.secure != nil {
		if err := c.secure.CloseWrite(); err != nil {
			return t.blame(err)
		}
	}
	half, ok := c.raw.(interface{ CloseWrite() error })
	if !ok {
		return c.raw.Close()
	}
	return t.blame(half.CloseWrite())
}

// Close implements exchange.Tunnel. Where our half did not end in order, the client
// is to see that, by a reset.
func (t *tunnel) Close() error {
	if tcp, ok := t.conn.raw.(*net.TCPConn); ok && !t.ended.Load() {
		tcp.SetLinger(0)
	}
	return t.conn.raw.Close()
}

// WriteTo implements io.WriterTo for io.Copy.
func (t *tunnel) WriteTo(w io.Writer) (n int64, err error) {
	if len(t.early) > 0 {
		early, err := w.Write(t.early)
		if n, t.early = int64(early), nil; err != nil {
			return n, err
		}
	}
	moved, err := exchange.Ferry(w, t, t.bulk(w, t.conn.tcp))
	return n + moved, err
}

// ReadFrom implements io.ReaderFrom for io.Copy. What has a limit is bulk already.
func (t *tunnel) ReadFrom(r io.Reader) (n int64, err error) {
	if limited, ok := r.(*io.LimitedReader); ok && t.conn.tcp != nil {
		n, err = t.conn.tcp.ReadFrom(limited)
		return n, t.blame(err)
	}
	return exchange.Ferry(t, r, t.bulk(t, r))
}

// bulk returns a function that leaves bytes in the kernel where src and dst are
// sockets, and nil where ours is not to be bypassed.
func (t *tunnel) bulk(dst io.Writer, src io.Reader) func() (int64, error) {
	if t.conn.tcp == nil {
		return nil
	}
	return func() (int64, error) {
		n, err := io.Copy(dst, io.LimitReader(src, tunnelBulk))
		switch {
		case t.again(err):
			err = nil
		case err == nil && n < tunnelBulk:
			err = io.EOF
		}
		return n, err
	}
}
