package nethttp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/weirproxy/weir/edge/exchange"
)

// upstreamMode runs one test body per protocol of upstreams.
type upstreamMode struct {
	name  string
	start func(t testing.TB, h http.Handler) ClientOptions
}

var upstreamModes = []upstreamMode{
	{"h2", func(t testing.TB, h http.Handler) ClientOptions { return startHTTP2(t, h, "h2") }},
	{"h2c", func(t testing.TB, h http.Handler) ClientOptions { return startHTTP2(t, h, "h2c") }},
	{"h3", startHTTP3},
}

func dialTo(addr string) func(context.Context, *exchange.Call) (net.Conn, error) {
	return func(ctx context.Context, _ *exchange.Call) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", addr)
	}
}

func startHTTP2(t testing.TB, h http.Handler, protocol string) ClientOptions {
	t.Helper()
	serverTLS, clientTLS := selfSigned(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	srv := &http.Server{Handler: h, Protocols: protocols}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if protocol == "h2" {
			srv.Serve(tls.NewListener(ln, serverTLS))
		} else {
			srv.Serve(ln)
		}
	}()
	t.Cleanup(func() {
		srv.Close()
		<-done
	})
	return ClientOptions{Protocol: protocol, Dial: dialTo(ln.Addr().String()), TLS: clientTLS}
}

func startHTTP3(t testing.TB, h http.Handler) ClientOptions {
	t.Helper()
	serverTLS, clientTLS := selfSigned(t)
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http3.Server{Handler: h, TLSConfig: http3.ConfigureTLSConfig(serverTLS)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Serve(pc)
	}()
	t.Cleanup(func() {
		srv.Close()
		<-done
		pc.Close()
	})
	return ClientOptions{Protocol: "h3", Address: pc.LocalAddr().String(), TLS: clientTLS}
}

// eachUpstream runs f with a client to an upstream that answers by h.
func eachUpstream(t *testing.T, h http.HandlerFunc, f func(t *testing.T, c *Client)) {
	t.Helper()
	for _, m := range upstreamModes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			f(t, newTestClient(t, m.start(t, h)))
		})
	}
}

func newTestClient(t testing.TB, o ClientOptions) *Client {
	t.Helper()
	c := NewClient(o)
	t.Cleanup(c.Close)
	return c
}

func newCall(method, target string, body exchange.Body, fields ...string) *exchange.Call {
	if body == nil {
		body = exchange.NoBody
	}
	call := &exchange.Call{Method: method, Scheme: "https", Authority: "localhost", Target: target, Body: body}
	for i := 0; i < len(fields); i += 2 {
		call.Header.Append(fields[i], fields[i+1])
	}
	return call
}

// do makes a call that has to succeed.
func do(t testing.TB, c *Client, call *exchange.Call) *exchange.Response {
	t.Helper()
	resp := new(exchange.Response)
	if err := c.Do(call, resp); err != nil {
		t.Fatalf("%s %s: %v", call.Method, call.Target, err)
	}
	return resp
}

// read reads a body that has to be whole.
func read(t testing.TB, resp *exchange.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("body after %d bytes: %v", len(b), err)
	}
	resp.Body.Close()
	return string(b)
}

// streamed is a body of unknown length.
func streamed(r io.Reader) exchange.Body { return exchange.NewBody(r, -1, nil) }

