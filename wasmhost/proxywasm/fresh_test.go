package proxywasm

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
	. "github.com/weirproxy/weir/wasmhost/vmtest"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// stasher gives each request the secret of the one before, which it keeps, and has a
// header tell its stream's number. It does more in addition.
func stasher(t testing.TB, more ...any) *vm.Program {
	t.Helper()
	five := []wasm.ValueType{wasm.I32, wasm.I32, wasm.I32, wasm.I32, wasm.I32}
	prog, err := program(Module{
		Imports: []Import{
			{Module: "env", Name: "proxy_replace_header_map_value", Params: five, Results: I32},
			{Module: "env", Name: "proxy_get_header_map_value", Params: five, Results: I32},
		},
		Globals: []Global{{Type: wasm.I32, Init: 4096}},
		Table:   []string{"$none"},
		Pages:   1, Data: []Data{{At: 0, Data: "x-stashed"}, {At: 16, Data: "x-secret"}, {At: 32, Data: "x-stream"}, {At: 48, Data: "0"}},
		Funcs: []Func{
			{Name: "$none"},
			{Name: "proxy_abi_version_0_2_1"},
			{Name: "malloc", Params: I32, Results: I32, Body: Code{
				GlobalGet, 0, GlobalGet, 0, LocalGet, 0, I32Add, GlobalSet, 0}},
			{Name: "proxy_on_context_create", Params: I32x2},
			{Name: "proxy_on_request_headers", Params: I32x3, Results: I32, Body: append(Code{
				I32Const, 0, I32Const, 0, I32Const, 9, I32Const, 64, I32Load, 2, 0, I32Const, 68, I32Load, 2, 0, Call, "proxy_replace_header_map_value", Drop,
				I32Const, 48, LocalGet, 0, I32Const, 48, I32Add, I32Store8, 0, 0,
				I32Const, 0, I32Const, 32, I32Const, 8, I32Const, 48, I32Const, 1, Call, "proxy_replace_header_map_value", Drop,
				I32Const, 0, I32Const, 16, I32Const, 8, I32Const, 64, I32Const, 68, Call, "proxy_get_header_map_value", Drop,
				I32Const, 0}, more...)},
		},
	}.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

func fresh(p *guest.Plugin) { p.Fresh = true }

// TestSecurity_W9_IsolationOfStreams: a guest that keeps a request's secret cannot tell
// the next one, however it comes to be fresh. Where streams share it, it can.
func TestSecurity_W9_IsolationOfStreams(t *testing.T) {
	t.Parallel()
	growing := []any{I32Const, 1, MemoryGrow, 0, Drop}
	unfrozen := []any{I32Const, 0, I32Const, 0, Op(0x25), 0, Op(0x26), 0} // table.get, table.set
	for _, tt := range []struct {
		name    string
		more    []any
		change  func(*guest.Plugin)
		started int64 // instances, that of the slot included
		logged  string
	}{
		{"shared", nil, func(*guest.Plugin) {}, 1, ""},
		{"reset", nil, fresh, 2, ""},
		{"replaced", growing, fresh, 51, ""},
		{"started", unfrozen, fresh, 52, "each request starts a guest"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := openProgram(t, stasher(t, tt.more...), "", tt.change)
			for n := range 50 {
				var stashed, stream string
				got := b.do(func(r *exchange.Request) (*exchange.Response, error) {
					stashed, stream = r.Header.Get("x-stashed"), r.Header.Get("x-stream")
					return hello(r)
				}, "GET", "/", exchangetest.Field("x-secret", fmt.Sprint("secret ", n)))
				want := ""
				if tt.name == "shared" && n > 0 {
					want = fmt.Sprint("secret ", n-1)
				}
				if got.Status != 200 || stashed != want || tt.name != "shared" && stream != "2" {
					t.Fatalf("request %d: got %d %v; it was told %q as stream %s, want %q", n, got.Status, got.Err, stashed, stream, want)
				}
			}
			c := &b.plugin.Counters
			if n := c.Started.Load(); n != tt.started {
				t.Errorf("%d instances were started, want %d", n, tt.started)
			}
			if text := b.log.text(); !strings.Contains(text, tt.logged) || tt.logged == "" && strings.Contains(text, "starts a guest") {
				t.Errorf("logged %q, want %q in it", text, tt.logged)
			}
			b.release()
			b.Close()
			if n, m, s := c.Instances.Load(), c.Memory.Load(), c.Streams.Load(); n != 0 || m != 0 || s != 0 {
				t.Errorf("afterwards %d instances of %d bytes live, and %d streams", n, m, s)
			}
		})
	}
}

// TestFresh_StandardGo: every stream finds the root configured and nothing else, whatever
// those before it have done and at whatever point they ended.
func TestFresh_StandardGo(t *testing.T) {
	t.Parallel()
	b := open(t, "request_headers add 0 x-of-root yes", fresh, func(p *guest.Plugin) { p.Limits.Instances = 4 })
	var all sync.WaitGroup
	for k := range 4 {
		all.Go(func() {
			for n := range 25 {
				what := []string{"request_headers add 0 x-own 1", "request_headers reply 403 no", "request_body return 1|response_body continue 0"}[(k+n)%3]
				exchangetest.Do(b, exchange.Chain(exchange.HandlerFunc(hello), b.Filter), exchangetest.NewRequest("GET", "/", script(what)))
				var root, own bool
				got := exchangetest.Do(b, exchange.Chain(exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
					root, own = r.Header.Has("x-of-root"), r.Header.Has("x-own")
					return hello(r)
				}), b.Filter), exchangetest.NewRequest("GET", "/"))
				if got.Status != 200 || !root || own {
					t.Errorf("after %q: got %d %v, of the root's script %t, of another stream's %t", what, got.Status, got.Err, root, own)
				}
			}
		})
	}
	all.Wait()
	for _, line := range b.says() {
		if strings.HasPrefix(line, "create ") && line != "create 1 0" && line != "create 2 1" {
			t.Errorf("a stream is not the first of its guest: %s", line)
		}
	}
	if n := b.plugin.Counters.Started.Load(); n > 5 {
		t.Errorf("%d instances were started, want 4 and that of the slot", n)
	}
}

