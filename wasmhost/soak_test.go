package wasmhost

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/wasmhost/corpus"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
	. "github.com/weirproxy/weir/wasmhost/vmtest"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// TestSoak takes many streams through filters of each toolchain, with everything that
// ends streams: whole answers, local replies, clients that leave in the middle,
// upstreams that fail before and after the head, requests that are cut. What guests and
// hosts take of memory stays level, no instance is lost, and each stream that began has
// ended. With WEIR_SOAK set it is a million for each. It looks at the process's memory,
// and so runs alone.
func TestSoak(t *testing.T) {
	streams := 20_000
	if os.Getenv("WEIR_SOAK") != "" {
		streams = 1_000_000
	} else if testing.Short() {
		streams = 2000
	}
	for _, c := range []soakCase{
		{"by hand", []soakGuest{{code: counting}, {code: editing}}},
		{"C", []soakGuest{{corpus: "c/headers"}, {code: editing}}},
		{"Rust", []soakGuest{{corpus: "rust/headers"}, {corpus: "rust/redact"}}},
		// Its runtime counts references, and keeps some 60 bytes of each stream.
		{"AssemblyScript", []soakGuest{{corpus: "assemblyscript", use: guest.Use{Root: "add_header", Config: []byte("soak")}, memory: 4 << 20}, {code: editing}}},
		{"Go", []soakGuest{{corpus: "go/http_headers"}, {corpus: "go/http_body"}}},
		{"C, http-wasm", []soakGuest{{corpus: "c/handler"}, {corpus: "http-wasm/redact", use: guest.Use{Config: []byte("secret")}}}},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, streams) })
	}
}

type soakCase struct {
	name   string
	guests []soakGuest // the outermost first
}

type soakGuest struct {
	corpus string
	code   func() []byte // where corpus is ""
	use    guest.Use
	// memory is the limit of guests that leak: an instance that has half of it is
	// replaced. 0: that of the host.
	memory int64
}

// soak is a chain under way.
type soak struct {
	host    *Host
	chain   exchange.Handler
	denied  exchange.Handler // with a filter at the end that answers itself
	outcome [kinds]atomic.Int64
	wrong   atomic.Pointer[string]
}

func (c *soakCase) run(t *testing.T, streams int) {
	h, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	s := &soak{host: h}
	var filters []exchange.Filter
	var ends []func()
	add := func(name string, code []byte, g soakGuest) {
		p, err := h.Open(t.Context(), code, Settings{Name: name, VMID: name, Limits: vm.Limits{Memory: g.memory, Instances: 2, Queue: 10 * time.Second, Logs: 1}})
		if err != nil {
			t.Fatal(err)
		}
		f, release, err := p.Filter(t.Context(), g.use)
		if err != nil {
			t.Fatal(err)
		}
		filters, ends = append(filters, f), append(ends, release, p.Close)
	}
	for k, g := range c.guests {
		if g.corpus != "" {
			add(g.corpus, corpus.Read(t, g.corpus), g)
		} else {
			add(fmt.Sprint("guest", k), g.code(), g)
		}
	}
	s.chain = exchange.Chain(exchange.HandlerFunc(upstream), filters...)
	add("denier", replying(), soakGuest{})
	s.denied = exchange.Chain(exchange.HandlerFunc(upstream), filters...)

	samples := s.rounds(t, streams)
	s.level(t, samples)
	s.check(t, streams)
	for _, end := range ends {
		end()
	}
	if st := h.Stats(); st.Instances != 0 || st.Memory != 0 || st.Programs != 0 {
		t.Errorf("left behind: %+v", st)
	}
	s.counted(t)
}

// level compares the memory of the first third with that of the last. The first samples
// are of guests that grow to the size that they need.
func (s *soak) level(t *testing.T, samples []soakSample) {
	t.Helper()
	samples = samples[len(samples)/5:]
	third := len(samples) / 3
	for _, m := range []struct {
		name string
		of   func(soakSample) int64
	}{
		{"memory of guests", func(s soakSample) int64 { return s.guests }},
		{"Go's heap", func(s soakSample) int64 { return s.heap }},
		{"resident", func(s soakSample) int64 { return s.resident }},
	} {
		median := func(part []soakSample) int64 {
			var all []int64
			for _, one := range part {
				all = append(all, m.of(one))
			}
			slices.Sort(all)
			return all[len(all)/2]
		}
		a, b, c := median(samples[:third]), median(samples[third:2*third]), median(samples[2*third:])
		t.Logf("%s by thirds: %d, %d, %d KiB", m.name, a>>10, b>>10, c>>10)
		if m.name == "resident" && raced {
			continue // the race detector's own memory grows
		}
		if c > a+a/8+4<<20 {
			t.Errorf("%s grows: %d, %d, %d KiB", m.name, a>>10, b>>10, c>>10)
		}
	}
}

