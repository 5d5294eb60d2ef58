//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package certs

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// lockWait bounds the wait for a process that holds the lock and was stopped:
// handshakes may be waiting here.
const lockWait = 5 * time.Second

// lock holds path against other processes, and other users of it in this one,
// until the returned function is called. The kernel lets go of it when a process
// dies, so no lock is ever stale.
func lock(path string) (func(), error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fileHint(err)
	}
	for start := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		busy := errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR)
		if !busy || time.Since(start) > lockWait {
			_ = f.Close()
			if busy {
				err = fmt.Errorf("another process has held it for %v", lockWait)
			}
			return nil, &os.PathError{Op: "lock", Path: path, Err: err}
		}
	}
}
