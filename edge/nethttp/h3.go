package nethttp

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/weirproxy/weir/edge/exchange"
)

// H3 serves HTTP/3 on the UDP sockets it is given. It accepts connections and
// streams by itself, since quic-go gives a stream's HEADERS no deadline
// (security Q9), and lets quic-go parse.
type H3 struct {
	o     Options
	hooks H3Hooks
	http  http3.Server
	quic  *quic.Config
	watch *watch

	resetKey quic.StatelessResetKey
	tokenKey quic.TokenGeneratorKey
	pending  atomic.Int64 // handshakes not finished

	mu      sync.Mutex
	sockets map[net.PacketConn]*h3Socket
}

// pendingFree is how many unfinished handshakes there may be before a client has
// to prove its address first (Retry, RFC 9000 §8.1.2).
const pendingFree = 256

// h3Socket is one UDP socket that is served.
type h3Socket struct {
	transport *quic.Transport
	accept    context.Context // ends when draining begins
	drain     context.CancelFunc
	open      context.Context // ends when what goes on is cut
	cut       context.CancelFunc
	conns     sync.WaitGroup // the accept loop and its connections
}

// H3Hooks are what H3 asks of the edge.
type H3Hooks struct {
	// Admit is asked for every new connection, before its handshake; leave is
	// called once when it has ended.
	Admit func(client netip.AddrPort) (leave func(), ok bool)
	// Handshake makes the context that crypto/tls shows to GetConfigForClient, so
	// that the edge can keep there what it decides.
	Handshake func(ctx context.Context) context.Context
	// Early is asked, where early data is allowed at all, whether the site that
	// GetConfigForClient has decided for takes some; if not, its sessions are not
	// resumed over QUIC. nil is yes.
	Early func(ctx context.Context) bool
	// Facts is called when a handshake is done, or as good as done where early data
	// came: all but the client's last message.
	Facts func(ctx context.Context, local, client netip.AddrPort, state *tls.ConnectionState) *exchange.Conn
}

// NewH3 returns a server that answers through o.Dispatcher.
func NewH3(o Options, hooks H3Hooks) *H3 {
	s := newServer(o, exchange.HTTP3)
	h := &H3{o: s.Options, hooks: hooks, watch: &s.watch, sockets: map[net.PacketConn]*h3Socket{}}
	h.http = http3.Server{
		Handler:        s,
		MaxHeaderBytes: s.HeaderBytes,
		IdleTimeout:    s.Idle,
		ConnContext: func(ctx context.Context, c *quic.Conn) context.Context {
			state := c.ConnectionState().TLS
			if !state.HandshakeComplete {
				ctx = withEarly(ctx, c.HandshakeComplete())
			}
			return withConn(ctx, hooks.Facts(ctx, addrPort(c.LocalAddr()), addrPort(c.RemoteAddr()), &state))
		},
	}
	h.quic = &quic.Config{
		HandshakeIdleTimeout:           5 * time.Second,
		MaxIdleTimeout:                 s.Idle,
		KeepAlivePeriod:                s.Idle / 2, // responses may be silent for longer; connections without any end by IdleTimeout
		MaxIncomingStreams:             int64(s.Streams),
		MaxIncomingUniStreams:          8, // control, two of QPACK, some grease
		InitialStreamReceiveWindow:     128 << 10,
		MaxStreamReceiveWindow:         1 << 20,
		InitialConnectionReceiveWindow: 256 << 10,
		MaxConnectionReceiveWindow:     2 << 20,
		Allow0RTT:                      s.Allow0RTT,
	}
	h.resetKey = quic.StatelessResetKey(orRandom(s.QUIC.StatelessReset))
	h.tokenKey = quic.TokenGeneratorKey(orRandom(s.QUIC.Token))
	return h
}

func orRandom(key [32]byte) [32]byte {
	if key == [32]byte{} {
		rand.Read(key[:])
	}
	return key
}

// listener is a quic.Listener, or a quic.EarlyListener.
type listener interface {
	Accept(ctx context.Context) (*quic.Conn, error)
	Close() error
}

// Listen serves a UDP socket until Remove or Shutdown, with a configuration made by
// TLS. It does not close pc.
func (h *H3) Listen(pc net.PacketConn, conf *tls.Config) error {
	s := &h3Socket{transport: &quic.Transport{
		Conn:                pc,
		StatelessResetKey:   &h.resetKey,
		TokenGeneratorKey:   &h.tokenKey,
		VerifySourceAddress: func(net.Addr) bool { return h.pending.Load() > pendingFree },
		ConnContext:         h.begin,
	}}
	var ln listener
	var err error
	if h.o.Allow0RTT {
		ln, err = s.transport.ListenEarly(conf, h.quic)
	} else {
		ln, err = s.transport.Listen(conf, h.quic)
	}
	if err != nil {
		return fmt.Errorf("listen quic: %w", err)
	}
	s.open, s.cut = context.WithCancel(context.Background())
	s.accept, s.drain = context.WithCancel(s.open)
	h.mu.Lock()
	h.sockets[pc] = s
	h.mu.Unlock()
	s.conns.Go(func() {
		defer ln.Close()
		for {
			c, err := ln.Accept(s.accept)
			if err != nil {
				return
			}
			s.conns.Go(func() { h.serve(s, c) })
		}
	})
	return nil
}

