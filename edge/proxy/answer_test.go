package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/edge/upstream"
)

// answers makes a pool that answers with status, fields and body, of unknown length
// where the fields say nothing of it.
func answers(status int, lines, body string) func(*exchange.Call, *exchange.Response) (upstream.Result, error) {
	return func(c *exchange.Call, resp *exchange.Response) (upstream.Result, error) {
		if _, err := io.Copy(io.Discard, c.Body); err != nil {
			return upstream.Result{}, err
		}
		resp.Status, resp.Body = status, exchange.NewBody(strings.NewReader(body), int64(len(body)), nil)
		addFields(&resp.Header, lines)
		if resp.Header.Has("x-chunked") {
			resp.Body = exchange.NewBody(strings.NewReader(body), -1, nil)
		}
		if c.Method == "HEAD" || status == 304 || body == "" {
			resp.Body = exchange.NoBody
		}
		return upstream.Result{Endpoint: "10.1.2.3:80", Attempts: 2, Connect: time.Second, Waited: time.Minute}, nil
	}
}

func TestResponseFields(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, method, fields, body, want string }{
		{"plain", "GET", "content-type: text/plain\nserver: nginx\ndate: Sat, 21 Nov 2026 00:00:00 GMT\nset-cookie: a=1\nset-cookie: b=2\ncontent-length: 2", "hi",
			"content-type: text/plain\nserver: nginx\ndate: Sat, 21 Nov 2026 00:00:00 GMT\nset-cookie: a=1\nset-cookie: b=2\nvia: 1.1 weir\n"},
		{"hop by hop", "GET", "connection: close, x-a\nx-a: 1\nconnection: X-B\nx-b: 2\nkeep-alive: timeout=5\nproxy-authenticate: Basic\ntransfer-encoding: chunked\nupgrade: h2c\nproxy-connection: close\nte: x\nalt-svc: h3=\":443\"\nstrict-transport-security: max-age=1\nx-c: 3", "hi",
			"strict-transport-security: max-age=1\nx-c: 3\nvia: 1.1 weir\n"},
		{"nominated content-type stays", "GET", "connection: content-type\ncontent-type: text/html", "hi", "content-type: text/html\nvia: 1.1 weir\n"},
		{"length of HEAD", "HEAD", "content-length: 77", "", "content-length: 77\nvia: 1.1 weir\n"},
		{"announced trailer", "GET", "x-chunked: 1\ntrailer: x-sum", "hi", "x-chunked: 1\ntrailer: x-sum\nvia: 1.1 weir\n"},
		{"announced trailer with a length", "GET", "trailer: x-sum", "hi", "via: 1.1 weir\n"},
		{"via is continued", "GET", "via: 1.1 other", "hi", "via: 1.1 other\nvia: 1.1 weir\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := exchangetest.NewRequest(c.method, "/")
			got := exchangetest.Do(t, newTestProxy(t, Options{}, answers(200, c.fields, c.body)), r)
			if lines(&got.Header) != c.want || string(got.Body) != c.body {
				t.Errorf("got\n%s%q\nwant\n%s%q", lines(&got.Header), got.Body, c.want, c.body)
			}
			if rec := &r.Record; rec.Upstream != "10.1.2.3:80" || rec.Attempts != 2 || rec.Connect != time.Second || rec.Waited != time.Minute {
				t.Errorf("record: got %+v", rec)
			}
		})
	}
}

