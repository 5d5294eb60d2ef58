package http1

import (
	"io"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/weirproxy/weir/edge/exchange"
)

// sendfile is one transfer of a head and a file range to the socket, kept in conn
// so that the callback below needs no closure per response.
type sendfile struct {
	head []byte
	body *exchange.File
	fd   int
	sent int64
	err  error
	call func(fd uintptr) bool // conn.sendfileStep, made once
}

// sendfilePiece is what one system call is asked for. The kernel stops earlier,
// when the socket is full; this only makes progress visible on a fast one.
const sendfilePiece = 1 << 20

// sendFile sends head and f in the kernel. done is false where that is not
// possible and nothing of f was sent; what is left of head then is returned.
func (c *conn) sendFile(head []byte, f *exchange.File) (rest []byte, sent int64, done bool, err error) {
	if c.tcp == nil || c.sys == nil {
		return head, 0, false, nil
	}
	t := &c.file
	if t.call == nil {
		t.call = c.sendfileStep
	}
	t.head, t.body, t.fd, t.sent, t.err = head, f, int(f.F.Fd()), 0, nil
	if !c.enter(phaseWrite) {
		return nil, 0, true, errServerClosed
	}
	err = c.sys.Write(t.call)
	c.enter(phaseHandle)
	runtime.KeepAlive(f.F)
	if err == nil {
		err = t.err
	}
	rest, sent = t.head, t.sent
	t.head, t.body = nil, nil
	if sent == 0 && (err == unix.EINVAL || err == unix.ENOSYS || err == unix.EOPNOTSUPP) && len(rest) == 0 {
		return nil, 0, false, nil
	}
	return rest, sent, true, err
}

// sendfileStep sends as much as the socket takes, and returns false to be called
// again when it takes more.
func (c *conn) sendfileStep(socket uintptr) bool {
	t := &c.file
	for len(t.head) > 0 {
		// MSG_MORE: the head leaves in one segment with the file's first bytes.
		n, err := unix.SendmsgN(int(socket), t.head, nil, nil, unix.MSG_MORE|unix.MSG_NOSIGNAL)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return false
		case err != nil:
			t.err = err
			return true
		default:
			t.head = t.head[n:]
		}
	}
	for t.body.N > 0 {
		offset := t.body.Off
		n, err := unix.Sendfile(int(socket), t.fd, &offset, int(min(t.body.N, sendfilePiece)))
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return false
		case err != nil:
			t.err = err
			return true
		case n == 0: // the file has become shorter
			t.err = io.ErrUnexpectedEOF
			return true
		default:
			t.body.Off += int64(n)
			t.body.N -= int64(n)
			t.sent += int64(n)
			c.enter(phaseWrite)
		}
	}
	return true
}
