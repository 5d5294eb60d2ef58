//go:build !go1.27

package nethttp

import (
	"crypto/tls"
	"net"
	"sync/atomic"
)

// guardsTLS says whether connections over TLS are guarded.
const guardsTLS = false

// guardTLS returns c itself: the server of Go 1.26 takes a bare *tls.Conn for
// HTTP/2 and nothing else. Releases are built with Go 1.27.
func guardTLS(c *tls.Conn, _ *atomic.Int64) net.Conn { return c }
