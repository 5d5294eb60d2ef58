package http1

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// gone tells whether the other end has closed the connection or its sending half.
// Bytes that wait to be read are left alone.
func gone(c syscall.RawConn) bool {
	left := false
	err := c.Control(func(fd uintptr) {
		const ends = unix.POLLRDHUP | unix.POLLHUP | unix.POLLERR
		set := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(set[:], 0)
		left = err == nil && n == 1 && set[0].Revents&ends != 0
	})
	return err == nil && left
}
