package proxywasm

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// pipe is a body that comes as a test sends it, and can be interrupted for a moment, as
// those of clients can.
type pipe struct {
	pieces chan string
	pause  chan struct{}
	rest   string
}

func newPipe() *pipe { return &pipe{pieces: make(chan string), pause: make(chan struct{}, 1)} }

func (p *pipe) Read(b []byte) (int, error) {
	if p.rest == "" {
		select {
		case s, ok := <-p.pieces:
			if !ok {
				return 0, io.EOF
			}
			p.rest = s
		case <-p.pause:
			return 0, exchange.ErrPause
		}
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

func (p *pipe) Len() int64   { return -1 }
func (p *pipe) Close() error { return nil }

func (p *pipe) Interrupt(cause error) {
	if cause == exchange.ErrPause {
		select {
		case p.pause <- struct{}{}:
		default:
		}
	}
}

// body makes p the request's.
func (p *pipe) body() exchangetest.Option { return func(r *exchange.Request) { r.Body = p } }

// stubborn is a pipe that cannot be interrupted.
type stubborn struct{ *pipe }

func (stubborn) Interrupt(error) {}

// until waits for a line of the guest's.
func (b *bench) until(line string) {
	b.Helper()
	for !strings.Contains(strings.Join(b.says(), "\n")+"\n", line+"\n") {
		if b.Context().Err() != nil {
			b.Fatalf("the guest did not say %q: %v", line, b.says())
		}
		runtime.Gosched()
	}
}

// later does something to a request on a goroutine of its own.
func (b *bench) later(h exchange.HandlerFunc, options ...exchangetest.Option) chan *exchangetest.Result {
	got := make(chan *exchangetest.Result, 1)
	go func() { got <- b.do(h, "POST", "/", options...) }()
	return got
}

func TestPause_WhatTheGuestHoldsIsItsOwnWhileMoreComes(t *testing.T) {
	t.Parallel()
	// Callbacks of the root shorten and lengthen what is held, over and over, while the
	// rest is read. The race detector looks on.
	b := open(t, "configure tick 1|tick stream|tick set_buffer 0 0 0x7fffffff x*40|tick set_buffer 0 10 0x7fffffff|tick buffer 0 0 4|"+
		"tick set_buffer 0 0 0x7fffffff one|tick pairs 1|tick property request.size|request_body return 1|request_body_end return 0")
	p := newPipe()
	go func() {
		p.pieces <- "one,"
		b.until("buffer \"xxxx\" 0")
		p.pieces <- strings.Repeat("two,", 10_000)
		p.pieces <- "three"
		close(p.pieces)
	}()
	got := b.do(echo, "POST", "/", p.body())
	if got.Status != 200 || !strings.HasPrefix(string(got.Body), "one") {
		t.Errorf("got %d, %d bytes, %v", got.Status, len(got.Body), got.Err)
	}
}

func TestPause_OfAChunkEndsWithoutTheNext(t *testing.T) {
	t.Parallel()
	b := open(t, "configure tick 1|tick stream|tick continue 0|request_headers log in|request_body return 1|request_body_end return 0")
	p := newPipe()
	had := make(chan string)
	got := b.later(func(r *exchange.Request) (*exchange.Response, error) {
		buf := make([]byte, 100)
		for {
			n, err := r.Body.Read(buf)
			if err == io.EOF {
				return r.NewResponse(204), nil
			}
			if err != nil {
				return nil, err
			}
			had <- string(buf[:n])
		}
	}, p.body())
	for _, s := range []string{"one", "two", "three"} {
		p.pieces <- s
		if one := <-had; one != s { // the client waits for an answer before it goes on
			t.Errorf("got %q, want %q", one, s)
		}
	}
	close(p.pieces)
	if res := <-got; res.Status != 204 {
		t.Errorf("got %d %v, want 204", res.Status, res.Err)
	}
}

func TestPause_OfAChunkEndsWithTheNextWhereReadingCannotBeInterrupted(t *testing.T) {
	t.Parallel()
	b := open(t, "")
	p := newPipe()
	got := b.later(echo, func(r *exchange.Request) { r.Body = stubborn{p} },
		script("request_body return 1|request_body_end return 0|request_body_end buffer 0"))
	p.pieces <- "one,"
	b.until("request_body 4 0")
	b.resumeLast()
	p.pieces <- "two"
	close(p.pieces)
	if res := <-got; string(res.Body) != "one,two" {
		t.Errorf("got %q", res.Body)
	}
	if said := strings.Join(b.says(), "\n"); !strings.Contains(said, "request_body 3 0") || !strings.Contains(said, `buffer "two" 0`) {
		t.Errorf("what was let go on was shown again:\n%s", said)
	}
}

// resumeLast has the only stream go on, as a host function would.
func (b *bench) resumeLast() {
	i := b.live()[0]
	i.hold()
	defer i.drop()
	for _, c := range i.contexts {
		if c.stream != nil {
			i.effective = c
			i.resume(0)
			i.effective = nil
		}
	}
}

func TestReply_WhileABodyIsHeldDoesNotWaitForMore(t *testing.T) {
	t.Parallel()
	for _, hold := range []bool{false, true} {
		b := open(t, "configure tick 1|tick stream|tick reply 403 no|request_headers log in|request_body return 1",
			func(p *guest.Plugin) { p.HoldHeaders = hold })
		p := newPipe()
		s := "request_headers return 0|request_body return 1"
		if hold {
			s = "request_headers return 1|request_body return 1"
		}
		// The tick waits for its stream: before the body it would be too early a test.
		got := b.later(echo, p.body(), script(s))
		select {
		case p.pieces <- "one":
		case res := <-got:
			if res.Status != 403 {
				t.Errorf("hold %t: got %d %v, want 403", hold, res.Status, res.Err)
			}
			continue
		}
		if res := <-got; res.Status != 403 || string(res.Body) != "no" {
			t.Errorf("hold %t: got %d %q %v, want 403", hold, res.Status, res.Body, res.Err)
		}
	}
}

func TestHoldHeaders_ContinueBeforeTheBodyComes(t *testing.T) {
	t.Parallel()
	b := open(t, soon("0"), holding)
	p := newPipe()
	asked := make(chan struct{})
	got := b.later(func(r *exchange.Request) (*exchange.Response, error) {
		close(asked)
		return echo(r)
	}, p.body(), script("request_headers return 1|tick log x"))
	<-asked // though none of the body has come
	p.pieces <- "one"
	close(p.pieces)
	if res := <-got; string(res.Body) != "one" {
		t.Errorf("got %d %q %v", res.Status, res.Body, res.Err)
	}
}

func TestPause_OfABodyIsReadableWithItsTrailers(t *testing.T) {
	t.Parallel()
	b := open(t, "request_body return 1|request_trailers buffer 0|request_trailers set_buffer 0 0 3 two|"+
		"response_body return 1|response_trailers buffer 1|response_trailers set_buffer 1 0 0x7fffffff less")
	var trailer string
	got := b.do(func(r *exchange.Request) (*exchange.Response, error) {
		resp, err := echo(r)
		if err == nil {
			trailer = r.Trailer.Get("x-sum")
			if body := string(resp.Body.(*exchange.Bytes).Rest()); body != "two,content" {
				t.Errorf("the handler saw %q", body)
			}
			resp.Trailer.Append("x-end", "1")
		}
		return resp, err
	}, "POST", "/", exchangetest.Chunked("one,content"), func(r *exchange.Request) { r.Trailer.Append("x-sum", "7") })
	if string(got.Body) != "less" || got.Trailer.Get("x-end") != "1" || trailer != "7" {
		t.Errorf("got %q, trailers %v and %q", got.Body, got.Trailer, trailer)
	}
}

func TestReply_IsFramedByTheClientsMethod(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		script string
		status int
	}{{"reply 403 no", 403}, {"trap", 500}, {"close 0", 0}} {
		b := open(t, "request_headers replace 0 :method HEAD|request_headers "+c.script)
		r := exchangetest.NewRequest("GET", "/")
		got := exchangetest.Do(t, exchange.Chain(unasked(t), b.Filter), r)
		if r.Method != "GET" || got.Status != c.status || c.status == 403 && string(got.Body) != "no" {
			t.Errorf("%s: got %d %q to %s, want it framed for GET", c.script, got.Status, got.Body, r.Method)
		}
	}
}

func TestContent_IsMadeWhereItsLengthWasTakenAway(t *testing.T) {
	t.Parallel()
	b := open(t, "request_headers remove 0 content-length|request_headers set_buffer 0 0 0 made|"+
		"response_headers remove 2 content-length|response_headers set_buffer 1 0 0 made+too")
	got := b.do(echo, "POST", "/")
	if string(got.Body) != "made" {
		t.Errorf("got %q: what the guest made of nothing did not reach the handler", got.Body)
	}
	got = b.do(func(r *exchange.Request) (*exchange.Response, error) { return r.NewResponse(200), nil }, "POST", "/")
	if string(got.Body) != "made too" {
		t.Errorf("got %q, want made too", got.Body)
	}
}

func TestContent_OfNoneStaysNone(t *testing.T) {
	t.Parallel()
	b := open(t, "response_headers set_buffer 1 0 0 made|request_headers set_buffer 0 0 0 made")
	for _, status := range []int{204, 304} {
		got := b.do(func(r *exchange.Request) (*exchange.Response, error) { return r.NewResponse(status), nil }, "GET", "/")
		if got.Status != status || len(got.Body) != 0 {
			t.Errorf("got %d %q", got.Status, got.Body)
		}
	}
	u := &end{}
	r := exchangetest.NewRequest("GET", "/", func(r *exchange.Request) { r.Upgrade = "websocket" })
	resp, err := b.Handle(r, exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		if r.Body != exchange.NoBody {
			t.Error("the request for an upgrade has got a body")
		}
		resp := r.NewResponse(101)
		resp.Tunnel = u
		return resp, nil
	}))
	if err != nil || resp.Status != 101 || resp.Body != exchange.NoBody || resp.Tunnel != u || u.closed {
		t.Errorf("upgrade: got %+v, %v", resp, err)
	}
	r.End()
}

