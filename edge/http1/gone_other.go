//go:build !linux

package http1

import "syscall"

// lookout never notices: a client that has left is found out by the next write, an
// early answer between two pieces of a request's body.
type lookout struct{}

const departs, speaks = 0, 0

func (*lookout) add(syscall.RawConn, uint32, noticing) uint64 { return 0 }
func (*lookout) again(uint64, syscall.RawConn, uint32)        {}
func (*lookout) remove(uint64)                                {}
func (*lookout) close()                                       {}

func gone(syscall.RawConn) bool { return false }
