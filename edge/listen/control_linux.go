package listen

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// inheritsKeepAlive: accepted connections take keep-alive settings from their
// listener, which spares four setsockopt calls for each connection.
const inheritsKeepAlive = true

func controlTCP(idle time.Duration) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		if idle <= 0 {
			return nil
		}
		return controlFD(c, func(fd int) error {
			seconds := max(1, int(idle/time.Second))
			for _, option := range [][3]int{
				{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
				{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, seconds},
				{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, max(1, seconds/2)},
				{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 4},
			} {
				if err := unix.SetsockoptInt(fd, option[0], option[1], option[2]); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// growBuffers asks for large buffers, past the system's limit where we may, and
// returns the size of the smaller of the two.
func growBuffers(c *net.UDPConn) int {
	_, _ = c.SetReadBuffer(udpBuffer), c.SetWriteBuffer(udpBuffer)
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	smaller := udpBuffer
	_ = controlFD(raw, func(fd int) error {
		for _, option := range [][2]int{{unix.SO_RCVBUF, unix.SO_RCVBUFFORCE}, {unix.SO_SNDBUF, unix.SO_SNDBUFFORCE}} {
			if bufferSize(fd, option[0]) < udpBuffer {
				_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, option[1], udpBuffer) // needs CAP_NET_ADMIN
			}
			smaller = min(smaller, bufferSize(fd, option[0]))
		}
		return nil
	})
	return smaller
}

// bufferSize returns a buffer's size as it was asked for: the kernel reports the
// double, its bookkeeping included (socket(7)).
func bufferSize(fd, option int) int {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, option)
	if err != nil {
		return 0
	}
	return n / 2
}

// bindUnix opens the socket. Its file is born with the mode of the descriptor,
// so between bind and chmod nobody gets in who should not.
func bindUnix(a *address) (*net.UnixListener, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		if a.mode == 0 {
			return nil
		}
		return controlFD(c, func(fd int) error { return unix.Fchmod(fd, 0o600&uint32(a.mode)) })
	}}
	return listenUnixConfig(&lc, a.path)
}
