package httpwasm_test

import (
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// TestTraps: what a guest must not do ends it, with a reason that its author can read,
// and the next request has a new instance.
func TestTraps(t *testing.T) {
	t.Parallel()
	memory := "address out of memory"
	for _, tt := range []struct{ ask, answer, config, why string }{
		{ask: "trap", why: "unreachable"},
		{ask: "exit|3", why: "exit"},
		{ask: "setmethod|", why: "set_method: that is no method"},
		{ask: "setmethod|G ET", why: "set_method: that is no method"},
		{ask: "setmethod|connect", why: "set_method: that is no method"},
		{ask: "seturi|no-slash", why: "set_uri: path does not start with a slash"},
		{ask: "seturi|/a~b", why: "set_uri: target holds a character"},
		{ask: "seturi|/../a", why: "set_uri: path climbs above the root"},
		{ask: "names|4", why: "get_header_names: unknown kind"},
		{ask: "values|4|a", why: "get_header_values: unknown kind"},
		{ask: "values|0|", why: "get_header_values: the name is empty"},
		{ask: "set|0||x", why: "set_header_value: the name is empty"},
		{ask: "set|9|a|x", why: "set_header_value: unknown kind"},
		{ask: "add|0|a b|x", why: "add_header_value: header name"},
		{ask: "set|0|host|a/b", why: "set_header_value: host holds a forbidden character"},
		{ask: "set|2|host|a", why: "host: that field may not stand in a trailer"},
		{ask: "set|3|content-length|1", why: "content-length: that field may not stand in a trailer"},
		{ask: "remove|0|", why: "remove_header: the name is empty"},
		{ask: "read|0|0", why: "read_body: there is no room"},
		{ask: "read|2|1", why: "read_body: unknown kind"},
		{ask: "write|2|x", why: "write_body: unknown kind"},
		{ask: "setstatus|99", why: "set_status_code: 99 is no status"},
		{ask: "setstatus|101", why: "set_status_code: 101 is no status"},
		{ask: "setstatus|600", why: "set_status_code: 600 is no status"},
		{answer: "setmethod|PUT", why: "set_method: the next handler has been called already"},
		{answer: "seturi|/x", why: "set_uri: the next handler has been called already"},
		{answer: "set|0|a|b", why: "set_header_value: the next handler has been called already"},
		{answer: "add|2|a|b", why: "add_header_value: the next handler has been called already"},
		{answer: "remove|0|a", why: "remove_header: the next handler has been called already"},
		{answer: "write|0|a", why: "write_body: the next handler has been called already"},
		{answer: "read|0|5", why: "read_body: the request's body has gone on"},
		{answer: "read|1|5", why: "read_body: the response's body is not held"},
		{answer: "write|1|x", why: "write_body: the response's body is not held"},
		{answer: "setstatus|1000", config: "features 2", why: "set_status_code: 1000"},
		{answer: "trap", config: "features 2", why: "unreachable"},
		{ask: "wild|get_config", config: "x", why: memory}, {ask: "wild|get_method", why: memory}, {ask: "wild|get_uri", why: memory},
		{ask: "wild|get_protocol_version", why: memory}, {ask: "wild|get_source_addr", why: memory},
		{ask: "wild|set_method", why: memory}, {ask: "wild|set_uri", why: memory},
		{ask: "wild|get_header_names", why: memory}, {ask: "wild|get_header_values", why: memory},
		{ask: "wild|get_header_values name", why: memory}, {ask: "wild|set_header_value name", why: memory},
		{ask: "wild|set_header_value value", why: memory}, {ask: "wild|add_header_value", why: memory},
		{ask: "wild|remove_header", why: memory}, {ask: "wild|read_body", why: memory}, {ask: "wild|write_body", why: memory},
	} {
		t.Run(tt.ask+tt.answer, func(t *testing.T) {
			t.Parallel()
			p := &guest.Plugin{Name: "probe"}
			f := probed(t, p, tt.config)
			var s seen
			h := exchange.Chain(s.next(plain), f)
			r := func(options ...exchangetest.Option) *exchange.Request {
				return exchangetest.NewRequest("GET", "/", append(options, exchangetest.Field("x-one", "1"))...)
			}
			if res := exchangetest.Do(t, h, r(tell("count", "")...)); res.Header.Get("x-asked") != "1;" {
				t.Fatalf("before: got %q, %v", res.Header.Get("x-asked"), res.Err)
			}
			before := s.calls
			res := exchangetest.Do(t, h, r(tell(tt.ask, tt.answer)...))
			if e, ok := errors.AsType[*exchange.Error](res.Err); !ok || res.Status != 500 || e.Fault != exchange.Plugin || !strings.Contains(e.Error(), tt.why) {
				t.Errorf("got %d %v, want 500 and %q", res.Status, res.Err, tt.why)
			}
			if got, want := s.calls-before, boolInt(tt.answer != ""); got != want {
				t.Errorf("next was called %d times, want %d", got, want)
			}
			// It counts from the beginning: nothing of the instance that failed is left.
			if res := exchangetest.Do(t, h, r(tell("count", "")...)); res.Header.Get("x-asked") != "1;" {
				t.Errorf("afterwards: got %q, %v; want a new instance", res.Header.Get("x-asked"), res.Err)
			}
			if got := p.Counters.Started.Load(); got != 2 {
				t.Errorf("instances started: got %d, want 2", got)
			}
		})
	}
}

// TestSecurity_W8_HeadersFromGuests: nothing that splits a message gets into a header.
func TestSecurity_W8_HeadersFromGuests(t *testing.T) {
	t.Parallel()
	f := probed(t, &guest.Plugin{}, "")
	for _, what := range []string{
		"set|0|x|a<CR>b: c", "add|0|x|a<CR>b: c", "set|1|x|a<CR>b: c", "add|1|x|a<NUL>b", "set|2|x|a<CR>", "add|3|x|<NUL>",
		"set|0|:path|/x", "set|1|:status|200", "set|1|a:b|c",
	} {
		var s seen
		res := exchangetest.Do(t, exchange.Chain(s.next(plain), f), exchangetest.NewRequest("GET", "/", tell(what, "")...))
		if res.Status != 500 || s.calls != 0 {
			t.Errorf("%s: got %d, and %d calls of the next handler; want 500 and none", what, res.Status, s.calls)
		}
	}
}

// TestSecurity_W9_AnInstanceServesOneRequest: it is not entered by another request while
// its own waits for the upstream, and answers of upstreams come back to who asked.
func TestSecurity_W9_AnInstanceServesOneRequest(t *testing.T) {
	t.Parallel()
	p := &guest.Plugin{}
	f := probed(t, p, "")
	inner := exchange.Chain(exchange.HandlerFunc(plain), f)
	outer := exchange.Chain(exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		res := exchangetest.Do(t, inner, exchangetest.NewRequest("GET", "/inner", tell("count;next|1|2", "count")...))
		if got, want := res.Header.Get("x-answered"), "2;context 2 error 0"; got != want {
			t.Errorf("inner: got %q, want %q", got, want)
		}
		return plain(r)
	}), f)
	res := exchangetest.Do(t, outer, exchangetest.NewRequest("GET", "/", tell("count;next|1|1", "count")...))
	if got, want := res.Header.Get("x-answered"), "2;context 1 error 0"; got != want {
		t.Errorf("outer: got %q, want %q", got, want)
	}
	if got := p.Counters.Started.Load(); got != 2 {
		t.Errorf("instances: got %d, want 2", got)
	}
}

