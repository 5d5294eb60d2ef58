package metrics_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/edge/metrics"
)

func write(t testing.TB, g *metrics.Registry) string {
	t.Helper()
	var b strings.Builder
	n, err := g.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatalf("WriteTo: got %d, %v for %d bytes", n, err, b.Len())
	}
	return b.String()
}

func finished(site, method string, status int, took time.Duration) *exchange.Request {
	r := exchangetest.NewRequest(method, "/")
	r.Record.Site, r.Record.Status, r.Record.Took = site, status, took
	r.Record.Received, r.Record.Sent = 3, 1000
	return r
}

// want compares some series; "absent" is written as NaN.
func want(t *testing.T, p page, series map[string]float64) {
	t.Helper()
	for key, w := range series {
		got, ok := p.samples[key]
		if math.IsNaN(w) == ok || ok && got != w {
			t.Errorf("%s: got %v (present: %t), want %v", key, got, ok, w)
		}
	}
}

func TestCounts(t *testing.T) {
	t.Parallel()
	g := metrics.New(metrics.Options{Version: "v1", Revision: "abc", Sites: []string{"b.example", "a.example"}})
	g.Observe(finished("a.example", "GET", 200, 300*time.Microsecond))
	g.Observe(finished("a.example", "GET", 204, 25*time.Millisecond))
	g.Observe(finished("a.example", "POST", 502, time.Minute))
	h2 := finished("a.example", "GET", 304, 0)
	h2.Proto = exchange.HTTP2
	g.Observe(h2)
	bad := finished("a.example", "GET", 502, 0)
	bad.Record.Err, bad.Record.Fault = errors.New("x"), exchange.Upstream
	g.Observe(bad)
	text := write(t, g)
	p := parse(t, text)
	want(t, p, map[string]float64{
		`weir_http_requests_total{method="GET",proto="HTTP/1.1",site="a.example",status="2xx"}`:  2,
		`weir_http_requests_total{method="GET",proto="HTTP/1.1",site="a.example",status="5xx"}`:  1,
		`weir_http_requests_total{method="POST",proto="HTTP/1.1",site="a.example",status="5xx"}`: 1,
		`weir_http_requests_total{method="GET",proto="HTTP/2.0",site="a.example",status="3xx"}`:  1,
		`weir_http_request_duration_seconds_bucket{le="0.001",site="a.example"}`:                 3,
		`weir_http_request_duration_seconds_bucket{le="0.005",site="a.example"}`:                 3,
		`weir_http_request_duration_seconds_bucket{le="0.025",site="a.example"}`:                 4,
		`weir_http_request_duration_seconds_bucket{le="10",site="a.example"}`:                    4,
		`weir_http_request_duration_seconds_bucket{le="+Inf",site="a.example"}`:                  5,
		`weir_http_request_duration_seconds_count{site="a.example"}`:                             5,
		`weir_http_request_duration_seconds_sum{site="a.example"}`:                               60.0253,
		`weir_http_request_body_bytes_total{site="a.example"}`:                                   15,
		`weir_http_response_body_bytes_total{site="a.example"}`:                                  5000,
		`weir_http_errors_total{fault="upstream",site="a.example"}`:                              1,
		`weir_http_errors_total{fault="client",site="a.example"}`:                                math.NaN(),
		`weir_reload_total{result="success"}`:                                                    0,
		`weir_config_last_reload_successful`:                                                     1,
	})
	if strings.Contains(text, "b.example") {
		t.Errorf("a site without traffic has series:\n%s", text)
	}
	if !strings.Contains(text, `weir_build_info{version="v1",revision="abc",go="go1.`) {
		t.Errorf("no build info:\n%s", text)
	}
	if text2 := write(t, g); len(strings.Split(text2, "\n")) != len(strings.Split(text, "\n")) {
		t.Errorf("a second time, other series:\n%s", text2)
	}
}

