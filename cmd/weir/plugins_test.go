package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/edge/upstream"
	"github.com/weirproxy/weir/wasmhost"
	"github.com/weirproxy/weir/wasmhost/vm"
	. "github.com/weirproxy/weir/wasmhost/vmtest"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// stamp is an http-wasm filter that adds the field x-guest to responses, or x-NAME where
// the name is one letter: with its configuration, or else its name. start is what it
// does at its start.
func stamp(name string, start ...any) []byte {
	header := "x-guest"
	if len(name) == 1 {
		header = "x-" + name
	}
	add := Import{Module: "http_handler", Name: "add_header_value", Params: []wasm.ValueType{wasm.I32, wasm.I32, wasm.I32, wasm.I32, wasm.I32}}
	get := Import{Module: "http_handler", Name: "get_config", Params: I32x2, Results: I32}
	log := Import{Module: "http_handler", Name: "log", Params: I32x3}
	const response, field, conf = 1, 0, 256
	return Module{
		Imports: []Import{add, get, log}, Pages: 1,
		Data: []Data{{At: field, Data: header}, {At: 16, Data: "I have no database"}, {At: conf, Data: name}},
		Funcs: []Func{
			{Name: "_initialize", Body: start},
			{Name: "handle_request", Results: []wasm.ValueType{wasm.I64}, Locals: I32, Body: Code{
				I32Const, conf, I32Const, 1024, Call, "get_config", LocalTee, 0,
				I32Eqz, If, Void, I32Const, len(name), LocalSet, 0, End,
				I32Const, response, I32Const, field, I32Const, len(header), I32Const, conf, LocalGet, 0, Call, "add_header_value",
				I64Const, 1,
			}},
			{Name: "handle_response", Params: I32x2},
		},
	}.Bytes()
}

// gives is a module that answers with that status.
func gives(status int) []byte {
	set := Import{Module: "http_handler", Name: "set_status_code", Params: I32}
	return Module{
		Imports: []Import{set}, Pages: 1,
		Funcs: []Func{
			{Name: "handle_request", Results: []wasm.ValueType{wasm.I64}, Body: Code{I32Const, status, Call, "set_status_code", I64Const, 0}},
			{Name: "handle_response", Params: I32x2},
		},
	}.Bytes()
}

// prints is a CGI program that prints a text.
func prints(text string) []byte {
	write := Import{Module: "wasi_snapshot_preview1", Name: "fd_write", Params: []wasm.ValueType{wasm.I32, wasm.I32, wasm.I32, wasm.I32}, Results: I32}
	return Module{
		Imports: []Import{write}, Pages: 1, Data: []Data{{At: 64, Data: text}},
		Funcs: []Func{{Name: "_start", Body: Code{
			I32Const, 0, I32Const, 64, I32Store, uint32(2), uint32(0),
			I32Const, 0, I32Const, len(text), I32Store, uint32(2), uint32(4),
			I32Const, 1, I32Const, 0, I32Const, 1, I32Const, 16, Call, "fd_write", Drop,
		}}},
	}.Bytes()
}

func TestPlugins_StandWhereTheyAreUsed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "a.wasm", string(stamp("a")))
	write(t, dir, "b.wasm", string(stamp("b")))
	write(t, dir, "gone.wasm", string(gives(410)))
	snap, _ := builtFrom(t, dir, `
listen: {http: "127.0.0.1:0"}
plugins:
  a: a.wasm
  named: {wasm: b.wasm, config: {per: site, n: 1}}
filters: a
sites:
  x.test:
    filters: [named]
    respond: site
    routes:
      - {match: /own, filters: [./b.wasm, {use: a, config: other}], respond: route}
      - {match: /gone, module: ./gone.wasm}
      - {match: /asks, module: ./b.wasm}
  y.test: {respond: other}
`)
	// Where two filters set the same field, that of the inner one holds.
	for _, c := range []struct {
		host, path string
		status     int
		a, b       string
	}{
		{"x.test", "/", 200, "a", `{"per":"site","n":1}`},
		{"x.test", "/own", 200, "other", "b"},
		{"x.test", "/gone", 410, "a", `{"per":"site","n":1}`},
		{"y.test", "/", 200, "a", ""},
	} {
		_, _, resp, err := asked(t, snap, c.host, c.path)
		if err != nil {
			t.Errorf("%s%s: %v", c.host, c.path, err)
			continue
		}
		a, b := resp.Header.Get("x-a"), resp.Header.Get("x-b")
		if resp.Status != c.status || a != c.a || b != c.b {
			t.Errorf("%s%s: status %d, filters %q and %q, want %d, %q and %q", c.host, c.path, resp.Status, a, b, c.status, c.a, c.b)
		}
	}
}

