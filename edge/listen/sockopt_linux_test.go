package listen_test

import (
	"net"
	"syscall"
	"testing"
)

func sockopt(t *testing.T, c syscall.Conn, level, option int) int {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := raw.Control(func(fd uintptr) { n, err = syscall.GetsockoptInt(int(fd), level, option) }); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func keepAlive(t *testing.T, c *net.TCPConn) (idle int, on bool) {
	t.Helper()
	return sockopt(t, c, syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE), sockopt(t, c, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE) != 0
}

func receiveBuffer(t *testing.T, c *net.UDPConn) int {
	t.Helper()
	return sockopt(t, c, syscall.SOL_SOCKET, syscall.SO_RCVBUF) / 2
}