// end is an upstream's end of a tunnel.
type end struct {
	exchange.Tunnel
	closed bool
}

func (e *end) Close() error { e.closed = true; return nil }

func TestUpgrade_IsTheGuestsToRefuse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		script string
		status int // 0: an error
	}{
		{"response_headers add 2 x-a b|response_headers replace 2 :status 200", 101},
		{"request_headers replace 0 :method POST|request_headers replace 0 :path /other", 101},
		{"response_headers reply 403 no", 403},
		{"response_headers trap", 0},
		{"response_headers close 1", 0},
	} {
		b := open(t, c.script)
		u := &end{}
		r := exchangetest.NewRequest("GET", "/", func(r *exchange.Request) { r.Upgrade = "websocket" })
		resp, err := b.Handle(r, exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
			if r.Method != "GET" {
				t.Errorf("%s: the handler saw %s", c.script, r.Method)
			}
			resp := r.NewResponse(101)
			resp.Tunnel = u
			return resp, nil
		}))
		if c.status == 0 && err == nil || c.status != 0 && (err != nil || resp.Status != c.status) || u.closed != (c.status != 101) {
			t.Errorf("%s: got %+v, %v, tunnel closed %t, want %d", c.script, resp, err, u.closed, c.status)
		}
		r.End()
	}
}