// builtBy builds c in a world that lets guests log.
func builtBy(t *testing.T, w *world, dir, text string) error {
	t.Helper()
	c, err := config.Parse("weir.yaml", []byte(text), config.Options{Dir: dir, ReadFile: os.ReadFile})
	if err != nil {
		t.Fatal(err)
	}
	snap, err := w.build(c)
	if err == nil {
		snap.Discard()
	}
	return err
}

func TestPlugins_SayWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "text.wasm", "(module)")
	write(t, dir, "none.wasm", string(Module{Funcs: []Func{{Name: "run"}}}.Bytes()))
	write(t, dir, "ok.wasm", string(stamp("ok")))
	write(t, dir, "sad.wasm", string(stamp("sad", I32Const, 2, I32Const, 16, I32Const, 18, Call, "log", Unreachable)))
	for _, c := range []struct {
		name, plugin string
		want         []string
	}{
		{"missing", "{wasm: missing.wasm}", []string{"weir.yaml:2:11", "missing.wasm", "no such file"}},
		{"a directory", "{wasm: .}", []string{"weir.yaml:2:11", "it is no file"}},
		{"no module", "{wasm: text.wasm}", []string{"weir.yaml:2:11", "text.wasm", "not a WebAssembly module"}},
		{"no ABI", "{wasm: none.wasm}", []string{"weir.yaml:2:11", "proxy_abi_version", "handle_request", "_start"}},
		{"crashes at its start", "{wasm: sad.wasm}", []string{"sad.wasm", "it said: ", "I have no database"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := dryWorld()
			defer w.close()
			err := builtBy(t, w, dir, "listen: {http: ':0'}\nplugins: {p: "+c.plugin+"}\nsites: {a.test: {filters: p, respond: 200}, b.test: {filters: p, respond: 200}}\n")
			if err == nil {
				t.Fatal("it was built")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q\nlacks %q", err, want)
				}
			}
			if n := strings.Count(err.Error(), "weir.yaml:"); n != 1 {
				t.Errorf("%d mistakes, want 1, however many sites use it: %v", n, err)
			}
			if s := w.plugins.current(); s != nil && len(s.Status()) != 0 {
				t.Errorf("plugins are left: %v", s.Status())
			}
		})
	}
}

// TestSecurity_W5_OnlyThePinnedModuleIsLoaded: a file that somebody has changed is not
// run where its sum is pinned.
func TestSecurity_W5_OnlyThePinnedModuleIsLoaded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	code := stamp("pinned")
	write(t, dir, "p.wasm", string(code))
	sum := sha256.Sum256(code)
	text := "listen: {http: ':0'}\nplugins: {p: {wasm: p.wasm, sha256: " + hex.EncodeToString(sum[:]) + "}}\nsites: {a.test: {filters: p, respond: 200}}\n"
	w := dryWorld()
	defer w.close()
	if err := builtBy(t, w, dir, text); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "p.wasm", string(stamp("p1nned")))
	if err := builtBy(t, w, dir, text); err == nil || !strings.Contains(err.Error(), "not the module that sha256 names") {
		t.Errorf("with another content: %v", err)
	}
}

