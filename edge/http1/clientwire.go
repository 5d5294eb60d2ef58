package http1

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// wire is what lies between a client's tls.Conn and its socket. Records are gathered, to
// be sent in one system call, and sending may stop in the middle of them without harm
// to the tls.Conn. Reading need not wait.
type wire struct {
	net.Conn
	socket *socket
	pool   *sync.Pool // of *[]byte
	buf    *[]byte    // records to be sent; nil if there are none
	off    int        // so much of them has been
	held   bool
	still  bool // reading does not wait
	ended  bool // the socket has come to its end
	failed error
}

// Read implements net.Conn.
func (w *wire) Read(p []byte) (n int, err error) {
	if w.still {
		n, err = w.socket.try(p)
	} else {
		n, err = w.Conn.Read(p)
	}
	if err == io.EOF {
		w.ended = true
	}
	return n, err
}

// Write implements net.Conn. Between loading and the end of sending it gathers, since
// reading may write, too (RFC 8446 §4.6.3).
func (w *wire) Write(p []byte) (int, error) {
	if !w.held {
		return w.Conn.Write(p)
	}
	if w.buf == nil {
		w.buf = w.pool.Get().(*[]byte)
	}
	*w.buf = append(*w.buf, p...)
	return len(p), nil
}

// hold makes records of a and b.
func (w *wire) hold(secure *tls.Conn, a, b []byte) {
	w.held = true
	if _, err := secure.Write(a); err != nil {
		w.failed = err
		return
	}
	if len(b) > 0 {
		_, w.failed = secure.Write(b)
	}
}

// pending tells whether there is something to be sent. A nil wire has nothing.
func (w *wire) pending() bool { return w != nil && w.held }

// flush sends records, as many as the socket takes before an error.
func (w *wire) flush() (n int, err error) {
	if w.failed != nil {
		return 0, w.failed
	}
	if w.buf != nil {
		n, err = w.Conn.Write((*w.buf)[w.off:])
		w.off += n
	}
	if err == nil {
		w.drop()
	}
	return n, err
}

// drop forgets what was gathered and gives its memory back.
func (w *wire) drop() {
	if w.buf != nil {
		if *w.buf = (*w.buf)[:0]; cap(*w.buf) <= 2*recordRoom {
			w.pool.Put(w.buf)
		}
	}
	w.buf, w.off, w.held = nil, 0, false
}

// socket reads from a connection without waiting. The callback is made once, so that
// looking costs one system call and no allocation.
type socket struct {
	conn net.Conn
	sys  syscall.RawConn // nil where there is none
	step func(fd uintptr) bool
	p    []byte
	n    int
	err  error
	one  [1]byte
}

// try reads what has come, or returns errStill.
func (s *socket) try(p []byte) (int, error) {
	if s.sys == nil || !canTry {
		return s.tryBriefly(p)
	}
	if s.step == nil {
		s.step = s.tryStep
	}
	s.p = p
	err := s.sys.Read(s.step)
	s.p = nil
	if err != nil {
		return 0, err
	}
	return s.n, s.err
}

// tryBriefly waits for the shortest time there is. Whoever has ended the connection
// meanwhile is noticed by its state.
func (s *socket) tryBriefly(p []byte) (int, error) {
	s.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	n, err := s.conn.Read(p)
	s.conn.SetReadDeadline(time.Time{})
	if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		err = errStill
	}
	return n, err
}
