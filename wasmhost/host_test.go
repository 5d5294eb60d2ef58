package wasmhost

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
	"github.com/weirproxy/weir/wasmhost/vmtest"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// fake is an ABI whose guests export fake. It counts what is open.
type fake struct {
	guests, uses, opened atomic.Int64
	trimmed              atomic.Int64
	fail                 atomic.Bool
}

type fakeGuests struct {
	fake     *fake
	plugin   *guest.Plugin
	instance *vm.Instance
}

func (f *fake) abi() abi {
	return abi{
		name:   "fake",
		speaks: func(m *wasm.Module) bool { return m.HasFunc("fake") },
		link:   func(*wasm.Module) (*vm.Link, error) { return &vm.Link{Name: "fake"}, nil },
		open: func(ctx context.Context, p *guest.Plugin, prog *vm.Program) (guests, error) {
			if f.fail.Load() {
				return nil, errors.New("it does not start")
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			i, err := prog.Instantiate(vm.Config{Limits: p.Limits})
			if err != nil {
				return nil, err
			}
			f.guests.Add(1)
			f.opened.Add(1)
			return &fakeGuests{f, p, i}, nil
		},
	}
}

func (g *fakeGuests) Filter(_ context.Context, u guest.Use) (exchange.Filter, func(), error) {
	if string(u.Config) == "bad" {
		return nil, nil, errors.New("guest refuses its configuration")
	}
	g.fake.uses.Add(1)
	return exchange.FilterFunc(nil), func() { g.fake.uses.Add(-1) }, nil
}

func (g *fakeGuests) Handler(context.Context, guest.Use) (exchange.Handler, func(), error) {
	return nil, nil, errors.New("no handler")
}

func (g *fakeGuests) Trim() { g.fake.trimmed.Add(1) }

func (g *fakeGuests) Close() {
	g.instance.Close()
	g.fake.guests.Add(-1)
}

// module returns one that exports name, different for each n.
func module(name string, n int) []byte {
	return vmtest.Module{Pages: 1, Funcs: []vmtest.Func{{Name: name, Body: vmtest.Code{vmtest.I32Const, n, vmtest.Drop}}}}.Bytes()
}

func newFake(t *testing.T) (*Host, *fake) {
	t.Helper()
	f := &fake{}
	h, err := newHost(Options{}, []abi{f.abi()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.Close()
		if n := len(h.Status()); n != 0 || f.guests.Load() != 0 || f.uses.Load() != 0 || h.Stats().Programs != 0 {
			t.Errorf("left open: %d plugins, %d guests, %d uses, %+v", n, f.guests.Load(), f.uses.Load(), h.Stats())
		}
	})
	return h, f
}

func open(t *testing.T, h *Host, code []byte, s Settings) *Plugin {
	t.Helper()
	p, err := h.Open(t.Context(), code, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func TestOpen_SharesWhatIsEqual(t *testing.T) {
	t.Parallel()
	h, f := newFake(t)
	code := module("fake", 1)
	a := open(t, h, code, Settings{Name: "a", Config: []byte("x")})
	open(t, h, code, Settings{Name: "a", Config: []byte("x")})
	if f.opened.Load() != 1 || len(h.Status()) != 1 || h.Status()[0].Users != 2 {
		t.Errorf("equal plugins: %d opened, status %+v; want one of two users", f.opened.Load(), h.Status())
	}
	open(t, h, code, Settings{Name: "b", Config: []byte("x")})
	open(t, h, code, Settings{Name: "a", Config: []byte("y")})
	open(t, h, code, Settings{Name: "a", Config: []byte("x"), Limits: vm.Limits{Instances: 3}})
	if f.opened.Load() != 4 || h.Stats().Compiled != 1 {
		t.Errorf("different settings: %d opened, %d compiled; want 4, 1", f.opened.Load(), h.Stats().Compiled)
	}
	open(t, h, module("fake", 2), Settings{Name: "a", Config: []byte("x")})
	if f.opened.Load() != 5 || h.Stats().Compiled != 2 {
		t.Errorf("other content: %d opened, %d compiled; want 5, 2", f.opened.Load(), h.Stats().Compiled)
	}
	if a.ABI() != "fake" || !a.Info().HasFunc("fake") || h.Status()[0].Hash == "" {
		t.Errorf("ABI %q, info %+v, status %+v", a.ABI(), a.Info(), h.Status()[0])
	}
}

func TestOpen_LivesOverReloads(t *testing.T) {
	t.Parallel()
	h, f := newFake(t)
	code := module("fake", 1)
	p, err := h.Open(t.Context(), code, Settings{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		next, err := h.Open(t.Context(), code, Settings{Name: "a"})
		if err != nil {
			t.Fatal(err)
		}
		_, release, err := next.Filter(t.Context(), guest.Use{})
		if err != nil {
			t.Fatal(err)
		}
		p.Close()
		p.Close() // harmless
		defer release()
		p = next
	}
	if f.opened.Load() != 1 || f.guests.Load() != 1 || f.uses.Load() != 100 {
		t.Errorf("opened %d times, %d guests and %d uses alive; want 1, 1, 100", f.opened.Load(), f.guests.Load(), f.uses.Load())
	}
	t.Cleanup(p.Close)
}

func TestOpen_AtOnceStartsOnce(t *testing.T) {
	t.Parallel()
	h, f := newFake(t)
	code := module("fake", 1)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			p, err := h.Open(t.Context(), code, Settings{Name: "a"})
			if err != nil {
				t.Error(err)
				return
			}
			defer p.Close()
			_, release, err := p.Filter(t.Context(), guest.Use{})
			if err != nil {
				t.Error(err)
				return
			}
			release()
			release()
		})
	}
	keep := open(t, h, code, Settings{Name: "a"})
	wg.Wait()
	if n := f.guests.Load(); n != 1 {
		t.Errorf("%d guests alive, want 1", n)
	}
	_ = keep
}

func TestOpen_OwnGivesEachUseItsGuests(t *testing.T) {
	t.Parallel()
	h, f := newFake(t)
	p := open(t, h, module("fake", 1), Settings{Name: "a", Own: true})
	var releases []func()
	for range 3 {
		_, release, err := p.Filter(t.Context(), guest.Use{})
		if err != nil {
			t.Fatal(err)
		}
		releases = append(releases, release)
	}
	if f.opened.Load() != 3 || f.guests.Load() != 3 {
		t.Errorf("%d opened, %d alive, want 3: the first serves the first use", f.opened.Load(), f.guests.Load())
	}
	if _, _, err := p.Filter(t.Context(), guest.Use{Config: []byte("bad")}); err == nil || f.guests.Load() != 3 {
		t.Errorf("refused use: %v, %d guests alive, want an error and 3", err, f.guests.Load())
	}
	for _, release := range releases {
		release()
	}
	if f.guests.Load() != 0 {
		t.Errorf("%d guests alive after the uses, want 0", f.guests.Load())
	}
}

func TestTrim_ReachesAllGuests(t *testing.T) {
	t.Parallel()
	h, f := newFake(t)
	open(t, h, module("fake", 1), Settings{Name: "shared"})
	own := open(t, h, module("fake", 1), Settings{Name: "own", Own: true})
	var release func()
	for range 2 {
		var err error
		if _, release, err = own.Filter(t.Context(), guest.Use{}); err != nil {
			t.Fatal(err)
		}
		defer release()
	}
	h.Trim()
	if n := f.trimmed.Load(); n != 3 {
		t.Errorf("%d guests were trimmed, want the shared ones and those of two uses", n)
	}
	release()
	h.Trim()
	if n := f.trimmed.Load() - 3; n != 2 {
		t.Errorf("%d guests were trimmed after a use was over, want 2", n)
	}
}

func TestOpen_FailureLeavesNothing(t *testing.T) {
	t.Parallel()
	h, f := newFake(t)
	code := module("fake", 1)
	f.fail.Store(true)
	_, err := h.Open(t.Context(), code, Settings{Name: "broken"})
	if err == nil || !strings.Contains(err.Error(), "open plugin broken: start as fake: it does not start") {
		t.Errorf("got %v", err)
	}
	f.fail.Store(false)
	open(t, h, code, Settings{Name: "broken"})
}

func TestOpen_AnotherGivingUpDoesNotFailIt(t *testing.T) {
	t.Parallel()
	h, _ := newFake(t)
	code := module("fake", 1)
	var wg sync.WaitGroup
	for n := range 64 {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if n%2 == 0 {
				cancel()
			}
			p, err := h.Open(ctx, code, Settings{Name: "a"})
			if err == nil {
				defer p.Close()
			}
			if n%2 == 1 && err != nil {
				t.Errorf("open with a live context: %v", err)
			}
		})
	}
	wg.Wait()
}

