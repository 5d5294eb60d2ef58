package wasmhost

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	http "github.com/weirproxy/weir/sdk/abi/httpwasm"
	proxy "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
	. "github.com/weirproxy/weir/wasmhost/vmtest"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// bugs keeps what the host logs of its own mistakes: host functions and engines that
// panicked are caught, and end but their guest, but they are none of the guest's.
type bugs struct {
	slog.Handler
	mu    sync.Mutex
	lines []string
}

func (b *bugs) Enabled(context.Context, slog.Level) bool { return true }

func (b *bugs) Handle(_ context.Context, r slog.Record) error {
	if !strings.Contains(r.Message, "panicked") {
		return nil
	}
	line := r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, line)
	return nil
}

func (b *bugs) take() (lines []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	lines, b.lines = b.lines, nil
	return lines
}

// lab opens modules that may be anything, one after the other.
type lab struct {
	host *Host
	bugs *bugs
}

func newLab(t testing.TB) *lab {
	b := &bugs{Handler: slog.DiscardHandler}
	h, err := New(Options{Log: slog.New(b)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return &lab{h, b}
}

// few are limits under which everything is over soon.
func few() vm.Limits {
	return vm.Limits{
		Memory: 1 << 20, CPU: 2 * time.Millisecond, Request: 4 * time.Millisecond, Start: 5 * time.Millisecond,
		Wall: 20 * time.Millisecond, Queue: 20 * time.Millisecond, Instances: 2, Body: 4 << 10,
	}
}

// run opens a module, has it see one request as a filter and one as a handler, and holds
// the host to its promises: no panic, an answer or an error, and nothing left.
func (l *lab) run(t *testing.T, code []byte) {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	p, err := l.host.Open(ctx, code, Settings{Name: "mutant", Limits: few()})
	if err == nil {
		l.ask(ctx, t, p, leave)
		p.Close()
	}
	for _, line := range l.bugs.take() {
		t.Errorf("the host has a mistake: %s", line)
	}
	for deadline := time.Now().Add(20 * time.Second); ; <-time.After(time.Millisecond) {
		s := l.host.Stats()
		if s.Programs == 0 && s.Instances == 0 && s.Memory == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("left behind: %+v", s)
		}
	}
}

// ask asks twice. Guests may pause a request for as long as a client stays, so it leaves.
func (l *lab) ask(ctx context.Context, t *testing.T, p *Plugin, leave func()) {
	t.Helper()
	use := guest.Use{Config: []byte("some configuration")}
	answer := exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(200)
		resp.Header.Append("content-type", "text/plain")
		resp.SetBytes([]byte("some content"))
		return resp, nil
	})
	timer := time.AfterFunc(30*time.Millisecond, leave)
	defer timer.Stop()
	request := func() *exchange.Request {
		return exchangetest.NewRequest("POST", "/a/b?c=d", exchangetest.Context(ctx), exchangetest.Field("x-one", "1"), exchangetest.Body("content"))
	}
	if f, release, err := p.Filter(ctx, use); err == nil {
		exchangetest.Do(t, exchange.Chain(answer, f), request())
		release()
	}
	if h, release, err := p.Handler(ctx, use); err == nil {
		exchangetest.Do(t, h, request())
		release()
	}
}

// seeds are small modules of every ABI.
func seeds() (all [][]byte) {
	for _, d := range []Deed{Spin(), Deep(), Hoard(), Crash(), Wild(), Exit(3), Sleep(1e6), Flood(Clock(), 0, 0, 8)} {
		all = append(all, proxyGuest().Do(d, "proxy_on_request_headers", I32x3, I32).Bytes())
		all = append(all, httpGuest().Do(d, "handle_request", nil, I64).Bytes())
		all = append(all, Module{Pages: 1}.Do(d, "_start", nil, nil).Bytes())
	}
	return all
}

