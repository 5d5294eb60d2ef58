package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/corpus"
)

// bare is a host that knows Proxy-Wasm 0.2.1 and nothing else: no function of weir's, no
// action beyond the specification's, no header that outlives its phase.
type bare struct {
	t       *testing.T
	module  api.Module
	config  []byte
	headers [8][]proxywasm.Pair // by map; nil: not to be had now
	buffers [9][]byte           // by buffer; nil: not to be had now
	log     []string
	reply   *bareReply
	call    *bareCall
	goesOn  [2]bool
	ticks   uint32
	now     uint64
}

type bareReply struct {
	status uint32
	body   string
	header []proxywasm.Pair
}

type bareCall struct {
	to    string
	token uint32
}

func (h *bare) read(p, n uint64) []byte {
	b, ok := h.module.Memory().Read(uint32(p), uint32(n))
	if !ok {
		h.t.Fatal("the guest points out of its memory")
	}
	return slices.Clone(b)
}

// give puts b into the guest's memory, allocated by the guest, and tells it where.
func (h *bare) give(ctx context.Context, b []byte, p, n uint64) {
	at := uint64(0)
	if len(b) > 0 {
		r, err := h.module.ExportedFunction("proxy_on_memory_allocate").Call(ctx, uint64(len(b)))
		if err != nil {
			h.t.Fatal(err)
		}
		at = r[0]
		h.module.Memory().Write(uint32(at), b)
	}
	h.module.Memory().WriteUint32Le(uint32(p), uint32(at))
	h.module.Memory().WriteUint32Le(uint32(n), uint32(len(b)))
}

// functions are those that the guest may call, and what they do.
func (h *bare) functions() map[string]func(ctx context.Context, a []uint64) proxywasm.Status {
	field := func(f func(m int, key, value string) proxywasm.Status) func(context.Context, []uint64) proxywasm.Status {
		return func(_ context.Context, a []uint64) proxywasm.Status {
			if h.headers[a[0]] == nil {
				return proxywasm.BadArgument
			}
			value := ""
			if len(a) > 3 {
				value = string(h.read(a[3], a[4]))
			}
			return f(int(a[0]), string(h.read(a[1], a[2])), value)
		}
	}
	return map[string]func(context.Context, []uint64) proxywasm.Status{
		"proxy_log": func(_ context.Context, a []uint64) proxywasm.Status {
			h.log = append(h.log, string(h.read(a[1], a[2])))
			return proxywasm.OK
		},
		"proxy_get_current_time_nanoseconds": func(_ context.Context, a []uint64) proxywasm.Status {
			h.module.Memory().WriteUint64Le(uint32(a[0]), h.now)
			return proxywasm.OK
		},
		"proxy_set_tick_period_milliseconds": func(_ context.Context, a []uint64) proxywasm.Status {
			h.ticks = uint32(a[0])
			return proxywasm.OK
		},
		"proxy_set_effective_context": func(context.Context, []uint64) proxywasm.Status { return proxywasm.OK },
		"proxy_get_header_map_pairs": func(ctx context.Context, a []uint64) proxywasm.Status {
			h.give(ctx, proxywasm.AppendPairs(nil, h.headers[a[0]]), a[1], a[2])
			return proxywasm.OK
		},
		"proxy_get_header_map_value": func(ctx context.Context, a []uint64) proxywasm.Status {
			key := string(h.read(a[1], a[2]))
			for _, p := range h.headers[a[0]] {
				if p.Key == key {
					h.give(ctx, []byte(p.Value), a[3], a[4])
					return proxywasm.OK
				}
			}
			return proxywasm.NotFound
		},
		"proxy_add_header_map_value": field(func(m int, key, value string) proxywasm.Status {
			h.headers[m] = append(h.headers[m], proxywasm.Pair{Key: key, Value: value})
			return proxywasm.OK
		}),
		"proxy_replace_header_map_value": field(func(m int, key, value string) proxywasm.Status {
			h.headers[m] = append(slices.DeleteFunc(h.headers[m], func(p proxywasm.Pair) bool { return p.Key == key }), proxywasm.Pair{Key: key, Value: value})
			return proxywasm.OK
		}),
		"proxy_remove_header_map_value": field(func(m int, key, _ string) proxywasm.Status {
			h.headers[m] = slices.DeleteFunc(h.headers[m], func(p proxywasm.Pair) bool { return p.Key == key })
			return proxywasm.OK
		}),
		"proxy_get_buffer_bytes": func(ctx context.Context, a []uint64) proxywasm.Status {
			b := h.buffers[a[0]]
			if b == nil {
				return proxywasm.NotFound
			}
			from := min(a[1], uint64(len(b)))
			h.give(ctx, b[from:min(from+a[2], uint64(len(b)))], a[3], a[4])
			return proxywasm.OK
		},
		"proxy_set_buffer_bytes": func(_ context.Context, a []uint64) proxywasm.Status {
			if h.buffers[a[0]] == nil || a[1] != 0 || a[2] < uint64(len(h.buffers[a[0]])) {
				return proxywasm.BadArgument // Envoy replaces all, or nothing
			}
			h.buffers[a[0]] = append([]byte{}, h.read(a[3], a[4])...)
			return proxywasm.OK
		},
		"proxy_continue_stream": func(_ context.Context, a []uint64) proxywasm.Status {
			h.goesOn[a[0]] = true
			return proxywasm.OK
		},
		"proxy_send_local_response": func(_ context.Context, a []uint64) proxywasm.Status {
			h.reply = &bareReply{status: uint32(a[0]), body: string(h.read(a[3], a[4]))}
			for k, v := range proxywasm.Pairs(h.read(a[5], a[6])) {
				h.reply.header = append(h.reply.header, proxywasm.Pair{Key: k, Value: v})
			}
			return proxywasm.OK
		},
		"proxy_http_call": func(_ context.Context, a []uint64) proxywasm.Status {
			h.call = &bareCall{to: string(h.read(a[0], a[1])), token: 7}
			h.module.Memory().WriteUint32Le(uint32(a[9]), 7)
			return proxywasm.OK
		},
	}
}

