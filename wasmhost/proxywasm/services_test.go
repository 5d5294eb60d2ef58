package proxywasm

import (
	"bytes"
	"compress/zlib"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/commons"
)

// Where results go.
const (
	out  = rigSlots
	out2 = rigSlots + 4
	out3 = rigSlots + 8
	wild = 0xfffffff0
)

func TestSharedData_HasVersions(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.want(abi.NotFound, "proxy_get_shared_data", "k", out, out2, out3)
	r.want(abi.OK, "proxy_set_shared_data", "k", "value", 0)
	r.want(abi.OK, "proxy_get_shared_data", "k", out, out2, out3)
	if got := r.text(out); got != "value" {
		t.Errorf("value = %q, want what was set", got)
	}
	version := r.uint32(out3)
	r.want(abi.OK, "proxy_set_shared_data", "k", "", version)
	r.want(abi.CASMismatch, "proxy_set_shared_data", "k", "late", version)
	r.want(abi.OK, "proxy_get_shared_data", "k", out, out2, out3)
	if at, n := r.uint32(out), r.uint32(out2); at != 0 || n != 0 {
		t.Errorf("empty value = %d bytes at %#x, want a null pointer", n, at)
	}
}

func TestMetrics_AreKept(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.want(abi.BadArgument, "proxy_define_metric", 3, "m", out)
	r.want(abi.OK, "proxy_define_metric", int(abi.Gauge), "g", out)
	id := r.uint32(out)
	r.want(abi.OK, "proxy_record_metric", id, uint64(1)<<40)
	r.want(abi.OK, "proxy_increment_metric", id, ^uint64(0))
	r.want(abi.OK, "proxy_get_metric", id, out)
	if got := uint64(r.uint32(out)) | uint64(r.uint32(out2))<<32; got != 1<<40-1 {
		t.Errorf("gauge = %d, want 2^40-1: values are of 64 bits", got)
	}
	r.want(abi.NotFound, "proxy_get_metric", id+1, out)
	r.want(abi.OK, "proxy_define_metric", int(abi.Counter), "c", out)
	r.want(abi.BadArgument, "proxy_increment_metric", r.uint32(out), ^uint64(0))
}

func TestQueue_TellsItsRoot(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.want(abi.NotFound, "proxy_resolve_shared_queue", "", "q", out)
	r.want(abi.OK, "proxy_register_shared_queue", "q", out)
	q := r.uint32(out)
	r.want(abi.OK, "proxy_resolve_shared_queue", "vm", "q", out)
	if got := r.uint32(out); got != q {
		t.Errorf("resolved %d, want %d", got, q)
	}
	r.want(abi.OK, "proxy_enqueue_shared_queue", q, "item")
	at := r.await("proxy_on_queue_ready")
	if root, queue := r.uint32(at), r.uint32(at+4); root != r.rt.id || queue != q {
		t.Errorf("told of queue %d on context %d, want %d on %d", queue, root, q, r.rt.id)
	}
	r.want(abi.OK, "proxy_dequeue_shared_queue", q, out, out2)
	if got := r.text(out); got != "item" {
		t.Errorf("item = %q", got)
	}
	r.want(abi.Empty, "proxy_dequeue_shared_queue", q, out, out2)
	r.want(abi.NotFound, "proxy_dequeue_shared_queue", q+1, out, out2)
	r.want(abi.NotFound, "proxy_enqueue_shared_queue", q+1, "item")
}

func TestQueue_IsSilentAfterItsRoot(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.want(abi.OK, "proxy_register_shared_queue", "q", out)
	q := r.uint32(out)
	r.held(r.rt.finish)
	if err := r.plugin.Commons.Push(q, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if b := r.rt.bell; b.running {
		t.Error("a root that has gone is told of an item")
	}
	r.silent()
}

func TestTick_ComesWhenTheLastIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		start := time.Now()
		r.want(abi.OK, "proxy_set_tick_period_milliseconds", 3_600_000)
		for n := range 3 {
			at := r.await("proxy_on_tick")
			if root := r.uint32(at); root != r.rt.id {
				t.Errorf("tick on context %d, want the root, %d", root, r.rt.id)
			}
			if got, want := time.Since(start), time.Duration(n+1)*time.Hour; got != want {
				t.Errorf("tick %d after %v, want %v", n, got, want)
			}
		}
		r.want(abi.OK, "proxy_set_tick_period_milliseconds", 60_000)
		r.await("proxy_on_tick")
		if got, want := time.Since(start), 3*time.Hour+time.Minute; got != want {
			t.Errorf("tick of the new period after %v, want %v", got, want)
		}
		r.want(abi.OK, "proxy_set_tick_period_milliseconds", 0)
		time.Sleep(time.Hour)
		r.silent()
		r.want(abi.OK, "proxy_set_tick_period_milliseconds", 60_000)
		r.held(r.rt.finish)
		time.Sleep(time.Hour)
		r.silent()
	})
}

func TestTick_LeavesTheProcessorToOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		start := time.Now()
		r.want(abi.OK, "proxy_set_tick_period_milliseconds", 1)
		r.await("proxy_on_tick")
		if got := time.Since(start); got != shortestTick {
			t.Errorf("tick after %v, want %v", got, shortestTick)
		}
		r.want(abi.OK, "proxy_set_tick_period_milliseconds", 0)
	})
}

