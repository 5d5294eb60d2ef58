package proxy

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/edge/upstream"
)

func TestBufferRequest(t *testing.T) {
	t.Parallel()
	const limit = 10
	for _, size := range []int{0, 1, limit - 1, limit, limit + 1, 5000} {
		for _, known := range []bool{true, false} {
			want := strings.Repeat("x", size)
			body := exchangetest.Body(want)
			if !known {
				body = exchangetest.Chunked(want)
			}
			var kind exchange.Body
			var length int64
			pool := new(recordingPool)
			p := newTestProxy(t, Options{BufferRequest: limit}, func(c *exchange.Call, resp *exchange.Response) (upstream.Result, error) {
				kind, length = c.Body, c.Body.Len()
				return pool.take(c, resp)
			})
			r := exchangetest.NewRequest("POST", "/", body)
			if known { // of a kind that is not in memory yet
				r.Body = exchange.NewBody(iotest.OneByteReader(strings.NewReader(want)), int64(size), nil)
			}
			if _, err := p.Handle(r); err != nil {
				t.Fatal(err)
			}
			_, held := kind.(*exchange.Bytes)
			if got := pool.last(t); got.body != want || held != (size <= limit && size > 0 || size == 0 && !known) || (known || held) && length != int64(size) || !known && !held && length != -1 {
				t.Errorf("%d bytes, known %v: got %d bytes, in memory %v, length %d", size, known, len(got.body), held, length)
			}
		}
	}
}

func TestBufferRequestFailures(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{exchange.Reason(413, "too large"), io.ErrUnexpectedEOF} {
		r := exchangetest.NewRequest("POST", "/")
		r.Body = exchange.NewBody(io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(cause)), -1, nil)
		_, err := newTestProxy(t, Options{BufferRequest: 10}, func(*exchange.Call, *exchange.Response) (upstream.Result, error) {
			t.Error("an upstream was asked with a body that was cut")
			return upstream.Result{}, io.EOF
		}).Handle(r)
		if !errors.Is(err, cause) {
			t.Errorf("got %v, want %v", err, cause)
		}
	}
}

func TestBufferResponse(t *testing.T) {
	t.Parallel()
	const limit = 10
	for _, c := range []struct {
		fields string
		size   int
		cut    bool
		held   bool
		fails  bool
	}{
		{"", 5, false, true, false}, {"", limit, false, true, false}, {"", limit + 1, false, false, false},
		{"x-chunked: 1", 5, false, true, false}, {"x-chunked: 1", limit, false, true, false}, {"x-chunked: 1", limit + 1, false, false, false},
		{"content-type: text/event-stream; charset=utf-8\nx-chunked: 1", 5, false, false, false},
		{"content-type: application/grpc\nx-chunked: 1", 5, false, false, false},
		{"x-accel-buffering: no\nx-chunked: 1", 5, false, false, false},
		{"x-chunked: 1", 5, true, false, true},
	} {
		closed, want := 0, strings.Repeat("x", c.size)
		p := newTestProxy(t, Options{BufferResponse: limit}, func(_ *exchange.Call, resp *exchange.Response) (upstream.Result, error) {
			addFields(&resp.Header, c.fields)
			var content io.Reader = strings.NewReader(want)
			n := int64(c.size)
			if c.cut {
				content = io.MultiReader(content, iotest.ErrReader(io.ErrUnexpectedEOF))
			}
			if resp.Header.Has("x-chunked") {
				n = -1
			}
			resp.Status, resp.Body = 200, exchange.NewBody(content, n, func() error { closed++; return nil })
			return upstream.Result{}, nil
		})
		resp, err := p.Handle(exchangetest.NewRequest("GET", "/"))
		if c.fails {
			if err == nil || closed != 1 {
				t.Errorf("%+v: got %v, closed %d, want an error and the body closed", c, err, closed)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, held := resp.Body.(*exchange.Bytes); held != c.held || held && closed != 1 || !held && closed != 0 {
			t.Errorf("%+v: in memory %v, upstream's body closed %d times", c, held, closed)
		}
		if b, ok := resp.Body.(interface{ Buffered() int }); ok && b.Buffered() == 0 {
			t.Errorf("%+v: says that nothing can be read yet", c)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(got) != want || err != nil || closed != 1 {
			t.Errorf("%+v: got %q, %v, closed %d, want %q", c, got, err, closed, want)
		}
	}
}

func TestBufferedResponseKeepsItsTrailer(t *testing.T) {
	t.Parallel()
	p := newTestProxy(t, Options{BufferResponse: 10}, func(_ *exchange.Call, resp *exchange.Response) (upstream.Result, error) {
		end := io.MultiReader(bytes.NewReader([]byte("abc")), readerFunc(func([]byte) (int, error) {
			resp.Trailer.Append("x-sum", "1")
			return 0, io.EOF
		}))
		resp.Status, resp.Body = 200, exchange.NewBody(end, -1, nil)
		return upstream.Result{}, nil
	})
	got := exchangetest.Do(t, p, exchangetest.NewRequest("GET", "/"))
	if string(got.Body) != "abc" || got.Len != -1 || got.Trailer.Get("x-sum") != "1" {
		t.Errorf("got %q of length %d, trailer %v", got.Body, got.Len, got.Trailer)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestSecurity_P1: a request that says it has no content, and has some, is not passed
// on as one that has none.
func TestSecurity_P1_EmptyBodiesAreEmpty(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		proto exchange.Proto
		body  io.Reader
		want  int // of the error, 0 if none
	}{
		{exchange.HTTP2, strings.NewReader(""), 0}, {exchange.HTTP3, strings.NewReader(""), 0},
		{exchange.HTTP2, strings.NewReader("GET / HTTP/1.1"), 400}, {exchange.HTTP3, iotest.ErrReader(exchange.Reason(400, "too long")), 400},
	} {
		r := exchangetest.NewRequest("POST", "/", over(c.proto))
		r.Body = empty{c.body}
		_, err := newTestProxy(t, Options{}, new(recordingPool).take).Handle(r)
		if statusOf(err) != c.want {
			t.Errorf("%v: got %v, want status %d", c.proto, err, c.want)
		}
	}
}

// empty is a body that says it is.
type empty struct{ io.Reader }

func (empty) Len() int64   { return 0 }
func (empty) Close() error { return nil }
