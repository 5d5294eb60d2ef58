package nethttp

import (
	"context"
	"crypto/tls"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
)

// retries is a socket that counts the Retry packets it sends (RFC 9000 §17.2.5).
type retries struct {
	net.PacketConn
	n atomic.Int32
}

func (r *retries) WriteTo(b []byte, to net.Addr) (int, error) {
	if len(b) > 0 && b[0]&0xf0 == 0xf0 {
		r.n.Add(1)
	}
	return r.PacketConn.WriteTo(b, to)
}

// tokenStore keeps the newest token of any server.
type tokenStore struct{ tokens chan *quic.ClientToken }

func (s tokenStore) Put(_ string, t *quic.ClientToken) {
	select {
	case s.tokens <- t:
	default:
	}
}

func (s tokenStore) Pop(string) *quic.ClientToken {
	select {
	case t := <-s.tokens:
		return t
	default:
		return nil
	}
}

// TestSecrets_TokensAreSharedByServers: a client that has proved its address to one
// need not do it again at another that has the same secret, also when that one is
// besieged and asks everybody else.
func TestSecrets_TokensAreSharedByServers(t *testing.T) {
	t.Parallel()
	server, trusting := selfSigned(t)
	trusting.NextProtos = []string{"h3"}
	start := func(s Secrets, besieged bool) *retries {
		h := NewH3(Options{QUIC: s}, hooks())
		pc, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		counting := &retries{PacketConn: pc}
		if besieged {
			h.pending.Store(pendingFree + 1)
		}
		if err := h.Listen(counting, h.TLS(server)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			h.Shutdown(ctx)
			pc.Close()
		})
		return counting
	}
	shared := Secrets{Token: [32]byte{1}}
	a := start(shared, false)
	for name, tt := range map[string]struct {
		server *retries
		asked  bool
	}{
		"the same secret":    {start(shared, true), false},
		"a secret by chance": {start(Secrets{}, true), true},
	} {
		store := tokenStore{make(chan *quic.ClientToken, 1)}
		dial := func(s *retries) *quic.Conn {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			c, err := quic.DialAddr(ctx, s.LocalAddr().String(), trusting, &quic.Config{TokenStore: store})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return c
		}
		c := dial(a)
		token := <-store.tokens // comes when the handshake is done
		c.CloseWithError(0, "")
		store.tokens <- token
		dial(tt.server).CloseWithError(0, "")
		if got := tt.server.n.Load() > 0; got != tt.asked {
			t.Errorf("%s: the client was asked to prove its address: %v, want %v", name, got, tt.asked)
		}
	}
	if n := a.n.Load(); n > 0 {
		t.Errorf("asked %d times in peace", n)
	}
}

// TestTLS_ConfigurationsAreSpecialised: of what is made for TCP, the protocols are
// replaced and nothing else, and a site that cannot be had stays an error.
func TestTLS_ConfigurationsAreSpecialised(t *testing.T) {
	t.Parallel()
	h := NewH3(Options{}, hooks())
	site := &tls.Config{NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true}
	root := h.TLS(&tls.Config{NextProtos: []string{"h2"}, GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		switch hello.ServerName {
		case "none":
			return nil, nil
		case "bad":
			return nil, tls.AlertError(112)
		}
		return site, nil
	}})
	if got := root.NextProtos; len(got) != 1 || got[0] != "h3" {
		t.Errorf("root: got %q", got)
	}
	got, err := root.GetConfigForClient(&tls.ClientHelloInfo{ServerName: "a"})
	if err != nil || got == site || len(got.NextProtos) != 1 || got.NextProtos[0] != "h3" || !got.SessionTicketsDisabled || got.MinVersion != tls.VersionTLS13 {
		t.Errorf("site: got %+v, %v", got, err)
	}
	if site.NextProtos[0] != "h2" {
		t.Error("the site's own configuration was changed")
	}
	if got, err := root.GetConfigForClient(&tls.ClientHelloInfo{ServerName: "none"}); got != nil || err != nil {
		t.Errorf("none: got %v, %v", got, err)
	}
	if _, err := root.GetConfigForClient(&tls.ClientHelloInfo{ServerName: "bad"}); err != tls.AlertError(112) {
		t.Errorf("bad: got %v", err)
	}
}
