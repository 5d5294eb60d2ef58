//go:build unix

package listen

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// adopt takes over a descriptor by number. Everything weir opens itself is
// close-on-exec, and nothing that came through exec is: so a wrong number can
// never reach a file of our own.
func adopt(fd int) (*os.File, error) {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC != 0 {
		return nil, fmt.Errorf("no descriptor %d was inherited from the parent process", fd)
	}
	unix.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), fmt.Sprintf("fd:%d", fd)), nil
}

func kindOf(f *os.File) socketKind {
	raw, err := f.SyscallConn()
	if err != nil {
		return otherSocket
	}
	kind := otherSocket
	_ = controlFD(raw, func(fd int) error {
		sotype, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
		if err != nil {
			return err
		}
		listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
		switch {
		case sotype == unix.SOCK_STREAM && err == nil && listens != 0:
			kind = streamSocket
		case sotype == unix.SOCK_DGRAM:
			kind = packetSocket
		}
		return nil
	})
	return kind
}