func TestPlugins_ManySitesCostOneCompile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "p.wasm", string(stamp("p")))
	var text strings.Builder
	text.WriteString("listen: {http: ':0'}\nplugins: {p: p.wasm}\nsites:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "  s%d.test: {filters: [p, {use: p, config: of site %d}, ./p.wasm], respond: 200}\n", i, i)
	}
	w := dryWorld()
	defer w.close()
	c, err := config.Parse("weir.yaml", []byte(text.String()), config.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	snap, err := w.build(c)
	if err != nil {
		t.Fatal(err)
	}
	host := w.plugins.current()
	if s := host.Stats(); s.Compiled != 1 || s.Programs != 1 {
		t.Errorf("%+v, want one program, compiled once", s)
	}
	if got := len(host.Status()); got != 2 {
		t.Errorf("%d plugins, want two: the named one, and the one in place", got)
	}
	snap.Discard()
	if s := host.Stats(); s.Programs != 0 || len(host.Status()) != 0 {
		t.Errorf("left behind: %+v, %v", s, host.Status())
	}
}

// TestPlugins_SwapsUnderLoad changes a filter's file a hundred times while clients ask.
func TestPlugins_SwapsUnderLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "p.wasm", string(stamp("v0")))
	load := func() (*config.Config, error) {
		return config.Parse("weir.yaml", []byte("listen: {http: '127.0.0.1:0'}\nadmin: off\nlog: off\ndata: ./data\nplugins: {p: p.wasm}\nsites: {default: {filters: p, respond: hello}}\n"), config.Options{Dir: dir})
	}
	c, err := load()
	if err != nil {
		t.Fatal(err)
	}
	p, err := start(quiet(), c, load)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close(context.Background())
	url := "http://" + p.server.Addrs()[0].String()
	ctx, stop := context.WithCancel(t.Context())
	var asked, newest atomic.Int64
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				oldest := newest.Load()
				got, err := stampedBy(client, url)
				if asked.Add(1); err != nil || got < oldest {
					t.Errorf("request %d: version %d, %v; want %d at least", asked.Load(), got, err, oldest)
					return
				}
			}
		})
	}
	for v := range int64(100) {
		write(t, dir, "p.wasm", string(stamp(fmt.Sprint("v", v+1))))
		if err := p.reload(); err != nil {
			t.Fatal(err)
		}
		newest.Store(v + 1)
	}
	write(t, dir, "p.wasm", "half a mod")
	p.refused = func(error) {}
	if err := p.reload(); err == nil {
		t.Error("a broken module was taken")
	}
	stop()
	clients.Wait()
	if asked.Load() < 100 {
		t.Errorf("%d requests are no load", asked.Load())
	}
	host := p.world.plugins.current()
	eventually(t, func() error {
		if s, all := host.Stats(), host.Status(); s.Programs != 1 || len(all) != 1 {
			return fmt.Errorf("%+v, %d plugins, want one of each", s, len(all))
		}
		return nil
	})
	counts := p.world.plugins.counts()
	if len(counts) != 1 || counts[0].Calls.Load() < asked.Load() {
		t.Errorf("metrics tell of %d plugins and %d calls, want 1, and as many as requests, %d", len(counts), counts[0].Calls.Load(), asked.Load())
	}
	if entries, err := os.ReadDir(filepath.Join(dir, "data", "wasm-cache")); err != nil || len(entries) == 0 {
		t.Errorf("the compilation cache: %d entries, %v", len(entries), err)
	}
}

// stampedBy asks and returns the version of the filter.
func stampedBy(client *http.Client, url string) (version int64, err error) {
	resp, err := client.Get(url)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || string(body) != "hello" {
		return 0, fmt.Errorf("%s %q: %w", resp.Status, body, errors.Join(err, errors.New("want hello")))
	}
	_, err = fmt.Sscanf(resp.Header.Get("x-guest"), "v%d", &version)
	return version, err
}

// eventually waits for what has no event to wait for.
func eventually(t *testing.T, f func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); <-time.After(5 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	t.Error(err)
}

