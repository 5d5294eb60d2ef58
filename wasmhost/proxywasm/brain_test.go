package proxywasm

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/commons"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
	. "github.com/weirproxy/weir/wasmhost/vmtest"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// A brain is what a guest does that has none of its own: its callbacks call back a test,
// within the guest, which calls host functions as the guest would.
type brain func(m *mind, callback string, a [3]uint32) uint32

// mind is a guest within a callback.
type mind struct {
	i     *instance
	event []uint64 // of proxy_on_foreign_function: token and status, or context and kind
	rest  ext.Fields
}

// brains are all tests' own, by plugin.
var brains sync.Map

var brainCallbacks = []struct {
	name            string
	params, results int
}{
	{"proxy_on_context_create", 2, 0},
	{"proxy_on_done", 1, 1},
	{"proxy_on_log", 1, 0},
	{"proxy_on_delete", 1, 0},
	{"proxy_on_foreign_function", 3, 0},
	{"proxy_on_http_call_response", 5, 0},
	{onRequestHeaders, 3, 1},
	{"proxy_on_request_body", 3, 1},
	{"proxy_on_request_trailers", 2, 1},
	{onResponseHeaders, 3, 1},
	{"proxy_on_response_body", 3, 1},
	{"proxy_on_response_trailers", 2, 1},
}

func brainModule() Module {
	m := Module{
		Pages:   rigPages,
		Globals: []Global{{Name: "heap", Type: wasm.I32, Init: rigHeap}},
		Imports: []Import{{Module: "test", Name: "think", Params: slices.Repeat(I32, 4), Results: I32}},
	}
	m.Funcs = append(m.Funcs,
		Func{Name: "proxy_abi_version_0_2_1"},
		Func{Name: "malloc", Params: I32, Results: I32, Body: Code{
			GlobalGet, 0, LocalGet, 0, I32Add, I32Const, rigPages<<16 - 8, Op(0x4b), If, Void, // i32.gt_u
			I32Const, rigHeap, GlobalSet, 0, End,
			GlobalGet, 0, GlobalGet, 0, LocalGet, 0, I32Add, GlobalSet, 0}},
	)
	for k, cb := range brainCallbacks {
		body := Code{I32Const, k}
		for p := range 3 {
			if p < cb.params {
				body = append(body, LocalGet, p)
			} else {
				body = append(body, I32Const, 0)
			}
		}
		body = append(body, Call, "think")
		if cb.results == 0 {
			body = append(body, Drop)
		}
		m.Funcs = append(m.Funcs, Func{Name: cb.name, Params: slices.Repeat(I32, cb.params), Results: slices.Repeat(I32, cb.results), Body: body})
	}
	return m
}

func think(ctx context.Context, _ api.Module, stack []uint64) {
	i := vm.InstanceOf(ctx).State.(*instance)
	b, ok := brains.Load(i.plugin)
	if !ok {
		stack[0] = 0
		return
	}
	m := &mind{i: i}
	cb := brainCallbacks[stack[0]].name
	if cb == "proxy_on_foreign_function" {
		m.rest = ext.Read(i.lent.buffers[abi.CallData])
		m.event = []uint64{m.rest.Uint(), m.rest.Uint()}
	}
	stack[0] = uint64(b.(brain)(m, cb, [3]uint32{u32(stack[1]), u32(stack[2]), u32(stack[3])}))
}

var brainProgram = sync.OnceValues(func() (*vm.Program, error) {
	code := brainModule().Bytes()
	e, err := vm.NewEngine(vm.Options{})
	if err != nil {
		return nil, err
	}
	i32 := slices.Repeat([]api.ValueType{api.ValueTypeI32}, 4)
	return e.Load(context.Background(), code, &vm.Link{Name: "brain", Modules: []vm.HostModule{{
		Name: "test", Funcs: []vm.HostFunc{{Name: "think", Params: i32, Results: i32[:1], Call: think}},
	}}})
})

// thinking opens a filter whose guest is b.
func thinking(t testing.TB, b brain, change ...func(*guest.Plugin)) *bench {
	t.Helper()
	prog, err := brainProgram()
	if err != nil {
		t.Fatal(err)
	}
	out := &logged{}
	p := newPlugin(out)
	p.Log = slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	p.Commons = new(commons.Spaces).Of("")
	for _, f := range change {
		f(p)
	}
	brains.Store(p, b)
	t.Cleanup(func() { brains.Delete(p) })
	g, err := Open(t.Context(), p, prog)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	f, release, err := g.Filter(t.Context(), guest.Use{Config: []byte("c")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return &bench{t, g, f, release, out}
}

// ask calls a foreign function.
func (m *mind) ask(name string, args ...any) (abi.Status, ext.Fields) {
	return m.askRaw(name, []byte(fields(args...)))
}

func (m *mind) askRaw(name string, argument []byte) (abi.Status, ext.Fields) {
	result, st := m.i.foreign([]byte(name), argument)
	m.i.settle(st)
	return st, ext.Read(result)
}

// token is ask, of what answers later.
func (m *mind) token(name string, args ...any) uint64 {
	st, f := m.ask(name, args...)
	if st != abi.OK {
		return 0
	}
	return f.Uint()
}

// held is what the guest holds of a body, and set puts something in its place.
func (m *mind) held(direction uint32) string {
	b, _ := m.i.bytesOf(abi.Buffer(direction))
	return string(b)
}

func (m *mind) resume(d abi.Direction) { m.i.resume(d) }

// of makes the context that host functions speak of another.
func (m *mind) of(ctx uint32) bool {
	if c := m.i.contexts[ctx]; c != nil {
		m.i.effective = c
		return true
	}
	return false
}

const pause = uint32(abi.Pause)

// slow is a body of pieces that come when they are sent; it may be interrupted.
type slow struct {
	pieces chan string
	rest   string
	cause  chan error
	err    error // that ended it
	n      int64
}

func newSlow() *slow { return &slow{pieces: make(chan string), cause: make(chan error, 16), n: -1} }

func (s *slow) option() func(*exchange.Request) {
	return func(r *exchange.Request) { r.Body = s }
}

func (s *slow) Read(p []byte) (int, error) {
	for s.rest == "" {
		if s.err != nil {
			return 0, s.err
		}
		select {
		case s.err = <-s.cause:
			err := s.err
			if err == exchange.ErrPause {
				s.err = nil
			}
			return 0, err
		case piece, ok := <-s.pieces:
			if !ok {
				return 0, io.EOF
			}
			s.rest = piece
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *slow) Len() int64    { return s.n }
func (s *slow) Buffered() int { return len(s.rest) }
func (s *slow) Close() error  { return nil }
func (s *slow) Interrupt(e error) {
	select {
	case s.cause <- e:
	default:
	}
}

// journal keeps lines of what happened, for a test to compare.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines)
}

// within fails a test that takes longer: something hangs.
func within(t testing.TB, d time.Duration, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(d):
		buf := make([]byte, 1<<20)
		t.Fatalf("%s hangs:\n%s", what, buf[:runtime.Stack(buf, true)])
	}
}