func TestHost_HasOneName(t *testing.T) {
	t.Parallel()
	b := open(t, "")
	ask := func(s string) (authority, host string) {
		b.do(func(r *exchange.Request) (*exchange.Response, error) {
			authority, host = r.Authority, r.Header.Get("host")
			return hello(r)
		}, "GET", "/", exchangetest.Field("host", "example.com"), script(s)) // as HTTP/1.1 has it
		return authority, host
	}
	ask("request_headers pairs 0|request_headers get 0 host|request_headers get 0 :authority|request_headers remove 0 host|request_headers property request.headers.host")
	said := strings.Join(b.says(), "\n")
	for _, want := range []string{"request_headers 5 1", ":authority=example.com,:scheme=http,x-script=", `get host = "example.com" 0`,
		`get :authority = "example.com" 0`, "removal of host: ignored", `property request.headers.host = "example.com" 0`} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not in\n%s", want, said)
		}
	}
	for _, s := range []string{"replace 0 :authority Other.example", "replace 0 host other.example", "set_pairs 0 :authority=other.example,x-a=b"} {
		if authority, host := ask("request_headers " + s); authority != "other.example" || host != "other.example" && host != "" {
			t.Errorf("%s: the handler saw %q and %q", s, authority, host)
		}
	}
}

func TestLog_SeesWhatWasSent(t *testing.T) {
	t.Parallel()
	b := open(t, "")
	for _, c := range []struct{ script, want string }{
		{"response_headers reply 451 gone x-why=law", `get :status = "451" 0`},
		{"response_body reply 451 gone x-why=law", `get x-why = "law" 0`},
		{"request_headers reply 451 gone x-why=law", `get x-why = "law" 0`},
	} {
		b.do(hello, "GET", "/", script(c.script+"|log get 2 :status|log get 2 x-why"))
		if said := b.says(); !strings.Contains(strings.Join(said[len(said)-4:], "\n"), c.want) {
			t.Errorf("%s: the log heard %v", c.script, said[len(said)-4:])
		}
	}
}