func TestClient_RequestAndResponse(t *testing.T) {
	t.Parallel()
	eachUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("body: %v", err)
		}
		w.Header().Set("X-Seen", strings.Join([]string{r.Method, r.Host, r.RequestURI, r.Header.Get("X-A"), r.Header.Get("Connection"),
			r.Header.Get("User-Agent"), r.Header.Get("Accept-Encoding"), r.Header.Get("Content-Length")}, "|"))
		w.Header().Set("X-Trailer", r.Trailer.Get("X-T"))
		w.Write(b)
	}, func(t *testing.T, c *Client) {
		big := strings.Repeat("0123456789abcdef", 1<<16)
		for _, tt := range []struct {
			name string
			call *exchange.Call
			seen string
			body string
		}{
			{"GET", newCall("GET", "/a%20b?x=1", nil, "x-a", "1", "connection", "close"), "GET|localhost|/a%20b?x=1|1||||", ""},
			{"POST in memory", newCall("POST", "/", exchange.NewBytes([]byte("hello"))), "POST|localhost|/|||||5", "hello"},
			{"POST empty", newCall("POST", "/", nil), "POST|localhost|/|||||0", ""},
			{"POST large", newCall("POST", "/", exchange.NewBytes([]byte(big))), "POST|localhost|/|||||1048576", big},
			{"POST streamed", newCall("POST", "/", streamed(strings.NewReader(big))), "POST|localhost|/|||||", big},
			{"POST streamed, nothing", newCall("POST", "/", streamed(strings.NewReader(""))), "POST|localhost|/|||||", ""},
		} {
			resp := do(t, c, tt.call)
			if got := resp.Header.Get("x-seen"); got != tt.seen || resp.Status != 200 {
				t.Errorf("%s: got %d %q, want 200 %q", tt.name, resp.Status, got, tt.seen)
			}
			if got := read(t, resp); got != tt.body {
				t.Errorf("%s: got body of %d bytes, want %d", tt.name, len(got), len(tt.body))
			}
		}
		if s := c.Stats(); s.Open != 1 || s.Made != 1 || s.Idle != 1 {
			t.Errorf("got %+v, want one connection, idle", s)
		}
	})
}

func TestClient_TrailersBothWays(t *testing.T) {
	t.Parallel()
	eachUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
		w.Header().Set(http.TrailerPrefix+"X-Echo", r.Trailer.Get("X-T"))
	}, func(t *testing.T, c *Client) {
		var trailer exchange.Header
		trailer.Append("x-t", "tail")
		call := newCall("POST", "/", streamed(strings.NewReader("abc")), "te", "trailers", "trailer", "x-t")
		call.Trailer = &trailer
		resp := do(t, c, call)
		if got := read(t, resp); got != "abc" {
			t.Errorf("got body %q", got)
		}
		if got := resp.Trailer.Get("grpc-status") + resp.Trailer.Get("x-echo"); got != "0tail" {
			t.Errorf("got trailers %q, want 0tail", got)
		}
	})
}

func TestClient_HeadAndBodiless(t *testing.T) {
	t.Parallel()
	eachUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/204":
			w.WriteHeader(204)
		case "/304":
			w.Header().Set("Content-Length", "7")
			w.WriteHeader(304)
		default:
			w.Header().Set("Content-Length", "5")
			w.Write([]byte("hello"))
		}
	}, func(t *testing.T, c *Client) {
		for _, tt := range []struct {
			method, target, length string
			status                 int
		}{{"HEAD", "/", "5", 200}, {"GET", "/204", "", 204}, {"GET", "/304", "7", 304}} {
			resp := do(t, c, newCall(tt.method, tt.target, nil))
			if got := resp.Header.Get("content-length"); resp.Status != tt.status || resp.Body.Len() != 0 || got != tt.length && c.o.Protocol != "h3" {
				t.Errorf("%s %s: got %d, length %d, announced %q", tt.method, tt.target, resp.Status, resp.Body.Len(), got)
			}
			if got := read(t, resp); got != "" {
				t.Errorf("%s %s: got body %q", tt.method, tt.target, got)
			}
		}
	})
}

// informed is a Caller that keeps interim responses and can leave.
type informed struct {
	got   chan string
	watch atomic.Value // of watcher
}

type watcher struct{ w exchange.Interrupter }

func newInformed() *informed { return &informed{got: make(chan string, 100)} }

func (i *informed) Watch(w exchange.Interrupter) { i.watch.Store(watcher{w}) }
func (i *informed) Inform(status int, h *exchange.Header) error {
	i.got <- http.StatusText(status) + " " + h.Get("link")
	return nil
}
func (i *informed) leave() { i.watch.Load().(watcher).w.Interrupt(exchange.ErrClientGone) }

