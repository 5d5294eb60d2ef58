package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge"
	"github.com/weirproxy/weir/edge/attack/clients"
	"github.com/weirproxy/weir/edge/cache"
	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/proxy"
	"github.com/weirproxy/weir/edge/route"
	"github.com/weirproxy/weir/edge/upstream"
)

// cacheCase is one test of the public suite, as testdata/cachesuite.mjs reports it.
type cacheCase struct {
	ID, Section, Kind, Why string
	Results                map[string]string // by cache
}

// TestPublicSuite runs the public suite of tests for HTTP caches (npm http-cache-tests,
// cache-tests.fyi) against the cache in front of the proxy: its server is the upstream.
// Nothing that it requires may fail.
func TestPublicSuite(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"memory", "disk"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			o := cache.StoreOptions{}
			if where == "disk" {
				o.Dir = t.TempDir()
			}
			judgeCache(t, runCacheSuite(t, o))
		})
	}
}

func judgeCache(t *testing.T, cases []cacheCase) {
	counts := map[string]map[string]int{} // by cache, then kind and result
	for _, c := range cases {
		for name, result := range c.Results {
			if counts[name] == nil {
				counts[name] = map[string]int{}
			}
			counts[name][c.Kind+" "+result]++
		}
		switch own := c.Results["weir"]; {
		case c.Kind == "required" && own != "pass" && own != "setup" && own != "dependency", own == "harness", own == "retry", own == "untested":
			t.Errorf("%s (%s): got %s: %s", c.ID, c.Kind, own, c.Why)
		case own != "pass" && own != "yes":
			t.Logf("%s (%s): %s: %s", c.ID, c.Kind, own, c.Why)
		}
	}
	names := make([]string, 0, len(counts))
	for name := range counts {
		names = append(names, name)
	}
	slices.Sort(names)
	columns := []string{"required pass", "required fail", "required setup", "required dependency", "optimal pass", "optimal missed", "optimal setup", "optimal dependency", "check yes", "check no", "check setup", "check dependency"}
	t.Logf("%-14s %s", "", strings.Join(columns, ", "))
	for _, name := range names {
		var line strings.Builder
		for _, column := range columns {
			line.WriteString(fmt.Sprintf("%5d", counts[name][column]))
		}
		t.Logf("%-14s%s", name, line.String())
	}
	// A suite in which little could be tried proves little.
	if got := counts["weir"]["required pass"]; got < 120 {
		t.Errorf("%d required tests passed, want 120 at least", got)
	}
}

func runCacheSuite(t *testing.T, o cache.StoreOptions) []cacheCase {
	t.Helper()
	suite := filepath.Join(clients.Modules(t), "http-cache-tests")
	if _, err := os.Stat(suite); err != nil {
		if os.Getenv("WEIR_CI") != "" {
			t.Fatalf("the npm package http-cache-tests is not installed, and WEIR_CI is set: %v", err)
		}
		t.Skipf("the npm package http-cache-tests is not installed; .ci/run installs it")
	}
	node, env := clients.Node(t)
	origin := clients.Start(t, suite, append(env, "npm_config_protocol=http", "npm_config_port=0", "npm_config_pidfile="+filepath.Join(t.TempDir(), "pid")),
		node, "server/server.mjs")
	line := origin.Line(t, "Listening on ")
	port := strings.Trim(line[strings.LastIndexByte(line, ':'):], ":/")

	script, err := filepath.Abs("testdata/cachesuite.mjs")
	if err != nil {
		t.Fatal(err)
	}
	report := filepath.Join(t.TempDir(), "report.json")
	runner := clients.Start(t, suite, env, node, script, suite, "http://"+cachedSite(t, o, "http://127.0.0.1:"+port), report)
	runner.Line(t, "done")
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	var cases []cacheCase
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

// cachedSite serves an upstream behind a cache, and returns its address.
func cachedSite(t *testing.T, o cache.StoreOptions, origin string) string {
	t.Helper()
	store, err := cache.NewStore(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	filter, err := cache.New(cache.Options{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	pools := upstream.New(upstream.Options{})
	t.Cleanup(pools.Close)
	pool, err := pools.Pool("suite", upstream.Settings{Endpoints: []upstream.Endpoint{{URL: origin}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Release)
	handler, err := proxy.New(proxy.Options{Shares: []proxy.Share{{Pool: pool}}})
	if err != nil {
		t.Fatal(err)
	}
	rt := &edge.Route{Site: "suite", Handler: exchange.Chain(handler, filter)}
	routes, err := route.Compile([]route.Rule[*edge.Route]{{Hosts: []string{"127.0.0.1"}, Path: "/*", Origin: "suite", Value: rt}})
	if err != nil {
		t.Fatal(err)
	}
	server := edge.New(edge.Options{})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		server.Shutdown(ctx)
	})
	if err := server.Apply(&edge.Snapshot{Listeners: []edge.Listener{{Address: "127.0.0.1:0"}}, Routes: routes}); err != nil {
		t.Fatal(err)
	}
	return server.Addrs()[0].String()
}
