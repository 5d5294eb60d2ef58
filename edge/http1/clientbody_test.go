package http1

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// failing is a body that gives some bytes and then an error.
type failing struct {
	rest string
	n    int64
	err  error
	read func() // called with every Read; may be nil
}

func (f *failing) Read(p []byte) (int, error) {
	if f.read != nil {
		f.read()
	}
	if f.rest == "" {
		return 0, f.err
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}
func (f *failing) Len() int64   { return f.n }
func (f *failing) Close() error { return nil }

// TestSecurity_P1_CutBodiesNeverLookComplete: what a client did not send completely,
// or not as announced, no upstream takes for complete (Q7, Q8 likewise).
func TestSecurity_P1_CutBodiesNeverLookComplete(t *testing.T) {
	t.Parallel()
	gone := errors.New("reset by the client")
	mine := &exchange.Error{Fault: exchange.Client, Status: 408, Err: gone}
	for _, tt := range []struct {
		name   string
		body   failing
		status int
	}{
		{"none, long", failing{rest: "abc", err: io.EOF}, 400},
		{"small, short", failing{rest: "abc", n: 4, err: io.EOF}, 400},
		{"small, long", failing{rest: "abcde", n: 4, err: io.EOF}, 400},
		{"small, fails", failing{rest: "abc", n: 4, err: gone}, 0},
		{"small, fails at the end", failing{rest: "abcd", n: 4, err: mine}, 408},
		{"large, short", failing{rest: strings.Repeat("a", 199_999), n: 200_000, err: io.EOF}, 400},
		{"large, long", failing{rest: strings.Repeat("a", 200_001), n: 200_000, err: io.EOF}, 400},
		{"large, long by a piece", failing{rest: strings.Repeat("a", 264_000), n: 200_000, err: io.EOF}, 400},
		{"large, fails", failing{rest: strings.Repeat("a", 100_000), n: 200_000, err: mine}, 408},
		{"large, fails at the end", failing{rest: strings.Repeat("a", 200_000), n: 200_000, err: gone}, 0},
		{"a piece, fails at the end", failing{rest: strings.Repeat("a", largePiece), n: largePiece, err: gone}, 0},
		{"a piece, long", failing{rest: strings.Repeat("a", largePiece+1), n: largePiece, err: io.EOF}, 400},
		{"chunked, fails", failing{rest: strings.Repeat("a", 100_000), n: -1, err: mine}, 408},
		{"chunked, fails at once", failing{n: -1, err: gone}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ended := make(chan error, 1)
			up := upstreamOf(t, func(c *net.TCPConn, heard io.Reader) {
				_, err := io.Copy(io.Discard, heard)
				ended <- err
			})
			c := clientOf(t, up.addr)
			call := getCall()
			call.Method, call.Body = "POST", &tt.body
			_, _, _, err := do(c, call)
			e, ok := errors.AsType[*exchange.Error](err)
			if !ok || e.Fault != exchange.Client || e.Status != tt.status {
				t.Errorf("got %v, want the client's fault with status %d", err, tt.status)
			}
			if s := c.Stats(); s.Open != 0 {
				t.Errorf("got %+v, want no connection", s)
			}
			if !call.Attempt.Written {
				return // the best that can be
			}
			if err := <-ended; err == nil && tt.body.n < 0 {
				t.Error("the upstream saw an end in order")
			}
			head, got, _ := strings.Cut(up.said(0), "\r\n\r\n")
			if tt.body.n >= 0 && int64(len(got)) >= tt.body.n || strings.HasSuffix(got, "0\r\n\r\n") {
				t.Errorf("%s: the upstream has got %d bytes of %d", head, len(got), tt.body.n)
			}
		})
	}
}

// echoing is an upstream that sends back what it reads while it reads it, and needs to
// get rid of it before it reads more.
func echoing(t *testing.T, over string) *Client {
	o := Options{Dispatcher: edge{handle: func(r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(200)
		resp.Body = r.Body
		resp.Trailer.Append("x-echo", "yes")
		return resp, nil
	}}}
	if over == "TLS" {
		addr, pool := serveTLS(t, o)
		return clientOf(t, addr, func(o *ClientOptions) { o.TLS = &tls.Config{RootCAs: pool, ServerName: "localhost"} })
	}
	addr, _ := serve(t, o)
	return clientOf(t, addr)
}