func TestClient_InterimResponses(t *testing.T) {
	t.Parallel()
	eachUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a>")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusProcessing)
		w.Write([]byte("done"))
	}, func(t *testing.T, c *Client) {
		caller := newInformed()
		call := newCall("GET", "/", nil)
		call.Caller = caller
		if got := read(t, do(t, c, call)); got != "done" {
			t.Errorf("got body %q", got)
		}
		for _, want := range []string{"Early Hints </a>", "Processing </a>"} {
			if got := <-caller.got; got != want {
				t.Errorf("got interim %q, want %q", got, want)
			}
		}
		if w := caller.watch.Load().(watcher); w.w != nil {
			t.Error("the caller is still watched")
		}
	})
}

// Both directions go on at the same time, answers to each piece before the next one
// is sent, and the head before all: what a gRPC stream needs.
func TestClient_BothDirectionsAtOnce(t *testing.T) {
	t.Parallel()
	eachUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		rc.EnableFullDuplex()
		w.WriteHeader(200)
		rc.Flush()
		buf := make([]byte, 100)
		for {
			n, err := r.Body.Read(buf)
			w.Write(bytes.ToUpper(buf[:n]))
			rc.Flush()
			if err != nil {
				return
			}
		}
	}, func(t *testing.T, c *Client) {
		pr, pw := io.Pipe()
		resp := do(t, c, newCall("POST", "/", streamed(pr)))
		buf := make([]byte, 100)
		for range 50 {
			pw.Write([]byte("ping"))
			if _, err := io.ReadFull(resp.Body, buf[:4]); err != nil || string(buf[:4]) != "PING" {
				t.Fatalf("got %q, %v", buf[:4], err)
			}
		}
		pw.Close()
		if n, err := resp.Body.Read(buf); n != 0 || err != io.EOF {
			t.Errorf("got %d, %v at the end, want EOF", n, err)
		}
		resp.Body.Close()
	})
}

// waits is a body that has nothing to read until it is interrupted.
type waits struct {
	reading chan struct{}
	cut     chan error
}

func newWaits() *waits { return &waits{make(chan struct{}, 1), make(chan error, 1)} }

func (b *waits) Read([]byte) (int, error) {
	b.reading <- struct{}{}
	return 0, <-b.cut
}
func (b *waits) Len() int64            { return -1 }
func (b *waits) Close() error          { return nil }
func (b *waits) Interrupt(cause error) { b.cut <- cause }

// A response may end while the request goes on. Then nobody reads the request's body
// any more once the response's is closed.
func TestClient_EarlyAnswerEndsTheRequest(t *testing.T) {
	t.Parallel()
	eachUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(413)
		w.Write([]byte("too large"))
	}, func(t *testing.T, c *Client) {
		body := newWaits()
		resp := do(t, c, newCall("POST", "/", body))
		if got := read(t, resp); got != "too large" || resp.Status != 413 {
			t.Errorf("got %d %q", resp.Status, got)
		}
		<-body.reading
		if got := read(t, do(t, c, newCall("GET", "/", nil))); got != "too large" {
			t.Errorf("got %q on the same connection", got)
		}
	})
}

