package nethttp

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// H2 serves HTTP/2 on connections that the edge has accepted.
type H2 struct {
	http         http.Server
	handoff      handoff
	done         chan struct{} // closed when the accept loop has ended
	mu           sync.Mutex
	conns        map[net.Conn]handed
	idle, header int64         // ticks
	clock        *atomic.Int64 // ticks of the watch
	watch        *watch
}

// NewH2 returns a server that answers through o.Dispatcher. Shutdown or Close
// ends it.
func NewH2(o Options) *H2 {
	s := newServer(o, exchange.HTTP2)
	h := &H2{done: make(chan struct{}), conns: map[net.Conn]handed{}, clock: &s.watch.now, watch: &s.watch}
	h.idle, h.header = int64(max(1, s.Idle/tick)), int64(max(1, s.Header/tick))
	s.watch.also = h.look
	h.handoff = handoff{conns: make(chan net.Conn), closed: make(chan struct{})}
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true) // by prior knowledge only: the edge hands over no other (security G13)
	h.http = http.Server{
		Handler:        s,
		Protocols:      protocols,
		MaxHeaderBytes: s.HeaderBytes,
		ErrorLog:       log.New(io.Discard, "", 0), // peers' mistakes; the exchanges that matter are observed
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          s.Streams,
			MaxReadFrameSize:              16 << 10,
			MaxReceiveBufferPerConnection: 1 << 20,
			MaxReceiveBufferPerStream:     256 << 10,
			MaxDecoderHeaderTableSize:     4 << 10,
			MaxEncoderHeaderTableSize:     4 << 10,
			WriteByteTimeout:              s.Stall,
			SendPingTimeout:               s.Idle,
			PingTimeout:                   15 * time.Second,
		},
		ConnContext: h.context,
		ConnState:   h.state,
	}
	if !guardsTLS {
		h.http.IdleTimeout = s.Idle
	}
	h.http.RegisterOnShutdown(s.watch.stop)
	go func() {
		defer close(h.done)
		h.http.Serve(&h.handoff)
		s.watch.stop()
	}()
	return h
}

// handed is what H2 knows of a connection beside the connection itself, which the
// server wants to see bare.
type handed struct {
	facts *exchange.Conn
	ended func()
	guard *guard // nil where connections are not guarded
}

// ServeTLS hands over a connection that agreed on h2 in its handshake, and
// returns. ended is called once when the connection has been closed.
func (h *H2) ServeTLS(c *tls.Conn, facts *exchange.Conn, ended func()) {
	h.put(guardTLS(c, h.clock), facts, ended)
}

// ServePlain hands over a connection without TLS whose client speaks HTTP/2 by
// prior knowledge (RFC 9113 §3.3), and returns.
func (h *H2) ServePlain(c net.Conn, facts *exchange.Conn, ended func()) {
	g := &guardedPlain{Conn: c, guard: newGuard(h.clock)}
	g.guard.left.Store(guardMost)
	h.put(g, facts, ended)
}

func (h *H2) put(c net.Conn, facts *exchange.Conn, ended func()) {
	h.mu.Lock()
	h.conns[c] = handed{facts, ended, guardOf(c)}
	h.mu.Unlock()
	h.watch.start()
	if !h.handoff.put(c) {
		c.Close()
		h.state(c, http.StateClosed)
	}
}

func (h *H2) context(ctx context.Context, c net.Conn) context.Context {
	h.mu.Lock()
	defer h.mu.Unlock()
	return withConn(ctx, h.conns[c].facts)
}

func (h *H2) state(c net.Conn, state http.ConnState) {
	if state != http.StateClosed {
		h.setQuiet(c, state)
		return
	}
	h.mu.Lock()
	known, ok := h.conns[c]
	delete(h.conns, c)
	h.mu.Unlock()
	if ok {
		known.ended()
	}
}

// Shutdown sends GOAWAY on every connection and waits for their streams to end
// or ctx, whichever is first.
func (h *H2) Shutdown(ctx context.Context) error {
	err := h.http.Shutdown(ctx)
	if err != nil {
		h.http.Close()
	}
	<-h.done
	return err
}

// handoff is a net.Listener that accepts what is put into it.
type handoff struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *handoff) put(c net.Conn) bool {
	select {
	case l.conns <- c:
		return true
	case <-l.closed:
		return false
	}
}

func (l *handoff) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *handoff) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *handoff) Addr() net.Addr { return &net.TCPAddr{} }
