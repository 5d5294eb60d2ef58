//go:build !linux

package listen_test

import (
	"net"
	"testing"
)

// What the kernel made of these options can be asked on Linux only; elsewhere the
// tests take package net at its word.
func keepAlive(*testing.T, *net.TCPConn) (idle int, on bool) { return 30, true }

func receiveBuffer(_ *testing.T, c *net.UDPConn) int {
	if c.SetReadBuffer(7<<20) != nil || c.SetWriteBuffer(7<<20) != nil {
		return 0
	}
	return 7 << 20
}
