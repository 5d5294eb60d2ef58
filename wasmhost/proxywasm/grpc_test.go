package proxywasm

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/weirproxy/weir/edge/exchange"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// grpcSays is an upstream that answers every call with these messages and this end.
func grpcSays(trailer []string, messages ...string) upstreamFunc {
	return func(_ *exchange.Call, resp *exchange.Response) error {
		resp.Status = 200
		resp.Header.Append("content-type", "application/grpc+proto")
		var b []byte
		for _, m := range messages {
			b = appendFrame(b, []byte(m))
		}
		resp.Body = exchange.NewBody(strings.NewReader(string(b)), -1, nil)
		for k := 0; k < len(trailer); k += 2 {
			resp.Trailer.Append(trailer[k], trailer[k+1])
		}
		return nil
	}
}

var grpcOK = []string{"grpc-status", "0"}

// raw is an upstream whose answers are these bytes.
func raw(b string) upstreamFunc {
	return func(_ *exchange.Call, resp *exchange.Response) error {
		resp.Status = 200
		resp.Header.Append("content-type", "application/grpc")
		resp.Body = exchange.NewBody(strings.NewReader(b), -1, nil)
		return nil
	}
}

func TestGRPCCall_BringsTheAnswer(t *testing.T) {
	t.Parallel()
	calls := make(chan *exchange.Call, 1)
	r := newRig(t, upstreamFunc(func(c *exchange.Call, resp *exchange.Response) error {
		calls <- c
		return grpcSays(grpcOK, "answer")(c, resp)
	}))
	metadata := pairsOf("X-Key", "v", "grpc-timeout", "9H", "content-type", "text/plain", "te", "gzip", ":path", "/x")
	r.want(abi.OK, "proxy_grpc_call", "backend", "pkg.Service", "Method", metadata, "question", 1500, out)
	c := <-calls
	if c.Method != "POST" || c.Target != "/pkg.Service/Method" || c.Deadline.IsZero() {
		t.Errorf("call = %s %s until %v", c.Method, c.Target, c.Deadline)
	}
	want := [][2]string{{"te", "trailers"}, {"content-type", "application/grpc"}, {"x-key", "v"}, {"grpc-timeout", "1500m"}}
	for k, w := range want {
		if k >= c.Header.Len() || c.Header.At(k) != (exchange.Field{Name: w[0], Value: w[1]}) {
			t.Errorf("field %d of the call is not %v", k, w)
		}
	}
	if c.Header.Len() != len(want) {
		t.Errorf("call has %d fields, want %d", c.Header.Len(), len(want))
	}
	if b, ok := c.Body.(*exchange.Bytes); !ok || string(b.Rest()) != "\x00\x00\x00\x00\x08question" {
		t.Errorf("call has body %T", c.Body)
	}
	at := r.await("proxy_on_grpc_receive")
	if root, token, n := r.uint32(at), r.uint32(at+4), r.uint32(at+8); root != r.rt.id || token != r.uint32(out) || n != 6 {
		t.Errorf("told of %d bytes for token %d on %d, want 6 for %d on %d", n, token, root, r.uint32(out), r.rt.id)
	}
	if got := r.text(at + 36); got != "answer" {
		t.Errorf("message = %q", got)
	}
	r.silent() // a call that went well is not closed
}

