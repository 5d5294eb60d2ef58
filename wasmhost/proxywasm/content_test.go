package proxywasm

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/wasmhost/guest"
)

func TestContent_IsSpliced(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, args, want string }{
		{"prepend", "0 0 <", "<hello"},
		{"append as Go does", "0x7fffffff 0 >", "hello>"},
		{"append as Rust does", "5 0 >", "hello>"},
		{"replace as Go does", "0 0x7fffffff new", "new"},
		{"replace as Rust does", "0 5 longer+text", "longer text"},
		{"replace inside", "1 3 ipp", "hippo"},
		{"take out", "0 2", "llo"},
		{"beyond the end", "3 100 p", "help"},
		{"everything away", "0 5", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := open(t, "response_body set_buffer 1 "+c.args+"|request_body set_buffer 0 "+c.args)
			got := b.do(hello, "GET", "/")
			if string(got.Body) != c.want || got.Len != int64(len(c.want)) {
				t.Errorf("response: got %q of length %d, want %q", got.Body, got.Len, c.want)
			}
			var body []byte
			var n int64
			b.do(func(r *exchange.Request) (*exchange.Response, error) {
				n = r.Body.Len()
				body, _ = io.ReadAll(r.Body)
				return r.NewResponse(204), nil
			}, "POST", "/", exchangetest.Body("hello"))
			if string(body) != c.want || n != int64(len(c.want)) {
				t.Errorf("request: got %q of length %d, want %q", body, n, c.want)
			}
		})
	}
}

func TestContent_IsMadeWhereNoneWas(t *testing.T) {
	t.Parallel()
	b := open(t, "request_headers set_buffer 0 0 0 made|response_headers set_buffer 1 0 0 made+too")
	var body []byte
	got := b.do(func(r *exchange.Request) (*exchange.Response, error) {
		body, _ = io.ReadAll(r.Body)
		return r.NewResponse(200), nil
	}, "POST", "/")
	if string(body) != "made" || string(got.Body) != "made too" || got.Len != 8 {
		t.Errorf("got request %q and response %q of length %d", body, got.Body, got.Len)
	}
	if got := b.do(hello, "HEAD", "/"); len(got.Body) != 0 {
		t.Errorf("HEAD: got %q", got.Body)
	}
}

func TestContent_LongOnesStream(t *testing.T) {
	t.Parallel()
	b := open(t, "response_body set_buffer 1 0x7fffffff 0 +")
	const n = 3 << 20
	got := b.do(func(r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(200)
		resp.Body = exchange.NewBody(strings.NewReader(strings.Repeat("x", n)), n, nil)
		return resp, nil
	}, "GET", "/")
	if got.Len != -1 || got.Err != nil || strings.Count(string(got.Body), "x") != n || !strings.HasSuffix(string(got.Body), " ") {
		t.Errorf("got %d bytes of length %d, %v", len(got.Body), got.Len, got.Err)
	}
}

func TestContent_OverTheLimitIsRefused(t *testing.T) {
	t.Parallel()
	small := func(p *guest.Plugin) { p.Limits.Body = 1000 }
	b := open(t, "request_body return 1|response_body return 1", small)
	got := b.do(echo, "POST", "/", exchangetest.Chunked(strings.Repeat("x", 100<<10)))
	if got.Status != 413 {
		t.Errorf("request: got %d %v, want 413", got.Status, got.Err)
	}
	got = b.do(func(r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(200)
		resp.Body = exchange.NewBody(strings.NewReader(strings.Repeat("x", 100<<10)), -1, nil)
		return resp, nil
	}, "GET", "/")
	if got.Status != 200 || got.Err == nil || len(got.Body) != 0 {
		t.Errorf("response: got %d, %d bytes, %v, want it cut", got.Status, len(got.Body), got.Err)
	}
}

