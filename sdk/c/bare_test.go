package c_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// bare is a host that has the public functions of Proxy-Wasm, and does as little as it
// can: what it costs is the guest.
type bare struct {
	mod    api.Module
	malloc api.Function
	funcs  map[string]api.Function
	calls  []uint32 // upstreams' answers that are due
	added  int      // header fields
	token  uint32
}

func newBare(t testing.TB, wasm string) *bare {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntime(ctx)
	t.Cleanup(func() { _ = r.Close(ctx) })
	b := &bare{funcs: map[string]api.Function{}}
	env := r.NewHostModuleBuilder(abi.Module)
	for _, f := range abi.HostFuncs() {
		env.NewFunctionBuilder().WithGoModuleFunction(b.hostcall(f), types(f.Params), types(f.Results)).Export(f.Name)
	}
	if _, err := env.Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	mod, err := r.InstantiateWithConfig(ctx, []byte(read(t, wasm)), wazero.NewModuleConfig().WithStartFunctions("_initialize"))
	if err != nil {
		t.Fatal(err)
	}
	b.mod, b.malloc = mod, mod.ExportedFunction("proxy_on_memory_allocate")
	for _, c := range abi.Callbacks() {
		b.funcs[c.Name] = mod.ExportedFunction(c.Name)
	}
	b.call(t, "proxy_on_context_create", 1, 0)
	b.call(t, "proxy_on_vm_start", 1, 0)
	if b.call(t, "proxy_on_configure", 1, 0) != 1 {
		t.Fatal("the guest refuses its configuration")
	}
	return b
}

func types(list []abi.ValueType) []api.ValueType {
	var all []api.ValueType
	for _, v := range list {
		all = append(all, api.ValueType(v))
	}
	return all
}

// give puts text into the guest's memory, and says where.
func (b *bare) give(ctx context.Context, mod api.Module, text string, data, size uint64) {
	var stack [1]uint64
	stack[0] = uint64(len(text))
	if err := b.malloc.CallWithStack(ctx, stack[:]); err != nil {
		panic(err)
	}
	mod.Memory().WriteString(uint32(stack[0]), text)
	mod.Memory().WriteUint32Le(uint32(data), uint32(stack[0]))
	mod.Memory().WriteUint32Le(uint32(size), uint32(len(text)))
}

func (b *bare) hostcall(f abi.HostFunc) api.GoModuleFunc {
	switch f.Name {
	case "proxy_get_header_map_value":
		return func(ctx context.Context, mod api.Module, a []uint64) { b.give(ctx, mod, "ada", a[3], a[4]); a[0] = 0 }
	case "proxy_get_header_map_pairs":
		pairs := string(abi.AppendPairs(nil, []abi.Pair{{Key: ":status", Value: "200"}}))
		return func(ctx context.Context, mod api.Module, a []uint64) { b.give(ctx, mod, pairs, a[1], a[2]); a[0] = 0 }
	case "proxy_get_buffer_bytes":
		return func(ctx context.Context, mod api.Module, a []uint64) { b.give(ctx, mod, "ada", a[3], a[4]); a[0] = 0 }
	case "proxy_http_call":
		return func(_ context.Context, mod api.Module, a []uint64) {
			b.token++
			b.calls = append(b.calls, b.token)
			mod.Memory().WriteUint32Le(uint32(a[9]), b.token)
			a[0] = 0
		}
	case "proxy_call_foreign_function", "proxy_get_property":
		return func(_ context.Context, _ api.Module, a []uint64) { a[0] = uint64(abi.NotFound) }
	case "proxy_add_header_map_value", "proxy_replace_header_map_value":
		return func(_ context.Context, _ api.Module, a []uint64) { b.added++; a[0] = 0 }
	}
	return func(_ context.Context, _ api.Module, a []uint64) {
		if len(a) > 0 {
			a[0] = 0
		}
	}
}

func (b *bare) call(t testing.TB, name string, args ...uint64) uint64 {
	var stack [5]uint64
	copy(stack[:], args)
	if err := b.funcs[name].CallWithStack(context.Background(), stack[:]); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return stack[0]
}

// stream has a stream pass, with the answers that it waits for.
func (b *bare) stream(t testing.TB, id uint64) {
	b.call(t, "proxy_on_context_create", id, 1)
	b.call(t, "proxy_on_request_headers", id, 4, 1)
	for _, token := range b.calls {
		b.call(t, "proxy_on_http_call_response", 1, uint64(token), 1, 3, 0)
	}
	b.calls = b.calls[:0]
	b.call(t, "proxy_on_response_headers", id, 4, 1)
	b.call(t, "proxy_on_done", id)
	b.call(t, "proxy_on_log", id)
	b.call(t, "proxy_on_delete", id)
}

