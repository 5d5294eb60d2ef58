package proxywasm

import (
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
)

func forgiving(p *guest.Plugin) { p.Open = true }

func TestSecurity_W6_TrapInEveryCallback(t *testing.T) {
	t.Parallel()
	trailing := func(r *exchange.Request) { r.Trailer.Append("x-sum", "7") }
	for _, phase := range []string{"create", "request_headers", "request_body", "request_trailers",
		"response_headers", "response_body", "response_trailers", "done", "log", "delete"} {
		for _, open1 := range []bool{false, true} {
			b := open(t, "", func(p *guest.Plugin) { p.Open = open1 })
			trapping := script(phase + " trap")
			if phase == "create" { // before there is a script
				continue
			}
			var body string
			h := func(r *exchange.Request) (*exchange.Response, error) {
				got, err := io.ReadAll(r.Body)
				if err != nil {
					return nil, err
				}
				body = string(got)
				resp, err := hello(r)
				resp.Trailer.Append("x-end", "1")
				return resp, err
			}
			got := b.do(h, "POST", "/", exchangetest.Chunked("content"), trailing, trapping)
			late := phase == "done" || phase == "log" || phase == "delete"
			if open1 || late {
				if got.Status != 200 || string(got.Body) != "hello" || body != "content" || got.Err != nil {
					t.Errorf("%s, open %t: got %d %q %v, request %q", phase, open1, got.Status, got.Body, got.Err, body)
				}
			} else if got.Status != 500 || got.Err == nil {
				t.Errorf("%s, closed: got %d %q %v, want 500", phase, got.Status, got.Body, got.Err)
			}
			if n := b.plugin.Counters.Traps[vm.Crashed].Load() + b.plugin.Counters.Traps[vm.Exited].Load(); n != 1 {
				t.Errorf("%s: %d traps counted, want 1", phase, n)
			}
			if got := b.do(hello, "GET", "/"); got.Status != 200 { // waits for the new instance
				t.Errorf("%s: the next request got %d %v", phase, got.Status, got.Err)
			}
			if said := b.says(); strings.Join(said[len(said)-3:], " ") != "done log delete" {
				t.Errorf("%s: the last the new guest heard: %v", phase, said)
			}
		}
	}
}

func TestTrap_OpenOnlyWhereNothingWasChanged(t *testing.T) {
	t.Parallel()
	b := open(t, "request_headers add 0 x-a 1|request_headers trap", forgiving)
	if got := b.do(unasked(t), "GET", "/"); got.Status != 500 {
		t.Errorf("request: got %d, want 500", got.Status)
	}
	b = open(t, "response_headers add 2 x-a 1|response_headers trap", forgiving)
	if got := b.do(hello, "GET", "/"); got.Status != 500 {
		t.Errorf("response: got %d, want 500", got.Status)
	}
}

func TestTrap_EndsOtherStreamsOfTheInstance(t *testing.T) {
	t.Parallel()
	b := open(t, "")
	asked := make(chan struct{})
	first := make(chan *exchangetest.Result, 1)
	go func() {
		first <- b.do(hello, "GET", "/", script("request_headers return 1"), func(*exchange.Request) { close(asked) })
	}()
	<-asked
	for b.plugin.Counters.Calls.Load() < 5 { // until it is paused: create, start, configure, create, headers
		runtime.Gosched()
	}
	b.do(hello, "GET", "/", script("request_headers trap"))
	if got := <-first; got.Status != 500 {
		t.Errorf("the paused one: got %d %v, want 500", got.Status, got.Err)
	}
	if said := strings.Join(b.says(), " "); strings.Contains(said, "done") || strings.Contains(said, "delete") {
		t.Errorf("the dead guest was called: %s", said)
	}
}

func TestSecurity_W7_EndlessLoop(t *testing.T) {
	t.Parallel()
	b := open(t, "")
	got := b.do(hello, "GET", "/", script("request_headers spin"))
	if got.Status != 500 || b.plugin.Counters.Traps[vm.OutOfFuel].Load() != 1 {
		t.Errorf("got %d %v", got.Status, got.Err)
	}
	if got := b.do(hello, "GET", "/"); got.Status != 200 {
		t.Errorf("the next: got %d %v, want 200", got.Status, got.Err)
	}
}

func TestConfigure_RefusalSaysWhy(t *testing.T) {
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
	for _, c := range []struct{ script, want string }{
		{"configure log no+such+thing|configure return 0", "no such thing"},
		{"configure trap", "as told"},
	} {
		_, _, err = g.Filter(t.Context(), guest.Use{Config: []byte(c.script)})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q in it", c.script, err, c.want)
		}
	}
	f, release, err := g.Filter(t.Context(), guest.Use{Config: []byte("request_headers reply 204")})
	if err != nil {
		t.Fatalf("good configuration after bad: %v", err)
	}
	defer release()
	if got := exchangetest.Do(t, exchange.Chain(exchange.HandlerFunc(hello), f), exchangetest.NewRequest("GET", "/")); got.Status != 204 {
		t.Errorf("got %d, want 204", got.Status)
	}
}

func TestUses_ShareRootsAndGiveThemBack(t *testing.T) {
	t.Parallel()
	b := open(t, "", func(p *guest.Plugin) { p.Config = []byte("of-the-vm") })
	_, again, err := b.Filter2(guest.Use{Config: nil})
	if err != nil {
		t.Fatal(err)
	}
	_, other, err := b.Filter2(guest.Use{Root: "other", Config: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	again()
	again() // twice is once
	other()
	if got := b.do(hello, "GET", "/"); got.Status != 200 {
		t.Errorf("got %d %v: the first use was given back", got.Status, got.Err)
	}
	b.release()
	b.Close()
	want := "create 1 0 vm of-the-vm create 2 0 vm of-the-vm done delete create 3 1 request_headers 4 1 response_headers 3 0 " +
		"response_body 5 1 done log delete done delete"
	if got := strings.Join(b.says(), " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if n := b.plugin.Counters.Instances.Load(); n != 0 {
		t.Errorf("%d instances are left", n)
	}
	if n := b.plugin.Counters.Memory.Load(); n != 0 {
		t.Errorf("%d bytes of memory are left", n)
	}
}

// Filter2 is Guests.Filter, which the filter in bench hides.
func (b *bench) Filter2(u guest.Use) (exchange.Filter, func(), error) {
	return b.Guests.Filter(b.Context(), u)
}

func TestHandler_AnswersOrDoesNot(t *testing.T) {
	t.Parallel()
	b := open(t, "")
	h, release, err := b.Handler(t.Context(), guest.Use{Root: "site"})
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	ask := func(s string) *exchangetest.Result {
		return exchangetest.Do(t, h, exchangetest.NewRequest("GET", "/", script(s)))
	}
	if got := ask("request_headers reply 200 hi"); got.Status != 200 || string(got.Body) != "hi" {
		t.Errorf("got %d %q, want 200 hi", got.Status, got.Body)
	}
	if got := ask("request_headers log passed"); got.Status != 404 {
		t.Errorf("got %d, want 404", got.Status)
	}
}