func TestOpen_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	i := func(module, name string) vmtest.Module {
		return vmtest.Module{Pages: 1, Imports: []vmtest.Import{{Module: module, Name: name}}}
	}
	start := func(m vmtest.Module) []byte {
		m.Funcs = append(m.Funcs, vmtest.Func{Name: "_start"})
		return m.Bytes()
	}
	for _, tt := range []struct {
		name string
		code []byte
		want []string
	}{
		{"nothing", nil, []string{"it is empty"}},
		{"text", []byte("hello"), []string{"not a WebAssembly module"}},
		{"component", []byte("\x00asm\x0d\x00\x01\x00"), []string{"component", "core module"}},
		{"library", module("add", 1), []string{"it exports add", "proxy_abi_version_0_1_0", "handle_request", "_start", "-buildmode=c-shared", "wasm32-wasip1"}},
		{"empty", vmtest.Module{}.Bytes(), []string{"exports no functions"}},
		{"reactor", module("_initialize", 1), []string{"reactor", "//go:wasmexport"}},
		{"Go filter as command", start(i("env", "proxy_log")), []string{"built as a command", "-buildmode=c-shared"}},
		{"Go filter as command, with exports", append(start(vmtest.Module{Funcs: []vmtest.Func{{Name: "handle_request"}}}), "\x00\x0b\x0ago:buildid"...),
			[]string{"Go command", "-buildmode=c-shared"}},
		{"http-wasm as command", start(i("http_handler", "get_uri")), []string{"built as a command", "handle_request"}},
		{"filter without exports", i("env", "proxy_log").Bytes(), []string{"no proxy_abi_version", "proxy_wasm::main!"}},
		{"Go for browsers", i("gojs", "runtime.wasmExit").Bytes(), []string{"GOOS=js", "GOOS=wasip1"}},
		{"Go filter for browsers", vmtest.Module{Imports: []vmtest.Import{{Module: "gojs", Name: "runtime.wasmExit"}}, Funcs: []vmtest.Func{{Name: "handle_request"}}}.Bytes(), []string{"GOOS=js"}},
		{"wasm-bindgen", i("wbg", "__wbg_log").Bytes(), []string{"wasm-bindgen"}},
		{"Emscripten", i("env", "emscripten_memcpy_js").Bytes(), []string{"STANDALONE_WASM"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h, err := New(Options{})
			if err != nil {
				t.Fatal(err)
			}
			_, err = h.Open(t.Context(), tt.code, Settings{Name: "x"})
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
			if h.Stats().Programs != 0 || len(h.Status()) != 0 {
				t.Errorf("left: %+v, %v", h.Stats(), h.Status())
			}
		})
	}
}

