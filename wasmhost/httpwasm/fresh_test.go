package httpwasm_test

import (
	"fmt"
	"log/slog"
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

// stasher answers each request with the secret of the one before, which it keeps. With
// more, it also does that.
func stasher(more ...any) []byte {
	i32 := wasm.I32
	i32s := func(n int) (all []wasm.ValueType) {
		for range n {
			all = append(all, i32)
		}
		return all
	}
	return Module{
		Imports: []Import{
			{Module: "http_handler", Name: "set_header_value", Params: i32s(5)},
			{Module: "http_handler", Name: "get_header_values", Params: i32s(5), Results: I64},
		},
		Pages: 1, Table: []string{"$none"},
		Data: []Data{{At: 0, Data: "x-stashed"}, {At: 16, Data: "x-secret"}},
		Funcs: []Func{
			{Name: "$none"},
			{Name: "handle_request", Results: I64, Body: append(Code{
				I32Const, 1, I32Const, 0, I32Const, 9, I32Const, 1024, I32Const, 1020, I32Load, 2, 0, Call, "set_header_value",
				I32Const, 1020,
				I32Const, 0, I32Const, 16, I32Const, 8, I32Const, 1024, I32Const, 256, Call, "get_header_values", Op(0xa7), // i32.wrap_i64
				I32Const, 1, I32Sub, I32Store, 2, 0,
				I64Const, int64(1)}, more...)},
			{Name: "handle_response", Params: I32x2},
		},
	}.Bytes()
}

// growing is what makes instances that have to be replaced, unfrozen one that cannot be
// frozen.
var (
	growing  = []any{I32Const, 1, MemoryGrow, 0, Drop}
	unfrozen = []any{I32Const, 0, I32Const, 0, Op(0x25), 0, Op(0x26), 0} // table.get, table.set
)

// TestSecurity_W9_IsolationOfRequests: a guest that keeps a request's secret cannot tell
// the next one, however it comes to be fresh. Where requests share it, it can.
func TestSecurity_W9_IsolationOfRequests(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		code    []byte
		fresh   bool
		started int64 // instances, at least
		logged  string
	}{
		{"shared", stasher(), false, 1, ""},
		{"reset", stasher(), true, 1, ""},
		{"replaced", stasher(growing...), true, 100, ""},
		{"started", stasher(unfrozen...), true, 100, "freeze instance: the module uses table.set"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var log logged
			p := &guest.Plugin{Fresh: tt.fresh, Log: log.logger(slog.LevelInfo)}
			h := exchange.Chain(exchange.HandlerFunc(plain), filter(t, tt.code, p, ""))
			for n := range 100 {
				secret := fmt.Sprint("secret ", n)
				res := exchangetest.Do(t, h, exchangetest.NewRequest("GET", "/", exchangetest.Field("x-secret", secret)))
				want := ""
				if !tt.fresh && n > 0 {
					want = fmt.Sprint("secret ", n-1)
				}
				if got := res.Header.Get("x-stashed"); res.Status != 200 || got != want {
					t.Fatalf("request %d: got %d %v, and of the one before %q; want %q", n, res.Status, res.Err, got, want)
				}
			}
			if n := p.Counters.Started.Load(); n < tt.started || n > tt.started+2 {
				t.Errorf("%d instances were started, want %d", n, tt.started)
			}
			if text := log.String(); (tt.logged == "") != (text == "") || !strings.Contains(text, tt.logged) {
				t.Errorf("logged %q, want %q", text, tt.logged)
			}
		})
	}
}

// TestFresh_StandardGo: what an instance has learned at its start holds for those that
// are made of its image; nothing else does.
func TestFresh_StandardGo(t *testing.T) {
	t.Parallel()
	p := &guest.Plugin{Fresh: true, Limits: vm.Limits{Instances: 4}}
	h := exchange.Chain(exchange.HandlerFunc(plain), probed(t, p, "features 3"))
	rounds := 250
	if raceEnabled {
		rounds = 25
	}
	var all sync.WaitGroup
	for k := range 8 {
		all.Go(func() {
			for n := range rounds {
				if k == 0 && n%10 == 9 {
					exchangetest.Do(t, h, exchangetest.NewRequest("GET", "/", tell("trap", "")...))
					continue
				}
				res := exchangetest.Do(t, h, exchangetest.NewRequest("GET", "/", tell("features|0;count;config", "count")...))
				if got := res.Header.Get("x-asked") + res.Header.Get("x-answered"); got != "3;1;features 3;2;context 0 error 0" {
					t.Errorf("got %d %v %q, want all features, counts from 1, and the configuration", res.Status, res.Err, got)
					return
				}
			}
		})
	}
	all.Wait()
	if n, most := p.Counters.Started.Load(), int64(4+rounds/10); n > most {
		t.Errorf("%d instances were started, want %d at most", n, most)
	}
}

// BenchmarkIsolation compares what keeps requests from each other.
func BenchmarkIsolation(b *testing.B) {
	code, err := probe()
	if err != nil {
		b.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		code  []byte
		fresh bool
	}{
		{"C shared", stasher(), false}, {"C reset", stasher(), true}, {"C replaced", stasher(growing...), true}, {"C started", stasher(unfrozen...), true},
		{"Go shared", code, false}, {"Go reset", code, true},
	} {
		b.Run(tt.name, func(b *testing.B) {
			h := exchange.Chain(exchange.HandlerFunc(plain), filter(b, tt.code, &guest.Plugin{Fresh: tt.fresh}, ""))
			b.ReportAllocs()
			for b.Loop() {
				r := exchangetest.NewRequest("GET", "/", exchangetest.Field("x-secret", "1"), exchangetest.Field("x-ask", "set|1|x-a|b"))
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