func TestGRPCCall_TellsOfFailure(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		up   upstreamFunc
		code uint32
		want string
	}{
		{"no connection", func(*exchange.Call, *exchange.Response) error { return errors.New("dial: refused") }, grpcUnavailable, "refused"},
		{"no time", func(*exchange.Call, *exchange.Response) error {
			return &exchange.Error{Fault: exchange.Upstream, Status: http.StatusGatewayTimeout}
		}, grpcDeadlineExceeded, "504"},
		{"status of its own", grpcSays([]string{"grpc-status", "5", "grpc-message", "not%20%zz here%"}, "x"), 5, "not %zz here%"},
		{"no status", grpcSays(nil, "x"), grpcUnknown, "no grpc-status"},
		{"bad status", grpcSays([]string{"grpc-status", "-1"}, "x"), grpcUnknown, "bad grpc-status"},
		{"no message", grpcSays(grpcOK), grpcInternal, "no message"},
		{"several messages", grpcSays(grpcOK, "a", "b"), grpcInternal, "several"},
		{"compressed message", raw("\x01\x00\x00\x00\x01x"), grpcInternal, "compressed"},
		{"long message", raw("\x00\x00\x00\x10\x01x"), grpcExhausted, "4097"},
		{"cut message", raw("\x00\x00\x00\x00\x02x"), grpcUnavailable, "unexpected EOF"},
		{"cut frame", raw("\x00\x00"), grpcUnavailable, "unexpected EOF"},
		{"no gRPC", answering(200, "hello"), grpcUnknown, "type"},
		{"not there", answering(404, "hello"), 12, "404"},
		{"trailers only", func(_ *exchange.Call, resp *exchange.Response) error {
			resp.Status = 200
			resp.Header.Append("content-type", "application/grpc")
			resp.Header.Append("grpc-status", "7")
			return nil
		}, 7, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tt.up)
			r.want(abi.OK, "proxy_grpc_call", "backend", "s", "m", "", "", 0, out)
			at := r.await("proxy_on_grpc_close")
			if token, code := r.uint32(at+4), r.uint32(at+8); token != r.uint32(out) || code != tt.code {
				t.Errorf("closed token %d with %d, want %d with %d", token, code, r.uint32(out), tt.code)
			}
			if got := r.text(at + 36); r.uint32(at+44) != tt.code || !strings.Contains(got, tt.want) {
				t.Errorf("status = %d %q, want %d with %q", r.uint32(at+44), got, tt.code, tt.want)
			}
		})
	}
}

func TestGRPCStream_GoesBothWays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// The upstream echoes every message until there are no more.
		r := newRig(t, upstreamFunc(func(c *exchange.Call, resp *exchange.Response) error {
			resp.Status = 200
			resp.Header.Append("content-type", "application/grpc")
			resp.Body = exchange.NewBody(&parrot{c.Body, func() { resp.Trailer.Append("grpc-status", "0") }}, -1, nil)
			return nil
		}))
		r.want(abi.OK, "proxy_grpc_stream", "backend", "s", "m", "", out)
		token := r.uint32(out)
		at := r.await("proxy_on_grpc_receive_initial_metadata")
		if got, want := r.text(at+36), pairsOf("content-type", "application/grpc"); got != want {
			t.Errorf("initial metadata = %q, want %q", got, want)
		}
		for _, m := range []string{"one", "", "three"} {
			r.want(abi.OK, "proxy_grpc_send", token, m, 0)
			at := r.await("proxy_on_grpc_receive")
			if got, n := r.text(at+36), r.uint32(at+8); got != m || int(n) != len(m) {
				t.Errorf("message = %q of %d bytes, want %q", got, n, m)
			}
		}
		synctest.Wait()
		r.silent()
		r.want(abi.OK, "proxy_grpc_close", token)
		at = r.await("proxy_on_grpc_receive_trailing_metadata")
		if got, want := r.text(at+36), pairsOf("grpc-status", "0"); got != want {
			t.Errorf("trailing metadata = %q, want %q", got, want)
		}
		at = r.await("proxy_on_grpc_close")
		if code := r.uint32(at + 8); code != 0 {
			t.Errorf("closed with %d, want 0", code)
		}
		r.want(abi.NotFound, "proxy_grpc_send", token, "late", 0)
		r.want(abi.NotFound, "proxy_grpc_close", token)
		r.want(abi.NotFound, "proxy_grpc_cancel", token)
	})
}

// parrot reads, and tells of the end.
type parrot struct {
	io.Reader
	end func()
}

func (e *parrot) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	if err == io.EOF {
		e.end()
	}
	return n, err
}

func TestGRPCStream_IsBoundedAndCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		over := make(chan error, 1)
		r := newRig(t, upstreamFunc(func(c *exchange.Call, _ *exchange.Response) error {
			err := lostInterest(c)
			over <- err
			return err
		}))
		r.want(abi.OK, "proxy_grpc_stream", "backend", "s", "m", "", out)
		token := r.uint32(out)
		r.want(abi.OK, "proxy_grpc_send", token, strings.Repeat("x", 4000), 0)
		r.want(abi.InternalFailure, "proxy_grpc_send", token, strings.Repeat("x", 4000), 0)
		r.want(abi.OK, "proxy_grpc_send", token, "y", 1)
		r.want(abi.InternalFailure, "proxy_grpc_send", token, "z", 0) // after its end
		r.want(abi.OK, "proxy_grpc_cancel", token)
		if err := <-over; !errors.Is(err, errCanceled) {
			t.Errorf("call ended by %v, want %v", err, errCanceled)
		}
		synctest.Wait()
		r.silent()
		r.want(abi.NotFound, "proxy_grpc_cancel", token)
	})
}