func TestUpstream_OnlyWhatIsGranted(t *testing.T) {
	t.Parallel()
	g := Grants{Upstreams: []string{"users"}, URLs: []string{"https://API.example.com", "http://127.0.0.1:9000"}}
	find := g.upstream(func(target string) (guest.Upstream, error) { return nil, fmt.Errorf("asked %s", target) })
	for _, tt := range []struct{ target, want string }{
		{"users", "asked users"},
		{"https://api.example.com", "asked https://api.example.com"},
		{"https://api.example.com:443/v1?x=y", "asked https://api.example.com"},
		{"http://127.0.0.1:9000/", "asked http://127.0.0.1:9000"},
		{"http://127.0.0.1:9001/", `{urls: ["http://127.0.0.1:9001"]}`},
		{"http://api.example.com", `not granted`},
		{"https://api.example.com.evil.test", `not granted`},
		{"https://users", `not granted`},
		{"https://u@api.example.com", `not granted`},
		{"admins", `{upstreams: ["admins"]}`},
		{"", `not granted`},
	} {
		if _, err := find(tt.target); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("upstream %q: got %v, want %q in it", tt.target, err, tt.want)
		}
	}
	if _, err := g.upstream(nil)("users"); err == nil {
		t.Error("upstream without any: got no error")
	}
}
