package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weirproxy/weir/cmd/weir/config"
	. "github.com/weirproxy/weir/wasmhost/vmtest"
)

// versioned is a Proxy-Wasm filter that adds x-proxy: vN to responses.
func versioned(n int64) []byte {
	add := fromEnv("proxy_add_header_map_value")
	version := fmt.Sprint("v", n)
	m := proxyGuest()
	m.Imports = []Import{add}
	m.Data = []Data{{At: 64, Data: "x-proxy"}, {At: 80, Data: version}}
	return returning(m, "proxy_on_response_headers", calling(add, 2, 64, 7, 80, len(version)), I32Const, 0).Bytes()
}

// swaps is a process whose filters, of two ABIs, and whose program change.
type swaps struct {
	p      *process
	dir    string
	newest atomic.Int64 // that has been taken up
	asked  atomic.Int64
}

func startSwaps(t *testing.T) *swaps {
	t.Helper()
	s := &swaps{dir: t.TempDir()}
	s.write(t, 0)
	load := func() (*config.Config, error) {
		return config.Parse(filepath.Join(s.dir, "weir.yaml"), []byte(`
listen: {http: '127.0.0.1:0'}
admin: off
log: off
data: ./data
plugins: {h: h.wasm, p: p.wasm, c: c.wasm}
sites: {default: {filters: [h, p], module: {use: c}}}
`), config.Options{Dir: s.dir})
	}
	c, err := load()
	if err != nil {
		t.Fatal(err)
	}
	if s.p, err = start(quiet(), c, load); err != nil {
		t.Fatal(err)
	}
	return s
}

// write replaces all three modules, each in one step.
func (s *swaps) write(t *testing.T, n int64) {
	t.Helper()
	version := fmt.Sprint("v", n)
	for name, code := range map[string][]byte{
		"h.wasm": stamp(version), "p.wasm": versioned(n), "c.wasm": prints("Content-Type: text/plain\n\n" + version),
	} {
		write(t, s.dir, name+".new", string(code))
		if err := os.Rename(filepath.Join(s.dir, name+".new"), filepath.Join(s.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// ask returns the version of each of the three.
func (s *swaps) ask(client *http.Client) (v [3]int64, err error) {
	resp, err := client.Get("http://" + s.p.server.Addrs()[0].String())
	if err != nil {
		return v, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil {
		_, err = fmt.Sscanf(resp.Header.Get("x-guest")+resp.Header.Get("x-proxy")+string(body), "v%dv%dv%d", &v[0], &v[1], &v[2])
	}
	if err != nil || resp.StatusCode != 200 {
		return v, fmt.Errorf("%s %q %q: %w", resp.Status, resp.Header, body, errors.Join(err, errors.New("want three versions")))
	}
	return v, nil
}

// load asks without a pause until stop is called, on some connections. Nobody may see a
// version that is older than the newest was when they asked.
func (s *swaps) load(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				oldest := s.newest.Load()
				got, err := s.ask(client)
				s.asked.Add(1)
				if err != nil || min(got[0], got[1], got[2]) < oldest {
					t.Errorf("versions %d, %v; want %d at least", got, err, oldest)
					return
				}
			}
		})
	}
	return sync.OnceFunc(func() { cancel(); clients.Wait() })
}

// settled checks that nothing is left of plugins that are gone, and that what the metrics
// tell is true: each instance that was started has been closed or lives.
func (s *swaps) settled(t *testing.T, swapped int64) {
	t.Helper()
	host := s.p.world.plugins.current()
	eventually(t, func() error {
		host.Trim() // which counts
		st, all, live := host.Stats(), host.Status(), int64(0)
		for _, one := range all {
			live += one.Counters.Instances.Load()
		}
		for _, c := range s.p.world.plugins.counts() {
			if n := c.Streams.Load(); n != 0 { // one ends when its answer has been sent
				return fmt.Errorf("plugin %s has %d streams", c.name, n)
			}
		}
		if st.Programs != 3 || len(all) != 3 || st.Instances != live {
			return fmt.Errorf("%+v, %d plugins with %d instances; want three programs, three plugins, and no other instances", st, len(all), live)
		}
		return nil
	})
	now := map[string]int64{}
	for _, one := range host.Status() {
		now[one.Name] = one.Counters.Instances.Load()
	}
	for _, c := range s.p.world.plugins.counts() {
		if c.Instances.Load() != now[c.name] || c.Streams.Load() != 0 {
			t.Errorf("plugin %s: metrics tell of %d instances and %d streams, want %d and none", c.name, c.Instances.Load(), c.Streams.Load(), now[c.name])
		}
		if started := c.Started.Load(); started < swapped && c.name != "c" {
			t.Errorf("plugin %s: %d instances were started for %d versions", c.name, started, swapped)
		}
		t.Logf("plugin %s: %d calls, %d instances started, %d live", c.name, c.Calls.Load(), c.Started.Load(), c.Instances.Load())
	}
}

// TestSwap_ByReloadUnderLoad replaces the modules of filters of both ABIs and of a
// program a hundred times: no request fails, and nothing of any version but the last is
// left.
func TestSwap_ByReloadUnderLoad(t *testing.T) {
	t.Parallel()
	s := startSwaps(t)
	stop := s.load(t)
	defer stop()
	const times = 100
	for n := range int64(times) {
		s.write(t, n+1)
		if err := s.p.reload(); err != nil {
			t.Fatal(err)
		}
		s.newest.Store(n + 1)
	}
	stop()
	if s.asked.Load() < times {
		t.Errorf("%d requests are no load", s.asked.Load())
	}
	t.Logf("%d requests", s.asked.Load())
	s.settled(t, times)
	host := s.p.world.plugins.current()
	s.p.close(context.Background())
	if st := host.Stats(); st.Programs != 0 || st.Instances != 0 || st.Memory != 0 {
		t.Errorf("left after the process's end: %+v", st)
	}
}

// TestSwap_ByWatchUnderLoad is the same, with a process that watches the files itself:
// ten times, as files have to be quiet for a while, and a hundred with WEIR_SOAK.
func TestSwap_ByWatchUnderLoad(t *testing.T) {
	t.Parallel()
	times := int64(10)
	if os.Getenv("WEIR_SOAK") != "" {
		times = 100
	}
	s := startSwaps(t)
	w, err := watch(filepath.Join(s.dir, "weir.yaml"), quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	s.p.watches(w)
	ended := make(chan error, 1)
	go func() { ended <- s.p.main(w.changed) }()
	stop := s.load(t)
	defer stop()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for n := range times {
		s.write(t, n+1)
		eventually(t, func() error {
			got, err := s.ask(client)
			if want := [3]int64{n + 1, n + 1, n + 1}; err != nil || got != want {
				return fmt.Errorf("versions %d, %w; want %d", got, err, want)
			}
			return nil
		})
		s.newest.Store(n + 1)
	}
	stop()
	t.Logf("%d requests", s.asked.Load())
	s.settled(t, times)
	if err := s.p.ask(t.Context(), askStop); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
