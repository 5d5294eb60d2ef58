package http1

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// Options say how a Server works. Only Dispatcher is required.
type Options struct {
	Dispatcher exchange.Dispatcher
	Limits     Limits
	Timeouts   Timeouts
	Requests   int // after so many on one connection it is closed; 0: no limit
}

// Server serves HTTP/1 connections. Its methods are safe for concurrent use.
type Server struct {
	dispatcher exchange.Dispatcher
	limits     Limits
	timeouts   Timeouts
	requests   int
	tick       time.Duration

	clock    atomic.Uint64 // milliseconds since the sweeper started, as of its last tick
	draining atomic.Bool

	departures lookout

	works   sync.Pool // of *work
	pieces  sync.Pool // of *[]byte, largePiece long
	records sync.Pool // of *[]byte, for RecordWriters

	mu      sync.Mutex
	conns   []*conn // conn.index is the place in it
	stop    chan struct{}
	swept   chan struct{} // closed when the sweeper has ended; nil before it starts
	stopped bool
	empty   chan struct{} // closed when draining and no connection is left
}

// errServerClosed is the cause with which contexts end when the server is closed.
var errServerClosed = errors.New("server closed")

// NewServer returns a Server. It starts nothing before its first connection.
func NewServer(o Options) *Server {
	t := o.Timeouts.withDefaults()
	s := &Server{
		dispatcher: o.Dispatcher,
		limits:     o.Limits.withDefaults(),
		timeouts:   t,
		requests:   o.Requests,
		tick:       t.tick(),
		stop:       make(chan struct{}),
		empty:      make(chan struct{}),
	}
	s.works.New = func() any { return newWork() }
	s.pieces.New = func() any { b := make([]byte, largePiece); return &b }
	s.records.New = func() any { b := make([]byte, 0, recordRoom); return &b }
	return s
}

// ServeConn serves raw until it is over, and closes it. Over TLS, secure is the
// connection after its handshake and out the RecordWriter that was put between it
// and raw; both are nil otherwise. raw must not be wrapped where that can be
// helped: sendfile, writev and noticing that the client left want a *net.TCPConn.
// The goroutine should be a fresh one, since its stack lives as long as the
// connection.
func (s *Server) ServeConn(raw net.Conn, secure *tls.Conn, out *RecordWriter, facts *exchange.Conn) {
	s.serve(newConn(s, raw, secure, out, facts))
}

// ServeRead is ServeConn for a connection without TLS of which something has been
// read already, some bytes at most.
func (s *Server) ServeRead(raw net.Conn, read []byte, facts *exchange.Conn) {
	c := newConn(s, raw, nil, nil, facts)
	c.work.in.w = copy(c.work.in.buf, read)
	s.serve(c)
}

func (s *Server) serve(c *conn) {
	if !s.add(c) {
		c.raw.Close()
		return
	}
	defer s.remove(c)
	defer c.close()
	c.serve()
}

// Shutdown drains the server: waiting connections are closed at once, exchanges
// that have begun are answered with "Connection: close". When ctx ends first, the
// rest is cut and ctx's error returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.drain()
	select {
	case <-s.empty:
		s.stopSweeper()
		return nil
	case <-ctx.Done():
		s.Close()
		return ctx.Err()
	}
}

// Close cuts all connections; exchanges that go on see their contexts end.
func (s *Server) Close() {
	s.drain()
	s.mu.Lock()
	for _, c := range s.conns {
		c.cut()
	}
	s.mu.Unlock()
	s.stopSweeper()
}

func (s *Server) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Swap(true) {
		return
	}
	if len(s.conns) == 0 {
		close(s.empty)
	}
	for _, c := range s.conns {
		if p, _ := c.doing(); p == phaseIdle || p == phaseParked {
			c.wake()
		}
	}
}

// add takes c in, unless the server is going down.
func (s *Server) add(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return false
	}
	if s.swept == nil {
		s.swept = make(chan struct{})
		go s.sweep()
	}
	c.index = len(s.conns)
	s.conns = append(s.conns, c)
	return true
}

func (s *Server) remove(c *conn) {
	if c.serial != 0 {
		s.departures.remove(c.serial)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	last := len(s.conns) - 1
	moved := s.conns[last]
	s.conns[c.index], moved.index = moved, c.index
	s.conns[last] = nil
	s.conns = s.conns[:last]
	if last == 0 && s.draining.Load() {
		close(s.empty)
	}
}

func (s *Server) stopSweeper() {
	s.mu.Lock()
	swept := s.swept
	if !s.stopped {
		s.stopped = true
		close(s.stop)
	}
	s.mu.Unlock()
	s.departures.close()
	if swept != nil {
		<-swept
	}
}
