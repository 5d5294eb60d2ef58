package proxy

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/edge/upstream"
)

// pipeEnd is the upstream's end of a tunnel.
type pipeEnd struct {
	io.Reader
	closed bool
}

func (p *pipeEnd) Write(b []byte) (int, error) { return len(b), nil }
func (p *pipeEnd) Close() error                { p.closed = true; return nil }
func (p *pipeEnd) CloseWrite() error           { return nil }

func upgrade(protocol string) exchangetest.Option {
	return func(r *exchange.Request) { r.Upgrade = protocol }
}

func TestWebSocket(t *testing.T) {
	t.Parallel()
	const key, right = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" // RFC 6455 §1.3
	says := func(s string) func(string) string { return func(string) string { return s } }
	for _, c := range []struct {
		name   string
		proto  exchange.Proto
		key    string              // of the client
		accept func(string) string // of the upstream, for a key; nil: says nothing
		fields string              // of the upstream besides
		want   string              // "" for 502
	}{
		{"h1 to h1", exchange.HTTP11, key, says(right), "upgrade: websocket\nconnection: upgrade\nsec-websocket-protocol: chat",
			"sec-websocket-protocol: chat\nsec-websocket-accept: " + right + "\nvia: 1.1 weir\n"},
		{"h1 to h1, wrong", exchange.HTTP11, key, says("x"), "upgrade: websocket", ""},
		{"h1 to h1, none", exchange.HTTP11, key, nil, "upgrade: websocket", ""},
		{"h1 to h2", exchange.HTTP11, key, nil, "", "sec-websocket-accept: " + right + "\nvia: 1.1 weir\n"},
		{"h2 to h1", exchange.HTTP2, "", acceptance, "upgrade: websocket", "via: 1.1 weir\n"},
		{"h3 to h1", exchange.HTTP3, "client's own", acceptance, "upgrade: websocket", "via: 1.1 weir\n"},
		{"h2 to h1, wrong", exchange.HTTP2, "", says(right), "upgrade: websocket", ""},
		{"h2 to h1, none", exchange.HTTP2, "", nil, "upgrade: websocket", ""},
		{"h2 to h2", exchange.HTTP2, "", nil, "", "via: 1.1 weir\n"},
	} {
		end := &pipeEnd{}
		p := newTestProxy(t, Options{BufferRequest: 10, BufferResponse: 10}, func(call *exchange.Call, resp *exchange.Response) (upstream.Result, error) {
			if call.Upgrade != "websocket" || call.Method != "GET" {
				t.Errorf("%s: call asks for %q by %s", c.name, call.Upgrade, call.Method)
			}
			resp.Status, resp.Body, resp.Tunnel = 101, exchange.NoBody, end
			addFields(&resp.Header, c.fields)
			if c.accept != nil {
				resp.Header.Append("sec-websocket-accept", c.accept(call.Header.Get("sec-websocket-key")))
			}
			if v := call.Header.Joined("sec-websocket-key"); len(v) != 24 {
				t.Errorf("%s: keys %q, want one of 16 bytes", c.name, v)
			}
			return upstream.Result{}, nil
		})
		r := exchangetest.NewRequest("GET", "/ws", over(c.proto), upgrade("websocket"))
		if c.key != "" {
			r.Header.Append("sec-websocket-key", c.key)
		}
		resp, err := p.Handle(r)
		switch {
		case c.want == "":
			if statusOf(err) != 502 || !end.closed {
				t.Errorf("%s: got %v, tunnel closed %v, want 502", c.name, err, end.closed)
			}
		case err != nil || resp.Status != 101 || resp.Tunnel != end || end.closed || lines(&resp.Header) != c.want:
			t.Errorf("%s: got %+v, %v, want\n%s", c.name, resp, err, c.want)
		}
	}
}