// What breaks off in the client's body is never seen as the end of a message, and the
// error is the body's own (security P1, Q7, Q8).
func TestSecurity_P1_Q7_Q8_CutRequestIsResetUpstream(t *testing.T) {
	t.Parallel()
	errCut := errors.New("the client broke off")
	for _, m := range upstreamModes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			began, whole := make(chan struct{}, 9), make(chan error, 9)
			c := newTestClient(t, m.start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				io.ReadFull(r.Body, make([]byte, 3))
				began <- struct{}{}
				_, err := io.Copy(io.Discard, r.Body)
				whole <- err
			})))
			for _, tt := range []struct {
				name string
				body exchange.Body
				late bool // breaks off when the upstream has read some
			}{
				{"broken", streamed(io.MultiReader(strings.NewReader("abc"), after{began}, breaking{errCut})), true},
				{"broken, known", exchange.NewBody(io.MultiReader(strings.NewReader("abc"), after{began}, breaking{errCut}), 10, nil), true},
				{"short", lying{io.MultiReader(strings.NewReader("abc"), after{began}), 10}, true},
				{"long", lying{strings.NewReader("abcdef"), 3}, false},
			} {
				err := c.Do(newCall("POST", "/", tt.body), new(exchange.Response))
				fault, _ := errors.AsType[*exchange.Error](err)
				if !errors.Is(err, errCut) && (fault == nil || fault.Fault != exchange.Client) {
					t.Errorf("%s: got error %v, want the body's", tt.name, err)
				}
				if tt.late {
					if err := <-whole; err == nil {
						t.Errorf("%s: the upstream has seen a whole body", tt.name)
					}
				}
			}
			c.Close()
		})
	}
}

// after reads nothing, once began has come.
type after struct{ began chan struct{} }

func (a after) Read([]byte) (int, error) {
	<-a.began
	return 0, io.EOF
}

type breaking struct{ err error }

func (f breaking) Read([]byte) (int, error) { return 0, f.err }

// lying is a body that says it has n bytes.
type lying struct {
	io.Reader
	n int64
}

func (l lying) Len() int64   { return l.n }
func (l lying) Close() error { return nil }

func TestClient_CallerLeaves(t *testing.T) {
	t.Parallel()
	for _, m := range upstreamModes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			began, ended := make(chan struct{}, 1), make(chan struct{}, 1)
			c := newTestClient(t, m.start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/body" {
					w.Write([]byte("x"))
					http.NewResponseController(w).Flush()
				}
				began <- struct{}{}
				<-r.Context().Done()
				ended <- struct{}{}
			})))
			caller := newInformed()
			call := newCall("GET", "/", nil)
			call.Caller = caller
			go func() {
				<-began
				caller.leave()
			}()
			resp := new(exchange.Response)
			if err := c.Do(call, resp); !errors.Is(err, exchange.ErrClientGone) {
				t.Errorf("got %v, want ErrClientGone", err)
			}
			within(t, ended, "the upstream to hear of it")

			call.Target = "/body"
			resp = do(t, c, call)
			<-began
			caller.leave()
			if _, err := io.ReadAll(resp.Body); !errors.Is(err, exchange.ErrClientGone) {
				t.Errorf("got %v from the body, want ErrClientGone", err)
			}
			resp.Body.Close()
			within(t, ended, "the upstream to hear of it")
			if s := c.Stats(); s.Made != 1 || s.Idle != 1 {
				t.Errorf("got %+v, want one connection, idle", s)
			}
		})
	}
}

func within(t testing.TB, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(10 * time.Second):
		t.Fatalf("waited 10 s for %s", what)
	}
}

func TestClient_LimitsOfTime(t *testing.T) {
	t.Parallel()
	for _, m := range upstreamModes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			o := m.start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/head" {
					w.WriteHeader(200)
					http.NewResponseController(w).Flush()
				}
				<-r.Context().Done()
			}))
			o.Head, o.Idle = 100*time.Millisecond, 150*time.Millisecond
			c := newTestClient(t, o)
			for _, target := range []string{"/head", "/idle", "/deadline", "/stall"} {
				call := newCall("POST", target, nil)
				switch target {
				case "/deadline":
					call.Deadline = time.Now().Add(50 * time.Millisecond)
				case "/stall": // more than any window
					call.Body = streamed(io.LimitReader(endless{}, 100<<20))
				}
				resp := new(exchange.Response)
				err := c.Do(call, resp)
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					resp.Body.Close()
				}
				fault, ok := errors.AsType[*exchange.Error](err)
				if !ok || fault.Status != 504 || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: got %v, want 504 and DeadlineExceeded", target, err)
				}
			}
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
