package nethttp

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/weirproxy/weir/edge/exchange"
)

// gagged is a server's socket that can be kept from being heard, so that no handshake
// is finished.
type gagged struct {
	net.PacketConn
	shut atomic.Bool
}

func (g *gagged) WriteTo(b []byte, to net.Addr) (int, error) {
	if g.shut.Load() {
		return len(b), nil
	}
	return g.PacketConn.WriteTo(b, to)
}

// earlyServer takes early data; it tells which requests were early.
func earlyServer(t *testing.T) (*H3, *gagged, *tls.Config, chan bool) {
	t.Helper()
	server, client := selfSigned(t)
	client.NextProtos = []string{"h3"}
	came := make(chan bool, 8)
	h := NewH3(Options{Allow0RTT: true, Dispatcher: handler(func(r *exchange.Request) *exchange.Response {
		came <- r.Early
		return r.NewResponse(204)
	})}, hooks())
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gagged{PacketConn: pc}
	if err := h.Listen(g, h.TLS(server)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		h.Shutdown(ctx)
		pc.Close()
	})
	return h, g, client, came
}

// sessions is a client's cache of one session, which says when it has come.
type sessions struct{ came chan *tls.ClientSessionState }

func (s sessions) Put(_ string, state *tls.ClientSessionState) {
	if state != nil {
		s.came <- state
	}
}

func (s sessions) Get(string) (*tls.ClientSessionState, bool) {
	select {
	case state := <-s.came:
		return state, true
	default:
		return nil, false
	}
}

// TestEarly_CountsAsUnfinished: a connection that is served before its handshake is
// finished counts among those that are not, which decides whether others have to prove
// their address.
func TestEarly_CountsAsUnfinished(t *testing.T) {
	t.Parallel()
	h, g, conf, came := earlyServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cache := sessions{make(chan *tls.ClientSessionState, 4)}
	conf.ClientSessionCache = cache
	c, err := quic.DialAddr(ctx, g.LocalAddr().String(), conf, nil)
	if err != nil {
		t.Fatal(err)
	}
	ticket := <-cache.came
	c.CloseWithError(0, "")
	cache.came <- ticket
	g.shut.Store(true)
	if c, err = quic.DialAddrEarly(ctx, g.LocalAddr().String(), conf, nil); err != nil {
		t.Fatal(err)
	}
	defer c.CloseWithError(0, "")
	answered := make(chan error, 1)
	go func() {
		req, _ := http.NewRequestWithContext(ctx, http3.MethodGet0RTT, "https://localhost/", nil)
		_, err := new(http3.Transport).NewClientConn(c).RoundTrip(req)
		answered <- err
	}()
	select {
	case early := <-came:
		if !early {
			t.Error("a request before the end of the handshake is not marked")
		}
	case <-ctx.Done():
		t.Fatal("the request did not come early")
	}
	if n := h.pending.Load(); n != 1 {
		t.Errorf("%d handshakes count as unfinished, want 1", n)
	}
	g.shut.Store(false)
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	select {
	case <-c.HandshakeComplete():
	case <-ctx.Done():
		t.Fatal("the handshake did not end")
	}
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for h.pending.Load() > 0 && ctx.Err() == nil { // the client's end of it comes first
		<-look.C
	}
	if n := h.pending.Load(); n != 0 {
		t.Errorf("%d handshakes count as unfinished, want 0", n)
	}
}

// TestEarly_ShutdownDoesNotWaitForHandshakes that nobody finishes.
func TestEarly_ShutdownDoesNotWaitForHandshakes(t *testing.T) {
	t.Parallel()
	h, g, conf, _ := earlyServer(t)
	g.shut.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		quic.DialAddr(ctx, g.LocalAddr().String(), conf, nil)
	}()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for h.pending.Load() == 0 && ctx.Err() == nil {
		<-look.C
	}
	began := time.Now()
	h.Shutdown(ctx)
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("took %v", took)
	}
	cancel()
	<-gone
}