// check compares what was counted with what was asked.
func (s *soak) check(t *testing.T, streams int) {
	t.Helper()
	if wrong := s.wrong.Load(); wrong != nil {
		t.Error(*wrong)
	}
	var line strings.Builder
	for k := range s.outcome {
		fmt.Fprintf(&line, " %s %d", kind(k), s.outcome[k].Load())
	}
	t.Logf("%d streams:%s", streams, line.String())
	s.host.Trim() // which counts
	for _, p := range s.host.Status() {
		c := p.Counters
		traps := int64(0)
		for k := range c.Traps {
			traps += c.Traps[k].Load()
		}
		t.Logf("%s: %d calls, %d instances of %d started, %d KiB, fuel %d each", p.Name, c.Calls.Load(), c.Instances.Load(), c.Started.Load(),
			c.Memory.Load()>>10, c.Fuel.Load()/int64(streams))
		if n := c.Instances.Load(); c.Streams.Load() != 0 || traps != 0 || n < 1 || n > 2 {
			t.Errorf("%s: %d streams under way, %d traps, %d instances; want none, none, 1 or 2", p.Name, c.Streams.Load(), traps, n)
		}
		if p.Name != "denier" && c.Calls.Load() < int64(streams) {
			t.Errorf("%s: %d calls for %d streams", p.Name, c.Calls.Load(), streams)
		}
	}
}

// counted asks a guest that counts how often it was told of a beginning and of an end.
func (s *soak) counted(t *testing.T) {
	t.Helper()
	count := map[string]int64{}
	for _, m := range s.host.Metrics() {
		count[m.Name] = m.Value
	}
	if count["begun"] != count["ended"] {
		t.Errorf("the guest was told of %d contexts that began, and of %d that ended", count["begun"], count["ended"])
	}
	if len(count) > 0 {
		t.Logf("the guest counts %v", count)
	}
}

// kind is what becomes of a stream.
type kind int

const (
	whole kind = iota
	posted
	leaving // the client, in the middle of the answer
	denied
	failing // the upstream, before its head
	breaking
	cutting // the client's content breaks off
	kinds
)

func (k kind) String() string {
	return [...]string{"whole", "posted", "leaving", "denied", "failing", "breaking", "cutting"}[k]
}

var errUpstream = errors.New("connection refused")

// text is content that the filters edit.
var text = bytes.Repeat([]byte("a secret, and some more. "), 40)

// upstream answers as the path says.
func upstream(r *exchange.Request) (*exchange.Response, error) {
	if r.Path == "/failing" {
		return nil, &exchange.Error{Fault: exchange.Upstream, Err: errUpstream}
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	resp := r.NewResponse(200)
	resp.Header.Append("content-type", "text/plain")
	if r.Path == "/breaking" {
		resp.Body = exchange.NewBody(io.MultiReader(bytes.NewReader(text), brokenReader{}), -1, nil)
		return resp, nil
	}
	resp.SetBytes(text)
	return resp, nil
}

// brokenReader is content that breaks off.
type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errUpstream }

// rounds runs streams on four goroutines, and takes samples in between.
func (s *soak) rounds(t *testing.T, streams int) (samples []soakSample) {
	t.Helper()
	const rounds, workers = 20, 4
	begin := time.Now()
	for range rounds {
		var all sync.WaitGroup
		for w := range workers {
			all.Go(func() {
				for n := range streams / rounds / workers {
					s.stream(w + n)
				}
			})
		}
		all.Wait()
		samples = append(samples, s.sample(t))
	}
	took := time.Since(begin)
	t.Logf("%d streams in %v, %v each", streams, took.Round(time.Millisecond), took/time.Duration(streams))
	return samples
}

type soakSample struct{ guests, heap, resident int64 }

func (s *soak) sample(t *testing.T) soakSample {
	t.Helper()
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("no /proc:", err)
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(status), &size, &pages); err != nil {
		t.Fatal(err)
	}
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	return soakSample{s.host.Stats().Memory, int64(mem.HeapAlloc), pages * int64(os.Getpagesize())}
}

// plan is which kinds there are, and how often.
var plan = [...]kind{whole, whole, whole, whole, whole, posted, posted, posted, leaving, leaving, denied, denied, failing, breaking, cutting, posted}

// stream is one of them, from its beginning to its end.
func (s *soak) stream(n int) {
	k := plan[n%len(plan)]
	chain, method, target := s.chain, "POST", "/"+k.String()
	options := []exchangetest.Option{exchangetest.Field("x-user", "ada"), exchangetest.Field("buffer-operation", "append")}
	switch k {
	case whole, leaving, failing:
		// The SDK's filter for bodies wants content; the rest does not care.
		options = append(options, exchangetest.Body("x"))
	case posted, breaking:
		options = append(options, exchangetest.Body(string(text)), exchangetest.Field("content-length", fmt.Sprint(len(text))))
	case denied:
		chain = s.denied
	case cutting:
		options = append(options, func(r *exchange.Request) {
			r.Body = exchange.NewBody(io.MultiReader(bytes.NewReader(text), brokenReader{}), int64(2*len(text)), nil)
		})
	}
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	r := exchangetest.NewRequest(method, target, append(options, exchangetest.Context(ctx))...)
	resp, err := chain.Handle(r)
	status, read := 0, int64(0)
	if err == nil {
		status = resp.Status
		if k == leaving {
			read, err = io.CopyN(io.Discard, resp.Body, 10)
			leave()
		} else {
			read, err = io.Copy(io.Discard, resp.Body)
		}
		resp.Body.Close()
	}
	r.End()
	s.outcome[k].Add(1)
	s.judge(k, status, read, err)
}