func TestSites(t *testing.T) {
	t.Parallel()
	g := metrics.New(metrics.Options{Sites: []string{"kept", "gone", "kept", ""}})
	count := func() {
		for _, name := range []string{"kept", "gone", "new"} {
			g.Observe(finished(name, "GET", 404, 0))
		}
	}
	count()
	g.SetSites([]string{"new", "kept"})
	count()
	series := func(site string) string {
		return fmt.Sprintf(`weir_http_requests_total{method="GET",proto="HTTP/1.1",site=%q,status="4xx"}`, site)
	}
	p := parse(t, write(t, g))
	want(t, p, map[string]float64{series("kept"): 2, series("gone"): math.NaN(), series("new"): 1, series(""): 2,
		// A site that is gone did not reject anything.
		`weir_http_rejected_total{status="404"}`: math.NaN()})
	g.SetSites([]string{"gone"})
	want(t, parse(t, write(t, g)), map[string]float64{series("gone"): math.NaN(), series("kept"): math.NaN()})
}

func TestRejected(t *testing.T) {
	t.Parallel()
	g := metrics.New(metrics.Options{})
	for _, status := range []int{400, 400, 431, 204, 0, 999, -5} {
		g.Observe(finished("", "", status, 0))
	}
	want(t, parse(t, write(t, g)), map[string]float64{
		`weir_http_rejected_total{status="400"}`:                                             2,
		`weir_http_rejected_total{status="431"}`:                                             1,
		`weir_http_rejected_total{status="204"}`:                                             math.NaN(),
		`weir_http_requests_total{method="other",proto="HTTP/1.1",site="",status="4xx"}`:     3,
		`weir_http_requests_total{method="other",proto="HTTP/1.1",site="",status="other"}`:   3,
		`weir_http_request_duration_seconds_count{site=""}`:                                  7,
		`weir_http_request_duration_seconds_bucket{le="0.001",site=""}`:                      7,
		`weir_http_requests_total{method="other",proto="HTTP/1.1",site="",status="unknown"}`: math.NaN(),
	})
}

// Clients make up whatever they like; the number of series must not follow.
func TestClientsMakeNoSeries(t *testing.T) {
	t.Parallel()
	g := metrics.New(metrics.Options{Sites: []string{"a"}})
	for i := range 5000 {
		r := finished([]string{"a", fmt.Sprint("made-up-", i)}[i%2], fmt.Sprint("METHOD", i), i%700, time.Duration(i)*time.Millisecond)
		r.Proto = exchange.Proto(i)
		r.Host, r.Record.Fault, r.Record.Err = fmt.Sprint("host", i), exchange.Fault(i), errors.New("x")
		g.Observe(r)
	}
	text := write(t, g)
	if p := parse(t, text); len(p.samples) > 250 || strings.Contains(text, "made-up") || strings.Contains(text, "METHOD") {
		t.Errorf("got %d series:\n%s", len(p.samples), text)
	}
}

func TestReloads(t *testing.T) {
	t.Parallel()
	g := metrics.New(metrics.Options{})
	start := parse(t, write(t, g)).samples["weir_config_last_reload_success_timestamp_seconds"]
	g.Reloaded(errors.New("line 3"))
	p := parse(t, write(t, g))
	want(t, p, map[string]float64{`weir_reload_total{result="failure"}`: 1, "weir_config_last_reload_successful": 0,
		"weir_config_last_reload_success_timestamp_seconds": start})
	g.Reloaded(nil)
	p = parse(t, write(t, g))
	want(t, p, map[string]float64{`weir_reload_total{result="success"}`: 1, "weir_config_last_reload_successful": 1})
	if now := p.samples["weir_config_last_reload_success_timestamp_seconds"]; now <= start {
		t.Errorf("time of the last good reload: got %v, want it after %v", now, start)
	}
}

func TestProcessMetrics(t *testing.T) {
	t.Parallel()
	p := parse(t, write(t, metrics.New(metrics.Options{})))
	for _, name := range []string{"process_resident_memory_bytes", "process_open_fds", "process_max_fds", "process_cpu_seconds_total",
		"process_start_time_seconds", "go_goroutines", "go_gomaxprocs", "go_heap_objects_bytes", "go_memory_bytes", "go_heap_goal_bytes"} {
		if v, ok := p.samples[name]; !ok || v <= 0 {
			t.Errorf("%s: got %v (present: %t), want it greater than 0", name, v, ok)
		}
	}
}