// A guest calls the pool of the newest configuration that grants it, and that of the old
// one again when the new one is given up.
func TestPlugins_CallWhatTheNewestConfigurationSays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "p.wasm", string(stamp("p")))
	w := dryWorld()
	defer w.close()
	const text = `
listen: {http: ':0'}
plugins: {p: {wasm: p.wasm, grants: {upstreams: [api], urls: ["https://x.test:443"]}}}
upstreams: {api: "10.0.0.%d:80"}
sites: {a.test: {filters: p, respond: 200}}
`
	var pools []*upstream.Pool
	var discard []func()
	for n := range 2 {
		c, err := config.Parse("weir.yaml", fmt.Appendf(nil, text, n+1), config.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		snap, err := w.build(c)
		if err != nil {
			t.Fatal(err)
		}
		discard = append(discard, snap.Discard)
		api, err := w.callee("api")
		if err != nil {
			t.Fatal(err)
		}
		pools = append(pools, api.(callee).pool)
		if _, err := w.callee("https://x.test"); err != nil {
			t.Error(err)
		}
		if err := api.Do(nil, nil); !errors.Is(err, errDry) {
			t.Errorf("who only checks asks an upstream: %v", err)
		}
	}
	if pools[0] == pools[1] {
		t.Error("both found one pool, want that of each configuration in turn")
	}
	discard[1]()
	if api, err := w.callee("api"); err != nil || api.(callee).pool != pools[0] {
		t.Errorf("after the new one was given up: %v, %v", api, err)
	}
	discard[0]()
	if api, err := w.callee("api"); err == nil {
		t.Errorf("after all were given up: %v", api)
	}
}

// Who has no plugins pays nothing for the engine.
func TestPlugins_NoneMeansNoHost(t *testing.T) {
	t.Parallel()
	w := dryWorld()
	defer w.close()
	if err := builtBy(t, w, t.TempDir(), "listen: {http: ':0'}\nsites: {a.test: {root: ., cgi: /x}, b.test: {respond: 200}}\n"); err != nil {
		t.Fatal(err)
	}
	if w.plugins.current() != nil {
		t.Error("there is a host")
	}
}

// TestPlugins_CannotKeepWhatIsCompiled: a data directory that cannot be written costs time
// at the start, and nothing else.
func TestPlugins_CannotKeepWhatIsCompiled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "p.wasm", string(stamp("p")))
	write(t, dir, "data", "a file where a directory should be")
	w := newWorld(quiet())
	defer w.close()
	if err := builtBy(t, w, dir, "listen: {http: ':0'}\ndata: ./data\nlog: off\nplugins: {p: p.wasm}\nsites: {a.test: {filters: p, respond: 200}}\n"); err != nil {
		t.Error(err)
	}
}

func TestSettingsOfPlugin_EverySettingGoesSomewhere(t *testing.T) {
	t.Parallel()
	c := parsed(t, `
plugins:
  p:
    wasm: p.wasm
    vm_config: c
    vm_id: v
    args: [a]
    on_error: open
    isolation: filter
    hold_headers: true
    interpreter: true
    limits: {memory: 1MiB, cpu: 1ms, request_cpu: 2ms, start: 3ms, wall: 4ms, instances: 5, queue: 6ms, body: 7, logs: 8, calls: 9}
    grants: {env: {A: b}, files: ["/a:/b:rw"], upstreams: [u], urls: ["https://x.test"], store: [q], keys: {k: auto}}
  q: q.wasm
upstreams: {u: 10.0.0.1:80}
sites: {a.test: {filters: [p, q], respond: 200}}
`)
	s := settingsOfPlugin(c.Plugins[0])
	s.Fresh = true                                 // excludes Own
	s.Space = settingsOfPlugin(c.Plugins[1]).Space // excludes VMID
	if zero := zeroFields(reflect.ValueOf(s), "Settings"); len(zero) > 0 {
		t.Errorf("these are lost: %v", zero)
	}
	want := wasmhost.Grants{Upstreams: []string{"u"}, URLs: []string{"https://x.test"}}
	if !slices.Equal(s.Grants.Upstreams, want.Upstreams) || !slices.Equal(s.Grants.URLs, want.URLs) {
		t.Errorf("grants %+v", s.Grants)
	}
}

// The defaults that the configuration tells of are those of the host.
func TestLimitsOfPlugin_DefaultsAreThoseOfTheHost(t *testing.T) {
	t.Parallel()
	c := parsed(t, "plugins: {p: p.wasm}\nsites: {a.test: {filters: p, respond: 200}}\n")
	got, want := limitsOfPlugin(&c.Plugins[0].Limits).WithDefaults(), vm.Limits{}.WithDefaults()
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