// judge says whether a stream came out as it should.
func (s *soak) judge(k kind, status int, read int64, err error) {
	var right bool
	switch k {
	case whole, posted:
		right = status == 200 && err == nil && read >= int64(len(text))
	case leaving:
		right = status == 200 && err == nil
	case denied:
		right = (status == 403 || status == 400) && err == nil
	case failing:
		right = status == 0 && errors.Is(err, errUpstream)
	case breaking, cutting:
		right = err != nil || status >= 400
	}
	if !right {
		text := fmt.Sprintf("a stream that was to be %v: status %d, %d bytes, %v", k, status, read, err)
		s.wrong.CompareAndSwap(nil, &text)
	}
}

// counting counts, in metrics, contexts that begin and end, and adds a field each way.
func counting() []byte {
	i32s := func(n int) []wasm.ValueType { return slices.Repeat(I32, n) }
	env := func(name string, params ...wasm.ValueType) Import {
		return Import{Module: "env", Name: name, Params: params, Results: I32}
	}
	one := func(at int) Code {
		return Code{I32Const, at, I32Load, uint32(2), uint32(0), I64Const, 1, Call, "proxy_increment_metric", Drop}
	}
	define := func(name, at int) Code {
		return Code{I32Const, 0, I32Const, name, I32Const, 5, I32Const, at, Call, "proxy_define_metric", Drop}
	}
	field := func(kind int) Code {
		return Code{I32Const, kind, I32Const, 80, I32Const, 7, I32Const, 64, I32Const, 5, Call, "proxy_add_header_map_value", Drop, I32Const, 0}
	}
	const begun, ended = 32, 36 // where their numbers are kept
	return Module{
		Imports: []Import{env("proxy_define_metric", i32s(4)...), env("proxy_increment_metric", wasm.I32, wasm.I64), env("proxy_add_header_map_value", i32s(5)...)},
		Pages:   1,
		Data:    []Data{{At: 64, Data: "begun"}, {At: 72, Data: "ended"}, {At: 80, Data: "x-added"}},
		Funcs: []Func{
			{Name: "proxy_abi_version_0_2_1"},
			{Name: "malloc", Params: I32, Results: I32, Body: Code{I32Const, 4096}},
			{Name: "_initialize", Body: Code{define(64, begun), define(72, ended)}},
			{Name: "proxy_on_context_create", Params: I32x2, Body: one(begun)},
			{Name: "proxy_on_request_headers", Params: I32x3, Results: I32, Body: field(0)},
			{Name: "proxy_on_response_headers", Params: I32x3, Results: I32, Body: field(2)},
			{Name: "proxy_on_delete", Params: I32, Body: one(ended)},
		},
	}.Bytes()
}

// editing puts something before all content that it sees.
func editing() []byte {
	i32s := func(n int) []wasm.ValueType { return slices.Repeat(I32, n) }
	edit := func(buffer int) Code {
		return Code{I32Const, buffer, I32Const, 0, I32Const, 0, I32Const, 64, I32Const, 7, Call, "proxy_set_buffer_bytes", Drop, I32Const, 0}
	}
	m := proxyGuest()
	m.Imports = []Import{{Module: "env", Name: "proxy_set_buffer_bytes", Params: i32s(5), Results: I32}}
	m.Data = []Data{{At: 64, Data: "edited "}}
	m.Funcs = append(m.Funcs,
		Func{Name: "proxy_on_request_body", Params: I32x3, Results: I32, Body: edit(0)},
		Func{Name: "proxy_on_response_body", Params: I32x3, Results: I32, Body: edit(1)})
	return m.Bytes()
}

// replying answers every request with 403.
func replying() []byte {
	m := proxyGuest()
	m.Imports = []Import{{Module: "env", Name: "proxy_send_local_response", Params: slices.Repeat(I32, 8), Results: I32}}
	m.Funcs = append(m.Funcs, Func{Name: "proxy_on_request_headers", Params: I32x3, Results: I32, Body: Code{
		I32Const, 403, I32Const, 0, I32Const, 0, I32Const, 0, I32Const, 0, I32Const, 0, I32Const, 0, I32Const, -1,
		Call, "proxy_send_local_response", Drop, I32Const, 1}})
	return m.Bytes()
}
