package certstest

import (
	"context"
	"net"
	"sync"
	"time"
)

// Split makes of conn one whose first writes go out in segments of n bytes, as a
// ClientHello arrives that is longer than a packet, up to limit bytes; what follows
// is written as it comes.
func Split(conn *net.TCPConn, n, limit int) net.Conn {
	conn.SetNoDelay(true) // each write its own segment
	return &splitConn{TCPConn: conn, n: n, left: limit}
}

// SplitDialer returns a dial function for transports whose connections are [Split].
func SplitDialer(n, limit int) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return Split(conn.(*net.TCPConn), n, limit), nil
	}
}

type splitConn struct {
	*net.TCPConn
	n int

	mu   sync.Mutex
	left int
}

func (c *splitConn) Write(p []byte) (written int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.left > 0 && len(p) > 0 {
		k := min(c.n, len(p))
		m, err := c.TCPConn.Write(p[:k])
		written += m
		if err != nil {
			return written, err
		}
		p, c.left = p[k:], c.left-k
		// The kernel joins what lies waiting; without a breath there would be one segment.
		time.Sleep(200 * time.Microsecond)
	}
	m, err := c.TCPConn.Write(p)
	return written + m, err
}
