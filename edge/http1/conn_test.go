package http1

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

const expectPost = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"

func TestExpect_ContinueWhenTheBodyIsRead(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t, Options{Dispatcher: edge{handle: describe}})
	c := dial(t, addr)
	send(t, c, expectPost)
	receive(t, c, "HTTP/1.1 100 Continue\r\n\r\n")
	send(t, c, "abc"+get)
	receive(t, c, "HTTP/1.1 200 OK\r\nContent-Length: 33\r\n\r\nPOST / HTTP/1.1 host=x body=\"abc\"HTTP/1.1 200 OK\r\n")
}

// TestExpect_NotWhenTheBodyIsThere: who did not wait needs no answer (RFC 9110 §10.1.1).
func TestExpect_NotWhenTheBodyIsThere(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t, Options{Dispatcher: edge{handle: describe}})
	if got := talk(t, addr, expectPost+"abc"); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Errorf("got %q, want a 200 and no interim response", got)
	}
}

// TestExpect_RefusedBodyClosesTheConnection: the client may send the body or not, so
// what follows cannot be told apart.
func TestExpect_RefusedBodyClosesTheConnection(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t, Options{Dispatcher: edge{handle: text(413, "no")}})
	c := dial(t, addr)
	send(t, c, expectPost)
	got, err := io.ReadAll(c)
	if want := "HTTP/1.1 413 Request Entity Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"; string(got) != want || err != nil {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

// TestExpect_ResponseThatReadsTheRequest: the interim response still comes first.
func TestExpect_ResponseThatReadsTheRequest(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t, Options{Dispatcher: edge{handle: echo}})
	c := dial(t, addr)
	send(t, c, expectPost)
	receive(t, c, "HTTP/1.1 100 Continue\r\n\r\n")
	send(t, c, "abc")
	receive(t, c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
}

// echo answers with the request's body, as a stream.
func echo(r *exchange.Request) (*exchange.Response, error) {
	resp := r.NewResponse(200)
	resp.Body = exchange.NewBody(r.Body, -1, nil)
	return resp, nil
}

func TestStream_BothWays(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t, Options{Dispatcher: edge{handle: echo}})
	c := dial(t, addr)
	send(t, c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
	receive(t, c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
	for range 3 {
		send(t, c, "4\r\nping\r\n")
		receive(t, c, "4\r\nping\r\n")
	}
	send(t, c, "0\r\n\r\n")
	receive(t, c, "0\r\n\r\n")
	send(t, c, get)
	receive(t, c, "HTTP/1.1 200 OK\r\n")
}

// waiting is a Body that says that its first bytes may take their time.
type waiting struct {
	*exchange.Bytes
	first chan struct{}
}

func (w waiting) Read(p []byte) (int, error) { <-w.first; return w.Bytes.Read(p) }
func (w waiting) Buffered() int              { return 0 }

func TestStream_HeadDoesNotWaitForASlowBody(t *testing.T) {
	t.Parallel()
	first := make(chan struct{})
	addr, _ := serve(t, Options{Dispatcher: edge{handle: respond(200, func(r *exchange.Response) {
		r.Body = waiting{exchange.NewBytes([]byte("data")), first}
	})}})
	c := dial(t, addr)
	send(t, c, get)
	receive(t, c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
	close(first)
	receive(t, c, "data")
}

// TestBody_UnreadIsDrainedOrTheConnectionEnds checks that leftovers of a body are
// never taken for a request.
func TestBody_UnreadIsDrainedOrTheConnectionEnds(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t, Options{Dispatcher: edge{handle: text(200, "")}})
	small := "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n\r\n" + (get + strings.Repeat("x", 30))[:30]
	for _, tt := range []struct{ name, send, want string }{
		{"small", small + get, "200 200"},
		{"chunked", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1c\r\n" + (get + strings.Repeat("x", 28))[:28] + "\r\n0\r\n\r\n" + get, "200 200"},
		{"malformed", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + get, "200"},
		{"announced to be large", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat(get, 100), "200"},
		{"large in chunks", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("400\r\n"+strings.Repeat("x", 1024)+"\r\n", 400) + "0\r\n\r\n" + get, "200"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			codes, _ := statuses(t, talk(t, addr, tt.send))
			if got := strings.Join(codes, " "); got != tt.want {
				t.Errorf("statuses %s, want %s", got, tt.want)
			}
		})
	}
}

func TestBody_ClosedIsNotRead(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t, Options{Dispatcher: edge{handle: func(r *exchange.Request) (*exchange.Response, error) {
		r.Body.Close()
		if _, err := r.Body.Read(make([]byte, 1)); r.Method == "POST" && (err == nil || err == io.EOF) {
			t.Errorf("Read after Close: %v", err)
		}
		return r.NewResponse(200), nil
	}}})
	codes, _ := statuses(t, talk(t, addr, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"+get))
	if len(codes) != 2 {
		t.Errorf("statuses %v, want two", codes)
	}
}

// counted counts the writes to a connection.
type counted struct {
	net.Conn
	writes atomic.Int32
}

func (c *counted) Write(p []byte) (int, error) { c.writes.Add(1); return c.Conn.Write(p) }

func TestPipeline_OneWriteForAll(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	s := NewServer(Options{Dispatcher: edge{handle: describe}})
	c := &counted{Conn: theirs}
	done := make(chan struct{})
	go func() { s.ServeConn(c, nil, nil, &exchange.Conn{}); close(done) }()
	var want strings.Builder
	for _, path := range []string{"/1", "/2", "/3"} {
		want.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nGET " + path + " HTTP/1.1 host=x body=\"\"")
	}
	send(t, ours, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\nGET /3 HTTP/1.1\r\nHost: x\r\n\r\n")
	receive(t, ours, want.String())
	ours.Close()
	<-done
	s.Shutdown(context.Background())
	if n := c.writes.Load(); n != 1 {
		t.Errorf("%d writes, want 1", n)
	}
}

// TestPipeline_WaitingHandlerHoldsNothingBack: a response is not kept for the sake
// of one whose handler asks for a context, that is, may wait.
func TestPipeline_WaitingHandlerHoldsNothingBack(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	addr, _ := serve(t, Options{Dispatcher: edge{handle: func(r *exchange.Request) (*exchange.Response, error) {
		if r.Path == "/wait" {
			r.Context()
			<-release
		}
		return r.NewResponse(200), nil
	}}})
	c := dial(t, addr)
	send(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
	receive(t, c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	close(release)
	receive(t, c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
}

func TestContext_EndsWhenTheClientLeaves(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		began, causes := make(chan struct{}), make(chan error, 1)
		o := Options{Timeouts: Timeouts{Head: 40 * time.Millisecond}, Dispatcher: edge{handle: func(r *exchange.Request) (*exchange.Response, error) {
			ctx := r.Context()
			close(began)
			<-ctx.Done()
			causes <- context.Cause(ctx)
			return nil, context.Cause(ctx)
		}}}
		var c net.Conn
		if secure {
			addr, pool := serveTLS(t, o)
			var err error
			if c, err = tls.Dial("tcp", addr, &tls.Config{RootCAs: pool, ServerName: "localhost"}); err != nil {
				t.Fatal(err)
			}
		} else {
			addr, _ := serve(t, o)
			c = dial(t, addr)
		}
		send(t, c, get)
		<-began
		c.Close()
		if cause := <-causes; cause != exchange.ErrClientGone {
			t.Errorf("secure %v: the context ended with %v, want %v", secure, cause, exchange.ErrClientGone)
		}
	}
}

func TestContext_EndsWithTheExchange(t *testing.T) {
	t.Parallel()
	contexts := make(chan context.Context, 1)
	addr, _ := serve(t, Options{Dispatcher: edge{handle: func(r *exchange.Request) (*exchange.Response, error) {
		if r.Context() != r.Context() {
			t.Error("two contexts in one exchange")
		}
		contexts <- r.Context()
		return r.NewResponse(200), nil
	}}})
	c := dial(t, addr)
	send(t, c, get)
	receive(t, c, "HTTP/1.1 200 OK\r\n")
	ctx := <-contexts
	<-ctx.Done()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		t.Errorf("cause %v, want %v", cause, context.Canceled)
	}
}

// TestTLS_WaitingConnectionIsServedAgain parks a connection in a TLS read, and
// wakes it more than once.
func TestTLS_WaitingConnectionIsServedAgain(t *testing.T) {
	t.Parallel()
	o := Options{Dispatcher: edge{handle: describe}, Timeouts: Timeouts{Head: 20 * time.Millisecond}}
	s := NewServer(o)
	addr, pool := serveTLSOn(t, s)
	c, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: pool, ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 3 {
		send(t, c, "GET /"+strings.Repeat("a", 5000)+" HTTP/1.1\r\nHost: x\r\n\r\n")
		receive(t, c, "HTTP/1.1 200 OK\r\nContent-Length: 5029\r\n\r\nGET /"+strings.Repeat("a", 5000)+" HTTP/1.1 host=x body=\"\"")
		waitParked(t, s)
	}
}

// waitParked waits until the server's only connection has given its memory back.
func waitParked(t *testing.T, s *Server) {
	t.Helper()
	ticker := time.NewTicker(s.tick)
	defer ticker.Stop()
	for {
		s.mu.Lock()
		p, _ := s.conns[0].doing()
		s.mu.Unlock()
		if p == phaseParked {
			return
		}
		select {
		case <-ticker.C:
		case <-t.Context().Done():
			t.Fatal("the connection was not parked")
		}
	}
}

func TestRequests_BoundPerConnection(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t, Options{Dispatcher: edge{handle: text(200, "")}, Requests: 2})
	got := talk(t, addr, get+get+get)
	if codes, _ := statuses(t, got); len(codes) != 2 || strings.Count(got, "Connection: close") != 1 {
		t.Errorf("got %q, want two responses, the second of which closes", got)
	}
}

// TestRecord_CountsAndTimes looks at what observers will see.
func TestRecord_CountsAndTimes(t *testing.T) {
	t.Parallel()
	records := make(chan exchange.Record, 1)
	addr, _ := serve(t, Options{Dispatcher: observing{records}})
	before := time.Now()
	talk(t, addr, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
	r := <-records
	if r.Received != 3 || r.Sent != 5 || r.Start.Before(before) || r.Start.After(time.Now()) {
		t.Errorf("received %d, sent %d, start %v; want 3, 5 and a time after %v", r.Received, r.Sent, r.Start, before)
	}
}

type observing struct{ records chan exchange.Record }

func (o observing) Dispatch(r *exchange.Request) {
	io.Copy(io.Discard, r.Body)
	resp := r.NewResponse(200)
	resp.SetBytes([]byte("hello"))
	r.Stream().Respond(r, resp)
	o.records <- r.Record
}

func (o observing) Reject(*exchange.Request, error) {}

// TestDispatcher_PanicEndsTheConnection: who runs ServeConn may recover; the client
// must not take what it got for a whole answer, and nobody waits for ever.
func TestDispatcher_PanicEndsTheConnection(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	contexts := make(chan context.Context, 1)
	s := NewServer(Options{Dispatcher: edge{handle: func(r *exchange.Request) (*exchange.Response, error) {
		contexts <- r.Context()
		panic("handler")
	}}})
	recovered := make(chan any)
	go func() {
		defer func() { recovered <- recover() }()
		s.ServeConn(theirs, nil, nil, &exchange.Conn{})
	}()
	send(t, ours, get)
	if got, err := io.ReadAll(ours); len(got) > 0 || err != nil {
		t.Errorf("got %q, %v; want the end", got, err)
	}
	if got := <-recovered; got != "handler" {
		t.Errorf("recovered %v", got)
	}
	<-(<-contexts).Done()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}
