//go:build !linux

package listen

import (
	"net"
	"syscall"
	"time"
)

const inheritsKeepAlive = false

func controlTCP(time.Duration) func(network, address string, c syscall.RawConn) error { return nil }

// growBuffers asks for large buffers; how large they became cannot be asked
// portably, so what was refused counts as small.
func growBuffers(c *net.UDPConn) int {
	if c.SetReadBuffer(udpBuffer) != nil || c.SetWriteBuffer(udpBuffer) != nil {
		return 0
	}
	return udpBuffer
}

func bindUnix(a *address) (*net.UnixListener, error) {
	return listenUnixConfig(&net.ListenConfig{}, a.path)
}

func portOwner(string, uint16) string { return "" }
