package proxywasm

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

var callHead = pairsOf(":method", "GET", ":path", "/a?b", ":authority", "")

// answering is an upstream that answers every call so.
func answering(status int, body string, trailer ...string) upstreamFunc {
	return func(_ *exchange.Call, resp *exchange.Response) error {
		resp.Status = status
		resp.Header.Append("x-a", "1")
		resp.SetBytes([]byte(body))
		for k := 0; k < len(trailer); k += 2 {
			resp.Trailer.Append(trailer[k], trailer[k+1])
		}
		return nil
	}
}

// answer is what the guest noted of proxy_on_http_call_response.
type answer struct {
	root, token, headers, body, trailers uint32
	statuses                             [4]abi.Status
	read                                 [4]string
	code                                 uint32
}

func (r *rig) answer() (a answer) {
	at := r.await("proxy_on_http_call_response")
	for k, p := range []*uint32{&a.root, &a.token, &a.headers, &a.body, &a.trailers} {
		*p = r.uint32(at + 4*k)
	}
	for k := range a.read {
		a.statuses[k] = abi.Status(r.uint32(at + 32 + 16*k))
		a.read[k] = r.text(at + 32 + 16*k + 4)
	}
	a.code = r.uint32(at + 32 + 16*3 + 12)
	return a
}

func TestHTTPCall_BringsTheAnswer(t *testing.T) {
	t.Parallel()
	calls := make(chan *exchange.Call, 1)
	r := newRig(t, upstreamFunc(func(c *exchange.Call, resp *exchange.Response) error {
		calls <- c
		return answering(201, "hello", "x-t", "2")(c, resp)
	}))
	head := pairsOf(":method", "POST", ":path", "/a?b", ":authority", "Host.example", ":scheme", "https",
		"X-Mixed", "v", "connection", "close", "transfer-encoding", "chunked", "content-length", "99", "te", "gzip")
	r.want(abi.OK, "proxy_http_call", "backend", head, "body", pairsOf("x-u", "3", "content-length", "4"), 1000, out)
	c := <-calls
	if c.Method != "POST" || c.Target != "/a?b" || c.Authority != "host.example" || c.Scheme != "https" {
		t.Errorf("call = %s %s of %q over %q", c.Method, c.Target, c.Authority, c.Scheme)
	}
	if n := c.Header.Len(); n != 1 || c.Header.Get("x-mixed") != "v" {
		t.Errorf("call has %d fields, want x-mixed alone: the rest frames", n)
	}
	if b, ok := c.Body.(*exchange.Bytes); !ok || string(b.Rest()) != "body" {
		t.Errorf("call has body %T", c.Body)
	}
	if c.Trailer == nil || c.Trailer.Len() != 1 || c.Trailer.Get("x-u") != "3" {
		t.Errorf("call has trailer %v", c.Trailer)
	}
	if left := time.Until(c.Deadline); left <= 0 || left > time.Second {
		t.Errorf("call has %v left, want at most a second", left)
	}
	a := r.answer()
	if a.root != r.rt.id || a.token != r.uint32(out) || a.headers != 2 || a.body != 5 || a.trailers != 1 {
		t.Errorf("answer = %+v, want two fields, five bytes, a trailer, for token %d on %d", a, r.uint32(out), r.rt.id)
	}
	if a.statuses != [4]abi.Status{} {
		t.Errorf("reads in the callback = %v, want OK", a.statuses)
	}
	want := [4]string{"hello", pairsOf(":status", "201", "x-a", "1"), pairsOf("x-t", "2"), ""}
	if a.read != want {
		t.Errorf("read in the callback %q, want %q", a.read, want)
	}
	r.want(abi.NotFound, "proxy_get_buffer_bytes", int(abi.CallResponseBody), 0, 10, out, out2) // it is over
	if n := r.plugin.Counters.Callouts.Load(); n != 1 {
		t.Errorf("%d callouts counted, want 1", n)
	}
}

func TestHTTPCall_TellsOfFailure(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		up   upstreamFunc
		want string
	}{
		{"no connection", func(*exchange.Call, *exchange.Response) error { return errors.New("dial: refused") }, "dial: refused"},
		{"answer too long", answering(200, strings.Repeat("x", 4097)), "longer than 4096"},
		{"answer of unknown length too long", func(_ *exchange.Call, resp *exchange.Response) error {
			resp.Status = 200
			resp.Body = exchange.NewBody(strings.NewReader(strings.Repeat("x", 4097)), -1, nil)
			return nil
		}, "longer than 4096"},
		{"answer cut", func(_ *exchange.Call, resp *exchange.Response) error {
			resp.Status = 200
			resp.Body = exchange.NewBody(strings.NewReader("x"), 2, nil)
			return nil
		}, "unexpected EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tt.up)
			r.want(abi.OK, "proxy_http_call", "backend", callHead, "", "", 0, out)
			a := r.answer()
			if a.headers != 0 || a.body != 0 || a.trailers != 0 || a.token != r.uint32(out) {
				t.Errorf("answer = %+v, want none", a)
			}
			if a.code != uint32(abi.BrokenConnection) || !strings.Contains(a.read[3], tt.want) {
				t.Errorf("status = %d %q, want %d with %q", a.code, a.read[3], abi.BrokenConnection, tt.want)
			}
		})
	}
}

