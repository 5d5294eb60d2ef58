package route_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/weirproxy/weir/edge/route"
)

// sites makes rules for n hosts, as a file with n small sites has them.
func sites(n int) []route.Rule[string] {
	all := make([]route.Rule[string], 0, 2*n)
	for i := range n {
		host := []string{fmt.Sprintf("site%d.example.com", i)}
		all = append(all,
			route.Rule[string]{Hosts: host, Path: "/*", Value: "root"},
			route.Rule[string]{Hosts: host, Path: "/static/*", Value: "static"})
	}
	return all
}

var deep = []string{
	"/*", "/api/*", "/api/v1/users", "/api/v1/users/{id}", "/api/v1/users/{id}/posts/{post}/comments/{comment}",
	"GET /api/v1/users/{id}/posts", "POST /api/v1/users/{id}/posts header content-type=application/json",
	"nocase /Docs/{rest...}", "GET /only", "PUT /only", "/q query v=1*",
}

var hot = []struct{ name, method, path string }{
	{"default", "GET", "/index.html"},
	{"exact", "GET", "/api/v1/users"},
	{"params", "GET", "/api/v1/users/17/posts/4/comments/2"},
	{"method", "GET", "/api/v1/users/17/posts"},
	{"matcher", "POST", "/api/v1/users/17/posts"},
	{"backtrack", "GET", "/api/v1/users/17/posts/4/comments/2/none"},
	{"nocase", "GET", "/DOCS/a/b/c"},
	{"notallowed", "POST", "/only"},
}

func TestMatch_AllocatesNothing(t *testing.T) {
	if testing.CoverMode() != "" {
		t.Skip("counters keep the compiler from inlining Params")
	}
	table := compile(t, append(rules(deep...), sites(100)...))
	for _, c := range hot {
		got := testing.AllocsPerRun(100, func() {
			f := table.Match("example.com", c.path, c.method, jsonAsker{})
			for name, value := range f.Params() {
				sink += len(name) + len(value)
			}
		})
		if got != 0 {
			t.Errorf("%s: got %v allocations, want 0", c.name, got)
		}
	}
}

var sink int

// jsonAsker is an Asker that costs nothing itself.
type jsonAsker struct{}

func (jsonAsker) Satisfies(m *route.Matcher) bool { return m.Accepts("application/json") }

func BenchmarkMatch(b *testing.B) {
	table := compile(b, rules(deep...))
	for _, c := range hot {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f := table.Match("example.com", c.path, c.method, jsonAsker{})
				for name, value := range f.Params() {
					sink += len(name) + len(value)
				}
			}
		})
	}
}

func BenchmarkHosts(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			table := compile(b, sites(n))
			hosts := make([]string, 0, n)
			for i := range n {
				hosts = append(hosts, fmt.Sprintf("site%d.example.com", i))
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				f := table.Match(hosts[i*7919%n], "/static/app.js", "GET", nil)
				sink += len(f.Value)
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	one := make([]string, 0, 10_000)
	for i := range 10_000 {
		one = append(one, fmt.Sprintf("/api/resource%d/{id}", i))
	}
	for name, all := range map[string][]route.Rule[string]{"10000sites": sites(10_000), "10000routes": rules(one...)} {
		b.Run(name, func(b *testing.B) {
			var before, after runtime.MemStats
			b.ReportAllocs()
			var table *route.Table[string]
			runtime.GC()
			runtime.ReadMemStats(&before)
			for b.Loop() {
				table = compile(b, all)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric((float64(after.HeapAlloc)-float64(before.HeapAlloc))/(1<<20), "MiB-kept")
			runtime.KeepAlive(table)
		})
	}
}