func TestUpgradeRefusedOrUnasked(t *testing.T) {
	t.Parallel()
	r := exchangetest.NewRequest("GET", "/ws", upgrade("websocket"), exchangetest.Field("sec-websocket-key", "x"))
	got := exchangetest.Do(t, newTestProxy(t, Options{}, answers(403, "", "no")), r)
	if got.Status != 403 || string(got.Body) != "no" {
		t.Errorf("refused by the upstream: got %d %q", got.Status, got.Body)
	}
	if c := forwarded(t, Options{NoUpgrade: true}, exchangetest.NewRequest("GET", "/ws", upgrade("websocket"))); c.Upgrade != "" {
		t.Errorf("NoUpgrade: call asks for %q", c.Upgrade)
	}
	end := &pipeEnd{}
	_, err := newTestProxy(t, Options{}, func(_ *exchange.Call, resp *exchange.Response) (upstream.Result, error) {
		resp.Status, resp.Body, resp.Tunnel = 101, exchange.NoBody, end
		return upstream.Result{}, nil
	}).Handle(exchangetest.NewRequest("GET", "/"))
	if statusOf(err) != 502 || !end.closed {
		t.Errorf("101 unasked: got %v, closed %v", err, end.closed)
	}
}

func TestGRPCFailures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		kind string
		want string // gRPC's status; "" for an ordinary error
	}{
		{&exchange.Error{Fault: exchange.Upstream, Status: 503, Err: errors.New("10.1.2.3 is down")}, "", "14"},
		{&exchange.Error{Fault: exchange.Upstream}, "+proto", "14"},
		{&exchange.Error{Fault: exchange.Upstream, Status: 504}, "-web+proto", "4"},
		{&exchange.Error{Fault: exchange.Upstream, Err: context.DeadlineExceeded}, "; x=y", "4"},
		{exchange.ErrClientGone, "", ""}, {exchange.Reason(413, "x"), "", ""}, {&exchange.Error{Status: 500}, "", ""},
		{&exchange.Error{Fault: exchange.Upstream, Status: 503}, "s", ""},
	} {
		r := exchangetest.NewRequest("POST", "/pkg.Service/Call", exchangetest.Chunked("x"), exchangetest.Field("content-type", "application/grpc"+c.kind))
		resp, err := newTestProxy(t, Options{BufferRequest: 100}, func(*exchange.Call, *exchange.Response) (upstream.Result, error) {
			return upstream.Result{}, c.err
		}).Handle(r)
		if c.want == "" {
			if !errors.Is(err, c.err) {
				t.Errorf("%v: got %v, %v, want it as it is", c.err, resp, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%v: got error %v", c.err, err)
			continue
		}
		want := "content-type: application/grpc\ngrpc-status: " + c.want + "\n"
		if got := lines(&resp.Header); resp.Status != 200 || got[:min(len(want), len(got))] != want || resp.Body.Len() != 0 || resp.Trailer.Len() != 0 {
			t.Errorf("%v: got %d\n%s", c.err, resp.Status, got)
		}
		if err := resp.Body.Close(); err != c.err {
			t.Errorf("%v: the edge is told %v", c.err, err)
		}
	}
}

func TestGRPCTimeout(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"1S": time.Second, "250m": 250 * time.Millisecond, "99999999n": 99999999, "3M": 3 * time.Minute, "7u": 7 * time.Microsecond, "99999999H": 1 << 16 * time.Hour,
		"": -1, "S": -1, "1": -1, "123456789S": -1, "-1S": -1, "1s": -1, "+1S": -1, " 1S": -1,
	} {
		got, ok := parseTimeout(text)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("grpc-timeout %q: got %v, want %v", text, got, want)
		}
	}
	before := time.Now()
	got := forwarded(t, Options{}, exchangetest.NewRequest("POST", "/", exchangetest.Field("content-type", "application/grpc"), exchangetest.Field("grpc-timeout", "1H")))
	if d := got.Deadline.Sub(before); d < time.Hour+grace || d > time.Hour+time.Minute || got.Header.Get("grpc-timeout") != "1H" {
		t.Errorf("deadline: got %v from now, field %q", d, got.Header.Get("grpc-timeout"))
	}
	if got := forwarded(t, Options{}, exchangetest.NewRequest("POST", "/", exchangetest.Field("grpc-timeout", "1H"))); !got.Deadline.IsZero() {
		t.Errorf("deadline of what is not gRPC: got %v", got.Deadline)
	}
}

func FuzzGRPCTimeout(f *testing.F) {
	f.Add("1S")
	f.Add("99999999H")
	f.Fuzz(func(t *testing.T, s string) {
		if d, ok := parseTimeout(s); d < 0 || !ok && d != 0 || time.Now().Add(d).Before(time.Now().Add(-time.Hour)) {
			t.Errorf("grpc-timeout %q: got %v, %v", s, d, ok)
		}
	})
}
