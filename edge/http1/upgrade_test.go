package http1

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

const upgradeGet = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n"

func TestUpgrade_WhoAsks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, method, version, fields, want string }{
		{"websocket", "GET", "1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n", "websocket"},
		{"in any case", "GET", "1.1", "Connection: keep-alive, UPGRADE\r\nUpgrade: WebSocket\r\n", "websocket"},
		{"with a version", "GET", "1.1", "Connection: upgrade\r\nUpgrade: Foo/1.2\r\n", "foo/1.2"},
		{"in two fields", "GET", "1.1", "Connection: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n", "websocket"},
		{"no body by length", "GET", "1.1", "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n", "websocket"},
		{"not in Connection", "GET", "1.1", "Upgrade: websocket\r\n", ""},
		{"Connection alone", "GET", "1.1", "Connection: upgrade\r\n", ""},
		{"another method", "POST", "1.1", "Connection: upgrade\r\nUpgrade: websocket\r\n", ""},
		{"HTTP/1.0", "GET", "1.0", "Connection: upgrade\r\nUpgrade: websocket\r\n", ""},
		{"body", "GET", "1.1", "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n", ""},
		{"chunked body", "GET", "1.1", "Connection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n", ""},
		{"two protocols", "GET", "1.1", "Connection: upgrade\r\nUpgrade: websocket, foo\r\n", ""},
		{"malformed", "GET", "1.1", "Connection: upgrade\r\nUpgrade: web socket\r\n", ""},
		{"malformed beside a good one", "GET", "1.1", "Connection: upgrade\r\nUpgrade: websocket, a/b/c\r\n", ""},
		{"empty", "GET", "1.1", "Connection: upgrade\r\nUpgrade:\r\n", ""},
		{"G13 h2c", "GET", "1.1", "Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n", ""},
		{"TLS", "GET", "1.1", "Connection: upgrade\r\nUpgrade: TLS/1.0\r\n", ""},
		{"HTTP", "GET", "1.1", "Connection: upgrade\r\nUpgrade: HTTP/2.0\r\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var h head
			var r exchange.Request
			limits := Limits{}.withDefaults()
			r.Scheme = "http"
			b := []byte(tt.method + " / HTTP/" + tt.version + "\r\nHost: x\r\n" + tt.fields + "\r\n")
			if _, bad := h.parseRequest(b, &limits, &r); bad != nil {
				t.Fatalf("%q: refused: %v", b, bad.err.Err)
			}
			if r.Upgrade != tt.want {
				t.Errorf("%q: upgrade %q, want %q", b, r.Upgrade, tt.want)
			}
		})
	}
}

// far is an upstream's end of a tunnel, over TCP on loopback, and what speaks to it.
type far struct {
	*net.TCPConn // what the test reads and writes
	end          *net.TCPConn
}

func newFar(t testing.TB) far {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := dial(t, l.Addr().String())
	end, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end.Close() })
	return far{c, end.(*net.TCPConn)}
}

// switching answers 101 and hands over end.
func switching(end exchange.Tunnel) exchange.HandlerFunc {
	return func(r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(101)
		resp.Header.Append("sec-websocket-accept", "k")
		resp.Header.Append("upgrade", "other")
		resp.Header.Append("connection", "close")
		resp.Tunnel = end
		return resp, nil
	}
}

const switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-Websocket-Accept: k\r\n\r\n"

// client is what tests need of a client's connection.
type client interface {
	net.Conn
	CloseWrite() error
}

func tlsClient(t testing.TB, o Options) client {
	t.Helper()
	addr, pool := serveTLS(t, o)
	c, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: pool, ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func plainClient(t testing.TB, o Options) client {
	t.Helper()
	addr, _ := serve(t, o)
	return dial(t, addr)
}

var transports = []struct {
	name string
	open func(testing.TB, Options) client
}{{"tcp", plainClient}, {"tls", tlsClient}}

// TestUpgrade_CarriesBothWaysAndEnds sends bytes behind the request at once, then to
// and fro, then ends one direction after the other.
func TestUpgrade_CarriesBothWaysAndEnds(t *testing.T) {
	t.Parallel()
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			t.Parallel()
			far, results := newFar(t), make(chan error, 1)
			records := make(chan exchange.Record, 1)
			c := tr.open(t, Options{Dispatcher: recording{edge{switching(far.end), results}, records}})
			send(t, c, upgradeGet+"early")
			receive(t, c, switched)
			receive(t, far, "early")
			for range 3 {
				send(t, c, "ping")
				receive(t, far, "ping")
				send(t, far, "pong")
				receive(t, c, "pong")
			}
			c.CloseWrite()
			if rest, err := io.ReadAll(far); len(rest) > 0 || err != nil {
				t.Errorf("upstream read %q, %v; want the end", rest, err)
			}
			send(t, far, "last")
			receive(t, c, "last")
			far.CloseWrite()
			if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil {
				t.Errorf("client read %q, %v; want the end", rest, err)
			}
			if err := <-results; err != nil {
				t.Errorf("Respond: %v", err)
			}
			if r := <-records; r.Received != 17 || r.Sent != 16 {
				t.Errorf("received %d, sent %d; want 17 and 16", r.Received, r.Sent)
			}
		})
	}
}

