package proxy_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/proxy"
)

// exchangeOnce sends a request over HTTP/1.1 and reads the answer.
func exchangeOnce(t *testing.T, c net.Conn, request string) (*http.Response, string) {
	t.Helper()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestErrorPagesTellNoAddress(t *testing.T) {
	t.Parallel()
	f := newFixture(t, proxy.Options{})
	f.answer = func(c net.Conn, _ *message) bool {
		io.WriteString(c, "no HTTP at all\r\n\r\n")
		return false
	}
	host, port, _ := net.SplitHostPort(f.recorder.Addr().String())
	resp, body := exchangeOnce(t, f.dial(t), "GET /secret HTTP/1.1\r\nHost: a.test\r\n\r\n")
	if resp.StatusCode != 502 || strings.Contains(body, host) || strings.Contains(body, port) || !strings.Contains(body, resp.Header.Get("X-Request-Id")) {
		t.Errorf("got %d %q, want 502 with the incident id and no address", resp.StatusCode, body)
	}
}

func TestWebSocketThroughSockets(t *testing.T) {
	t.Parallel()
	f := newFixture(t, proxy.Options{})
	f.answer = func(c net.Conn, m *message) bool {
		if got := m.values("connection"); len(got) != 1 || !strings.EqualFold(got[0], "upgrade") {
			t.Errorf("upstream got Connection %q", got)
		}
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nhello ")
		io.Copy(c, c)
		return false
	}
	c := f.dial(t)
	io.WriteString(c, "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != 101 || resp.Header.Get("Sec-Websocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" || !strings.EqualFold(resp.Header.Get("Upgrade"), "websocket") {
		t.Fatalf("got %+v, %v", resp, err)
	}
	io.WriteString(c, "world")
	got := make([]byte, len("hello world"))
	if _, err := io.ReadFull(r, got); err != nil || string(got) != "hello world" {
		t.Errorf("through the tunnel: got %q, %v", got, err)
	}
	c.(*net.TCPConn).CloseWrite()
	if rest, err := io.ReadAll(r); len(rest) != 0 || err != nil {
		t.Errorf("after the end: got %q, %v", rest, err)
	}
}

// TestAnswersBelongToTheirRequests: an upstream that says more than it was asked for
// does not get it to the next client.
func TestAnswersBelongToTheirRequests(t *testing.T) {
	t.Parallel()
	f := newFixture(t, proxy.Options{})
	f.answer = func(c net.Conn, m *message) bool {
		text := m.target[1:]
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
		if text == "twice" {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
		}
		return true
	}
	c := f.dial(t)
	for range 3 {
		for _, text := range []string{"twice", "once"} {
			if resp, body := exchangeOnce(t, c, "GET /"+text+" HTTP/1.1\r\nHost: a.test\r\n\r\n"); resp.StatusCode != 200 || body != text {
				t.Errorf("%s: got %d %q", text, resp.StatusCode, body)
			}
		}
	}
}

// TestClientThatLeavesEndsTheCall: nobody works on for a client that has gone.
func TestClientThatLeavesEndsTheCall(t *testing.T) {
	t.Parallel()
	f := newFixture(t, proxy.Options{})
	asked, ended := make(chan struct{}), make(chan time.Time, 1)
	f.answer = func(c net.Conn, _ *message) bool {
		close(asked)
		io.Copy(io.Discard, c)
		ended <- time.Now()
		return false
	}
	c := f.dial(t)
	io.WriteString(c, "GET /slow HTTP/1.1\r\nHost: a.test\r\n\r\n")
	<-asked
	left := time.Now()
	c.Close()
	select {
	case at := <-ended:
		t.Logf("the upstream learned it after %v", at.Sub(left))
	case <-time.After(waitAtMost):
		t.Error("the call went on")
	}
}

// TestLimitNoticedWhileStreaming: a body that a filter finds too large on its way is
// answered 413, and never looks complete to the upstream.
func TestLimitNoticedWhileStreaming(t *testing.T) {
	t.Parallel()
	for _, o := range []proxy.Options{{}, {BufferRequest: 1 << 10}} {
		f := newFixture(t, o, exchange.FilterFunc(func(r *exchange.Request, next exchange.Handler) (*exchange.Response, error) {
			r.Body = &limited{r.Body, 10}
			return next.Handle(r)
		}))
		c := f.dial(t)
		resp, _ := exchangeOnce(t, c, "POST /up HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nabcdefgh\r\n8\r\nabcdefgh\r\n0\r\n\r\n")
		if resp.StatusCode != 413 {
			t.Errorf("buffering %d: got %d, want 413", o.BufferRequest, resp.StatusCode)
		}
		c.Close()
		f.check(t, "a body over its limit", nil)
	}
}

// limited fails where more than left bytes come.
type limited struct {
	exchange.Body
	left int
}

func (b *limited) Read(p []byte) (int, error) {
	n, err := b.Body.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, exchange.Reason(413, "body is too large")
	}
	return n, err
}