// TestSecurity_W11_BodiesAboveTheLimit are answered with a status, and nothing of them
// goes on.
func TestSecurity_W11_BodiesAboveTheLimit(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 5000)
	answer := func(r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(200)
		resp.Body = exchange.NewBody(strings.NewReader(large), -1, nil)
		return resp, nil
	}
	for _, tt := range []struct {
		name, config, ask, answer string
		body                      string
		status, calls             int
		got                       int // bytes of the response
	}{
		{"request read with buffering", "features 1", "read|0|999", "", large, 413, 0, 0},
		{"request read without", "", "read|0|999", "", large, 200, 1, 5000},
		{"request not read", "features 3", "method", "method", large, 200, 1, 5000},
		{"request read only afterwards", "features 3", "method", "read|0|99", large, 413, 1, 0},
		{"request written", "", "fill|0|1000|5", "", "", 500, 0, 0},
		{"own response written", "", "fill|1|1000|5;next|0", "", "", 500, 0, 0},
		{"response read", "features 2", "method", "read|1|999", "", 502, 1, 0},
		{"a part of the response read", "features 2", "method", "read|1|999|2", "", 200, 1, 5000},
		{"response written", "features 2", "method", "fill|1|1000|5", "", 500, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, lenient := range []bool{false, true} {
				p := &guest.Plugin{Limits: vm.Limits{Body: 4000}, Open: lenient}
				f := probed(t, p, tt.config)
				options := tell(tt.ask, tt.answer)
				method := "GET"
				if tt.body != "" {
					method, options = "POST", append(options, exchangetest.Chunked(tt.body))
				}
				var s seen
				res := exchangetest.Do(t, exchange.Chain(s.next(answer), f), exchangetest.NewRequest(method, "/", options...))
				status, calls, got := tt.status, tt.calls, tt.got
				if lenient {
					status, calls, got = 200, 1, 5000
				}
				if res.Status != status || s.calls != calls || len(res.Body) != got {
					t.Errorf("open %v: got %d with %d bytes, %d calls (%v); want %d with %d, %d", lenient, res.Status, len(res.Body), s.calls, res.Err, status, got, calls)
				}
				if s.calls == 1 && tt.ask != "read|0|999" && s.body != tt.body {
					t.Errorf("open %v: next saw %d bytes, want %d", lenient, len(s.body), len(tt.body))
				}
				if n := p.Counters.Started.Load(); n != 1 {
					t.Errorf("open %v: %d instances were started; that of a body which is too large lives on", lenient, n)
				}
			}
		})
	}
}