func TestTrap_AfterTheHeadOfTheResponseIsThePlugins(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"trap", "reply 400 late"} {
		b := open(t, "response_body "+s)
		r := exchangetest.NewRequest("GET", "/")
		got := exchangetest.Do(t, exchange.Chain(exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
			resp := r.NewResponse(200)
			resp.Body = exchange.NewBody(strings.NewReader("content"), -1, nil)
			return resp, nil
		}), b.Filter), r)
		e, ok := errors.AsType[*exchange.Error](got.Err)
		if !ok || e.Fault != exchange.Plugin || r.Record.Plugin != "probe" {
			t.Errorf("%s: got %v of plugin %q, want the plugin's fault", s, got.Err, r.Record.Plugin)
		}
	}
}

func TestCut_HeadsHaveGoneOn(t *testing.T) {
	t.Parallel()
	b := open(t, "configure tick 1|request_headers return 2|tick stream|tick add 0 x-late 1")
	got := b.do(func(r *exchange.Request) (*exchange.Response, error) {
		before := len(b.says())
		for len(b.says()) < before+4 { // two ticks more
			runtime.Gosched()
		}
		if r.Header.Has("x-late") {
			t.Error("the head was changed behind the handler's back")
		}
		return hello(r)
	}, "POST", "/", exchangetest.Chunked("content"))
	if got.Status != 200 {
		t.Errorf("got %d %v", got.Status, got.Err)
	}
}

func TestPath_IsAnAsteriskForOptionsAlone(t *testing.T) {
	t.Parallel()
	b := open(t, "request_headers replace 0 :path *")
	for method, want := range map[string]string{"GET": "/a", "OPTIONS": "*"} {
		b.do(func(r *exchange.Request) (*exchange.Response, error) {
			if r.Target != want {
				t.Errorf("%s: the handler saw %s, want %s", method, r.Target, want)
			}
			return hello(r)
		}, method, "/a")
	}
}

func TestContent_IsNotWholeOnceClosed(t *testing.T) {
	t.Parallel()
	b := open(t, "")
	r := exchangetest.NewRequest("GET", "/")
	resp, err := b.Handle(r, exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(200)
		resp.Body = exchange.NewBody(strings.NewReader("content"), -1, nil)
		return resp, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	body := resp.Body
	for range 2 {
		if err := body.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	r.End()
	if n, err := body.Read(make([]byte, 9)); n != 0 || err == nil || err == io.EOF {
		t.Errorf("read after its end: %d bytes, %v; want an error that is no end", n, err)
	}
	body.(exchange.Interrupter).Interrupt(exchange.ErrClientGone) // belongs to nobody any longer
	if got := b.do(hello, "GET", "/", script("request_headers return 0")); got.Status != 200 {
		t.Errorf("the next: got %d %v", got.Status, got.Err)
	}
}

func TestVMStart_Refusal(t *testing.T) {
	t.Parallel()
	prog, err := probe()
	if err != nil {
		t.Fatal(err)
	}
	g, err := Open(t.Context(), newPlugin(&logged{}), prog)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	b := &bench{TB: t, Guests: g}
	_, free, err := b.Filter2(guest.Use{Config: []byte("vm_start log no+database|vm_start return 0")})
	if err != nil {
		t.Fatalf("first use, which vm_start does not see the configuration of: %v", err)
	}
	free()
	// From the second root on the guest knows a configuration when its VM starts.
	_, _, err = b.Filter2(guest.Use{Root: "other"})
	if err == nil || !strings.Contains(err.Error(), "proxy_on_vm_start returned false") || !strings.Contains(err.Error(), "no database") {
		t.Errorf("got %v, want what proxy_on_vm_start said", err)
	}
}

func TestTrap_InContextCreate(t *testing.T) {
	t.Parallel()
	for _, open1 := range []bool{false, true} {
		b := open(t, "create trap", func(p *guest.Plugin) { p.Open = open1 })
		got := b.do(hello, "GET", "/")
		if want := map[bool]int{false: 500, true: 200}[open1]; got.Status != want {
			t.Errorf("open %t: got %d %v, want %d", open1, got.Status, got.Err, want)
		}
		if n := b.plugin.Counters.Traps[vm.Crashed].Load() + b.plugin.Counters.Traps[vm.Exited].Load(); n == 0 {
			t.Error("no trap was counted")
		}
	}
}