// TestFresh_RootsWorkElsewhere: timers and queues are the slot's instance's, and what a
// stream has begun is over when it is.
func TestFresh_RootsWorkElsewhere(t *testing.T) {
	t.Parallel()
	b := open(t, "configure tick 10", fresh)
	b.do(hello, "GET", "/")
	u := b.Filter.(*filter).use
	v, err := u.lone.pool.Get(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer u.lone.pool.Put(v)
	i := u.lone.pristine(v)
	if rt := i.roots[u]; rt.ticker.timer != nil || rt.bell != nil {
		t.Errorf("its root has a timer %v, a bell %v", rt.ticker.timer, rt.bell)
	}
	if before := b.live(); len(before) != 1 || before[0].roots[u] == nil || before[0].streams.Load() != 0 {
		t.Errorf("the slot's instance is %v; want one with the root, and no streams", before)
	}
}

// TestFresh_TrapsCostOneInstance, and no other stream.
func TestFresh_TrapsCostOneInstance(t *testing.T) {
	t.Parallel()
	b := openProgram(t, stasher(t, LocalGet, 2, If, Void, Unreachable, End), "", fresh)
	for range 3 {
		if got := b.do(hello, "GET", "/"); got.Status != 500 {
			t.Errorf("got %d, want 500: the head is the end", got.Status)
		}
		if got := b.do(hello, "POST", "/", exchangetest.Body("x")); got.Status != 200 {
			t.Errorf("got %d %v, want 200", got.Status, got.Err)
		}
	}
	if n := b.plugin.Counters.Traps[vm.Crashed].Load(); n != 3 {
		t.Errorf("%d traps are counted, want 3", n)
	}
}

// BenchmarkIsolation compares what keeps streams from each other.
func BenchmarkIsolation(b *testing.B) {
	goProbe, err := probe()
	if err != nil {
		b.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		prog   *vm.Program
		change func(*guest.Plugin)
	}{
		{"C shared", stasher(b), func(*guest.Plugin) {}}, {"C reset", stasher(b), fresh},
		{"Go shared", goProbe, func(*guest.Plugin) {}}, {"Go reset", goProbe, fresh},
	} {
		b.Run(tt.name, func(b *testing.B) {
			h := exchange.Chain(exchange.HandlerFunc(hello), openProgram(b, tt.prog, "request_headers add 0 x-a b", tt.change, func(p *guest.Plugin) { p.Limits.Logs = 1 }).Filter)
			b.ReportAllocs()
			for b.Loop() {
				r := exchangetest.NewRequest("GET", "/")
				resp, err := h.Handle(r)
				if err != nil {
					b.Fatal(err)
				}
				resp.Body.Close()
				r.End()
			}
		})
	}
}