type handshakeKey struct{}

var errRefused = errors.New("too many connections")

// begin is called for the first packet of a connection.
func (h *H3) begin(ctx context.Context, info *quic.ClientInfo) (context.Context, error) {
	leave, ok := h.hooks.Admit(addrPort(info.RemoteAddr))
	if !ok {
		return nil, errRefused
	}
	h.pending.Add(1)
	finished := sync.OnceFunc(func() { h.pending.Add(-1) })
	context.AfterFunc(ctx, func() {
		finished()
		leave()
	})
	return context.WithValue(h.hooks.Handshake(ctx), handshakeKey{}, finished), nil
}

// serve runs one connection: a goroutine for it, one for the client's control
// streams, and one per request, as quic-go wants it.
func (h *H3) serve(s *h3Socket, c *quic.Conn) {
	if !h.finish(s, c) {
		return
	}
	raw, err := h.http.NewRawServerConn(c)
	if err != nil {
		c.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeInternalError), "")
		return
	}
	bye := func() { raw.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "") }
	defer context.AfterFunc(s.open, bye)()
	var streams sync.WaitGroup
	go func() {
		for {
			str, err := c.AcceptUniStream(context.Background())
			if err != nil {
				return
			}
			go raw.HandleUnidirectionalStream(str)
		}
	}()
	for {
		str, err := c.AcceptStream(s.accept)
		if err != nil {
			break
		}
		str.SetReadDeadline(time.Now().Add(h.o.Header)) // a timer only while a read waits
		streams.Go(func() { raw.HandleRequestStream(str) })
	}
	go refuse(c)
	streams.Wait()
	bye()
}

// finish waits for the end of c's handshake unless early data has come, which is served
// meanwhile, and counts it as finished when it is. It returns false if there is nothing
// to serve. Without early data allowed, the handshake is finished already.
func (h *H3) finish(s *h3Socket, c *quic.Conn) bool {
	finished := c.Context().Value(handshakeKey{}).(func())
	switch {
	case !h.o.Allow0RTT:
		finished()
	case c.ConnectionState().Used0RTT:
		go func() {
			select {
			case <-c.HandshakeComplete():
				finished()
			case <-c.Context().Done(): // counts, too
			}
		}()
	default:
		select {
		case <-c.HandshakeComplete():
			finished()
		case <-c.Context().Done():
			return false
		case <-s.accept.Done():
			c.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "")
			return false
		}
	}
	return true
}

// refuse resets streams that come while draining, in the way that tells clients
// that nothing was done and they may ask again (RFC 9114 §4.1.1).
func refuse(c *quic.Conn) {
	for {
		str, err := c.AcceptStream(context.Background())
		if err != nil {
			return
		}
		str.CancelRead(quic.StreamErrorCode(http3.ErrCodeRequestRejected))
		str.CancelWrite(quic.StreamErrorCode(http3.ErrCodeRequestRejected))
	}
}

// Remove stops serving pc: what was begun is answered until ctx ends, then
// everything is cut. Handlers that go on nevertheless are not waited for. The caller
// closes pc afterwards.
func (h *H3) Remove(ctx context.Context, pc net.PacketConn) {
	h.mu.Lock()
	s := h.sockets[pc]
	delete(h.sockets, pc)
	h.mu.Unlock()
	if s == nil {
		return
	}
	s.drain()
	drained := make(chan struct{})
	go func() {
		s.conns.Wait()
		close(drained)
	}()
	select {
	case <-drained:
	case <-ctx.Done():
		s.cut() // by a CONNECTION_CLOSE: closing the transport alone tells clients nothing
		select {
		case <-drained:
		case <-time.After(farewell):
		}
	}
	s.cut()
	s.transport.Close()
}

// Shutdown removes all sockets at once.
func (h *H3) Shutdown(ctx context.Context) {
	h.mu.Lock()
	all := slices.Collect(maps.Keys(h.sockets))
	h.mu.Unlock()
	var wg sync.WaitGroup
	for _, pc := range all {
		wg.Go(func() { h.Remove(ctx, pc) })
	}
	wg.Wait()
	h.watch.stop()
}

func addrPort(a net.Addr) netip.AddrPort {
	if u, ok := a.(*net.UDPAddr); ok {
		ap := u.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}
