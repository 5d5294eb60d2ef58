package http1

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// scripted is an upstream that plays one script per connection, in order, and then the
// last one again.
type scripted struct {
	addr  string
	mu    sync.Mutex
	heard []string // what each connection has sent, by number
}

// upstreamOf starts an upstream for the test's life. A script gets the connection and
// a reader that keeps what was heard.
func upstreamOf(t testing.TB, scripts ...func(c *net.TCPConn, heard io.Reader)) *scripted {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &scripted{addr: l.Addr().String()}
	var group sync.WaitGroup
	group.Go(func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.heard = append(s.heard, "")
			s.mu.Unlock()
			stop := context.AfterFunc(t.Context(), func() { c.Close() })
			group.Go(func() {
				defer c.Close()
				defer stop()
				scripts[min(n, len(scripts)-1)](c.(*net.TCPConn), &hearing{c, s, n})
			})
		}
	})
	t.Cleanup(func() { l.Close(); group.Wait() })
	return s
}

func (s *scripted) said(n int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n >= len(s.heard) {
		return ""
	}
	return s.heard[n]
}

func (s *scripted) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.heard)
}

type hearing struct {
	net.Conn
	s *scripted
	n int
}

func (h *hearing) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	h.s.mu.Lock()
	h.s.heard[h.n] += string(p[:n])
	h.s.mu.Unlock()
	return n, err
}

// until reads up to a suffix.
func until(r io.Reader, suffix string) bool {
	var got []byte
	var one [1]byte
	for !strings.HasSuffix(string(got), suffix) {
		if _, err := io.ReadFull(r, one[:]); err != nil {
			return false
		}
		got = append(got, one[0])
	}
	return true
}

// answers sends text to every request that ends with an empty line.
func answers(texts ...string) func(*net.TCPConn, io.Reader) {
	return func(c *net.TCPConn, heard io.Reader) {
		for _, text := range texts {
			if !until(heard, "\r\n\r\n") {
				return
			}
			io.WriteString(c, text)
		}
	}
}

func clientOf(t testing.TB, addr string, change ...func(*ClientOptions)) *Client {
	t.Helper()
	transport := NewTransport()
	t.Cleanup(transport.Close)
	return clientIn(transport, addr, change...)
}

func clientIn(transport *Transport, addr string, change ...func(*ClientOptions)) *Client {
	o := ClientOptions{Dial: func(ctx context.Context, _ *exchange.Call) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", addr)
	}}
	for _, f := range change {
		f(&o)
	}
	return transport.NewClient(o)
}

func getCall() *exchange.Call {
	return &exchange.Call{Method: "GET", Scheme: "http", Authority: "up.example", Target: "/x?y", Body: exchange.NoBody}
}

func postCall(body string) *exchange.Call {
	c := getCall()
	c.Method, c.Body = "POST", exchange.NewBytes([]byte(body))
	return c
}

// do makes a call and reads its answer.
func do(c *Client, call *exchange.Call) (status int, body string, resp *exchange.Response, err error) {
	resp = new(exchange.Response)
	if err = c.Do(call, resp); err != nil {
		return 0, "", resp, err
	}
	b, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	return resp.Status, string(b), resp, err
}

func statusOf(err error) int {
	if e, ok := errors.AsType[*exchange.Error](err); ok && e.Fault == exchange.Upstream {
		return e.Status
	}
	return 0
}

