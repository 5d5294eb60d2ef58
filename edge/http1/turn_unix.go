//go:build unix

package http1

import (
	"io"

	"golang.org/x/sys/unix"
)

// canTurn says that sockets can be written to in the midst of a read.
const canTurn = true

// once is called when the poller has begun to listen, and then whenever something may
// have come. It returns false to wait.
func (t *turn) once(fd uintptr) bool {
	if !t.begun {
		t.begun = true
		if !t.silent(int(fd)) {
			t.spoken = true
			return true
		}
		if t.sent, t.err = untilDone(unix.Write, int(fd), t.out); t.sent < len(t.out) {
			if t.err == unix.EAGAIN {
				t.err = nil
			}
			return true
		}
		return false
	}
	t.got, t.err = untilDone(unix.Read, int(fd), t.in)
	switch {
	case t.err == unix.EAGAIN:
		t.err = nil
		return false
	case t.err == nil && t.got == 0:
		t.err = io.EOF
	}
	return true
}

// silent tells whether nothing has come, not even the end.
func (t *turn) silent(fd int) bool {
	_, err := untilDone(unix.Read, fd, t.in[:1])
	return err == unix.EAGAIN
}

// untilDone makes a system call again that a signal has interrupted.
func untilDone(call func(int, []byte) (int, error), fd int, p []byte) (int, error) {
	for {
		n, err := call(fd, p)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}