// TestOpen: with on_error open, what a failed guest has not changed goes on without it.
func TestOpen(t *testing.T) {
	t.Parallel()
	body := exchangetest.Body("0123456789")
	for _, tt := range []struct {
		name, config, ask, answer string
		status                    int
		sent                      string
	}{
		{"nothing done", "", "trap", "", 200, "0123456789"},
		{"own response begun", "", "setstatus|404;set|1|x-from|guest;write|1|x;trap", "", 200, "0123456789"},
		{"body read with buffering", "features 1", "read|0|3|2;trap", "", 200, "0123456789"},
		{"body written", "", "write|0|x;trap", "", 200, "0123456789"},
		{"body read without buffering", "", "read|0|3|1;trap", "", 500, ""},
		{"field set", "", "set|0|x|y;trap", "", 500, ""},
		{"target set", "", "seturi|/x;trap", "", 500, ""},
		{"method set", "", "setmethod|PUT;trap", "", 500, ""},
		{"trailer set", "", "set|2|x|y;trap", "", 500, ""},
		{"response", "features 2", "set|0|x|y", "setstatus|404;set|1|x-from|guest;add|1|a|b;read|1|3|1;write|1|x;trap", 200, "0123456789"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var log logged
			f := probed(t, &guest.Plugin{Name: "probe", Open: true, Log: log.logger(slog.LevelDebug)}, tt.config)
			var s seen
			res := exchangetest.Do(t, exchange.Chain(s.next(plain), f), exchangetest.NewRequest("POST", "/", tell(tt.ask, tt.answer, body)...))
			if res.Status != tt.status || s.body != tt.sent || s.method == "PUT" {
				t.Fatalf("got %d %v, next saw %s %q; want %d, %q", res.Status, res.Err, s.method, s.body, tt.status, tt.sent)
			}
			if tt.status == 200 && (lines(&res.Header) != "x-from: upstream\n" || string(res.Body) != "upstream") {
				t.Errorf("got %q %q, want what the next handler answered", lines(&res.Header), res.Body)
			}
			if !strings.Contains(log.String(), "handleRe") {
				t.Errorf("log: got %q, want the guest's stack", log.String())
			}
		})
	}
}