// What docs measure other languages by: it reads a field, keeps state, formats, and adds
// a field.
const measured = `#include "weir.h"

static unsigned streams;

static void on_request(weir_stream *s) {
	unsigned *id = (unsigned *)weir_state(s, sizeof *id);
	*id = ++streams;
	weir_add(s, WEIR_REQUEST, "x-seen", weir_format("%s/%u", weir_get(s, WEIR_REQUEST, "x-user"), *id));
}

WEIR_FILTER(.on_request = on_request)
`

// The same without state and formats.
const raw = `#include "weir.h"

static void on_request(weir_stream *s) { weir_add(s, WEIR_REQUEST, "x-seen", weir_get(s, WEIR_REQUEST, "x-user")); }

WEIR_FILTER(.on_request = on_request)
`

const waiting = `#include "weir.h"

static void answered(weir_stream *s, weir_answer *a, void *arg) {
	(void)arg;
	weir_add(s, WEIR_REQUEST, "x-user", weir_keep(s, a->body.data));
}

static void on_request(weir_stream *s) { weir_fetch(s, "users", 0, answered, 0); }

WEIR_FILTER(.on_request = on_request)
`

func TestBare_AMillionStreamsLeaveMemoryAsItWas(t *testing.T) {
	t.Parallel()
	n := 1_000_000
	if testing.Short() || raced {
		n = 50_000
	}
	for _, g := range targets {
		for name, source := range map[string]string{"measured": measured, "waiting": waiting} {
			t.Run(g.name+", "+name, func(t *testing.T) {
				t.Parallel()
				n := n
				b := newBare(t, g.wasm(t, write(t, filepath.Join(t.TempDir(), "x.c"), source)))
				for id := range 1000 {
					b.stream(t, uint64(id+2))
				}
				before := b.mod.Memory().Size()
				if !g.libc && g.lang == "c" { // the others' allocators are the same
					if name == "waiting" {
						n /= 5
					}
					for id := range n {
						b.stream(t, uint64(id+1002))
					}
				}
				if after := b.mod.Memory().Size(); after != before || after > 128<<10 {
					t.Errorf("memory grew from %d to %d", before, after)
				}
				if b.added < 1000 {
					t.Errorf("%d fields were added", b.added)
				}
			})
		}
	}
}

func TestBare_WaitingStreamsTakeLittleAndGiveItBack(t *testing.T) {
	t.Parallel()
	const n = 20_000
	b := newBare(t, targets[0].wasm(t, write(t, filepath.Join(t.TempDir(), "x.c"), waiting)))
	before := b.mod.Memory().Size()
	for round := range uint64(3) {
		first := 2 + n*round
		for id := range uint64(n) {
			b.call(t, "proxy_on_context_create", first+id, 1)
			if got := abi.Action(b.call(t, "proxy_on_request_headers", first+id, 4, 1)); got != abi.Pause {
				t.Fatalf("the stream goes on: action %d", got)
			}
		}
		each := (b.mod.Memory().Size() - before) / n
		t.Logf("%d bytes for each", each)
		if each > 1024 {
			t.Errorf("a stream that waits takes %d bytes", each)
		}
		for id := range uint64(n) { // the client goes away: nobody is told
			b.call(t, "proxy_on_done", first+id)
			b.call(t, "proxy_on_delete", first+id)
		}
		for _, token := range b.calls {
			b.call(t, "proxy_on_http_call_response", 1, uint64(token), 1, 3, 0)
		}
		b.calls = b.calls[:0]
	}
	if b.added != 0 {
		t.Errorf("%d streams went on after their end", b.added)
	}
}

// BenchmarkBare is what docs call a call, one callback with its host functions, and a
// stream: its beginning, both heads and its end.
func BenchmarkBare(b *testing.B) {
	for _, c := range []struct{ name, source string }{{"raw", raw}, {"measured", measured}, {"waiting", waiting}} {
		h := newBare(b, targets[0].wasm(b, write(b, filepath.Join(b.TempDir(), "x.c"), c.source)))
		b.Run(c.name+"/stream", func(b *testing.B) {
			for id := uint64(2); b.Loop(); id++ {
				h.stream(b, id)
			}
		})
		if c.name == "waiting" {
			continue
		}
		h.call(b, "proxy_on_context_create", 1<<30, 1)
		b.Run(c.name+"/call", func(b *testing.B) {
			for b.Loop() {
				h.call(b, "proxy_on_request_headers", 1<<30, 4, 1)
			}
		})
	}
}