func TestSecurity_W11_BodyRewrittenOverItsLimit(t *testing.T) {
	t.Parallel()
	small := func(p *guest.Plugin) { p.Limits.Body = 1000 }
	b := open(t, "request_body set_buffer 0 0 0 x*200000", small)
	if got := b.do(echo, "POST", "/", exchangetest.Body("content")); got.Status != 413 {
		t.Errorf("request: got %d %v, want 413", got.Status, got.Err)
	}
	b = open(t, "response_body set_buffer 1 0 0 x*200000", small)
	if got := b.do(hello, "GET", "/"); got.Status != 500 {
		t.Errorf("response: got %d %v, want 500", got.Status, got.Err)
	}
	if got := b.do(hello, "HEAD", "/"); got.Status != 200 {
		t.Errorf("the next request: got %d %v, want 200", got.Status, got.Err)
	}
}

func TestContent_TrailersFollow(t *testing.T) {
	t.Parallel()
	b := open(t, "request_trailers get 1 x-sum|request_trailers replace 1 x-sum 8|request_trailers add 1 x-more yes|request_trailers add 1 host evil")
	var trailer exchange.Header
	b.do(func(r *exchange.Request) (*exchange.Response, error) {
		io.Copy(io.Discard, r.Body)
		trailer.CopyFrom(&r.Trailer)
		return r.NewResponse(204), nil
	}, "POST", "/", exchangetest.Chunked("content"), func(r *exchange.Request) { r.Trailer.Append("x-sum", "7") })
	if trailer.Get("x-sum") != "8" || trailer.Get("x-more") != "yes" || trailer.Len() != 2 {
		t.Errorf("got trailer %v", trailer)
	}
	b.heard("create 1 0", "create 2 1", "request_headers 4 0", "request_body 7 0", "request_trailers 1 1", `get x-sum = "7" 0`,
		"weir: trailer host: ignored", "response_headers 1 1", "done", "log", "delete")
}

func TestContent_TrailersAreMadeWithTheLastOfIt(t *testing.T) {
	t.Parallel()
	b := open(t, "response_body_end add 3 x-sum 7|response_headers add 3 x-early 1")
	got := b.do(hello, "GET", "/")
	if got.Trailer.Get("x-sum") != "7" || got.Trailer.Len() != 1 {
		t.Errorf("got trailer %v, want x-sum alone", got.Trailer)
	}
}

func TestContent_EndsEarlyWhereTheGuestWants(t *testing.T) {
	t.Parallel()
	b := open(t, "request_headers return 2|response_headers return 2")
	var body []byte
	got := b.do(func(r *exchange.Request) (*exchange.Response, error) {
		body, _ = io.ReadAll(r.Body)
		return hello(r)
	}, "POST", "/", exchangetest.Body("content"))
	if len(body) != 0 || len(got.Body) != 0 || got.Status != 200 {
		t.Errorf("got %d, request %q, response %q, want no bodies", got.Status, body, got.Body)
	}
}

func TestContent_ThatWasCutStaysCut(t *testing.T) {
	t.Parallel()
	b := open(t, "")
	cut := errors.New("cut")
	got := b.do(func(r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(200)
		resp.Body = exchange.NewBody(io.MultiReader(strings.NewReader("x"), cutOff{cut}), -1, nil)
		return resp, nil
	}, "GET", "/")
	if got.Err != cut {
		t.Errorf("got %v after %q, want %v", got.Err, got.Body, cut)
	}
}

type cutOff struct{ err error }

func (f cutOff) Read([]byte) (int, error) { return 0, f.err }

func TestContent_IsNotTouchedWithoutCallbacks(t *testing.T) {
	t.Parallel()
	b := openProgram(t, headerGuest(t), "")
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := exchangetest.NewRequest("GET", "/")
	resp, err := b.Handle(r, exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(200)
		resp.SetFile(exchange.File{F: f, N: 7})
		return resp, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := resp.Body.(*exchange.File); !ok {
		t.Errorf("got a body of type %T, want the file", resp.Body)
	}
	resp.Body.Close()
	r.End()
}