// TestLimits: a guest that computes for too long is ended, in one call or in both.
func TestLimits(t *testing.T) {
	t.Parallel()
	for _, ask := range [][2]string{{"loop", ""}, {"", "loop"}} {
		p := &guest.Plugin{Limits: vm.Limits{CPU: 5 * time.Millisecond, Request: 8 * time.Millisecond}}
		f := probed(t, p, "")
		start := time.Now()
		res := exchangetest.Do(t, exchange.Chain(exchange.HandlerFunc(plain), f), exchangetest.NewRequest("GET", "/", tell(ask[0], ask[1])...))
		if trap, ok := errors.AsType[*vm.Trap](res.Err); !ok || res.Status != 500 || trap.Reason != vm.OutOfFuel {
			t.Errorf("%q: got %d %v, want 500 for %v", ask, res.Status, res.Err, vm.OutOfFuel)
		}
		if p.Counters.Traps[vm.OutOfFuel].Load() != 1 || p.Counters.Fuel.Load() < 4_000_000 {
			t.Errorf("%q: counted %d traps and %d fuel", ask, p.Counters.Traps[vm.OutOfFuel].Load(), p.Counters.Fuel.Load())
		}
		t.Logf("%q: ended after %v", ask, time.Since(start))
	}
}

// TestBusy: who gets no instance in time is told so, or goes on without.
func TestBusy(t *testing.T) {
	t.Parallel()
	for _, lenient := range []bool{false, true} {
		p := &guest.Plugin{Open: lenient, Limits: vm.Limits{Instances: 1, Queue: time.Millisecond}}
		f := probed(t, p, "")
		inner := exchange.Chain(exchange.HandlerFunc(plain), f)
		outer := exchange.Chain(exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
			res := exchangetest.Do(t, inner, exchangetest.NewRequest("GET", "/"))
			if want := or(boolInt(lenient)*200, 503); res.Status != want {
				t.Errorf("open %v: got %d %v, want %d", lenient, res.Status, res.Err, want)
			}
			return plain(r)
		}), f)
		if res := exchangetest.Do(t, outer, exchangetest.NewRequest("GET", "/")); res.Status != 200 {
			t.Errorf("open %v: got %d %v, want 200", lenient, res.Status, res.Err)
		}
		c := &p.Counters
		if c.Waits.Load() != 1 || c.Waited.Load() < int64(time.Millisecond) || c.Streams.Load() != 0 {
			t.Errorf("open %v: %d waits of %d ns, %d streams; want one of 1 ms, and none", lenient, c.Waits.Load(), c.Waited.Load(), c.Streams.Load())
		}
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestNextFails: the guest hears of it, and what went wrong stays.
func TestNextFails(t *testing.T) {
	t.Parallel()
	var log logged
	f := probed(t, &guest.Plugin{Log: log.logger(slog.LevelDebug)}, "features 2")
	h := exchange.Chain(exchange.HandlerFunc(func(*exchange.Request) (*exchange.Response, error) {
		return nil, &exchange.Error{Fault: exchange.Upstream, Err: errors.New("no upstream")}
	}), f)
	ask := tell("next|1|9", "read|1|9;write|1|x;set|1|a|b;status;log|1|heard of it", exchangetest.Body("x"))
	res := exchangetest.Do(t, h, exchangetest.NewRequest("POST", "/", ask...))
	if res.Err == nil || res.Err.Error() != "no upstream" || !strings.Contains(log.String(), "heard of it") {
		t.Errorf("got %v, logged %q", res.Err, log.String())
	}
	if res := exchangetest.Do(t, h, exchangetest.NewRequest("GET", "/", tell("", "trap")...)); res.Err.Error() != "no upstream" {
		t.Errorf("with a guest that fails as well: got %v", res.Err)
	}
}

