//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package certs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// lock holds path by making it. A process that dies leaves it behind; after a
// minute, far longer than anyone holds it, the next one gives up and says so.
func lock(path string) (func(), error) {
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err == nil {
			_ = f.Close()
			return func() { _ = os.Remove(path) }, nil
		}
		if !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrPermission) {
			return nil, err
		}
		if time.Since(start) > time.Minute {
			return nil, fmt.Errorf("%w: if no weir is running, remove it", err)
		}
	}
}