// compiledByOthers is where hosts that are not weir keep what they have compiled: it has
// no counting in it.
func compiledByOthers(t *testing.T) string {
	t.Helper()
	kept, err := corpus.Cache()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(kept, "bare")
}

// newBare starts a module with a configuration.
func newBare(t *testing.T, file, config string) *bare {
	t.Helper()
	ctx := t.Context()
	code, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cache, err := wazero.NewCompilationCacheWithDir(compiledByOthers(t))
	if err != nil {
		t.Fatal(err)
	}
	run := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithCompilationCache(cache))
	t.Cleanup(func() { run.Close(context.Background()) })
	wasi_snapshot_preview1.MustInstantiate(ctx, run)
	h := &bare{t: t, config: []byte(config)}
	env, have := run.NewHostModuleBuilder(proxywasm.Module), h.functions()
	for _, f := range proxywasm.HostFuncs() {
		do := have[f.Name]
		if do == nil {
			do = func(context.Context, []uint64) proxywasm.Status { return proxywasm.NotFound }
		}
		fn := api.GoModuleFunc(func(ctx context.Context, m api.Module, stack []uint64) {
			h.module = m
			a := slices.Clone(stack)
			for i := range a {
				a[i] = uint64(uint32(a[i]))
			}
			if len(f.Results) > 0 {
				stack[0] = uint64(do(ctx, a[:len(f.Params)]))
			}
		})
		types := func(list []proxywasm.ValueType) (all []api.ValueType) {
			for _, v := range list {
				all = append(all, api.ValueType(v))
			}
			return all
		}
		env.NewFunctionBuilder().WithGoModuleFunction(fn, types(f.Params), types(f.Results)).Export(f.Name)
	}
	if _, err := env.Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	h.module, err = run.InstantiateWithConfig(ctx, code, wazero.NewModuleConfig().WithStartFunctions().WithSysNanotime().WithSysWalltime().WithStderr(os.Stderr))
	if err != nil {
		t.Fatal(err)
	}
	h.enter("_initialize")
	h.enter("proxy_on_context_create", 1, 0)
	h.buffers[proxywasm.PluginConfiguration] = h.config
	if h.enter("proxy_on_vm_start", 1, 0) != 1 || h.enter("proxy_on_configure", 1, uint64(len(config))) != 1 {
		t.Fatalf("the guest does not start: %q", h.log)
	}
	return h
}

func (h *bare) enter(name string, args ...uint64) uint64 {
	h.t.Helper()
	r, err := h.module.ExportedFunction(name).Call(h.t.Context(), args...)
	if err != nil {
		h.t.Fatalf("%s: %v", name, err)
	}
	if len(r) == 0 {
		return 0
	}
	return uint64(uint32(r[0]))
}

// request begins a stream, and returns what the guest wants to become of its head.
func (h *bare) request(id uint64, path string, end uint64) uint64 {
	h.t.Helper()
	h.reply, h.call, h.goesOn = nil, nil, [2]bool{}
	h.headers = [8][]proxywasm.Pair{proxywasm.RequestHeaders: {{Key: ":method", Value: "GET"}, {Key: ":path", Value: path}, {Key: ":authority", Value: "example.com"}, {Key: "content-length", Value: "6"}}}
	h.enter("proxy_on_context_create", id, 1)
	return h.enter("proxy_on_request_headers", id, 4, end)
}

// response is the other half, of a response without a body unless pieces are given.
func (h *bare) response(id uint64, pieces ...string) (body string) {
	h.t.Helper()
	h.headers[proxywasm.RequestHeaders] = nil
	h.headers[proxywasm.ResponseHeaders] = []proxywasm.Pair{{Key: ":status", Value: "200"}, {Key: "content-length", Value: "6"}}
	end := uint64(0)
	if len(pieces) == 0 {
		end = 1
	}
	if a := h.enter("proxy_on_response_headers", id, 2, end); a > 1 {
		h.t.Errorf("response headers: action %d is none of the specification's", a)
	}
	for i, piece := range pieces {
		body += h.body("proxy_on_response_body", proxywasm.ResponseBody, id, piece, i == len(pieces)-1)
	}
	h.enter("proxy_on_delete", id)
	return body
}

