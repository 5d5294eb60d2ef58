//go:build unix

package http1

import (
	"io"
	"syscall"

	"golang.org/x/sys/unix"
)

// canTry says that sockets do not wait here: Go makes them so on every Unix.
const canTry = true

// tryStep reads once. It never asks to be called again, which would be waiting.
func (s *socket) tryStep(fd uintptr) bool {
	for {
		s.n, s.err = unix.Read(int(fd), s.p)
		if s.err != unix.EINTR {
			break
		}
	}
	switch {
	case s.err == unix.EAGAIN:
		s.n, s.err = 0, errStill
	case s.err != nil:
		s.n = 0
	case s.n == 0:
		s.err = io.EOF
	}
	return true
}

// readable tells whether something can be read, an end included. It does not disturb
// whoever reads or writes meanwhile.
func readable(c syscall.RawConn) bool {
	ready := false
	err := c.Control(func(fd uintptr) {
		set := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(set[:], 0)
		ready = err == nil && n == 1
	})
	return err == nil && ready
}