// proxyGuest is what Proxy-Wasm asks of every guest.
func proxyGuest() Module {
	return Module{Pages: 1, Funcs: []Func{
		{Name: "proxy_abi_version_0_2_1"},
		{Name: "malloc", Params: I32, Results: I32, Body: Code{I32Const, 4096}},
		{Name: "proxy_on_context_create", Params: I32x2},
	}}
}

// httpGuest is what http-wasm asks beside handle_request.
func httpGuest() Module {
	return Module{Pages: 1, Funcs: []Func{{Name: "handle_response", Params: I32x2}}}
}

// FuzzModule opens modules that are broken in any way.
func FuzzModule(f *testing.F) {
	for _, code := range seeds() {
		f.Add(code)
	}
	f.Add([]byte("\x00asm\x0d\x00\x01\x00"))
	l := newLab(f)
	f.Fuzz(func(t *testing.T, code []byte) { l.run(t, code) })
}

// FuzzProgram opens valid modules whose code is any: calls of all host functions with odd
// numbers, loops, writes, growth, crashes.
func FuzzProgram(f *testing.F) {
	for n := range byte(200) {
		f.Add(n, []byte{n, n / 3, n * 7, 3, n + 1, n * 5, 200, n ^ 0x55, 17, n, 255, 4, n + 2, 9})
	}
	l := newLab(f)
	f.Fuzz(func(t *testing.T, kind byte, plan []byte) { l.run(t, planned(kind, plan)) })
}

// TestHost_TakesAnyProgram is a little of what the fuzzers do, on every run.
func TestHost_TakesAnyProgram(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for n := range byte(40) {
		l.run(t, planned(n, []byte{n, 3, n * 7, 11, n * 13, n * 5, 200, n ^ 0x55}))
	}
	for n, code := range seeds() {
		for k := 8 + n; k < len(code); k += 29 {
			mutant := append([]byte(nil), code...)
			mutant[k] ^= 1 << (k % 8)
			l.run(t, mutant)
		}
	}
}

// planned makes a module of an ABI whose callbacks do what a plan says.
func planned(kind byte, plan []byte) []byte {
	p := &plotter{plan: plan}
	var m Module
	switch kind % 3 {
	case 0:
		m = proxyGuest()
		for _, f := range proxy.HostFuncs() {
			m.Imports = append(m.Imports, Import{Module: proxy.Module, Name: f.Name, Params: valueTypes(f.Params), Results: valueTypes(f.Results)})
		}
		p.imports = m.Imports
		for _, e := range []struct {
			name            string
			params, results []wasm.ValueType
		}{
			{"proxy_on_vm_start", I32x2, I32}, {"proxy_on_configure", I32x2, I32}, {"proxy_on_request_headers", I32x3, I32},
			{"proxy_on_request_body", I32x3, I32}, {"proxy_on_response_headers", I32x3, I32}, {"proxy_on_response_body", I32x3, I32},
			{"proxy_on_done", I32, I32}, {"proxy_on_log", I32, nil}, {"proxy_on_delete", I32, nil},
			{"proxy_on_tick", I32, nil}, {"proxy_on_queue_ready", I32x2, nil},
		} {
			body := p.block(2)
			switch result := int(p.next() % 16); { // mostly yes, and to go on
			case len(e.results) == 0:
			case result < 3 && e.name != "proxy_on_done": // which may keep a root for ten seconds
				body = append(body, I32Const, result)
			case strings.Contains(e.name, "_headers") || strings.Contains(e.name, "_body"):
				body = append(body, I32Const, 0)
			default:
				body = append(body, I32Const, 1)
			}
			m.Funcs = append(m.Funcs, Func{Name: e.name, Params: e.params, Results: e.results, Body: body})
		}
	case 1:
		m = httpGuest()
		for _, f := range http.Functions() {
			m.Imports = append(m.Imports, Import{Module: http.Module, Name: f.Name, Params: valueTypes(f.Params), Results: valueTypes(f.Results)})
		}
		p.imports = m.Imports
		m.Funcs[0].Body = p.block(2)
		m.Funcs = append(m.Funcs, Func{Name: "handle_request", Results: I64, Body: append(p.block(2), I64Const, int64(p.next()))})
	default:
		wasi := func(name string, params, results []wasm.ValueType) Import {
			return Import{Module: "wasi_snapshot_preview1", Name: name, Params: params, Results: results}
		}
		m.Imports = []Import{Clock(), Random(), wasi("fd_write", I32x4, I32), wasi("fd_read", I32x4, I32),
			wasi("proc_exit", I32, nil), wasi("poll_oneoff", I32x4, I32), wasi("environ_get", I32x2, I32)}
		p.imports = m.Imports
		m.Funcs = []Func{{Name: "_start", Body: p.block(3)}}
	}
	m.Pages, m.Table = 1, []string{m.Funcs[0].Name}
	m.Data = []Data{{At: 64, Data: "x-one\x00value\x00Content-Type: text/plain\n\nhello"}, {At: 16, Data: "\x40\x00\x00\x00\x30\x00\x00\x00"}}
	return m.Bytes()
}

