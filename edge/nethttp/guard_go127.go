//go:build go1.27

package nethttp

import (
	"crypto/tls"
	"net"
	"sync/atomic"
)

// guardsTLS says whether connections over TLS are guarded.
const guardsTLS = true

// guardTLS counts the frames of c.
func guardTLS(c *tls.Conn, clock *atomic.Int64) net.Conn {
	g := &guardedTLS{Conn: c, guard: newGuard(clock)}
	g.guard.left.Store(guardMost)
	return g
}
