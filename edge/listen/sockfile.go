package listen

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// listenUnix opens a unix socket. A file left by a dead process is removed, one
// that is answered is not, and anything but a socket never. The returned function
// removes the file if it is still the one made here.
func listenUnix(a *address) (*net.UnixListener, func(), error) {
	if a.path[0] == '@' {
		l, err := bindUnix(a)
		return l, nil, err
	}
	// Two processes that both find a dead socket must not remove each other's new
	// one; the directory's lock lets one of them finish first.
	defer lockDir(filepath.Dir(a.path))()
	if err := removeStale(a.path); err != nil {
		return nil, nil, err
	}
	l, err := bindUnix(a)
	if err != nil {
		return nil, nil, err
	}
	l.SetUnlinkOnClose(false) // by name it might remove another's socket
	made, err := os.Lstat(a.path)
	if err == nil && a.mode != 0 {
		err = os.Chmod(a.path, a.mode)
	}
	if err != nil {
		_ = l.Close()
		return nil, nil, err
	}
	remove := func() {
		if now, err := os.Lstat(a.path); err == nil && os.SameFile(made, now) {
			_ = os.Remove(a.path)
		}
	}
	return l, remove, nil
}

func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s exists and is not a socket: remove it, or choose another path", path)
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = c.Close()
		return syscall.EADDRINUSE
	}
	// Anything but a refusal (a full queue, no permission) may have a living
	// process behind it.
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return syscall.EADDRINUSE
	}
	return os.Remove(path)
}