func TestClient_BodiesBothWays(t *testing.T) {
	t.Parallel()
	noise := make([]byte, 20<<20)
	rand.NewChaCha8([32]byte{}).Read(noise)
	for _, over := range []string{"TCP", "TLS"} {
		for _, n := range []int{1, 100, smallBody, smallBody + 1, largePiece - 1, largePiece, largePiece + 1, 3 * largePiece, 20 << 20} {
			for _, announced := range []bool{true, false} {
				name := over + " " + strconv.Itoa(n)
				if !announced {
					name += " chunked"
				}
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					c := echoing(t, over)
					for range 2 {
						call, length := getCall(), int64(n)
						if !announced {
							length = -1
						}
						call.Method, call.Body = "POST", exchange.NewBody(bytes.NewReader(noise[:n]), length, nil)
						status, body, resp, err := do(c, call)
						if status != 200 || err != nil || body != string(noise[:n]) {
							t.Fatalf("got %d, %d bytes, %v; want %d", status, len(body), err, n)
						}
						if !announced && resp.Trailer.Get("x-echo") != "yes" {
							t.Errorf("got trailer %+v", resp.Trailer)
						}
					}
				})
			}
		}
	}
}

// narrow makes socket buffers so small that a piece of a body does not fit.
func narrow(c net.Conn) {
	c.(*net.TCPConn).SetReadBuffer(4096)
	c.(*net.TCPConn).SetWriteBuffer(4096)
}

// overTLS makes a scripted upstream speak TLS.
func overTLS(t *testing.T, script func(c net.Conn, heard io.Reader)) (func(*net.TCPConn, io.Reader), *tls.Config) {
	server, client := tlsPair(t)
	return func(c *net.TCPConn, heard io.Reader) {
		secure := tls.Server(c, server)
		script(secure, secure)
	}, client
}

// TestClient_EarlyAnswer: an upstream that answers and reads no further is heard, also
// by who is stuck in sending.
func TestClient_EarlyAnswer(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{64 << 20, -1} {
		for _, over := range []string{"TCP", "TLS"} {
			t.Run(over+" "+strconv.FormatInt(n, 10), func(t *testing.T) {
				t.Parallel()
				stuck := make(chan bool, 100_000)
				script := func(c net.Conn, heard io.Reader) {
					if !until(heard, "\r\n\r\n") {
						return
					}
					<-stuck
					io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno")
					<-t.Context().Done()
				}
				plain := func(c *net.TCPConn, heard io.Reader) { narrow(c); script(c, heard) }
				var config *tls.Config
				if over == "TLS" {
					var secure func(*net.TCPConn, io.Reader)
					secure, config = overTLS(t, script)
					plain = func(c *net.TCPConn, heard io.Reader) { narrow(c); secure(c, heard) }
				}
				up := upstreamOf(t, plain)
				c := clientOf(t, up.addr, func(o *ClientOptions) {
					o.TLS, o.Head = config, 200*time.Millisecond // for quick ticks
					o.Dial = narrowly(o.Dial)
				})
				call := getCall()
				call.Method, call.Body = "POST", &failing{rest: strings.Repeat("x", 64<<20), n: n, err: io.EOF, read: func() { stuck <- true }}
				status, body, _, err := do(c, call)
				if status != 413 || body != "no" || err != nil {
					t.Errorf("got %d %q, %v; want the answer", status, body, err)
				}
				if s := c.Stats(); s.Open != 0 {
					t.Errorf("got %+v: the connection is not to be used again", s)
				}
			})
		}
	}
}

// TestClient_WokenWhileSending: a wake for something other than an answer harms nothing.
func TestClient_WokenWhileSending(t *testing.T) {
	t.Parallel()
	const size = 100 << 10
	for _, over := range []string{"TCP", "TLS"} {
		t.Run(over, func(t *testing.T) {
			t.Parallel()
			hinted := make(chanCaller, 1)
			stuck := make(chan bool, 1000)
			widen := make(chan *net.TCPConn, 1)
			script := func(c net.Conn, heard io.Reader) {
				if !until(heard, "\r\n\r\n") {
					return
				}
				<-stuck
				io.WriteString(c, "HTTP/1.1 103 Early Hints\r\n\r\n")
				<-hinted
				(<-widen).SetReadBuffer(1 << 20)
				content, _ := io.ReadAll(io.LimitReader(heard, size))
				if strings.Trim(string(content), "x") != "" {
					return
				}
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
				<-t.Context().Done()
			}
			plain := func(c *net.TCPConn, heard io.Reader) { narrow(c); widen <- c; script(c, heard) }
			var config *tls.Config
			if over == "TLS" {
				var secure func(*net.TCPConn, io.Reader)
				secure, config = overTLS(t, script)
				plain = func(c *net.TCPConn, heard io.Reader) { narrow(c); widen <- c; secure(c, heard) }
			}
			up := upstreamOf(t, plain)
			c := clientOf(t, up.addr, func(o *ClientOptions) {
				o.TLS, o.Keep = config, 200*time.Millisecond
				o.Dial = narrowly(o.Dial)
			})
			call := getCall()
			call.Caller = hinted
			call.Method, call.Body = "POST", &failing{rest: strings.Repeat("x", size), n: size, err: io.EOF, read: func() { stuck <- true }}
			if status, body, _, err := do(c, call); status != 200 || body != "hi" || err != nil {
				t.Errorf("got %d %q, %v", status, body, err)
			}
		})
	}
}

