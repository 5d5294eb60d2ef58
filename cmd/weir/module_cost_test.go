package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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

// BenchmarkModuleGo is what a handler costs as a module, and behind weir's proxy as a
// program, with a client's share in the time; cpu-ns/op is that of weir alone.
func BenchmarkModuleGo(b *testing.B) {
	behind := httptest.NewServer(odd.Handler())
	defer behind.Close()
	guest := goGuest(b, "cmd/weir/testdata/modgo")
	p := startProgram(b, b.TempDir(), strings.NewReplacer("GUEST", guest, "BEHIND", strings.TrimPrefix(behind.URL, "http://")).Replace(costConf))
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for _, path := range []string{"/none", "/much/1000", "/much/100000", "/facts/x"} {
		for _, at := range [][2]string{{"proxy", "behind.localhost"}, {"module", "localhost"}} {
			b.Run(at[0]+path, func(b *testing.B) {
				req, err := http.NewRequestWithContext(b.Context(), "GET", "http://"+p.http+path, nil)
				if err != nil {
					b.Fatal(err)
				}
				req.Host = at[1]
				before := processTime(b, p.cmd.Process.Pid)
				for b.Loop() {
					resp, err := client.Do(req)
					if err != nil {
						b.Fatal(err)
					}
					if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 {
						b.Fatalf("%s, %v: %s", resp.Status, err, text)
					}
					resp.Body.Close()
				}
				b.ReportMetric(float64(processTime(b, p.cmd.Process.Pid)-before)/float64(b.N), "cpu-ns/op")
			})
		}
	}
	b.Logf("memory of its instance after that: %.1f MiB", p.metric(b, "weir_plugin_memory_bytes"+plugin)/(1<<20))
}
