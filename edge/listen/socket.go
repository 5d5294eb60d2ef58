package listen

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// ErrStopped is what Accept returns after Stop.
var ErrStopped = errors.New("listener stopped")

// stoppable is what *net.TCPListener and *net.UnixListener have in common.
type stoppable interface {
	net.Listener
	SetDeadline(time.Time) error
}

// Socket is an open stream socket. Connections that Accept returns are plain
// *net.TCPConn or *net.UnixConn, so sendfile and splice work on them. All methods
// are safe for concurrent use.
type Socket struct {
	listener stoppable
	key      string
	once     sync.Once
	closed   func() // what is to be done after closing; may be nil
}

var _ net.Listener = (*Socket)(nil)

func newSocket(key string, l stoppable, closed func()) *Socket {
	return &Socket{listener: l, key: key, closed: closed}
}

// Key names the socket over reloads; see the function Key.
func (s *Socket) Key() string { return s.key }

// Addr returns the socket's own address, with the port the kernel chose.
func (s *Socket) Addr() net.Addr { return s.listener.Addr() }

// Accept waits for the next connection. It returns ErrStopped after Stop and an
// error that is net.ErrClosed after Close.
func (s *Socket) Accept() (net.Conn, error) {
	c, err := s.listener.Accept()
	if errors.Is(err, os.ErrDeadlineExceeded) { // set by Stop alone
		return nil, ErrStopped
	}
	return c, err
}

// Stop makes Accept, running or to come, return ErrStopped. The socket stays
// open: the kernel goes on queueing connections for whoever calls Start, or for
// another process that holds the same socket.
func (s *Socket) Stop() error {
	return s.listener.SetDeadline(time.Unix(1, 0))
}

// Start lets Accept work again after Stop.
func (s *Socket) Start() error {
	return s.listener.SetDeadline(time.Time{})
}

// Close closes the socket and removes the file of a unix socket, if that is still
// its own. A socket that was inherited stays with the process and can be opened
// again.
func (s *Socket) Close() error {
	err := s.listener.Close()
	s.once.Do(func() {
		if s.closed != nil {
			s.closed()
		}
	})
	return err
}

// Serve hands each connection to handle, on the caller's goroutine, until Stop
// (nil) or Close (net.ErrClosed). handle must not block. When the process runs out
// of descriptors, or a client gave up in the queue, Serve tells report, waits 5 ms
// to 1 s, and goes on: a flood of connections must not end the listener.
func (s *Socket) Serve(handle func(net.Conn), report func(error)) error {
	var wait time.Duration
	for {
		c, err := s.Accept()
		switch {
		case err == nil:
			wait = 0
			handle(c)
		case errors.Is(err, ErrStopped):
			return nil
		case errors.Is(err, net.ErrClosed), !passing(err):
			return err
		default:
			report(err)
			wait = min(max(2*wait, 5*time.Millisecond), time.Second)
			time.Sleep(wait)
		}
	}
}

// PacketSocket is an open UDP socket. It is a *net.UDPConn for all that quic-go
// does with one (ECN, GSO, batches).
type PacketSocket struct {
	*net.UDPConn
	key    string
	once   sync.Once
	closed func()
}

var _ net.PacketConn = (*PacketSocket)(nil)

// Key names the socket over reloads; see the function Key.
func (p *PacketSocket) Key() string { return p.key }

// Close closes the socket. One that was inherited stays with the process and can
// be opened again.
func (p *PacketSocket) Close() error {
	err := p.UDPConn.Close()
	p.once.Do(func() {
		if p.closed != nil {
			p.closed()
		}
	})
	return err
}