// TestCutBody: a body that breaks off is nobody's answer, and no reason to end the guest.
func TestCutBody(t *testing.T) {
	t.Parallel()
	p := &guest.Plugin{Open: true}
	f := probed(t, p, "features 3")
	cut := func() exchange.Body {
		return exchange.NewBody(io.MultiReader(strings.NewReader("begun"), failing{}), 10, nil)
	}
	var s seen
	res := exchangetest.Do(t, exchange.Chain(s.next(plain), f), exchangetest.NewRequest("POST", "/",
		tell("read|0|100", "", func(r *exchange.Request) { r.Body = cut() })...))
	if !errors.Is(res.Err, errCut) || s.calls != 0 {
		t.Errorf("request: got %v and %d calls, want %v", res.Err, s.calls, errCut)
	}
	res = exchangetest.Do(t, exchange.Chain(exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(200)
		resp.Body = cut()
		return resp, nil
	}), f), exchangetest.NewRequest("GET", "/", tell("", "read|1|100;write|1|x")...))
	if !errors.Is(res.Err, errCut) {
		t.Errorf("response: got %v, want %v", res.Err, errCut)
	}
	if n := p.Counters.Started.Load(); n != 1 {
		t.Errorf("instances started: got %d, want 1", n)
	}
}

var errCut = errors.New("cut")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errCut }

// TestLog: what guests say and print is logged, a number of lines a second.
func TestLog(t *testing.T) {
	t.Parallel()
	var log logged
	p := &guest.Plugin{Name: "probe", Log: log.logger(slog.LevelDebug), Limits: vm.Limits{Logs: 5}}
	f := probed(t, p, "")
	ask := func(script string) string {
		res := exchangetest.Do(t, exchange.Chain(exchange.HandlerFunc(plain), f), exchangetest.NewRequest("GET", "/", tell(script, "")...))
		if res.Err != nil {
			t.Fatal(res.Err)
		}
		return res.Header.Get("x-asked")
	}
	if got := ask("enabled|-1;enabled|2;enabled|3;log|-1|deep;log|2|it hurts;log|3|nothing;log|7|nothing;wildlog;print|on paper"); got != "1;1;0;" {
		t.Errorf("enabled: got %q", got)
	}
	for _, want := range []string{"level=DEBUG msg=\"guest says\" plugin=probe text=deep", "level=ERROR msg=\"guest says\" plugin=probe text=\"it hurts\"", "text=\"on paper\""} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("log: got %q, want %q in it", log.String(), want)
		}
	}
	if strings.Contains(log.String(), "nothing") {
		t.Errorf("log: got %q", log.String())
	}
	ask(strings.Repeat("log|0|again;", 100))
	if n, lost := strings.Count(log.String(), "again"), p.Counters.LogsLost.Load(); n > 10 || lost < 90 {
		t.Errorf("of 100 lines %d were logged, %d counted as lost", n, lost)
	}
	quiet := probed(t, &guest.Plugin{Log: slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelWarn}))}, "")
	res := exchangetest.Do(t, exchange.Chain(exchange.HandlerFunc(plain), quiet), exchangetest.NewRequest("GET", "/", tell("enabled|0;enabled|1", "")...))
	if got := res.Header.Get("x-asked"); got != "0;1;" {
		t.Errorf("enabled at level warn: got %q", got)
	}
}

// TestHost_StaysAndIsToldOnce: to remove the host does nothing, and its author hears why.
func TestHost_StaysAndIsToldOnce(t *testing.T) {
	t.Parallel()
	var log logged
	f := probed(t, &guest.Plugin{Log: log.logger(slog.LevelWarn), Limits: vm.Limits{Instances: 1}}, "")
	for range 3 {
		h := exchange.Chain(exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
			if r.Authority != "example.com" {
				t.Errorf("the host became %q", r.Authority)
			}
			return plain(r)
		}), f)
		if res := exchangetest.Do(t, h, exchangetest.NewRequest("GET", "/", tell("remove|0|Host;next", "")...)); res.Status != 200 {
			t.Errorf("got %d %v", res.Status, res.Err)
		}
	}
	if n := strings.Count(log.String(), "cannot be removed"); n != 1 {
		t.Errorf("told %d times, want once: %s", n, log.String())
	}
}
