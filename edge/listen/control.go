package listen

import (
	"context"
	"errors"
	"net"
	"syscall"
)

// udpBuffer is what QUIC needs to keep up with a fast link: 7 MiB (quic-go's
// figure; the usual limit of Linux is 208 KiB).
const udpBuffer = 7 << 20

func controlFD(c syscall.RawConn, f func(fd int) error) error {
	var inner error
	err := c.Control(func(fd uintptr) { inner = f(int(fd)) })
	return errors.Join(err, inner)
}

func listenUnixConfig(lc *net.ListenConfig, path string) (*net.UnixListener, error) {
	l, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	return l.(*net.UnixListener), nil
}

// passing tells whether an error of accept concerns one connection or a lack of
// resources that may pass (accept(2)), not the listener.
func passing(err error) bool {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return false
	}
	switch errno {
	case syscall.EBADF, syscall.EINVAL, syscall.ENOTSOCK, syscall.EOPNOTSUPP, syscall.EFAULT:
		return false
	}
	return true
}