func TestConfiguration_OfOldGuests(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.want(abi.OK, "proxy_get_configuration", out, out2)
	if got := r.text(out); got != "of the plugin" {
		t.Errorf("configuration = %q, want the plugin's", got)
	}
	r.held(func() { r.i.starting = true })
	r.want(abi.OK, "proxy_get_configuration", out, out2)
	if got := r.text(out); got != "of the vm" {
		t.Errorf("configuration while the VM starts = %q, want the VM's", got)
	}
}

func TestStatus_Functions(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	before := time.Now().UnixNano()
	r.want(abi.OK, "proxy_get_current_time_nanoseconds", out)
	now := int64(uint64(r.uint32(out)) | uint64(r.uint32(out2))<<32)
	if now < before || now > time.Now().UnixNano() {
		t.Errorf("time = %d, want one after %d", now, before)
	}
	r.want(abi.OK, "proxy_get_log_level", out)
	if got := r.uint32(out); got != uint32(abi.Trace) {
		t.Errorf("level = %d, want that of a logger that keeps all", got)
	}
	r.want(abi.NotFound, "proxy_done")
	r.want(abi.OK, "proxy_get_status", out, out2, out3)
	r.want(abi.OK, "proxy_clear_route_cache")
	r.want(1, "pthread_equal", 7, 7)
	r.want(0, "pthread_equal", 7, 8)
}

func TestForeign_Compresses(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	text := strings.Repeat("weir ", 400)
	r.want(abi.OK, "proxy_call_foreign_function", "compress", text, out, out2)
	small := r.text(out)
	if len(small) >= len(text)/2 {
		t.Errorf("%d bytes compressed to %d", len(text), len(small))
	}
	r.want(abi.OK, "proxy_call_foreign_function", "uncompress", small, out, out2)
	if got := r.text(out); got != text {
		t.Errorf("uncompressed to %d bytes, want what was compressed", len(got))
	}
	r.want(abi.OK, "proxy_call_foreign_function", "clear_route_cache", "", 0, 0)
	r.want(abi.NotFound, "proxy_call_foreign_function", "sign", "", out, out2)
	r.want(abi.SerializationFailure, "proxy_call_foreign_function", "uncompress", "nonsense", out, out2)
	r.want(abi.SerializationFailure, "proxy_call_foreign_function", "uncompress", small[:len(small)-6], out, out2)
	r.want(abi.BadArgument, "proxy_call_foreign_function", "compress", strings.Repeat("x", 4097), out, out2)
	r.want(abi.InvalidMemoryAccess, "proxy_call_foreign_function", "compress", wild, 100, out, out2)
}

func TestForeign_BoundsWhatABombBecomes(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	var bomb bytes.Buffer
	w := zlib.NewWriter(&bomb)
	_, _ = w.Write(make([]byte, 1<<20))
	_ = w.Close()
	r.want(abi.InternalFailure, "proxy_call_foreign_function", "uncompress", bomb.String(), out, out2)
}

func TestHostcalls_CheckPointers(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	if err := r.plugin.Commons.Set([]byte("k"), []byte("v"), 0); err != nil {
		t.Fatal(err)
	}
	q, _ := r.plugin.Commons.Register("q", &commons.Listener{Ready: func(uint32) {}})
	_ = r.plugin.Commons.Push(q, []byte("x"))
	m, _ := r.plugin.Commons.Define(commons.Counter, "m")
	bad := abi.InvalidMemoryAccess
	for _, tt := range []struct {
		fn   string
		args []any
	}{
		{"proxy_get_shared_data", []any{wild, 100, out, out2, out3}},
		{"proxy_get_shared_data", []any{"k", wild, out2, out3}},
		{"proxy_get_shared_data", []any{"k", out, out2, 0xffffffff}},
		{"proxy_set_shared_data", []any{wild, 100, "v", 0}},
		{"proxy_set_shared_data", []any{"k", wild, 100, 0}},
		{"proxy_register_shared_queue", []any{wild, 100, out}},
		{"proxy_register_shared_queue", []any{"q", 0xffffffff}},
		{"proxy_resolve_shared_queue", []any{wild, 100, "q", out}},
		{"proxy_resolve_shared_queue", []any{"", wild, 100, out}},
		{"proxy_resolve_shared_queue", []any{"", "q", 0xffffffff}},
		{"proxy_enqueue_shared_queue", []any{q, wild, 100}},
		{"proxy_dequeue_shared_queue", []any{q, wild, 0xffffffff}},
		{"proxy_define_metric", []any{0, wild, 100, out}},
		{"proxy_define_metric", []any{0, "m", 0xffffffff}},
		{"proxy_get_metric", []any{m, 0xfffffffc}},
		{"proxy_get_current_time_nanoseconds", []any{0xfffffffc}},
		{"proxy_get_log_level", []any{0xffffffff}},
		{"proxy_get_status", []any{0xffffffff, out, out2}},
		{"proxy_get_property", []any{wild, 100, out, out2}},
		{"proxy_get_property", []any{"plugin_name", 0xffffffff, out2}},
		{"proxy_set_property", []any{wild, 100, "v"}},
		{"proxy_set_property", []any{"p", wild, 100}},
		{"proxy_http_call", []any{wild, 100, "", "", "", 0, out}},
		{"proxy_grpc_call", []any{wild, 100, "", "", "", "", 0, out}},
		{"proxy_grpc_stream", []any{wild, 100, "", "", "", out}},
		{"proxy_call_foreign_function", []any{wild, 100, "", out, out2}},
	} {
		if got := r.call(tt.fn, tt.args...); got != bad {
			t.Errorf("%s(%v) = %d, want %d", tt.fn, tt.args, got, bad)
		}
	}
}