func TestTooManyNomineesOfUpstream(t *testing.T) {
	t.Parallel()
	closed := false
	p := newTestProxy(t, Options{}, func(_ *exchange.Call, resp *exchange.Response) (upstream.Result, error) {
		resp.Status, resp.Body = 200, exchange.NewBody(strings.NewReader("x"), 1, func() error { closed = true; return nil })
		resp.Header.Append("connection", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q")
		return upstream.Result{}, nil
	})
	_, err := p.Handle(exchangetest.NewRequest("GET", "/"))
	if e, ok := errors.AsType[*exchange.Error](err); !ok || e.Fault != exchange.Upstream || !closed {
		t.Errorf("got %v, closed %v, want the upstream's fault and its body closed", err, closed)
	}
}

func TestErrorsAreRecordedAndPassedOn(t *testing.T) {
	t.Parallel()
	cause := &exchange.Error{Fault: exchange.Upstream, Status: 503, Err: errors.New("pool api: 10.1.2.3:80 refuses")}
	for _, want := range []error{cause, exchange.ErrClientGone, exchange.Reason(413, "too large")} {
		r := exchangetest.NewRequest("POST", "/", exchangetest.Body("x"))
		_, err := newTestProxy(t, Options{}, func(*exchange.Call, *exchange.Response) (upstream.Result, error) {
			return upstream.Result{Endpoint: "10.1.2.3:80", Attempts: 3}, want
		}).Handle(r)
		if !errors.Is(err, want) || r.Record.Upstream != "10.1.2.3:80" || r.Record.Attempts != 3 {
			t.Errorf("got %v, record %+v, want %v recorded", err, r.Record, want)
		}
	}
}

func TestIntercept(t *testing.T) {
	t.Parallel()
	o := Options{Intercept: [][2]int{{404, 404}, {500, 599}}}
	for _, c := range []struct {
		status int
		fields string
		want   string // of the error, "" if none
	}{
		{404, "", "upstream"}, {403, "", ""}, {200, "", ""},
		{503, "retry-after: 7\nset-cookie: a=b\nserver: x", "upstream [{retry-after 7}]"},
		{500, "content-type: application/grpc", ""},
		{599, "www-authenticate: Basic\nallow: GET", "upstream [{www-authenticate Basic} {allow GET}]"},
	} {
		_, err := newTestProxy(t, o, answers(c.status, c.fields, "page")).Handle(exchangetest.NewRequest("GET", "/"))
		got := ""
		if e, ok := errors.AsType[*exchange.Error](err); ok && e.Status == c.status {
			got = e.Fault.String()
			if e.Fields != nil {
				got += fmt.Sprint(" ", e.Fields)
			}
		}
		if got != c.want {
			t.Errorf("%d %q: got %q (%v), want %q", c.status, c.fields, got, err, c.want)
		}
	}
}

// TestSecurity_P3: neither a tunnel nor an echo is asked of an upstream.
func TestSecurity_P3_ConnectAndTraceAreNotPassedOn(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"CONNECT", "TRACE"} {
		p := newTestProxy(t, Options{}, func(*exchange.Call, *exchange.Response) (upstream.Result, error) {
			t.Errorf("%s: reached an upstream", method)
			return upstream.Result{}, io.EOF
		})
		r := exchangetest.NewRequest(method, "/")
		_, err := p.Handle(r)
		if e, ok := errors.AsType[*exchange.Error](err); !ok || e.Status != 405 || len(e.Fields) != 1 {
			t.Errorf("%s: got %v, want 405 with Allow", method, err)
		}
		if e := p.Explain(r); e.Err == nil {
			t.Errorf("explain %s: got %+v, want an error", method, e)
		}
	}
}

func TestMaxForwards(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ method, value, want string }{
		{"OPTIONS", "1", "0"}, {"OPTIONS", "10", "9"}, {"OPTIONS", "x", "x"}, {"OPTIONS", "-1", "-1"}, {"GET", "0", "0"}, {"GET", "5", "5"},
	} {
		got := forwarded(t, Options{}, exchangetest.NewRequest(c.method, "/", exchangetest.Field("max-forwards", c.value)))
		if v := got.Header.Get("max-forwards"); v != c.want {
			t.Errorf("%s with %s: got %s, want %s", c.method, c.value, v, c.want)
		}
	}
	p := newTestProxy(t, Options{}, func(*exchange.Call, *exchange.Response) (upstream.Result, error) {
		t.Error("Max-Forwards 0: reached an upstream")
		return upstream.Result{}, io.EOF
	})
	got := exchangetest.Do(t, p, exchangetest.NewRequest("OPTIONS", "/", exchangetest.Field("max-forwards", "0")))
	if got.Status != 204 || got.Header.Get("allow") == "" {
		t.Errorf("OPTIONS with 0: got %d %s", got.Status, lines(&got.Header))
	}
}

func TestLoops(t *testing.T) {
	t.Parallel()
	pool := new(recordingPool)
	a, b := newTestProxy(t, Options{}, pool.take), newTestProxy(t, Options{}, pool.take)
	if _, err := a.Handle(exchangetest.NewRequest("GET", "/")); err != nil {
		t.Fatal(err)
	}
	via := pool.last(t).Header.Get("via")
	// Another one of the same name is no loop.
	if _, err := b.Handle(exchangetest.NewRequest("GET", "/", exchangetest.Field("via", via))); err != nil {
		t.Errorf("another proxy of that name: %v", err)
	}
	r := exchangetest.NewRequest("GET", "/", exchangetest.Field("via", "1.1 x"), exchangetest.Field("via", "1.0 fred, "+via+", 2 x"))
	if _, err := a.Handle(r); statusOf(err) != 508 {
		t.Errorf("the same again: got %v, want 508", err)
	}
	if _, err := newTestProxy(t, Options{Via: "edge-1"}, pool.take).Handle(exchangetest.NewRequest("GET", "/")); err != nil || !strings.HasPrefix(pool.last(t).Header.Get("via"), "1.1 edge-1-") {
		t.Errorf("own name: got %v, %q", err, pool.last(t).Header.Get("via"))
	}
}

func statusOf(err error) int {
	if e, ok := errors.AsType[*exchange.Error](err); ok {
		return e.Status
	}
	return 0
}