// TestGRPCFailureOverHTTP2: a gRPC client reads its status in a response that is
// nothing but a header block.
func TestGRPCFailureOverHTTP2(t *testing.T) {
	t.Parallel()
	f := newFixture(t, proxy.Options{})
	f.answer = func(net.Conn, *message) bool { return false } // closes
	c := f.dial(t)
	fr := http2.NewFramer(c, c)
	fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	io.WriteString(c, http2.ClientPreface)
	fr.WriteSettings()
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, field := range ask("POST", "content-type", "application/grpc", "te", "trailers") {
		enc.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
	}
	fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true})
	fr.WriteData(1, true, []byte("\x00\x00\x00\x00\x00"))
	for {
		frame, err := fr.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		h, ok := frame.(*http2.MetaHeadersFrame)
		if !ok {
			continue
		}
		got := map[string]string{}
		for _, field := range h.Fields {
			got[field.Name] = field.Value
		}
		if got[":status"] != "200" || got["content-type"] != "application/grpc" || got["grpc-status"] != "14" || !h.StreamEnded() {
			t.Errorf("got %v, ended %v, want status 14 in trailers alone", got, h.StreamEnded())
		}
		return
	}
}

// TestEventsPassAtOnce: what an upstream sends piece by piece arrives so.
func TestEventsPassAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, proxy.Options{BufferResponse: 1 << 20})
	next := make(chan struct{})
	f.answer = func(c net.Conn, _ *message) bool {
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
		for range 3 {
			<-next
			io.WriteString(c, "9\r\ndata: x\n\n\r\n")
		}
		io.WriteString(c, "0\r\n\r\n")
		return true
	}
	c := f.dial(t)
	io.WriteString(c, "GET /events HTTP/1.1\r\nHost: a.test\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil) // before the first event
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		next <- struct{}{}
		event := make([]byte, 9)
		if _, err := io.ReadFull(resp.Body, event); err != nil || string(event) != "data: x\n\n" {
			t.Fatalf("got %q, %v", event, err)
		}
	}
}

// BenchmarkProxy is a whole exchange over loopback: client, weir, upstream. Neither the
// client nor the upstream allocates, so what is counted is weir's.
func BenchmarkProxy(b *testing.B) {
	body := strings.Repeat("x", 16<<10)
	for _, c := range []struct {
		name, request string
		answer        int
	}{
		{"GET1k", "GET /a/b?c=d HTTP/1.1\r\nHost: a.test\r\nUser-Agent: bench\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n\r\n", 1 << 10},
		{"GET100k", "GET /a/b?c=d HTTP/1.1\r\nHost: a.test\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n", 100 << 10},
		{"POST16k", fmt.Sprintf("POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n%s", len(body), body), 2},
	} {
		b.Run(c.name, func(b *testing.B) {
			answer := []byte(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", c.answer, strings.Repeat("y", c.answer)))
			end := "\r\n\r\n"
			if strings.HasPrefix(c.request, "POST") {
				end = "xxxx" // nothing else in the head ends so
			}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			go answerAll(l, end, len(body), answer)
			f := newFixtureOf(b, "http://"+l.Addr().String())
			conn := f.dial(b)
			request, buf := []byte(c.request), make([]byte, 64<<10)
			ask := func() {
				if _, err := conn.Write(request); err != nil {
					b.Fatal(err)
				}
				// The length of the answer is that of the first, but for nothing that
				// changes.
				for got, want := 0, 0; want == 0 || got < want; {
					n, err := conn.Read(buf)
					if err != nil {
						b.Fatal(err)
					}
					if want == 0 {
						want = bytes.Index(buf[:n], []byte("\r\n\r\n")) + 4 + c.answer
					}
					got += n
				}
			}
			for range 10 {
				ask()
			}
			runtime.GC()
			b.ReportAllocs()
			for b.Loop() {
				ask()
			}
		})
	}
}

// answerAll is an upstream that allocates nothing per request.
func answerAll(l net.Listener, end string, bodyLen int, answer []byte) {
	c, err := l.Accept()
	if err != nil {
		return
	}
	defer c.Close()
	buf, got := make([]byte, 128<<10), 0
	for {
		n, err := c.Read(buf[got:])
		if err != nil {
			return
		}
		if got += n; bytes.HasSuffix(buf[:got], []byte(end)) && (end == "\r\n\r\n" || got > bodyLen+20) {
			got = 0
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	}
}

// TestSecurity_P5_RulesSetWhatConnectionCannotTake: a field that a rule gives the
// upstream gets there, whatever the client declares of it.
func TestSecurity_P5_RulesSetWhatConnectionCannotTake(t *testing.T) {
	t.Parallel()
	sets := exchange.FilterFunc(func(r *exchange.Request, next exchange.Handler) (*exchange.Response, error) {
		if err := r.Header.Set("x-tenant", "a"); err != nil {
			return nil, err
		}
		return next.Handle(r)
	})
	f := newFixture(t, proxy.Options{}, proxy.HopByHop(), sets)
	resp, _ := exchangeOnce(t, f.dial(t), "GET /p HTTP/1.1\r\nHost: a.test\r\nConnection: X-Tenant, x-mine\r\nConnection: close\r\nX-Tenant: b\r\nX-Mine: 1\r\n\r\n")
	f.end()
	if resp.StatusCode != 200 || len(f.got) != 1 {
		t.Fatalf("got %d, %d requests forwarded", resp.StatusCode, len(f.got))
	}
	if got, mine := f.got[0].values("x-tenant"), f.got[0].values("x-mine"); fmt.Sprint(got) != "[a]" || len(mine) != 0 || !resp.Close {
		t.Errorf("forwarded X-Tenant %q and X-Mine %q, closed %v; want what the rule sets, nothing, and yes", got, mine, resp.Close)
	}
}
