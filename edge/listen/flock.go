//go:build unix && !aix && !solaris

package listen

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lockDir holds a lock on a directory until the returned function is called.
// After a second it gives up and goes on without: in a directory that others may
// open, such as /tmp, anyone can hold the lock for ever.
func lockDir(dir string) func() {
	f, err := os.Open(dir)
	if err != nil {
		return func() {} // bind will say what is wrong with it
	}
	for range 100 {
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return func() { _ = f.Close() }
}
