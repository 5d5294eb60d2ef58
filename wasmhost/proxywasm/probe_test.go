package proxywasm

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/wasmhost/commons"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// buildGuest compiles a guest in testdata with the plain toolchain.
func buildGuest(name string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "guest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, name+".wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-o", file, "./testdata/"+name)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build guest %s: %w\n%s", name, err, out)
	}
	return os.ReadFile(file)
}

// program loads a module in an engine that all tests share.
func program(code []byte) (*vm.Program, error) {
	info, err := wasm.Parse(code)
	if err != nil {
		return nil, err
	}
	link, err := Link(info)
	if err != nil {
		return nil, err
	}
	e, err := vm.NewEngine(vm.Options{})
	if err != nil {
		return nil, err
	}
	return e.Load(context.Background(), code, link)
}

// probe is the guest in testdata/probe, compiled once for all tests.
var probe = sync.OnceValues(func() (*vm.Program, error) {
	code, err := buildGuest("probe")
	if err != nil {
		return nil, err
	}
	return program(code)
})

// bench is a plugin under test.
type bench struct {
	testing.TB
	*Guests
	exchange.Filter
	release func()
	log     *logged
}

// logged keeps what a plugin logs.
type logged struct {
	mu    sync.Mutex
	lines []string
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(bytes.TrimSuffix(b, []byte("\n"))))
	return len(b), nil
}

// text is all that was logged.
func (l *logged) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// says are the lines that guests have logged, of one exchange or, by "", of roots.
func (b *bench) says() []string {
	b.log.mu.Lock()
	defer b.log.mu.Unlock()
	var all []string
	for _, l := range b.log.lines {
		if _, text, ok := strings.Cut(l, "text="); ok {
			text, _, _ = strings.Cut(text, " id=")
			all = append(all, strings.Trim(strings.ReplaceAll(text, `\"`, `"`), `"`))
		}
	}
	return all
}

// plugin returns settings for a test; each may be changed before it is used.
func newPlugin(out *logged) *guest.Plugin {
	return &guest.Plugin{
		Name: "probe", Log: slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Commons: new(commons.Spaces).Of(""), Limits: vm.Limits{Instances: 1, Logs: 10_000, Queue: time.Minute},
	}
}

// open makes a filter of the probe with a script for all requests.
func open(t testing.TB, script string, change ...func(*guest.Plugin)) *bench {
	t.Helper()
	prog, err := probe()
	if err != nil {
		t.Fatal(err)
	}
	return openProgram(t, prog, script, change...)
}

func openProgram(t testing.TB, prog *vm.Program, script string, change ...func(*guest.Plugin)) *bench {
	t.Helper()
	out := &logged{}
	p := newPlugin(out)
	for _, f := range change {
		f(p)
	}
	g, err := Open(t.Context(), p, prog)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	f, release, err := g.Filter(t.Context(), guest.Use{Config: []byte(script)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return &bench{t, g, f, release, out}
}

// hello answers what most tests want to see answered.
func hello(r *exchange.Request) (*exchange.Response, error) {
	resp := r.NewResponse(200)
	resp.Header.Append("content-type", "text/plain")
	resp.SetBytes([]byte("hello"))
	return resp, nil
}

// do sends a request through the plugin to h.
func (b *bench) do(h exchange.HandlerFunc, method, target string, options ...exchangetest.Option) *exchangetest.Result {
	b.Helper()
	return exchangetest.Do(b, exchange.Chain(h, b.Filter), exchangetest.NewRequest(method, target, options...))
}

// heard holds the lines that the guest has logged against what is expected.
func (b *bench) heard(want ...string) {
	b.Helper()
	if got := b.says(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		b.Errorf("the guest heard:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// script gives a request a script of its own.
func script(s string) exchangetest.Option { return exchangetest.Field("x-script", s) }
