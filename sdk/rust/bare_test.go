package rust_test

import (
	"context"
	"os"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// bare is a host that has the public functions of Proxy-Wasm, knows nothing of weir's, and
// does as little as it can: what it costs is the guest.
type bare struct {
	tb    testing.TB
	mod   api.Module
	room  api.Function
	calls map[string]api.Function
	due   []uint32 // calls that are to be answered
	last  uint32
	added int    // fields
	root  string // which of the module's filters
}

func newBare(tb testing.TB, module, root string) *bare {
	tb.Helper()
	code, err := os.ReadFile(module)
	if err != nil {
		tb.Fatal(err)
	}
	ctx := context.Background()
	r := wazero.NewRuntime(ctx)
	tb.Cleanup(func() { _ = r.Close(ctx) })
	b := &bare{tb: tb, root: root, calls: map[string]api.Function{}}
	env := r.NewHostModuleBuilder(abi.Module)
	for _, f := range abi.HostFuncs() {
		env.NewFunctionBuilder().WithGoModuleFunction(b.function(f.Name), types(f.Params), types(f.Results)).Export(f.Name)
	}
	if _, err := env.Instantiate(ctx); err != nil {
		tb.Fatal(err)
	}
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	b.mod, err = r.InstantiateWithConfig(ctx, code, wazero.NewModuleConfig().WithStartFunctions("_initialize"))
	if err != nil {
		tb.Fatal(err)
	}
	b.room = b.mod.ExportedFunction("proxy_on_memory_allocate")
	for _, c := range abi.Callbacks() {
		b.calls[c.Name] = b.mod.ExportedFunction(c.Name)
	}
	b.call("proxy_on_context_create", 1, 0)
	if b.call("proxy_on_vm_start", 1, 0) != 1 || b.call("proxy_on_configure", 1, 0) != 1 {
		tb.Fatal("the guest does not start")
	}
	return b
}

func types(list []abi.ValueType) (all []api.ValueType) {
	for _, v := range list {
		all = append(all, api.ValueType(v))
	}
	return all
}

// call calls a callback of the guest's.
func (b *bare) call(name string, args ...uint64) uint64 {
	var stack [5]uint64
	copy(stack[:], args)
	if err := b.calls[name].CallWithStack(context.Background(), stack[:]); err != nil {
		b.tb.Fatalf("%s: %v", name, err)
	}
	return stack[0]
}

// give puts text where the guest makes room for it, and says where that is.
func (b *bare) give(ctx context.Context, text string, at, size uint64) uint64 {
	stack := [1]uint64{uint64(len(text))}
	if err := b.room.CallWithStack(ctx, stack[:]); err != nil {
		b.tb.Errorf("make room: %v", err)
	}
	m := b.mod.Memory()
	m.WriteString(uint32(stack[0]), text)
	m.WriteUint32Le(uint32(at), uint32(stack[0]))
	m.WriteUint32Le(uint32(size), uint32(len(text)))
	return uint64(abi.OK)
}

// function is one of the host's. Those that it does not name do nothing, well.
func (b *bare) function(name string) api.GoModuleFunc {
	pairs := string(abi.AppendPairs(nil, []abi.Pair{{Key: ":status", Value: "200"}}))
	return func(ctx context.Context, mod api.Module, a []uint64) {
		if len(a) == 0 {
			return
		}
		b.mod = mod // also while it is being started
		switch name {
		case "proxy_get_header_map_value":
			a[0] = b.give(ctx, "ada", a[3], a[4])
		case "proxy_get_header_map_pairs":
			a[0] = b.give(ctx, pairs, a[1], a[2])
		case "proxy_get_buffer_bytes":
			a[0] = b.give(ctx, "ada", a[3], a[4])
		case "proxy_get_property":
			a[0] = b.give(ctx, b.root, a[2], a[3])
		case "proxy_http_call":
			b.last++
			b.due = append(b.due, b.last)
			mod.Memory().WriteUint32Le(uint32(a[9]), b.last)
			a[0] = uint64(abi.OK)
		case "proxy_call_foreign_function":
			a[0] = uint64(abi.NotFound)
		case "proxy_add_header_map_value", "proxy_replace_header_map_value":
			b.added++
			a[0] = uint64(abi.OK)
		default:
			a[0] = uint64(abi.OK)
		}
	}
}

// begin has a stream begin, with the answers that it waits for.
func (b *bare) begin(id uint64) {
	b.call("proxy_on_context_create", id, 1)
	b.call("proxy_on_request_headers", id, 4, 1)
	for _, token := range b.due {
		b.call("proxy_on_http_call_response", 1, uint64(token), 1, 3, 0)
	}
	b.due = b.due[:0]
}

func (b *bare) end(id uint64) {
	b.call("proxy_on_done", id)
	b.call("proxy_on_delete", id)
}

func (b *bare) stream(id uint64) {
	b.begin(id)
	b.call("proxy_on_response_headers", id, 1, 1)
	b.end(id)
}

func TestBare_ManyStreamsLeaveMemoryAsItWas(t *testing.T) {
	t.Parallel()
	n := uint64(300_000)
	if testing.Short() {
		n = 20_000
	}
	module, _ := wasm(t, "testdata/every", targets[0], "every")
	for _, root := range []string{"hello", "measured", "waiting"} {
		t.Run(root, func(t *testing.T) {
			t.Parallel()
			b := newBare(t, module, root)
			for id := range uint64(1000) {
				b.stream(id + 2)
			}
			before, added := b.mod.Memory().Size(), b.added
			for id := range n {
				b.stream(id + 1002)
			}
			if after := b.mod.Memory().Size(); after != before {
				t.Errorf("memory grew from %d to %d", before, after)
			}
			if b.added-added != int(n) {
				t.Errorf("%d fields were added in %d streams", b.added-added, n)
			}
		})
	}
}

// A stream that the host never lets go on, or ends in any order, takes nothing with it.
func TestBare_WaitingStreamsTakeFewBytes(t *testing.T) {
	t.Parallel()
	module, _ := wasm(t, "testdata/every", targets[0], "every")
	b := newBare(t, module, "waiting")
	b.stream(2)
	before := b.mod.Memory().Size()
	const n = 5000
	for id := range uint64(n) {
		b.call("proxy_on_context_create", id+3, 1)
		b.call("proxy_on_request_headers", id+3, 4, 1)
	}
	each := (b.mod.Memory().Size() - before) / n
	t.Logf("a waiting stream takes %d bytes", each)
	if each > 4096 {
		t.Errorf("a waiting stream takes %d bytes", each)
	}
	for id := range uint64(n) {
		b.end(id + 3)
	}
	for _, token := range b.due { // for nobody
		b.call("proxy_on_http_call_response", 1, uint64(token), 1, 3, 0)
	}
	after := b.mod.Memory().Size()
	b.due = nil
	for id := range uint64(n) {
		b.call("proxy_on_context_create", id+n+3, 1)
		b.call("proxy_on_request_headers", id+n+3, 4, 1)
	}
	if again := b.mod.Memory().Size(); again > after+after/10 {
		t.Errorf("memory grew from %d to %d, though all had ended", after, again)
	}
}

func BenchmarkBare(b *testing.B) {
	module, _ := wasm(b, "testdata/every", targets[0], "every")
	for _, root := range []string{"hello", "measured", "waiting"} {
		h := newBare(b, module, root)
		b.Run(root+"/whole", func(b *testing.B) {
			for id := uint64(2); b.Loop(); id++ {
				h.stream(id)
			}
		})
		b.Run(root+"/stream", func(b *testing.B) {
			for id := uint64(2); b.Loop(); id++ {
				h.begin(id)
				h.end(id)
			}
		})
	}
}
