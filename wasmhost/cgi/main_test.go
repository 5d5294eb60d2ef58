package cgi

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/wasmhost/commons"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
	"github.com/weirproxy/weir/wasmhost/vmtest"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// journal is a log that tests read.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// engine is one for all tests: compiling Go programs takes seconds.
var engine = sync.OnceValues(func() (*vm.Engine, error) { return vm.NewEngine(vm.Options{}) })

// program is a module at work for one test.
type program struct {
	*handler
	plugin *guest.Plugin
	log    *journal
}

// serve makes a handler of a module.
func serve(t testing.TB, code []byte, p *guest.Plugin) program {
	t.Helper()
	e, err := engine()
	if err != nil {
		t.Fatal(err)
	}
	m, err := wasm.Parse(code)
	if err != nil {
		t.Fatal(err)
	}
	if !Speaks(m) {
		t.Fatal("the module does not speak this ABI")
	}
	link, err := Link(m)
	if err != nil {
		t.Fatal(err)
	}
	link.Interpret = raced && len(code) > 1<<20
	prog, err := e.Load(t.Context(), code, link)
	if err != nil {
		t.Fatal(err)
	}
	log := &journal{}
	var spaces commons.Spaces
	plugin := &guest.Plugin{Name: "app", Limits: p.Limits, Env: p.Env, Args: p.Args, Log: slog.New(slog.NewTextHandler(log, nil)), Commons: spaces.Of("")}
	g, err := Open(t.Context(), plugin, prog)
	if err != nil {
		t.Fatal(err)
	}
	h, release, err := g.Handler(t.Context(), guest.Use{Config: []byte("configured")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		release()
		g.Close()
		prog.Release()
		if c := &plugin.Counters; c.Instances.Load() != 0 || c.Streams.Load() != 0 || len(g.places) != 0 {
			t.Errorf("left: %d instances, %d streams, %d places", c.Instances.Load(), c.Streams.Load(), len(g.places))
		}
	})
	return program{h.(*handler), plugin, log}
}

const wasi = "wasi_snapshot_preview1"

// writer is a module whose code may write what lies in its memory: see put.
func writer(text string, body vmtest.Code) []byte {
	m := vmtest.Module{
		Pages: 3,
		Imports: []vmtest.Import{
			{Module: wasi, Name: "fd_write", Params: vmtest.I32x4, Results: vmtest.I32},
			{Module: wasi, Name: "fd_read", Params: vmtest.I32x4, Results: vmtest.I32},
			{Module: wasi, Name: "proc_exit", Params: vmtest.I32},
			{Module: wasi, Name: "poll_oneoff", Params: vmtest.I32x4, Results: vmtest.I32},
		},
		Data: []vmtest.Data{{At: 1024, Data: text}},
		Funcs: []vmtest.Func{
			{Name: "$put", Params: vmtest.I32x2, Body: vmtest.Code{ // from, length
				vmtest.I32Const, 0, vmtest.LocalGet, 0, vmtest.I32Store, 2, 0,
				vmtest.I32Const, 4, vmtest.LocalGet, 1, vmtest.I32Store, 2, 0,
				vmtest.I32Const, 1, vmtest.I32Const, 0, vmtest.I32Const, 1, vmtest.I32Const, 8, vmtest.Call, "fd_write", vmtest.Drop}},
			{Name: "$sleep", Params: vmtest.I64, Body: vmtest.Code{
				vmtest.I32Const, 528, vmtest.I32Const, 1, vmtest.I32Store, 2, 0,
				vmtest.I32Const, 536, vmtest.LocalGet, 0, vmtest.I64Store, 3, 0,
				vmtest.I32Const, 512, vmtest.I32Const, 640, vmtest.I32Const, 1, vmtest.I32Const, 768, vmtest.Call, "poll_oneoff", vmtest.Drop}},
			{Name: "_start", Locals: vmtest.I32, Body: body},
		},
	}
	return m.Bytes()
}

// put writes bytes from to to of the module's text.
func put(from, to int) vmtest.Code {
	return vmtest.Code{vmtest.I32Const, 1024 + from, vmtest.I32Const, to - from, vmtest.Call, "$put"}
}

// says is a module that writes text and ends.
func says(text string) []byte { return writer(text, put(0, len(text))) }

// goProgram builds testdata/program once, as its README would say.
var goProgram = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "weir-cgi")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "program.wasm")
	build := exec.Command("go", "build", "-o", out, "./testdata/program")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if text, err := build.CombinedOutput(); err != nil {
		return text, err
	}
	return os.ReadFile(out)
})

// inGo is the Go program at work.
func inGo(t testing.TB, p *guest.Plugin) program {
	t.Helper()
	if testing.Short() {
		t.Skip("building and compiling a Go program takes seconds")
	}
	code, err := goProgram()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, code)
	}
	if p.Limits.Request == 0 {
		p.Limits.Request = 60e9 // it is slower while not metered exactly, or under the race detector
	}
	return serve(t, code, p)
}

// under makes prefix what the route fixed of the request's path.
func under(prefix string) exchangetest.Option {
	return func(r *exchange.Request) {
		r.Match.Prefix, r.Match.Rest = prefix, r.Path[len(prefix):]
	}
}

// streaming is a body of which the length is known and that is not there yet.
type streaming struct {
	io.Reader
	n int64
}

func (s *streaming) Len() int64   { return s.n }
func (s *streaming) Close() error { return nil }
func (s *streaming) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	s.n -= int64(n)
	return n, err
}

// leaving is a client's context that ends when the returned function is called, as a client's does.
func leaving() (exchangetest.Option, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	return exchangetest.Context(ctx), func() { cancel(exchange.ErrClientGone) }
}
