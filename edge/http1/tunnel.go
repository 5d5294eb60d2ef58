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

	up, down [tunnelIdle]byte
}

const (
	// tunnelIdle is what a tunnel holds per direction while it waits. Nearly all of
	// the messages that people wait for are shorter.
	tunnelIdle = 512
	// tunnelBulk is how much is handed to the kernel at a time (splice), once there is
	// more than a buffer holds.
	tunnelBulk = 16 << 20
	// recordFull is what a read over TLS brings of a full record at least, when a
	// short one has taken its beginning.
	recordFull = 16<<10 - tunnelIdle
)

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
	var bulk io.Reader
	if t.conn.tcp != nil {
		bulk = t.conn.tcp
	}
	moved, err := t.ferry(w, t, bulk, t.up[:])
	return n + moved, err
}

// ReadFrom implements io.ReaderFrom for io.Copy. What has a limit is bulk already.
func (t *tunnel) ReadFrom(r io.Reader) (n int64, err error) {
	if t.conn.tcp == nil {
		return t.ferry(t, r, nil, t.down[:])
	}
	if limited, ok := r.(*io.LimitedReader); ok {
		n, err = t.conn.tcp.ReadFrom(limited)
		return n, t.blame(err)
	}
	return t.ferry(t, r, r, t.down[:])
}

// ferry copies from src to dst. While it waits it holds idle and nothing else, since
// waiting is what a tunnel does for most of its life. Once buffers come in full, bulk,
// which is src without what wraps it, is left to dst: where both are sockets the bytes
// stay in the kernel. A nil bulk is none.
func (t *tunnel) ferry(dst io.Writer, src, bulk io.Reader, idle []byte) (n int64, err error) {
	s := t.conn.server
	var large *[]byte
	defer func() {
		if large != nil {
			s.pieces.Put(large)
		}
	}()
	for buf := idle; ; {
		got, failed := src.Read(buf)
		if got > 0 {
			put, err := dst.Write(buf[:got])
			if n += int64(put); err != nil {
				return n, err
			}
		}
		switch {
		case failed == io.EOF:
			return n, nil
		case failed != nil:
			return n, failed
		case large == nil && got == len(buf):
			large = s.pieces.Get().(*[]byte)
			buf = *large
		case large != nil && (got < recordFull || got == len(buf) && bulk != nil):
			s.pieces.Put(large)
			large, buf = nil, idle
			if got < recordFull {
				continue
			}
			moved, err := io.Copy(dst, io.LimitReader(bulk, tunnelBulk))
			if n += moved; err != nil && !t.again(err) || err == nil && moved < tunnelBulk {
				return n, err
			}
		}
	}
}
