//go:build !unix

package http1

import "syscall"

// canTry is false where sockets cannot be asked: looking waits for a millisecond then.
const canTry = false

func (*socket) tryStep(uintptr) bool { return true }

// readable never knows: an early answer is found between two pieces of a request.
func readable(syscall.RawConn) bool { return false }
