package http1

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// relay is a server that hands every request on over c, as a proxy would.
func relay(t testing.TB, c *Client, results chan error) string {
	addr, _ := serve(t, Options{Dispatcher: edge{results: results, handle: func(r *exchange.Request) (*exchange.Response, error) {
		call := &exchange.Call{Method: r.Method, Authority: r.Authority, Target: r.Target, Body: r.Body, Trailer: &r.Trailer, Caller: r,
			Upgrade: r.Upgrade, Expect: strings.EqualFold(r.Header.Get("expect"), "100-continue")}
		call.Header.CopyFrom(&r.Header)
		resp := r.NewResponse(0)
		if err := c.Do(call, resp); err != nil {
			return nil, err
		}
		return resp, nil
	}}})
	return addr
}

func TestRelay_BodiesBothWays(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("0123456789abcdef", 1<<18) // 4 MiB
	for _, n := range []int{0, 10, 5000, smallBody + 1, 200_000, len(content)} {
		addr := relay(t, echoing(t, "TCP"), nil)
		c := dial(t, addr)
		for range 3 {
			go io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"+chunks(content[:n], 10_000))
			receive(t, c, "HTTP/1.1 200 OK\r\n")
			until(c, "\r\n\r\n")
			var got int64
			b := body{in: &input{src: c}, limits: &testLimits, head: new(head), trailer: new(exchange.Header), got: &got}
			b.start(&framing{length: -1, chunked: true})
			if back, err := io.ReadAll(&b); err != nil || string(back) != content[:n] {
				t.Fatalf("%d bytes: got %d, %v", n, len(back), err)
			}
		}
	}
}

func chunks(s string, size int) string {
	var b bytes.Buffer
	for len(s) > 0 {
		n := min(size, len(s))
		var hex [8]byte
		putHex(hex[:], n)
		b.WriteString(string(hex[:]) + "\r\n" + s[:n] + "\r\n")
		s = s[n:]
	}
	return b.String() + "0\r\n\r\n"
}

// TestRelay_ClientLeaves: the upstream hears of it at once, with no time limit set.
func TestRelay_ClientLeaves(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{"before the head": "", "within the body": "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reached, left := make(chan bool), make(chan time.Time, 1)
			up := upstreamOf(t, func(c *net.TCPConn, heard io.Reader) {
				until(heard, "\r\n\r\n")
				io.WriteString(c, answer)
				close(reached)
				io.Copy(io.Discard, heard)
				left <- time.Now()
			})
			results := make(chan error, 1)
			c := dial(t, relay(t, clientOf(t, up.addr), results))
			io.WriteString(c, get)
			if <-reached; answer != "" {
				receive(t, c, "HTTP/1.1 200 OK\r\n")
			}
			start := time.Now()
			c.Close()
			t.Logf("%v after the client", (<-left).Sub(start))
			<-results
		})
	}
}

func TestRelay_Upgrade(t *testing.T) {
	t.Parallel()
	up := upstreamOf(t, func(c *net.TCPConn, heard io.Reader) {
		until(heard, "\r\n\r\n")
		io.WriteString(c, switchingHead)
		io.Copy(c, heard)
	})
	upstream := clientOf(t, up.addr)
	c := dial(t, relay(t, upstream, nil))
	io.WriteString(c, "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	receive(t, c, "HTTP/1.1 101 Switching Protocols\r\n")
	until(c, "\r\n\r\n")
	content := strings.Repeat("message ", 1<<20) // enough for splice(2)
	go func() {
		io.WriteString(c, content)
		c.CloseWrite()
	}()
	if got, err := io.ReadAll(c); err != nil || string(got) != content {
		t.Errorf("got %d bytes, %v; want %d", len(got), err, len(content))
	}
	waitFor(t, func() bool { return upstream.Stats().Open == 0 })
}

// TestClient_Allocates holds a call over a pooled connection to what it has to allocate:
// the string that the fields are cut from, and the body.
func TestClient_Allocates(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c, err := l.Accept(); err == nil {
			defer c.Close()
			quiet(c.(*net.TCPConn), c, 0)
		}
	}()
	c := clientOf(t, l.Addr().String())
	call, resp, buf := getCall(), new(exchange.Response), make([]byte, 4096)
	n := testing.AllocsPerRun(200, func() {
		resp.Header.Reset()
		if err := c.Do(call, resp); err != nil {
			t.Fatal(err)
		}
		for err = nil; err == nil; {
			_, err = resp.Body.Read(buf)
		}
	})
	if n > 2 {
		t.Errorf("got %v allocations, want 2", n)
	}
	c.transport.Close()
	<-done
}
