package nethttp

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
	"golang.org/x/net/http2"

	"github.com/weirproxy/weir/edge/exchange"
)

// echoH2 accepts extended CONNECT and sends back what it gets.
func echoH2(t testing.TB) ClientOptions {
	return h2Upstream(t, func(p *h2Peer) {
		for {
			f, err := p.fr.ReadFrame()
			if err != nil {
				return
			}
			switch f := f.(type) {
			case *http2.HeadersFrame:
				p.play(f.StreamID, headed(":status", "200", "sec-websocket-protocol", "chat"))
			case *http2.DataFrame:
				p.fr.WriteWindowUpdate(0, max(1, uint32(len(f.Data()))))
				p.fr.WriteWindowUpdate(f.StreamID, max(1, uint32(len(f.Data()))))
				p.fr.WriteData(f.StreamID, f.StreamEnded(), f.Data())
			}
		}
	}, http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1})
}

func echoH3(t testing.TB) ClientOptions {
	return startHTTP3(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "CONNECT" || r.Proto != "websocket" {
			t.Errorf("got %s %s", r.Method, r.Proto)
		}
		w.Header().Set("Sec-WebSocket-Protocol", "chat")
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		s, err := w.(http3.HTTPStreamer).HTTPStream()
		if err != nil {
			t.Error(err)
			return
		}
		io.Copy(s, s)
		s.Close()
	}))
}

func TestClient_ExtendedConnect(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB) ClientOptions{"h2": echoH2, "h3": echoH3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := start(t)
			o.Head, o.Idle = 50*time.Millisecond, 50*time.Millisecond // are not for tunnels
			c := newTestClient(t, o)
			caller := newInformed()
			call := newCall("GET", "/chat", nil, "sec-websocket-protocol", "chat")
			call.Upgrade, call.Caller = "websocket", caller
			resp := do(t, c, call)
			if resp.Status != 101 || resp.Tunnel == nil || resp.Header.Get("sec-websocket-protocol") != "chat" {
				t.Fatalf("got %d, tunnel %v, header %v", resp.Status, resp.Tunnel, resp.Header)
			}
			if w := caller.watch.Load().(watcher); w.w != nil {
				t.Error("the caller is still watched")
			}
			buf := make([]byte, 5)
			for range 1000 {
				if _, err := resp.Tunnel.Write([]byte("hello")); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(resp.Tunnel, buf); err != nil || string(buf) != "hello" {
					t.Fatalf("got %q, %v", buf, err)
				}
			}
			if err := resp.Tunnel.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if n, err := resp.Tunnel.Read(buf); n != 0 || err != io.EOF {
				t.Errorf("got %d, %v after CloseWrite, want EOF", n, err)
			}
			resp.Tunnel.Close()
			resp.Tunnel.Close()
			if s := c.Stats(); s.Idle != 1 {
				t.Errorf("got %+v, want the connection idle", s)
			}
		})
	}
}

// Closing a tunnel ends a Read of another goroutine.
func TestClient_TunnelCloseEndsReads(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB) ClientOptions{"h2": echoH2, "h3": echoH3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newTestClient(t, start(t))
			call := newCall("GET", "/", nil)
			call.Upgrade = "websocket"
			resp := do(t, c, call)
			done := make(chan error)
			go func() {
				_, err := resp.Tunnel.Read(make([]byte, 1))
				done <- err
			}()
			resp.Tunnel.Close()
			if err := <-done; err == nil {
				t.Error("got no error")
			}
			if _, err := resp.Tunnel.Write([]byte("x")); err == nil {
				t.Error("got no error from Write after Close")
			}
		})
	}
}

func TestClient_TunnelLimit(t *testing.T) {
	t.Parallel()
	o := echoH2(t)
	o.Tunnel = 50 * time.Millisecond
	c := newTestClient(t, o)
	call := newCall("GET", "/", nil)
	call.Upgrade = "websocket"
	resp := do(t, c, call)
	defer resp.Tunnel.Close()
	_, err := resp.Tunnel.Read(make([]byte, 1))
	if fault, ok := errors.AsType[*exchange.Error](err); !ok || fault.Status != 504 {
		t.Errorf("got %v, want 504", err)
	}
}

// A client that takes nothing holds neither its tunnel nor what the upstream sends.
func TestClient_TunnelLimitHoldsWhereNobodyReads(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB) ClientOptions{"h2": echoH2, "h3": echoH3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := start(t)
			o.Tunnel = 50 * time.Millisecond
			c := newTestClient(t, o)
			call := newCall("GET", "/", nil)
			call.Upgrade = "websocket"
			resp := do(t, c, call)
			defer resp.Tunnel.Close()
			if _, err := resp.Tunnel.Write([]byte("hello")); err != nil {
				t.Fatal(err)
			}
			look := time.NewTicker(time.Millisecond)
			defer look.Stop()
			for resp.Tunnel.(upstreamTunnel).x.given() == nil { // neither reads nor writes
				<-look.C
			}
			if _, err := resp.Tunnel.Write([]byte("x")); err == nil {
				t.Error("got no error from Write after the limit")
			}
		})
	}
}

func TestClient_UpgradeNotOffered(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]scripted{"h2": h2Script, "h3": h3Script} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newTestClient(t, start(t, nil))
			call := newCall("GET", "/", nil)
			call.Upgrade = "websocket"
			err := c.Do(call, new(exchange.Response))
			if !errors.Is(err, errNoConnect) || call.Attempt.Written {
				t.Errorf("got %v, %+v; want %v", err, call.Attempt, errNoConnect)
			}
		})
	}
}