func valueTypes[T ~byte](list []T) (all []wasm.ValueType) {
	for _, t := range list {
		all = append(all, wasm.ValueType(t))
	}
	return all
}

// plotter makes code of a plan's bytes; when they are used up there is no more code.
type plotter struct {
	plan    []byte
	imports []Import
}

func (p *plotter) next() byte {
	if len(p.plan) == 0 {
		return 0
	}
	b := p.plan[0]
	p.plan = p.plan[1:]
	return b
}

// number is one that hosts may trip over, or an ordinary one.
func (p *plotter) number() int {
	odd := []int{0, 1, 2, 5, 16, 64, 65, 200, 403, 4096, 65535, 65536, -1, -16, 1 << 30, -1 << 31, 7, 8, 3, 1000}
	return odd[int(p.next())%len(odd)]
}

// block is some statements, each of which leaves the stack as it was.
func (p *plotter) block(depth int) (c Code) {
	for range 1 + p.next()%6 {
		if len(p.plan) == 0 {
			return c
		}
		c = append(c, p.statement(depth))
	}
	return c
}

func (p *plotter) statement(depth int) Code {
	switch b := p.next() % 32; {
	case b < 20:
		return p.call()
	case b < 23:
		return Code{I32Const, p.number(), I32Const, p.number(), I32Store, uint32(2), uint32(0)}
	case b == 23 && depth > 0:
		return Code{Loop, Void, p.block(depth - 1), I32Const, p.number(), BrIf, 0, End}
	case b == 24 && depth > 0:
		return Code{I32Const, p.number(), I32Load, uint32(2), uint32(0), If, Void, p.block(depth - 1), End}
	case b == 25:
		return Code{I32Const, p.number(), MemoryGrow, 0, Drop}
	case b == 26:
		return Code{I32Const, p.number(), I32Const, p.number(), I32Const, p.number(), Prefixed, 11, 0}
	case b == 27:
		return Code{I32Const, p.number(), I32Const, p.number(), I32Const, p.number(), Prefixed, 10, 0, 0}
	case b == 28:
		return Code{Op(0xd0), []byte{0x70}, I32Const, p.number(), Prefixed, 15, 0, Drop} // table.grow
	case b == 29:
		return Code{I32Const, p.number(), I32Const, p.number(), I32DivS, Drop}
	case b == 30:
		return Code{Unreachable}
	}
	return Code{Nop}
}

// call calls a host function.
func (p *plotter) call() (c Code) {
	i := p.imports[int(p.next())%len(p.imports)]
	for _, t := range i.Params {
		if t == wasm.I64 {
			c = append(c, I64Const, p.number())
		} else {
			c = append(c, I32Const, p.number())
		}
	}
	c = append(c, Call, i.Name)
	for range i.Results {
		c = append(c, Drop)
	}
	return c
}
