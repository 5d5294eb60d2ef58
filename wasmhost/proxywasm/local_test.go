package proxywasm

import (
	"io"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
)

// unasked fails a test whose request gets to the handler.
func unasked(t *testing.T) exchange.HandlerFunc {
	return func(*exchange.Request) (*exchange.Response, error) {
		t.Error("the handler was asked")
		return nil, exchange.ErrNotFound
	}
}

func TestReply_ToARequestRunsThroughTheGuest(t *testing.T) {
	t.Parallel()
	for _, phase := range []string{"request_headers", "request_body"} {
		b := open(t, phase+" reply 403 no :status=200,X-Why=because,content-length=99|response_headers add 2 x-seen yes|"+
			"response_headers reply 500 again|response_body set_buffer 1 0x7fffffff 0 !")
		got := b.do(unasked(t), "POST", "/", exchangetest.Body("content"))
		if got.Status != 403 || string(got.Body) != "no!" || got.Len != 3 || got.Header.Get("x-why") != "because" || got.Header.Get("x-seen") != "yes" {
			t.Errorf("%s: got %+v", phase, got)
		}
	}
}

func TestReply_ToAResponseTakesItsPlace(t *testing.T) {
	t.Parallel()
	for _, phase := range []string{"response_headers", "response_body"} {
		b := open(t, phase+" reply 451 gone")
		if got := b.do(hello, "GET", "/"); got.Status != 451 || string(got.Body) != "gone" || got.Header.Len() != 1 {
			t.Errorf("%s: got %+v", phase, got)
		}
	}
}

func TestReply_AfterTheHeadOfTheRequest(t *testing.T) {
	t.Parallel()
	b := open(t, "request_body reply 400 bad")
	got := b.do(echo, "POST", "/", exchangetest.Chunked("content"))
	if got.Status != 400 || string(got.Body) != "bad" {
		t.Errorf("got %d %q, want 400 bad", got.Status, got.Body)
	}
}

func TestReply_AfterTheHeadOfTheResponseCuts(t *testing.T) {
	t.Parallel()
	b := open(t, "response_body reply 400 bad")
	got := b.do(func(r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(200)
		resp.Body = exchange.NewBody(strings.NewReader("content"), -1, nil)
		return resp, nil
	}, "GET", "/")
	if got.Status != 200 || got.Err == nil || len(got.Body) != 0 {
		t.Errorf("got %d %q %v, want it cut", got.Status, got.Body, got.Err)
	}
}

func TestReply_FromACallbackOfTheRoot(t *testing.T) {
	t.Parallel()
	b := open(t, "configure tick 1|tick reply 500 nowhere|tick stream|tick reply 401 who|request_headers return 1")
	if got := b.do(unasked(t), "GET", "/"); got.Status != 401 || string(got.Body) != "who" {
		t.Errorf("got %d %q, want 401 who", got.Status, got.Body)
	}
}

func TestReply_OfGRPCIsTrailersOnly(t *testing.T) {
	t.Parallel()
	b := open(t, "request_headers reply 403 not+you%")
	got := b.do(unasked(t), "POST", "/", exchangetest.Field("content-type", "application/grpc"))
	if got.Status != 200 || got.Header.Get("grpc-status") != "7" || got.Header.Get("grpc-message") != "not you%25" || len(got.Body) != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestReply_WithANonsensicalStatus(t *testing.T) {
	t.Parallel()
	b := open(t, "request_headers reply 42 odd")
	if got := b.do(unasked(t), "GET", "/"); got.Status != 500 {
		t.Errorf("got %d, want 500", got.Status)
	}
}

func TestClose_SendsNothing(t *testing.T) {
	t.Parallel()
	for _, phase := range []string{"request_headers close 0", "response_headers close 1"} {
		b := open(t, phase)
		if got := b.do(hello, "GET", "/"); got.Err == nil || got.Status != 0 {
			t.Errorf("%s: got %d %v, want no answer", phase, got.Status, got.Err)
		}
	}
}

func TestHeaders_OfTheRequestAreReadableLater(t *testing.T) {
	t.Parallel()
	b := open(t, "response_headers get 0 x-a|log get 0 x-a|log get 2 :status|log get 2 content-type|log add 2 x-late 1|response_headers pairs 0|response_headers map_size 2|response_headers get 0 x-none")
	b.do(hello, "GET", "/", exchangetest.Field("x-a", "1"))
	b.heard("create 1 0", "create 2 1", "request_headers 5 1", "response_headers 3 0", `get x-a = "1" 0`,
		"pairs :method=GET,:path=/,:authority=example.com,:scheme=http,x-a=1 0", "map_size 47 0", `get x-none = "" 1`,
		"response_body 5 1", "done", "log", `get x-a = "1" 0`, `get :status = "200" 0`, `get content-type = "text/plain" 0`,
		"weir: header or trailer changed too late, or too early: ignored", "delete")
}

func TestHeaders_AreReplacedAsAWhole(t *testing.T) {
	t.Parallel()
	b := open(t, "request_headers set_pairs 0 :path=/new,x-b=2,x-b=3,transfer-encoding=chunked|request_headers raw_pairs 0 junk")
	var seen []string
	b.do(func(r *exchange.Request) (*exchange.Response, error) {
		seen = append(seen, r.Method, r.Target)
		for name, value := range r.Header.All() {
			seen = append(seen, name+"="+value)
		}
		return hello(r)
	}, "GET", "/", exchangetest.Field("x-a", "1"))
	if got, want := strings.Join(seen, " "), "GET /new x-b=2 x-b=3"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSecurity_W8_HeadersOfGuestsAreChecked(t *testing.T) {
	t.Parallel()
	b := open(t, "request_headers replace 0 x-a a%0d%0aevil:1|request_headers add 0 b@d v|request_headers replace 0 :path /%0d%0a|"+
		"request_headers replace 0 :authority a/b|request_headers replace 0 :method G%0d%0aT|request_headers add 0 transfer-encoding chunked|"+
		"request_headers add 0 content-length 9|request_headers remove 0 :path|request_headers replace 0 :scheme gopher|"+
		"response_headers add 2 x-b a%0d%0ac|response_headers replace 2 :status 42|response_headers add 2 connection close|response_headers add 2 :path /")
	got := b.do(func(r *exchange.Request) (*exchange.Response, error) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Len() != 0 || r.Target != "/" || r.Authority != "example.com" || r.Method != "POST" || r.Scheme != "http" || string(body) != "content" {
			t.Errorf("the handler saw %s %s %s %v %q", r.Method, r.Authority, r.Target, r.Header, body)
		}
		return hello(r)
	}, "POST", "/", exchangetest.Body("content"))
	if got.Status != 200 || got.Header.Len() != 1 {
		t.Errorf("got %d %v", got.Status, got.Header)
	}
	if strings.Contains(b.log.text(), "evil") {
		t.Error("a value that was refused got into the log")
	}
}

func TestHeaders_MethodIsTheClientsAgain(t *testing.T) {
	t.Parallel()
	b := open(t, "request_headers replace 0 :method HEAD")
	got := b.do(func(r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(200)
		resp.Header.Append("content-length", "5")
		if r.Method != "HEAD" {
			t.Errorf("got %s, want HEAD", r.Method)
		}
		return resp, nil
	}, "GET", "/")
	if got.Header.Has("content-length") || got.Status != 200 {
		t.Errorf("got %+v", got)
	}
}