// recording hands on the record of every exchange.
type recording struct {
	edge
	records chan exchange.Record
}

func (e recording) Dispatch(r *exchange.Request) {
	e.edge.Dispatch(r)
	e.records <- r.Record
}

// TestUpgrade_Bulk moves more than any buffer holds, both ways at once.
func TestUpgrade_Bulk(t *testing.T) {
	t.Parallel()
	const size = tunnelBulk + 5<<20 + 3
	want := bytes.Repeat([]byte("0123456789abcdef!"), size/17)
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			t.Parallel()
			far, results := newFar(t), make(chan error, 1)
			c := tr.open(t, Options{Dispatcher: edge{switching(far.end), results}})
			send(t, c, upgradeGet)
			receive(t, c, switched)
			for _, w := range []client{c, far} {
				go func() {
					w.Write(want)
					w.CloseWrite()
				}()
			}
			got := make(chan []byte)
			for _, r := range []io.Reader{c, far} {
				go func() {
					b, _ := io.ReadAll(r)
					got <- b
				}()
			}
			for range 2 {
				if b := <-got; !bytes.Equal(b, want) {
					t.Errorf("%d bytes arrived, want the %d that were sent", len(b), len(want))
				}
			}
			if err := <-results; err != nil {
				t.Errorf("Respond: %v", err)
			}
		})
	}
}

// TestUpgrade_UnaskedIsNotSent: a 101 that nobody asked for never reaches the client.
func TestUpgrade_UnaskedIsNotSent(t *testing.T) {
	t.Parallel()
	far := newFar(t)
	addr, _ := serve(t, Options{Dispatcher: edge{handle: switching(far.end)}})
	c := dial(t, addr)
	send(t, c, get)
	receive(t, c, "HTTP/1.1 502 Bad Gateway\r\n")
	if _, err := far.Read(make([]byte, 1)); err == nil {
		t.Error("the tunnel is still open")
	}
}

// TestUpgrade_CutIsSeen: a tunnel that fails on one side ends on the other, and not as
// if all were said.
func TestUpgrade_CutIsSeen(t *testing.T) {
	t.Parallel()
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			t.Parallel()
			far, results := newFar(t), make(chan error, 1)
			c := tr.open(t, Options{Dispatcher: edge{switching(far.end), results}})
			send(t, c, upgradeGet)
			receive(t, c, switched)
			far.SetLinger(0)
			far.Close()
			if _, err := io.ReadAll(c); err == nil {
				t.Error("the client reads an end in order")
			}
			if err := <-results; err == nil || errors.Is(err, exchange.ErrClientGone) {
				t.Errorf("Respond: %v, want an error that is not the client's", err)
			}
		})
	}
	t.Run("client", func(t *testing.T) {
		t.Parallel()
		far, results := newFar(t), make(chan error, 1)
		c := plainClient(t, Options{Dispatcher: edge{switching(far.end), results}})
		send(t, c, upgradeGet)
		receive(t, c, switched)
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
		io.ReadAll(far)
		if err := <-results; !errors.Is(err, exchange.ErrClientGone) {
			t.Errorf("Respond: %v, want %v", err, exchange.ErrClientGone)
		}
	})
}

// TestUpgrade_ShutdownWaitsAndCuts: a tunnel has no limit but the server's own end.
func TestUpgrade_ShutdownWaitsAndCuts(t *testing.T) {
	t.Parallel()
	far := newFar(t)
	addr, s := serve(t, Options{Dispatcher: edge{handle: switching(far.end)}, Timeouts: Timeouts{
		Head: 200 * time.Millisecond, Idle: 200 * time.Millisecond, Write: 200 * time.Millisecond, BodyIdle: 4 * time.Millisecond, Linger: 4 * time.Millisecond,
	}})
	c := dial(t, addr)
	send(t, c, upgradeGet)
	receive(t, c, switched)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Shutdown(ctx) }()
	<-time.After(300 * time.Millisecond) // the sweeper has looked many times
	send(t, c, "still")
	receive(t, far, "still")
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v, want %v", err, context.Canceled)
	}
	if _, err := io.ReadAll(far); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("upstream read %v", err)
	}
}

// BenchmarkIdleTunnels reports what a tunnel costs that waits, after a message each
// way: the heap and the stacks of both of its goroutines, its request, both of its
// sockets, and the two sockets of those who speak to it.
func BenchmarkIdleTunnels(b *testing.B) {
	const tunnels = 200
	ends := make(chan *net.TCPConn, 1)
	addr, _ := serve(b, Options{Dispatcher: edge{handle: func(r *exchange.Request) (*exchange.Response, error) {
		return switching(<-ends)(r)
	}}})
	used := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // pools give back what they hold at the second
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	open := 0
	before := used()
	for b.Loop() {
		for range tunnels {
			far, c := newFar(b), dial(b, addr)
			ends <- far.end
			io.WriteString(c, upgradeGet)
			receive(b, c, switched)
			io.WriteString(c, "ping")
			receive(b, far, "ping")
			io.WriteString(far, "pong")
			receive(b, c, "pong")
			open++
		}
	}
	b.ReportMetric(float64(used()-before)/1024/float64(open), "KiB/tunnel")
}