func TestHTTPCall_RefusesBadArguments(t *testing.T) {
	t.Parallel()
	r := newRig(t, answering(200, ""))
	for _, tt := range []struct {
		name, upstream string
		head           []string
		timeout        int
	}{
		{"no method", "backend", []string{":path", "/", ":authority", ""}, 0},
		{"no path", "backend", []string{":method", "GET", ":authority", ""}, 0},
		{"no authority", "backend", []string{":method", "GET", ":path", "/"}, 0},
		{"bad method", "backend", []string{":method", "G T", ":path", "/", ":authority", ""}, 0},
		{"tunnel", "backend", []string{":method", "CONNECT", ":path", "/", ":authority", ""}, 0},
		{"path of two lines", "backend", []string{":method", "GET", ":path", "/ HTTP/1.1\r\nx: y", ":authority", ""}, 0},
		{"relative path", "backend", []string{":method", "GET", ":path", "a", ":authority", ""}, 0},
		{"bad authority", "backend", []string{":method", "GET", ":path", "/", ":authority", "a@b"}, 0},
		{"bad name", "backend", []string{":method", "GET", ":path", "/", ":authority", "", "a b", "c"}, 0},
		{"value of two lines", "backend", []string{":method", "GET", ":path", "/", ":authority", "", "a", "b\r\nc: d"}, 0},
		{"unknown upstream", "other", []string{":method", "GET", ":path", "/", ":authority", ""}, 0},
		{"negative time", "backend", []string{":method", "GET", ":path", "/", ":authority", ""}, -1},
	} {
		st := r.call("proxy_http_call", tt.upstream, pairsOf(tt.head...), "", "", uint32(tt.timeout), out)
		if st != abi.BadArgument {
			t.Errorf("%s: %d, want %d", tt.name, st, abi.BadArgument)
		}
	}
	r.held(func() {
		if n := len(r.i.calls.out); n != 0 {
			t.Errorf("%d calls under way, want none", n)
		}
	})
	r.silent()
}

func TestHTTPCall_IsBoundedInNumber(t *testing.T) {
	t.Parallel()
	let := make(chan struct{})
	r := newRig(t, upstreamFunc(func(c *exchange.Call, resp *exchange.Response) error {
		<-let
		return answering(200, "")(c, resp)
	}))
	seen := map[uint32]bool{}
	for range 3 {
		r.want(abi.OK, "proxy_http_call", "backend", callHead, "", "", 0, out)
		seen[r.uint32(out)] = true
	}
	if len(seen) != 3 || seen[0] {
		t.Errorf("tokens = %v, want three, and none of them 0", seen)
	}
	r.want(abi.InternalFailure, "proxy_http_call", "backend", callHead, "", "", 0, out)
	close(let)
	for range 3 {
		r.await("proxy_on_http_call_response")
	}
	r.held(func() {
		if n := len(r.i.calls.out); n != 0 {
			t.Errorf("%d calls under way after three answers, want none", n)
		}
	})
	r.want(abi.OK, "proxy_http_call", "backend", callHead, "", "", 0, out)
	r.answer()
}

func TestHTTPCall_EndsWithItsRoot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		over := make(chan error, 1)
		r := newRig(t, upstreamFunc(func(c *exchange.Call, _ *exchange.Response) error {
			err := lostInterest(c)
			over <- err
			return err
		}))
		r.want(abi.OK, "proxy_http_call", "backend", callHead, "", "", 0, out)
		synctest.Wait()
		r.held(r.rt.finish)
		if err := <-over; !errors.Is(err, errCanceled) {
			t.Errorf("call ended by %v, want %v", err, errCanceled)
		}
		synctest.Wait()
		r.silent()
	})
}

func TestHTTPCall_SpeaksOfTheStreamThatAsked(t *testing.T) {
	t.Parallel()
	for _, lives := range []bool{true, false} {
		t.Run(fmt.Sprint(lives), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			var s *stream
			r.held(func() { s = newStream(r.i, r.rt, newRequest()) })
			o := &callout{rt: r.rt, origin: s.id}
			want := &s.guestContext
			if !lives {
				r.held(func() { delete(r.i.contexts, s.id) })
				want = &r.rt.guestContext
			}
			if got := o.context(); got != want {
				t.Errorf("context %d, want %d", got.id, want.id)
			}
		})
	}
}