func TestRegister(t *testing.T) {
	t.Parallel()
	g := metrics.New(metrics.Options{})
	open := metrics.Metric{Name: "weir_connections", Help: "Open\nconnections \\ now.", Kind: metrics.Gauge, Labels: []string{"listener"}}
	err := g.Register(open, func(emit metrics.Emit) {
		emit(3, "a\"\\\nb")
		emit(4, "\xff")
		emit(math.Inf(1), "inf")
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Register(metrics.Metric{Name: "weir_refused_total", Help: "x", Kind: metrics.Counter}, func(emit metrics.Emit) { emit(1e21) }); err != nil {
		t.Fatal(err)
	}
	text := write(t, g)
	want(t, parse(t, text), map[string]float64{
		`weir_connections{listener="a\"\\\nb"}`: 3,
		`weir_connections{listener="�"}`:        4,
		`weir_connections{listener="inf"}`:      math.Inf(1),
		"weir_refused_total":                    1e21,
	})
	if !strings.Contains(text, "# HELP weir_connections Open\\nconnections \\\\ now.\n# TYPE weir_connections gauge\n") {
		t.Errorf("help is not escaped:\n%s", text)
	}
}

func TestRegisterHistogram(t *testing.T) {
	t.Parallel()
	g := metrics.New(metrics.Options{})
	m := metrics.Metric{Name: "x_sizes", Help: "x", Labels: []string{"a"}}
	err := g.RegisterHistogram(m, func(emit metrics.EmitHistogram) {
		h := metrics.Histogram{Bounds: []float64{1, 2.5}, Below: []uint64{1, 3}, Count: 7, Sum: 40.5}
		emit(&h, "q\"")
		emit(&h, "q\"") // again
		emit(&h)
	})
	if err != nil {
		t.Fatal(err)
	}
	text := write(t, g)
	want(t, parse(t, text), map[string]float64{
		`x_sizes_bucket{a="q\"",le="1"}`: 1, `x_sizes_bucket{a="q\"",le="2.5"}`: 3, `x_sizes_bucket{a="q\"",le="+Inf"}`: 7,
		`x_sizes_sum{a="q\""}`: 40.5, `x_sizes_count{a="q\""}`: 7,
	})
	if !strings.Contains(text, "# TYPE x_sizes histogram\n") {
		t.Errorf("no type:\n%s", text)
	}
	for _, m := range []metrics.Metric{m, {Name: "y_total", Help: "x"}, {Name: "y", Help: "x", Labels: []string{"le"}}, {Name: "y"}} {
		if err := g.RegisterHistogram(m, func(metrics.EmitHistogram) {}); err == nil {
			t.Errorf("RegisterHistogram(%+v): got no error", m)
		}
	}
	want(t, parse(t, write(t, g)), map[string]float64{"weir_metrics_invalid_samples_total": 2}) // the first time
}

func TestRegisterRefuses(t *testing.T) {
	t.Parallel()
	g := metrics.New(metrics.Options{})
	for _, m := range []metrics.Metric{
		{Name: "", Help: "x", Kind: metrics.Gauge},
		{Name: "weir-x", Help: "x", Kind: metrics.Gauge},
		{Name: "1x", Help: "x", Kind: metrics.Gauge},
		{Name: "x", Help: "", Kind: metrics.Gauge},
		{Name: "x", Help: "x", Kind: "summary"},
		{Name: "x", Help: "x", Kind: metrics.Counter},
		{Name: "x_total", Help: "x", Kind: metrics.Gauge},
		{Name: "x", Help: "x", Kind: metrics.Gauge, Labels: []string{"a b"}},
		{Name: "x", Help: "x", Kind: metrics.Gauge, Labels: []string{"__name__"}},
		{Name: "x", Help: "x", Kind: metrics.Gauge, Labels: []string{"a", "a"}},
		{Name: "weir_http_requests_total", Help: "x", Kind: metrics.Counter},
		{Name: "go_goroutines", Help: "x", Kind: metrics.Gauge},
	} {
		if err := g.Register(m, func(metrics.Emit) {}); err == nil {
			t.Errorf("Register(%+v): got no error", m)
		}
	}
}

func TestCollectorsMistakesSpoilNothing(t *testing.T) {
	t.Parallel()
	g := metrics.New(metrics.Options{})
	err := g.Register(metrics.Metric{Name: "x", Help: "x", Kind: metrics.Gauge, Labels: []string{"a"}}, func(emit metrics.Emit) {
		emit(1)
		emit(2, "b", "c")
		for i := range 30_000 {
			emit(3, fmt.Sprint(i))
		}
		emit(4, "7")
		emit(5, "\xff")
		emit(6, "\xfe")
	})
	if err != nil {
		t.Fatal(err)
	}
	p := parse(t, write(t, g))
	want(t, p, map[string]float64{`x{a="7"}`: 3, `x{a="29999"}`: math.NaN()})
	want(t, parse(t, write(t, g)), map[string]float64{"weir_metrics_invalid_samples_total": 10_005})
}

// failing is a scraper that hangs up.
type failing struct{ after int }

func (w *failing) Write(p []byte) (int, error) {
	if w.after -= len(p); w.after < 0 {
		return 0, errors.New("hung up")
	}
	return len(p), nil
}

func TestWriteErrorIsReturned(t *testing.T) {
	t.Parallel()
	g := metrics.New(metrics.Options{})
	if n, err := g.WriteTo(new(failing)); n != 0 || err == nil {
		t.Errorf("got %d, %v, want 0 and an error", n, err)
	}
}

func TestHammer(t *testing.T) {
	t.Parallel()
	g := metrics.New(metrics.Options{Sites: []string{"a", "b"}})
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			r := finished("a", "GET", 200, time.Millisecond)
			for range 1000 {
				g.Observe(r)
			}
		})
	}
	wg.Go(func() {
		for i := range 200 {
			g.SetSites([]string{"a", fmt.Sprint("site", i)})
		}
	})
	wg.Go(func() {
		for range 20 {
			if _, err := parsePage(write(t, g)); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	want(t, parse(t, write(t, g)), map[string]float64{
		`weir_http_requests_total{method="GET",proto="HTTP/1.1",site="a",status="2xx"}`: 6000,
		`weir_http_response_body_bytes_total{site="a"}`:                                 6_000_000,
	})
}

func TestObserveDoesNotAllocate(t *testing.T) {
	g := metrics.New(metrics.Options{Sites: []string{"a"}})
	r := finished("a", "GET", 200, time.Millisecond)
	if n := testing.AllocsPerRun(100, func() { g.Observe(r) }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func FuzzExposition(f *testing.F) {
	f.Add("a\"b", "\\n", "help", 1.5)
	f.Add("\xff\n", "}", "\n", math.NaN())
	f.Fuzz(func(t *testing.T, one, two, help string, v float64) {
		g := metrics.New(metrics.Options{Version: one, Sites: []string{one}})
		g.Observe(finished(one, two, 200, 0))
		err := g.Register(metrics.Metric{Name: "x", Help: help, Kind: metrics.Gauge, Labels: []string{"a", "b"}}, func(emit metrics.Emit) { emit(v, one, two) })
		if err != nil {
			t.Skip()
		}
		if _, err := parsePage(write(t, g)); err != nil {
			t.Errorf("labels %q, %q, help %q: %v", one, two, help, err)
		}
	})
}

func sites(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("site-%d.example.com", i))
	}
	return names
}

func BenchmarkObserve(b *testing.B) {
	for _, n := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("%dsites", n), func(b *testing.B) {
			g := metrics.New(metrics.Options{Sites: sites(n)})
			r := finished(fmt.Sprintf("site-%d.example.com", n/2), "GET", 200, time.Millisecond)
			b.ReportAllocs()
			for b.Loop() {
				g.Observe(r)
			}
		})
	}
}

func BenchmarkObserveParallel(b *testing.B) {
	g := metrics.New(metrics.Options{Sites: sites(1)})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for r := finished("site-0.example.com", "GET", 200, time.Millisecond); pb.Next(); {
			g.Observe(r)
		}
	})
}

func BenchmarkWriteTo(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprintf("%dsites", n), func(b *testing.B) {
			g := metrics.New(metrics.Options{Sites: sites(n)})
			for _, name := range sites(n) {
				g.Observe(finished(name, "GET", 200, time.Millisecond))
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := g.WriteTo(&failing{1 << 30}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