// chanCaller is told of interim responses.
type chanCaller chan int

func (c chanCaller) Watch(exchange.Interrupter)             {}
func (c chanCaller) Inform(s int, _ *exchange.Header) error { c <- s; return nil }

// TestClient_AnswerAndClose: an upstream that refuses a body answers, and closes with
// the body unread.
func TestClient_AnswerAndClose(t *testing.T) {
	t.Parallel()
	up := upstreamOf(t, func(c *net.TCPConn, heard io.Reader) {
		until(heard, "\r\n\r\n")
		io.WriteString(c, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
		c.CloseWrite()
		io.Copy(io.Discard, heard)
	})
	c := clientOf(t, up.addr)
	call := getCall()
	call.Method, call.Body = "POST", &failing{rest: strings.Repeat("x", 64<<20), n: 64 << 20, err: io.EOF}
	if status, body, _, err := do(c, call); status != 401 || body != "no" || err != nil {
		t.Errorf("got %d %q, %v", status, body, err)
	}
}

func TestClient_Expect(t *testing.T) {
	t.Parallel()
	const head = "POST /x?y HTTP/1.1\r\nHost: up.example\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
	for _, tt := range []struct {
		name, first, heard string
		status             int
	}{
		{"continue", "HTTP/1.1 100 Continue\r\n\r\n", head + "body", 200},
		{"refused", "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n", head, 417},
		{"answered without", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", head, 200},
		{"never said", "", head + "body", 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			up := upstreamOf(t, func(c *net.TCPConn, heard io.Reader) {
				until(heard, "\r\n\r\n")
				io.WriteString(c, tt.first)
				if until(heard, "body") {
					io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				}
			})
			c := clientOf(t, up.addr)
			call := postCall("body")
			call.Expect = true
			if status, _, _, err := do(c, call); status != tt.status || err != nil {
				t.Errorf("got %d, %v", status, err)
			}
			if got := up.said(0); got != tt.heard {
				t.Errorf("the upstream heard %q, want %q", got, tt.heard)
			}
			if s := c.Stats(); tt.heard == head && s.Open != 0 {
				t.Errorf("got %+v: whether a body follows is in doubt", s)
			}
		})
	}
}

// TestClient_ClosedEarly: what was not read costs the connection, unless it has come
// and is not much.
func TestClient_ClosedEarly(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, answer string
		kept         bool
	}{
		{"all there", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + strings.Repeat("x", 1000), true},
		{"all there, chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n", true},
		{"not there", "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + strings.Repeat("x", 1000), false},
		{"too much", "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 1000), false},
		{"to the end", "HTTP/1.1 200 OK\r\n\r\nx", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := clientOf(t, upstreamOf(t, answers(tt.answer, "")).addr)
			resp := new(exchange.Response)
			if err := c.Do(getCall(), resp); err != nil {
				t.Fatal(err)
			}
			resp.Body.Read(make([]byte, 1))
			for range 2 {
				if err := resp.Body.Close(); err != nil {
					t.Error(err)
				}
			}
			if s := c.Stats(); s.Idle == 1 != tt.kept || s.Open == 1 != tt.kept {
				t.Errorf("got %+v, want kept %v", s, tt.kept)
			}
			if n, err := resp.Body.Read(make([]byte, 1)); n != 0 || err == nil || err == io.EOF {
				t.Errorf("read after Close: got %d, %v", n, err)
			}
		})
	}
}

// TestClient_EndOverTLSNeedsItsAlert: anyone can close a connection.
func TestClient_EndOverTLSNeedsItsAlert(t *testing.T) {
	t.Parallel()
	for _, orderly := range []bool{true, false} {
		t.Run(strconv.FormatBool(orderly), func(t *testing.T) {
			t.Parallel()
			script, config := overTLS(t, func(c net.Conn, heard io.Reader) {
				until(heard, "\r\n\r\n")
				io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nhi")
				if orderly {
					c.Close()
				}
			})
			c := clientOf(t, upstreamOf(t, script).addr, func(o *ClientOptions) { o.TLS = config })
			if _, body, _, err := do(c, getCall()); body != "hi" || (err == nil) != orderly {
				t.Errorf("got %q, %v; want an error %v", body, err, !orderly)
			}
		})
	}
}