// body shows a piece of a body and returns what goes on in its place.
func (h *bare) body(callback string, b proxywasm.Buffer, id uint64, piece string, last bool) string {
	h.t.Helper()
	h.buffers[b] = []byte(piece)
	end := uint64(0)
	if last {
		end = 1
	}
	if a := h.enter(callback, id, uint64(len(piece)), end); a != 0 {
		h.t.Errorf("%s: action %d, want to continue", callback, a)
	}
	defer func() { h.buffers[b] = nil }()
	return string(h.buffers[b])
}

func (h *bare) has(m proxywasm.Map, key, value string) bool {
	return slices.Contains(h.headers[m], proxywasm.Pair{Key: key, Value: value})
}

// TestSDK_OnAHostThatIsNotWeir: the module that other tests run in weir, the same bytes,
// on what a host of the public ABI has. What is portable works there; the rest says that
// it does not, and fails nothing else.
func TestSDK_OnAHostThatIsNotWeir(t *testing.T) {
	t.Parallel()
	h := newBare(t, goGuest(t, "cmd/weir/testdata/sdkgo"), `{"name": "ada"}`)
	t.Run("headers", func(t *testing.T) {
		if a := h.request(2, "/", 1); a != 0 {
			t.Errorf("action %d, want to continue", a)
		}
		if h.response(2); !h.has(proxywasm.ResponseHeaders, "x-name", "ada") {
			t.Errorf("got %v", h.headers[proxywasm.ResponseHeaders])
		}
	})
	t.Run("waiting for a call", func(t *testing.T) {
		if a := h.request(3, "/wait?3", 1); a != 1 || h.call == nil || h.call.to != "slow" {
			t.Fatalf("action %d, call %+v; want to pause", a, h.call)
		}
		request := h.headers[proxywasm.RequestHeaders]
		if a := h.request(4, "/", 1); a != 0 { // meanwhile
			t.Errorf("action %d of another stream", a)
		}
		h.response(4)
		h.headers = [8][]proxywasm.Pair{proxywasm.RequestHeaders: request, proxywasm.CallResponseHeaders: {{Key: ":status", Value: "200"}, {Key: "x-answer", Value: "forty-two"}}}
		h.enter("proxy_on_http_call_response", 1, 7, 2, 0, 0)
		if !h.goesOn[proxywasm.Request] || !h.has(proxywasm.RequestHeaders, "x-waited", "forty-two") {
			t.Errorf("goes on: %v, %v", h.goesOn, h.headers[proxywasm.RequestHeaders])
		}
		h.response(3)
	})
	t.Run("transforms", func(t *testing.T) {
		if a := h.request(5, "/turn", 0); a != 0 {
			t.Errorf("action %d, want to continue", a)
		}
		if h.has(proxywasm.RequestHeaders, "content-length", "6") {
			t.Error("content-length is still there")
		}
		turned := h.body("proxy_on_request_body", proxywasm.RequestBody, 5, "abc", false) + h.body("proxy_on_request_body", proxywasm.RequestBody, 5, "def", true)
		back := h.response(5, turned[:4], turned[4:])
		if turned == "abcdef" || back != "abcdef" {
			t.Errorf("turned %q, back %q", turned, back)
		}
	})
	t.Run("streamed answers are whole ones", func(t *testing.T) {
		h.request(6, "/fetch", 1)
		h.headers = [8][]proxywasm.Pair{proxywasm.CallResponseHeaders: {{Key: ":status", Value: "200"}}}
		h.buffers[proxywasm.CallResponseBody] = []byte("the answer")
		h.enter("proxy_on_http_call_response", 1, 7, 1, 10, 0)
		if h.reply == nil || h.reply.status != 200 || h.reply.body != "the answer" {
			t.Errorf("got %+v", h.reply)
		}
		h.enter("proxy_on_delete", 6)
	})
	t.Run("what is not there", func(t *testing.T) {
		if h.request(7, "/peek", 0); h.reply == nil || h.reply.status != 500 {
			t.Errorf("got %+v", h.reply)
		}
		if last := h.log[len(h.log)-1]; !strings.Contains(last, "not supported here") {
			t.Errorf("logged %q", last)
		}
		h.enter("proxy_on_delete", 7)
	})
	t.Run("sleeps", func(t *testing.T) {
		if h.request(8, "/stream", 1); h.ticks == 0 || h.reply != nil {
			t.Fatalf("ticks every %d ms, replied %+v", h.ticks, h.reply)
		}
		for range 10 { // of which each takes ten milliseconds, as it does between events
			h.now += 10e6
			h.enter("proxy_on_tick", 1)
		}
		if h.reply == nil || h.reply.body != "data: 0\n\ndata: 1\n\ndata: 2\n\ndata: 3\n\ndata: 4\n\n" {
			t.Errorf("got %+v", h.reply)
		}
		if h.ticks != 0 {
			t.Errorf("ticks go on every %d ms though nobody sleeps", h.ticks)
		}
	})
}