func TestGRPC_RefusesBadArguments(t *testing.T) {
	t.Parallel()
	r := newRig(t, grpcSays(grpcOK, ""))
	for _, tt := range []struct{ name, upstream, service, method, metadata string }{
		{"unknown upstream", "other", "s", "m", ""},
		{"malformed upstream", "\x0a\x7f", "s", "m", ""},
		{"bad service", "backend", "s\r\n", "m", ""},
		{"bad method", "backend", "s", "m n", ""},
		{"bad metadata", "backend", "s", "m", pairsOf("a", "b\r\nc: d")},
	} {
		if st := r.call("proxy_grpc_call", tt.upstream, tt.service, tt.method, tt.metadata, "", 0, out); st != abi.ParseFailure {
			t.Errorf("%s: call = %d, want %d", tt.name, st, abi.ParseFailure)
		}
		if st := r.call("proxy_grpc_stream", tt.upstream, tt.service, tt.method, tt.metadata, out); st != abi.ParseFailure {
			t.Errorf("%s: stream = %d, want %d", tt.name, st, abi.ParseFailure)
		}
	}
	r.want(abi.NotFound, "proxy_grpc_send", 77, "m", 0)
	r.want(abi.NotFound, "proxy_grpc_cancel", 77)
	r.held(func() {
		if n := len(r.i.calls.out); n != 0 {
			t.Errorf("%d calls under way, want none", n)
		}
	})
}

// Messages of envoy.config.core.v3.GrpcService, as SDKs make them.
func TestServiceOf_ReadsEnvoysMessage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, in, want string }{
		{"name", "backend", "backend"},
		{"envoy_grpc", "\x0a\x09\x0a\x07backend", "backend"},
		{"google_grpc", "\x12\x0b\x0a\x09host:1234", "host:1234"},
		{"authority, timeout and metadata beside", "\x0a\x0e\x12\x03a.b\x0a\x07backend\x1a\x02\x08\x05\x2a\x06\x0a\x01k\x12\x01v", "backend"},
		{"other types", "\x18\x01\x21\x00\x00\x00\x00\x00\x00\x00\x00\x2d\x00\x00\x00\x00\x0a\x03\x0a\x01b", "b"},
	} {
		if got, err := serviceOf([]byte(tt.in)); got != tt.want || err != nil {
			t.Errorf("%s: serviceOf(%q) = %q, %v, want %q", tt.name, tt.in, got, err, tt.want)
		}
	}
	for _, in := range []string{"\x0a", "\x0a\x09\x0a\x07backen", "\x0a\x00", "\x03", "\x00\x00", "\x21\x00", "\x18", "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"} {
		if got, err := serviceOf([]byte(in)); err == nil {
			t.Errorf("serviceOf(%q) = %q, want an error", in, got)
		}
	}
}

func FuzzServiceOf(f *testing.F) {
	for _, s := range []string{"backend", "\x0a\x09\x0a\x07backend", "\x12\x0b\x0a\x09host:1234", "\x0a\xff\xff\xff\xff\x0f", "\x18\x01\x21"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := serviceOf(b); err == nil && !strings.Contains(string(b), s) {
			t.Errorf("serviceOf(%q) = %q, which is no part of it", b, s)
		}
	})
}

func TestFeed_WaitsAndEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		read := make(chan error)
		next := func() (string, error) {
			b := make([]byte, 64)
			n, err := f.Read(b)
			return string(b[:n]), err
		}
		go func() { _, err := next(); read <- err }()
		synctest.Wait()
		f.Interrupt(exchange.ErrPause)
		if err := <-read; !errors.Is(err, exchange.ErrPause) {
			t.Errorf("Read = %v, want ErrPause", err)
		}
		if !f.send([]byte("a"), 10) || f.send([]byte("longer"), 10) {
			t.Error("send does not keep to its limit")
		}
		if n := f.Buffered(); n != frameHead+1 {
			t.Errorf("Buffered = %d, want %d", n, frameHead+1)
		}
		if got, err := next(); got != "\x00\x00\x00\x00\x01a" || err != nil {
			t.Errorf("Read = %q, %v after a pause", got, err)
		}
		f.end()
		if _, err := next(); err != io.EOF {
			t.Errorf("Read = %v at the end, want EOF", err)
		}
		f = newFeed()
		gone := errors.New("gone")
		f.Interrupt(gone)
		f.Interrupt(exchange.ErrPause)
		for range 2 {
			if _, err := next(); err != gone {
				t.Errorf("Read = %v, want what ended it", err)
			}
		}
	})
}
