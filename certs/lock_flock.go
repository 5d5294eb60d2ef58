//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package certs

import (
	"os"
	"syscall"
)

// lock holds path against other processes, and other users of it in this one,
// until the returned function is called. The kernel lets go of it when a process
// dies, so no lock is ever stale.
func lock(path string) (func(), error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		_ = f.Close()
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	return func() { _ = f.Close() }, nil
}
