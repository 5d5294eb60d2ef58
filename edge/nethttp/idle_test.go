package nethttp

import (
	"bytes"
	"context"
	"net"
	"runtime"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/weirproxy/weir/edge/attack"
	"github.com/weirproxy/weir/edge/exchange"
)

// plainH2 speaks HTTP/2 frame by frame to a server without TLS.
func plainH2(t *testing.T, o Options) (net.Conn, *http2.Framer) {
	t.Helper()
	o.Dispatcher = exchangeFunc(func(r *exchange.Request) { r.Stream().Respond(r, r.NewResponse(204)) })
	h := NewH2(o)
	client, server := tcpPair(t)
	t.Cleanup(func() {
		client.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		h.Shutdown(ctx)
	})
	h.ServePlain(server, &exchange.Conn{}, func() {})
	client.SetDeadline(time.Now().Add(20 * time.Second))
	client.Write([]byte(http2.ClientPreface))
	f := http2.NewFramer(client, client)
	f.WriteSettings()
	return client, f
}

func tcpPair(t *testing.T) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return client, server
}

func head() []byte {
	var b bytes.Buffer
	enc := hpack.NewEncoder(&b)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "localhost"}, {":path", "/"}} {
		enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	return b.Bytes()
}

// goodbye reads until the connection ends, and returns the GOAWAY that came before.
func goodbye(t *testing.T, f *http2.Framer) (last uint32, told bool, answered int) {
	t.Helper()
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			if e, ok := err.(net.Error); ok && e.Timeout() {
				t.Error("the connection was not closed")
			}
			return last, told, answered
		}
		switch frame := frame.(type) {
		case *http2.GoAwayFrame:
			last, told = frame.LastStreamID, true
		case *http2.HeadersFrame:
			answered++
		}
	}
}

// An idle connection is told to go, with the last request that was answered, and
// then closed.
func TestIdle_IsToldAndClosed(t *testing.T) {
	t.Parallel()
	_, f := plainH2(t, Options{Idle: time.Second})
	f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head(), EndStream: true, EndHeaders: true})
	f.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: head(), EndStream: true, EndHeaders: true})
	if last, told, answered := goodbye(t, f); last != 3 || !told || answered != 2 {
		t.Errorf("GOAWAY %v of stream %d after %d answers, want one of 3 after 2", told, last, answered)
	}
}

// TestSecurity_G9: a header block that is begun has to end, however it is cut.
func TestSecurity_G9_HeaderBlocksHaveADeadline(t *testing.T) {
	t.Parallel()
	for name, send := range map[string]func(net.Conn, *http2.Framer){
		"no CONTINUATION": func(_ net.Conn, f *http2.Framer) {
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head()[:3], EndStream: true})
		},
		"half a frame": func(c net.Conn, _ *http2.Framer) {
			c.Write([]byte{0, 0, 100, frameHeaders, flagEndHeaders, 0, 0, 0, 1, 0x82})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, f := plainH2(t, Options{Idle: time.Hour, Header: time.Second})
			send(c, f)
			if _, _, answered := goodbye(t, f); answered != 0 {
				t.Errorf("%d answers to half a request", answered)
			}
		})
	}
}

// A connection that is cut with streams open must not keep its memory until the
// time for idle ones is over: who floods and comes back would fill it.
func TestIdle_CutConnectionsAreForgotten(t *testing.T) {
	if !guardsTLS {
		t.Skip("Go 1.26 cannot be kept from it; releases are built with Go 1.27")
	}
	url, client := startH2(t, exchangeFunc(func(r *exchange.Request) { r.Stream().Respond(r, r.NewResponse(204)) }), Options{Idle: time.Hour})
	memory := func() int64 {
		for range 3 { // pools let go at the second collection
			runtime.GC()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	flood := func(n int) {
		for range n {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			if _, err := attack.MadeYouReset(ctx, target(url, client)); err != nil {
				t.Fatal(err)
			}
			cancel()
		}
	}
	flood(5)
	before := memory()
	const cut = 40
	flood(cut)
	if grown := memory() - before; grown > cut*20<<10 {
		t.Errorf("%d bytes are kept for each of %d connections that were cut, want next to nothing", grown/cut, cut)
	}
}
