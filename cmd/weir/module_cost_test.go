package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/cmd/weir/testdata/modgo/odd"
)

const costConf = `
listen: {http: "${HTTP}", https: "${HTTPS}"}
admin: "${ADMIN}"
plugins:
  it:
    wasm: GUEST
    limits: {instances: 1}
sites:
  localhost: {http: serve, module: it, compress: false}
  behind.localhost: {http: serve, proxy: BEHIND, compress: false}
`

// TestModuleGo_Costs says what a handler costs as a module, and behind weir's proxy as a
// program, in a process's time. It is run by who asks for it: WEIR_COSTS=1.
func TestModuleGo_Costs(t *testing.T) {
	if os.Getenv("WEIR_COSTS") == "" {
		t.Skip("says figures, with WEIR_COSTS=1")
	}
	behind := httptest.NewServer(odd.Handler())
	t.Cleanup(behind.Close)
	guest := goGuest(t, "cmd/weir/testdata/modgo")
	dir := t.TempDir()
	began := time.Now()
	p := startProgram(t, dir, strings.NewReplacer("GUEST", guest, "BEHIND", strings.TrimPrefix(behind.URL, "http://")).Replace(costConf))
	cold, info := time.Since(began), size(t, guest)
	t.Logf("module of %.1f MB, up with all of weir in %v; memory of an instance that has served nothing: %.1f MiB", float64(info)/1e6, cold.Round(10*time.Millisecond),
		p.metric(t, "weir_plugin_memory_bytes"+plugin)/(1<<20))
	client := &http.Client{Transport: &http.Transport{}}
	base := "http://localhost:" + p.http[strings.LastIndexByte(p.http, ':')+1:]
	for _, path := range []string{"/none", "/much/1000", "/much/100000", "/facts/x", "/naps"} {
		for _, at := range []string{"behind.localhost", "localhost"} {
			ask := func(n int) (took []time.Duration, text string) {
				for range n {
					began := time.Now()
					req, err := http.NewRequestWithContext(t.Context(), "GET", base+path, nil)
					if err != nil {
						t.Fatal(err)
					}
					req.Host = at
					resp, err := client.Do(req)
					if err != nil {
						t.Fatal(err)
					}
					b, _ := io.ReadAll(resp.Body)
					if resp.Body.Close(); resp.StatusCode != 200 {
						t.Fatalf("%s %s: %s %s", at, path, resp.Status, b)
					}
					took, text = append(took, time.Since(began)), string(b)
				}
				slices.Sort(took)
				return took, text
			}
			n := 1000
			if path == "/naps" {
				n = 5
			}
			ask(n / 5)
			spent := processTime(t, p.cmd.Process.Pid)
			took, text := ask(n)
			spent = processTime(t, p.cmd.Process.Pid) - spent
			t.Logf("%-16s %-13s median %v, CPU of weir %v %s", at, path, took[n/2].Round(time.Microsecond), (spent / time.Duration(n)).Round(time.Microsecond), firstOf(text, path))
		}
	}
	t.Logf("memory after that: %.1f MiB", p.metric(t, "weir_plugin_memory_bytes"+plugin)/(1<<20))
}

func firstOf(text, path string) string {
	if path == "/naps" {
		return "each of 1 ms takes " + text
	}
	return ""
}

func size(t *testing.T, file string) int64 {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
