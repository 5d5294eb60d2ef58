package http1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/weirproxy/weir/edge/exchange"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// edge is a Dispatcher as the edge has one: it runs a handler and turns errors
// into responses that name the reason, for tests to read.
type edge struct {
	handle  exchange.HandlerFunc
	results chan error // what Respond returned; may be nil
}

func (e edge) Dispatch(r *exchange.Request) {
	resp, err := e.handle(r)
	if err != nil {
		e.Reject(r, err)
		return
	}
	e.finish(r, r.Stream().Respond(r, resp))
	resp.Body.Close()
}

func (e edge) Reject(r *exchange.Request, err error) {
	status := 500
	if fault, ok := errors.AsType[*exchange.Error](err); ok {
		status = fault.Status
	}
	resp := r.NewResponse(status)
	resp.SetBytes([]byte(err.Error()))
	e.finish(r, r.Stream().Respond(r, resp))
}

func (e edge) finish(r *exchange.Request, err error) {
	if errors.Is(err, exchange.ErrUnsent) {
		resp := &exchange.Response{Status: 502, Body: exchange.NewBytes([]byte(err.Error()))}
		err = errors.Join(err, r.Stream().Respond(r, resp))
	}
	if e.results != nil {
		e.results <- err
	}
}

// describe answers with what the handler was given, body and trailer included.
func describe(r *exchange.Request) (*exchange.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s %s host=%s body=%q", r.Method, r.Target, r.Proto, r.Host, body)
	for name, value := range r.Trailer.All() {
		fmt.Fprintf(&b, " %s=%s", name, value)
	}
	resp := r.NewResponse(200)
	resp.SetBytes(b.Bytes())
	return resp, nil
}

func text(status int, s string) exchange.HandlerFunc {
	return func(r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(status)
		resp.SetBytes([]byte(s))
		return resp, nil
	}
}

// serve runs a server over loopback for the test's life and returns its address.
func serve(t testing.TB, o Options) (addr string, s *Server) {
	t.Helper()
	s = NewServer(o)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.ServeConn(c, nil, nil, &exchange.Conn{})
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
		s.Close()
		s.Shutdown(context.Background())
	})
	return l.Addr().String(), s
}

func dial(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// talk sends raw bytes, closes its sending half, and returns all that comes back.
func talk(t testing.TB, addr, send string) string {
	t.Helper()
	c := dial(t, addr)
	if _, err := io.WriteString(c, send); err != nil {
		t.Fatal(err)
	}
	c.CloseWrite()
	got, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("read answer to %q: %v (got %q)", send, err, got)
	}
	return string(got)
}

// receive reads until the connection has sent exactly want, or fails.
func receive(t testing.TB, c io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(c, got)
	if string(got[:n]) != want {
		t.Fatalf("got %q (%v), want %q", got[:n], err, want)
	}
}

// statuses returns the status codes of the responses in a stream of responses
// whose bodies are of announced length.
func statuses(t testing.TB, stream string) (codes []string, bodies []string) {
	t.Helper()
	r := bufio.NewReader(strings.NewReader(stream))
	for {
		line, err := r.ReadString('\n')
		if err == io.EOF && line == "" {
			return codes, bodies
		}
		if err != nil || len(line) < 12 {
			t.Fatalf("status line %q: %v in %q", line, err, stream)
		}
		codes = append(codes, line[9:12])
		length := 0
		for {
			field, err := r.ReadString('\n')
			if err != nil {
				t.Fatalf("field %q: %v in %q", field, err, stream)
			}
			if field == "\r\n" {
				break
			}
			fmt.Sscanf(field, "Content-Length: %d", &length)
		}
		body := make([]byte, length)
		if _, err := io.ReadFull(r, body); err != nil {
			t.Fatalf("body: %v in %q", err, stream)
		}
		bodies = append(bodies, string(body))
	}
}