func TestClient_Answers(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, tt := range []struct {
		name, method, answer string
		status               int // of the response; 0: Do fails
		body                 string
		cut                  bool // reading the body fails
		reuse                bool
	}{
		{"length", "GET", ok + "Content-Length: 2\r\n\r\nhi", 200, "hi", false, true},
		{"no body", "GET", ok + "Content-Length: 0\r\n\r\n", 200, "", false, true},
		{"chunked", "GET", ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n3;a=b\r\n yo\r\n0\r\n\r\n", 200, "hi yo", false, true},
		{"to the end", "GET", ok + "\r\nhi", 200, "hi", false, false},
		{"to the end, HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\n\r\nhi", 200, "hi", false, false},
		{"HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", false, false},
		{"HTTP/1.0 keep-alive", "GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", false, true},
		{"close", "GET", ok + "Connection: close\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", false, false},
		{"close in a list", "GET", ok + "Connection: x, Close\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", false, false},
		{"HEAD", "HEAD", ok + "Content-Length: 100\r\n\r\n", 200, "", false, true},
		{"HEAD chunked", "HEAD", ok + "Transfer-Encoding: chunked\r\n\r\n", 200, "", false, true},
		{"204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", false, true},
		{"304", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", 304, "", false, true},
		{"no reason", "GET", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", false, true},
		{"obs-text", "GET", ok + "X: caf\xe9\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", false, true},
		{"two answers", "GET", ok + "Content-Length: 2\r\n\r\nhi" + ok + "Content-Length: 2\r\n\r\nno", 200, "hi", false, false},
		{"more than announced", "GET", ok + "Content-Length: 2\r\n\r\nhi there", 200, "hi", false, false},
		{"body of a 204", "GET", "HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\nhi", 204, "", false, false},
		{"body of a HEAD", "HEAD", ok + "Content-Length: 2\r\n\r\nhi", 200, "", false, false},
		{"100 and 103", "GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok + "Content-Length: 2\r\n\r\nhi", 200, "hi", false, true},
		{"32 interims", "GET", strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 32) + ok + "Content-Length: 2\r\n\r\nhi", 200, "hi", false, true},

		{"short", "GET", ok + "Content-Length: 3\r\n\r\nhi", 200, "hi", true, false},
		{"chunked short", "GET", ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhi", 200, "hi", true, false},
		{"no last chunk", "GET", ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", 200, "hi", true, false},
		{"no end of the trailer", "GET", ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n", 200, "hi", true, false},
		{"framing in the trailer", "GET", ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nContent-Length: 1\r\n\r\n", 200, "hi", true, false},
		{"chunk size", "GET", ok + "Transfer-Encoding: chunked\r\n\r\n2 \r\nhi\r\n0\r\n\r\n", 200, "", true, false},
		{"negative chunk", "GET", ok + "Transfer-Encoding: chunked\r\n\r\n-2\r\nhi\r\n0\r\n\r\n", 200, "", true, false},
		{"huge chunk", "GET", ok + "Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\nhi\r\n0\r\n\r\n", 200, "", true, false},
		{"chunk with LF", "GET", ok + "Transfer-Encoding: chunked\r\n\r\n2\nhi\n0\n\n", 200, "", true, false},
		{"chunk data too long", "GET", ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nhix\r\n0\r\n\r\n", 200, "hi", true, false},

		{"nothing", "GET", "", 0, "", false, false},
		{"half a head", "GET", ok + "Content-Le", 0, "", false, false},
		{"junk", "GET", "SSH-2.0-OpenSSH_9.2\r\n", 0, "", false, false},
		{"TLS alert", "GET", "\x15\x03\x01\x00\x02\x02\x46", 0, "", false, false},
		{"HTTP/0.9", "GET", "<html>hi</html>\r\n\r\n", 0, "", false, false},
		{"HTTP/2", "GET", "HTTP/2 200\r\n\r\n", 0, "", false, false},
		{"status 600", "GET", "HTTP/1.1 600 No\r\nContent-Length: 0\r\n\r\n", 0, "", false, false},
		{"status 099", "GET", "HTTP/1.1 099 No\r\nContent-Length: 0\r\n\r\n", 0, "", false, false},
		{"status 20", "GET", "HTTP/1.1 20 No\r\nContent-Length: 0\r\n\r\n", 0, "", false, false},
		{"status 2000", "GET", "HTTP/1.1 2000 No\r\nContent-Length: 0\r\n\r\n", 0, "", false, false},
		{"two spaces", "GET", "HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n", 0, "", false, false},
		{"LF", "GET", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", 0, "", false, false},
		{"bare CR", "GET", ok + "X: a\rb\r\nContent-Length: 0\r\n\r\n", 0, "", false, false},
		{"NUL", "GET", ok + "X: a\x00b\r\nContent-Length: 0\r\n\r\n", 0, "", false, false},
		{"empty line first", "GET", "\r\n" + ok + "Content-Length: 0\r\n\r\n", 0, "", false, false},
		{"folded", "GET", ok + "X: a\r\n b\r\nContent-Length: 0\r\n\r\n", 0, "", false, false},
		{"space before colon", "GET", ok + "Content-Length : 0\r\n\r\n", 0, "", false, false},
		{"length and coding", "GET", ok + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, "", false, false},
		{"coding and length", "GET", ok + "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n", 0, "", false, false},
		{"two lengths", "GET", ok + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", 0, "", false, false},
		{"list of lengths", "GET", ok + "Content-Length: 2, 2\r\n\r\nhi", 0, "", false, false},
		{"signed length", "GET", ok + "Content-Length: +2\r\n\r\nhi", 0, "", false, false},
		{"empty length", "GET", ok + "Content-Length:\r\n\r\nhi", 0, "", false, false},
		{"huge length", "GET", ok + "Content-Length: 99999999999999999999\r\n\r\nhi", 0, "", false, false},
		{"other coding", "GET", ok + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 0, "", false, false},
		{"identity", "GET", ok + "Transfer-Encoding: identity\r\n\r\nhi", 0, "", false, false},
		{"chunked twice", "GET", ok + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 0, "", false, false},
		{"vertical tab in coding", "GET", ok + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 0, "", false, false},
		{"coding in HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, "", false, false},
		{"coding of a 204", "GET", "HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, "", false, false},
		{"101 unasked", "GET", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 0, "", false, false},
		{"33 interims", "GET", strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 33) + ok + "Content-Length: 2\r\n\r\nhi", 0, "", false, false},
		{"interims and the end", "GET", "HTTP/1.1 100 Continue\r\n\r\n", 0, "", false, false},
		{"huge header", "GET", ok + "X: " + strings.Repeat("x", 40<<10) + "\r\n\r\n", 0, "", false, false},
		{"many fields", "GET", ok + strings.Repeat("X: x\r\n", 101) + "\r\n", 0, "", false, false},
		{"huge reason", "GET", "HTTP/1.1 200 " + strings.Repeat("x", 10<<10) + "\r\n\r\n", 0, "", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			// A connection that is not to be used again must not be even if it stays open
			// and answers well.
			first := func(c *net.TCPConn, heard io.Reader) {
				if !until(heard, "\r\n\r\n") {
					return
				}
				io.WriteString(c, tt.answer)
				if !tt.reuse {
					return
				}
				answers(ok+"Content-Length: 6\r\n\r\nsecond")(c, heard)
			}
			up := upstreamOf(t, first, answers(ok+"Content-Length: 6\r\n\r\nsecond"))
			c := clientOf(t, up.addr)
			call := getCall()
			call.Method = tt.method
			status, body, _, err := do(c, call)
			switch {
			case tt.status == 0:
				if statusOf(err) != 502 || status != 0 {
					t.Errorf("got %d %q, %v; want a 502 of the upstream", status, body, err)
				}
			case status != tt.status || body != tt.body || (err != nil) != tt.cut || tt.cut && statusOf(err) != 502:
				t.Errorf("got %d %q, %v; want %d %q, cut %v", status, body, err, tt.status, tt.body, tt.cut)
			}
			if want := tt.answer != ""; call.Attempt.Answered != want || !call.Attempt.Written || call.Attempt.Reused {
				t.Errorf("got %+v, want written and answered %v", call.Attempt, want)
			}
			again := getCall()
			if status, body, _, err = do(c, again); err != nil || status != 200 || body != "second" {
				t.Errorf("next call: got %d %q, %v; want its own answer", status, body, err)
			}
			if again.Attempt.Reused != tt.reuse {
				t.Errorf("next call: reused %v, want %v", again.Attempt.Reused, tt.reuse)
			}
		})
	}
}

func TestClient_Requests(t *testing.T) {
	t.Parallel()
	const answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	header := func(pairs ...string) (h exchange.Header) {
		for i := 0; i < len(pairs); i += 2 {
			h.Append(pairs[i], pairs[i+1])
		}
		return h
	}
	trailer := header("x-sum", "7", "content-length", "3")
	for _, tt := range []struct {
		name   string
		change func(*exchange.Call)
		want   string
	}{
		{"GET", func(*exchange.Call) {}, "GET /x?y HTTP/1.1\r\nHost: up.example\r\n\r\n"},
		{"fields", func(c *exchange.Call) { c.Header = header("x-a", "1", "etag", "e", "x-a", "2") },
			"GET /x?y HTTP/1.1\r\nHost: up.example\r\nX-A: 1\r\nETag: e\r\nX-A: 2\r\n\r\n"},
		{"framing fields are ours", func(c *exchange.Call) {
			c.Header = header("host", "evil", "content-length", "9", "transfer-encoding", "chunked", "connection", "x-a", "keep-alive", "1",
				"upgrade", "h2c", "http2-settings", "x", "expect", "100-continue", "proxy-connection", "x", "te", "gzip", "x-a", "1")
		}, "GET /x?y HTTP/1.1\r\nHost: up.example\r\nX-A: 1\r\n\r\n"},
		{"TE", func(c *exchange.Call) { c.Header = header("te", "trailers") },
			"GET /x?y HTTP/1.1\r\nHost: up.example\r\nTE: trailers\r\nConnection: TE\r\n\r\n"},
		{"empty POST", func(c *exchange.Call) { c.Method = "POST" }, "POST /x?y HTTP/1.1\r\nHost: up.example\r\nContent-Length: 0\r\n\r\n"},
		{"empty DELETE", func(c *exchange.Call) { c.Method = "DELETE" }, "DELETE /x?y HTTP/1.1\r\nHost: up.example\r\n\r\n"},
		{"OPTIONS *", func(c *exchange.Call) { c.Method, c.Target = "OPTIONS", "*" }, "OPTIONS * HTTP/1.1\r\nHost: up.example\r\n\r\n"},
		{"small body", func(c *exchange.Call) { c.Method, c.Body = "PUT", exchange.NewBytes([]byte("hi\r\n\r\n")) },
			"PUT /x?y HTTP/1.1\r\nHost: up.example\r\nContent-Length: 6\r\n\r\nhi\r\n\r\n"},
		{"body of a GET", func(c *exchange.Call) { c.Body = exchange.NewBytes([]byte("hi\r\n\r\n")) },
			"GET /x?y HTTP/1.1\r\nHost: up.example\r\nContent-Length: 6\r\n\r\nhi\r\n\r\n"},
		{"unknown length", func(c *exchange.Call) {
			c.Method, c.Body = "POST", exchange.NewBody(strings.NewReader("hi"), -1, nil)
		}, "POST /x?y HTTP/1.1\r\nHost: up.example\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"},
		{"trailers", func(c *exchange.Call) {
			c.Method, c.Body, c.Trailer = "POST", exchange.NewBody(strings.NewReader("hi"), -1, nil), &trailer
		}, "POST /x?y HTTP/1.1\r\nHost: up.example\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			up := upstreamOf(t, func(c *net.TCPConn, heard io.Reader) {
				io.ReadFull(heard, make([]byte, len(tt.want)))
				io.WriteString(c, answer)
				io.Copy(io.Discard, heard)
			})
			c := clientOf(t, up.addr)
			call := getCall()
			tt.change(call)
			if status, _, _, err := do(c, call); status != 200 || err != nil {
				t.Errorf("got %d, %v", status, err)
			}
			if got := up.said(0); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestSecurity_G14_OutgoingHeadsAreChecked holds whoever made the call.
func TestSecurity_G14_OutgoingHeadsAreChecked(t *testing.T) {
	t.Parallel()
	up := upstreamOf(t, answers("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	c := clientOf(t, up.addr)
	for _, change := range []func(*exchange.Call){
		func(c *exchange.Call) { c.Authority = "a\r\nX: y" },
		func(c *exchange.Call) { c.Authority = "a b" },
		func(c *exchange.Call) { c.Authority = "a/b" },
		func(c *exchange.Call) { c.Authority = "a\x00" },
		func(c *exchange.Call) { c.Authority = "user@a" },
		func(c *exchange.Call) { c.Target = "/a b" },
		func(c *exchange.Call) { c.Target = "/a\r\nX: y" },
		func(c *exchange.Call) { c.Target = "/ä" },
		func(c *exchange.Call) { c.Target = "/#a" },
		func(c *exchange.Call) { c.Target = "" },
		func(c *exchange.Call) { c.Target = "http://x/" },
		func(c *exchange.Call) { c.Method = "GET /x HTTP/1.1\r\nX:" },
		func(c *exchange.Call) { c.Method = "" },
		func(c *exchange.Call) { c.Method = "CONNECT" },
		func(c *exchange.Call) { c.Upgrade = "a\r\n" },
		func(c *exchange.Call) { c.Upgrade = "a b" },
		func(c *exchange.Call) { c.Upgrade = "/1" },
		func(c *exchange.Call) { c.Upgrade, c.Body = "websocket", exchange.NewBytes([]byte("x")) },
	} {
		call := getCall()
		change(call)
		_, _, _, err := do(c, call)
		if e, ok := errors.AsType[*exchange.Error](err); !ok || e.Fault != exchange.Internal || call.Attempt.Written {
			t.Errorf("%q %q %q: got %v, %+v; want a refusal", call.Method, call.Target, call.Authority, err, call.Attempt)
		}
	}
	if n := up.connections(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}

func TestClient_Trailers(t *testing.T) {
	t.Parallel()
	up := upstreamOf(t, answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 7\r\nSet-Cookie: a\r\n\r\n"))
	_, body, resp, err := do(clientOf(t, up.addr), getCall())
	if body != "hi" || err != nil || resp.Trailer.Len() != 1 || resp.Trailer.Get("x-sum") != "7" {
		t.Errorf("got %q, %v, trailer %+v", body, err, resp.Trailer)
	}
}

// informed is a caller that remembers what it was told.
type informed struct{ statuses []int }

func (i *informed) Watch(exchange.Interrupter) {}
func (i *informed) Inform(s int, h *exchange.Header) error {
	i.statuses = append(i.statuses, s)
	return nil
}

func TestClient_InterimsAreHandedOn(t *testing.T) {
	t.Parallel()
	up := upstreamOf(t, answers("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	call, caller := getCall(), new(informed)
	call.Caller = caller
	_, _, resp, err := do(clientOf(t, up.addr), call)
	if err != nil || !slices.Equal(caller.statuses, []int{103, 102}) || resp.Header.Has("link") {
		t.Errorf("got %v, %v, header %+v", caller.statuses, err, resp.Header)
	}
}

// TestClient_StaleConnectionsAreNotUsed: what has happened to a pooled connection is
// noticed before a call is put on it.
func TestClient_StaleConnectionsAreNotUsed(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
	for name, after := range map[string]func(*net.TCPConn){
		"closed":      func(c *net.TCPConn) { c.Close() },
		"half closed": func(c *net.TCPConn) { c.CloseWrite() },
		"reset":       func(c *net.TCPConn) { c.SetLinger(0); c.Close() },
		"unsolicited": func(c *net.TCPConn) { io.WriteString(c, ok+"no") },
		"408":         func(c *net.TCPConn) { io.WriteString(c, "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			goOn, done := make(chan bool), make(chan bool)
			up := upstreamOf(t, func(c *net.TCPConn, heard io.Reader) {
				answers(ok+"hi")(c, heard)
				<-goOn
				after(c)
				close(done)
				io.Copy(io.Discard, heard)
			}, answers(ok+"2."))
			c := clientOf(t, up.addr)
			if _, body, _, err := do(c, getCall()); body != "hi" || err != nil {
				t.Fatalf("got %q, %v", body, err)
			}
			if s := c.Stats(); s != (ClientStats{1, 1, 1}) {
				t.Errorf("got %+v, want one idle connection", s)
			}
			close(goOn)
			<-done
			waitFor(t, func() bool {
				c.mu.Lock()
				defer c.mu.Unlock()
				return len(c.idle) == 0 || readable(c.idle[0].socket.sys)
			})
			call := getCall()
			if _, body, _, err := do(c, call); body != "2." || err != nil || call.Attempt.Reused {
				t.Errorf("got %q, %v, %+v; want a new connection", body, err, call.Attempt)
			}
		})
	}
}

// waitFor waits for what the kernel, or a sweeper of once a second, does in its own time.
// It counts as well as it looks at the clock: on a fast machine ten million looks are
// over in less than that second, and in a time bubble the clock stands still.
func waitFor(t testing.TB, f func() bool) {
	t.Helper()
	began := time.Now()
	for i := 0; i < 10_000_000 || i < 500_000_000 && time.Since(began) < 10*time.Second; i++ {
		if f() {
			return
		}
		runtime.Gosched()
	}
	t.Fatal("it did not come")
}

func TestClient_AttemptOfAConnectionThatDies(t *testing.T) {
	t.Parallel()
	up := upstreamOf(t, func(c *net.TCPConn, heard io.Reader) {
		answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")(c, heard)
		until(heard, "\r\n\r\n") // and no answer
	})
	c := clientOf(t, up.addr)
	do(c, getCall())
	call := getCall()
	_, _, _, err := do(c, call)
	if a := call.Attempt; statusOf(err) != 502 || !a.Reused || !a.Written || a.Answered || a.Connect != 0 {
		t.Errorf("got %v, %+v", err, a)
	}
	if up.connections() != 1 {
		t.Errorf("%d connections: the request was sent again", up.connections())
	}
}

// TestClient_Fresh: a call that wants a connection of its own gets one, and leaves the
// idle one to others.
func TestClient_Fresh(t *testing.T) {
	t.Parallel()
	up := upstreamOf(t, answers(slices.Repeat([]string{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"}, 2)...))
	c := clientOf(t, up.addr)
	for i, fresh := range []bool{false, true} {
		call := getCall()
		call.Fresh = fresh
		if _, body, _, err := do(c, call); body != "hi" || err != nil || call.Attempt.Reused {
			t.Fatalf("got %q, %v, %+v; want a new connection", body, err, call.Attempt)
		}
		if s := c.Stats(); s != (ClientStats{i + 1, i + 1, int64(i + 1)}) {
			t.Errorf("after call %d: got %+v", i, s)
		}
	}
	c.Close()
	call := getCall()
	call.Fresh = true
	if _, _, _, err := do(c, call); !errors.Is(err, errClientClosed) {
		t.Errorf("after Close: got %v", err)
	}
}

// TestClient_SpokenBeforeAsked: an upstream that says something to whoever connects is
// no reason to connect again and again.
func TestClient_SpokenBeforeAsked(t *testing.T) {
	t.Parallel()
	for name, greeting := range map[string]string{
		"another protocol": "SSH-2.0-OpenSSH_9.6\r\n",
		"an answer":        "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
		"the end":          "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := upstreamOf(t, func(c *net.TCPConn, heard io.Reader) { io.WriteString(c, greeting) })
			c := clientOf(t, up.addr, func(o *ClientOptions) {
				dial := o.Dial
				o.Dial = func(ctx context.Context, call *exchange.Call) (net.Conn, error) {
					conn, err := dial(ctx, call)
					if err == nil {
						raw, _ := conn.(syscall.Conn).SyscallConn()
						waitFor(t, func() bool { return readable(raw) })
					}
					return conn, err
				}
			})
			call := postCall("hello")
			_, _, _, err := do(c, call)
			if statusOf(err) != 502 || call.Attempt.Written || call.Attempt.Reused {
				t.Errorf("got %v, %+v; want 502, and nothing sent", err, call.Attempt)
			}
			if n := call.Body.Len(); n != 5 {
				t.Errorf("%d bytes of the body are left, want all 5", n)
			}
			if s := c.Stats(); s != (ClientStats{0, 0, 1}) {
				t.Errorf("got %+v, want one connection that was closed", s)
			}
		})
	}
}

func TestClient_NobodyThere(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	call := getCall()
	_, _, _, err = do(clientOf(t, l.Addr().String()), call)
	if statusOf(err) != 502 || call.Attempt.Written {
		t.Errorf("got %v, %+v; want 502", err, call.Attempt)
	}
	if e, _ := errors.AsType[*exchange.Error](err); e != nil && e.Title != "" {
		t.Errorf("clients are told %q", e.Title)
	}
}

func TestClient_LastInFirstOut(t *testing.T) {
	t.Parallel()
	up := upstreamOf(t, answers(slices.Repeat([]string{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"}, 9)...))
	c := clientOf(t, up.addr, func(o *ClientOptions) { o.MaxIdle = 2 })
	var open [3]*exchange.Response
	for i := range open {
		open[i] = new(exchange.Response)
		if err := c.Do(getCall(), open[i]); err != nil {
			t.Fatal(err)
		}
	}
	if s := c.Stats(); s != (ClientStats{3, 0, 3}) {
		t.Errorf("three open: got %+v", s)
	}
	for _, r := range open {
		io.ReadAll(r.Body)
	}
	if s := c.Stats(); s != (ClientStats{2, 2, 3}) {
		t.Errorf("two kept: got %+v", s)
	}
	do(c, getCall())
	if up.said(1) == up.said(0) || strings.Count(up.said(1), "GET") != 2 {
		t.Errorf("got %q and %q, want the second connection to be used again", up.said(0), up.said(1))
	}
	c.CloseIdle()
	if s := c.Stats(); s != (ClientStats{0, 0, 3}) {
		t.Errorf("none: got %+v", s)
	}
	c.Close()
	if _, _, _, err := do(c, getCall()); err == nil {
		t.Error("call after Close: got no error")
	}
}

func TestClient_Single(t *testing.T) {
	t.Parallel()
	up := upstreamOf(t, answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"))
	c := clientOf(t, up.addr, func(o *ClientOptions) { o.Single = true })
	for range 2 {
		do(c, getCall())
	}
	if s := c.Stats(); s != (ClientStats{0, 0, 2}) || !strings.Contains(up.said(0), "\r\nConnection: close\r\n") {
		t.Errorf("got %+v, %q", s, up.said(0))
	}
}

// TestClient_OverTLS: tickets that come late do not cost the connection, and a cut is
// not an end.
func TestClient_OverTLS(t *testing.T) {
	t.Parallel()
	addr, pool := serveTLS(t, Options{Dispatcher: edge{handle: describe}})
	c := clientOf(t, addr, func(o *ClientOptions) {
		o.TLS = &tls.Config{RootCAs: pool, ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(4)}
	})
	for i := range 5 {
		call := postCall(strings.Repeat("x", 1000*i))
		status, body, _, err := do(c, call)
		if err != nil || status != 200 || !strings.Contains(body, strings.Repeat("x", 1000*i)) || call.Attempt.Reused != (i > 0) {
			t.Errorf("call %d: got %d, %d bytes, %v, %+v", i, status, len(body), err, call.Attempt)
		}
	}
	big := postCall(strings.Repeat("y", 1<<20))
	if status, body, _, err := do(c, big); err != nil || status != 200 || len(body) < 1<<20 {
		t.Errorf("1 MiB: got %d, %d bytes, %v", status, len(body), err)
	}
	if s := c.Stats(); s.Made != 1 {
		t.Errorf("got %+v, want one connection", s)
	}
	untrusting := clientIn(c.transport, addr, func(o *ClientOptions) { o.TLS = &tls.Config{ServerName: "localhost"} })
	call := getCall()
	if _, _, _, err := do(untrusting, call); statusOf(err) != 502 || call.Attempt.Written {
		t.Errorf("unknown authority: got %v, %+v; want 502", err, call.Attempt)
	}
}
