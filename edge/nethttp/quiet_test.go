package nethttp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/weirproxy/weir/edge/exchange"
)

// pausing is an upstream that answers pings at once, thinks for before in front of its
// head, and for between in its body.
func pausing(media string, before, between time.Duration) func(*h2Peer) {
	return func(p *h2Peer) {
		id, calm := uint32(0), make(chan struct{}, 1)
		calm <- struct{}{} // so that only one writes
		say := func(f func()) { <-calm; f(); calm <- struct{}{} }
		for {
			f, err := p.fr.ReadFrame()
			if err != nil {
				return
			}
			switch f := f.(type) {
			case *http2.PingFrame:
				say(func() { p.fr.WritePing(true, f.Data) })
			case *http2.HeadersFrame:
				id = f.StreamID
				go func() {
					var block bytes.Buffer
					enc := hpack.NewEncoder(&block)
					enc.WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
					enc.WriteField(hpack.HeaderField{Name: "content-type", Value: media})
					time.Sleep(before)
					say(func() {
						p.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true})
						p.fr.WriteData(id, false, []byte("a"))
					})
					time.Sleep(between)
					say(func() { p.fr.WriteData(id, true, []byte("b")) })
				}()
			}
		}
	}
}

// What may be silent on purpose is held to no limit but its own.
func TestClient_QuietStreams(t *testing.T) {
	t.Parallel()
	short := ClientOptions{Head: 10 * time.Second, Idle: 10 * time.Second}
	for _, c := range []struct {
		name     string
		o        ClientOptions
		asks     string // content type of the request
		upstream func(*h2Peer)
		want     time.Duration // 0: no limit comes in the way
	}{
		{"events", short, "text/plain", pausing("text/event-stream", 0, time.Hour), 0},
		{"gRPC", short, "application/grpc", pausing("application/grpc", time.Hour, time.Hour), 0},
		{"head of events", short, "text/plain", pausing("text/event-stream", time.Hour, 0), 10 * time.Second},
		{"plain", short, "text/plain", pausing("text/plain", 0, time.Hour), 10 * time.Second},
		{"events, limited", ClientOptions{Tunnel: 20 * time.Second}, "text/plain", pausing("text/event-stream", 0, time.Hour), 20 * time.Second},
		{"gRPC, limited", ClientOptions{Tunnel: 20 * time.Second}, "application/grpc", pausing("application/grpc", time.Hour, 0), 20 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client := pipeClient(c.o, c.upstream)
				call, resp, began := newCall("POST", "/", nil, "content-type", c.asks), new(exchange.Response), time.Now()
				err, body := client.Do(call, resp), []byte(nil)
				if err == nil {
					body, err = io.ReadAll(resp.Body)
					resp.Body.Close()
				}
				took := time.Since(began)
				fault, _ := errors.AsType[*exchange.Error](err)
				switch {
				case c.want == 0 && (string(body) != "ab" || err != nil):
					t.Errorf("got %q, %v after %v, want all of it", body, err, took)
				case c.want != 0 && (fault == nil || fault.Status != 504 || took < c.want || took > c.want+10*time.Second):
					t.Errorf("got %q, %v after %v, want 504 after %v", body, err, took, c.want)
				}
				client.Close()
				time.Sleep(2 * time.Hour) // of the bubble, for upstreams that sleep
			})
		})
	}
}

// slowly is a body whose only byte makes wait.
type slowly struct {
	wait time.Duration
	done bool
}

func (b *slowly) Read(p []byte) (int, error) {
	if b.done {
		return 0, io.EOF
	}
	time.Sleep(b.wait)
	b.done = true
	return copy(p, "x"), nil
}
func (b *slowly) Len() int64   { return -1 }
func (b *slowly) Close() error { return nil }

// A gRPC client sends when it has something to say, and may wait for that as long as it
// likes; others have to bring their bodies.
func TestBody_QuietClients(t *testing.T) {
	t.Parallel()
	for media, want := range map[string]string{"application/grpc+proto": "x", "text/event-stream": ""} {
		t.Run(media, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				got := make(chan string, 1)
				server := NewH2(Options{Dispatcher: handler(func(r *exchange.Request) *exchange.Response {
					b, err := io.ReadAll(r.Body)
					if got <- string(b); (err == nil) != (want != "") {
						t.Errorf("read body: %v", err)
					}
					return r.NewResponse(200)
				})})
				ours, theirs := net.Pipe()
				server.ServePlain(theirs, &exchange.Conn{}, func() {})
				client := NewClient(ClientOptions{Protocol: "h2c", Dial: func(context.Context, *exchange.Call) (net.Conn, error) { return ours, nil }})
				resp := new(exchange.Response)
				if err := client.Do(newCall("POST", "/", &slowly{wait: time.Hour}, "content-type", media), resp); err == nil {
					resp.Body.Close()
				} else if want != "" {
					t.Errorf("call: %v", err)
				}
				if read := <-got; read != want {
					t.Errorf("handler read %q, want %q", read, want)
				}
				client.Close()
				server.Shutdown(t.Context())
				time.Sleep(2 * time.Hour) // of the bubble
			})
		})
	}
}