func TestShares(t *testing.T) {
	t.Parallel()
	var s shares
	count := map[string]int{}
	pool := func(name string) *scriptedPool {
		return &scriptedPool{name, func(_ *exchange.Call, resp *exchange.Response) (upstream.Result, error) {
			count[name]++
			resp.Status = 204
			return upstream.Result{}, nil
		}}
	}
	err := errors.Join(s.add(pool("heavy"), Share{Weight: 9}), s.add(pool("canary"), Share{Name: "X-Canary", Value: "yes"}),
		s.add(pool("light"), Share{}), s.add(pool("any"), Share{Name: "x-any", Value: "*"}), s.check())
	if err != nil {
		t.Fatal(err)
	}
	p, err := assemble(Options{}, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(n int, o ...exchangetest.Option) {
		for range n {
			if _, err := p.Handle(exchangetest.NewRequest("GET", "/", o...)); err != nil {
				t.Fatal(err)
			}
		}
	}
	ask(2, fields("x-canary: no\nx-canary: yes")...)
	ask(3, fields("x-any: whatever")...)
	if count["canary"] != 2 || count["any"] != 3 || len(count) != 2 {
		t.Errorf("by field: got %v, want 2 canary, 3 any", count)
	}
	ask(2000, fields("x-canary: no")...)
	if n := count["light"]; n < 120 || n > 290 || count["heavy"] != 2000-n || count["canary"] != 2 {
		t.Errorf("by weight 9 to 1: got %v", count)
	}
	e := p.Explain(exchangetest.NewRequest("GET", "/%61?q", fields("x-canary: yes\nconnection: close")...))
	if e.Pool != "canary" || e.Share != "header x-canary" || e.Endpoint != "canary:80" || e.Why == "" || e.Target != "/a?q" || e.Header.Has("connection") || !e.Header.Has("x-forwarded-for") {
		t.Errorf("explain: got %+v", e)
	}
	if e := p.Explain(exchangetest.NewRequest("GET", "/")); !strings.HasPrefix(e.Share, "weight ") {
		t.Errorf("explain: got share %q", e.Share)
	}
}

func TestExpect(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value string
		body  string
		proto exchange.Proto
		want  bool
	}{
		{"100-Continue", "x", exchange.HTTP11, true}, {"100-continue", "", exchange.HTTP11, false},
		{"100-continue", "x", exchange.HTTP10, false}, {"", "x", exchange.HTTP11, false},
	} {
		r := exchangetest.NewRequest("POST", "/", exchangetest.Field("expect", c.value), exchangetest.Body(c.body), over(c.proto))
		got := forwarded(t, Options{}, r)
		if got.Expect != c.want || got.Header.Has("expect") {
			t.Errorf("%+v: got %v, field passed %v", c, got.Expect, got.Header.Has("expect"))
		}
	}
}

func TestContract(t *testing.T) {
	t.Parallel()
	asks := []exchangetest.Ask{
		{Method: "GET", Target: "/a?b"}, {Method: "HEAD", Target: "/"},
		{Method: "POST", Target: "/form", Options: []exchangetest.Option{exchangetest.Body("a=b")}},
		{Method: "PUT", Target: "/up", Options: []exchangetest.Option{exchangetest.Chunked("some content"), exchangetest.Field("trailer", "x")}},
		{Method: "POST", Target: "/grpc", Options: []exchangetest.Option{exchangetest.Chunked("x"), exchangetest.Field("content-type", "application/grpc")}},
		{Method: "TRACE", Target: "/"},
	}
	gone := func(_ *exchange.Call, _ *exchange.Response) (upstream.Result, error) {
		return upstream.Result{}, &exchange.Error{Fault: exchange.Upstream, Err: context.DeadlineExceeded}
	}
	for _, o := range []Options{{}, {BufferRequest: 5, BufferResponse: 4}, {BufferRequest: 1 << 10, BufferResponse: 1 << 10}} {
		for _, do := range []func(*exchange.Call, *exchange.Response) (upstream.Result, error){
			answers(200, "content-type: text/plain", "hello, world"), answers(200, "x-chunked: 1", "hello, world"), answers(304, "content-length: 5", ""), gone,
		} {
			exchangetest.TestHandler(t, newTestProxy(t, o, do), asks...)
		}
	}
}

// TestAnswer_TooEarlyGoesBack: whether to come again, and when, is the client's to
// decide; weir asks once (RFC 8470 §5.2).
func TestAnswer_TooEarlyGoesBack(t *testing.T) {
	t.Parallel()
	asked := 0
	p := newTestProxy(t, Options{}, func(c *exchange.Call, resp *exchange.Response) (upstream.Result, error) {
		asked++
		if got := c.Header.Get("early-data"); got != "1" {
			t.Errorf("the upstream got early-data %q", got)
		}
		resp.Status, resp.Body = 425, exchange.NoBody
		return upstream.Result{Endpoint: "192.0.2.9:80", Attempts: 1}, nil
	})
	resp, err := p.Handle(exchangetest.NewRequest("GET", "/", func(r *exchange.Request) { r.Early = true }))
	if err != nil || resp.Status != 425 || asked != 1 {
		t.Errorf("got %v, %v after %d calls, want 425 after one", resp, err, asked)
	}
}
