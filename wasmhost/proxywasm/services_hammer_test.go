package proxywasm

import (
	"testing"
	"testing/synctest"

	"github.com/weirproxy/weir/edge/exchange"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// Calls, queues and ticks of one instance while it is closed in the midst of them:
// nothing is left, and nobody is called who is gone.
func TestServices_EndWithTheirInstance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, upstreamFunc(func(c *exchange.Call, _ *exchange.Response) error { return lostInterest(c) }))
		r.want(abi.OK, "proxy_set_tick_period_milliseconds", 10)
		r.want(abi.OK, "proxy_register_shared_queue", "q", out)
		q := r.uint32(out)
		r.want(abi.OK, "proxy_http_call", "backend", callHead, "", "", 0, out)
		r.want(abi.OK, "proxy_grpc_call", "backend", "s", "m", "", "", 0, out)
		r.want(abi.OK, "proxy_grpc_stream", "backend", "s", "m", "", out)
		r.want(abi.OK, "proxy_enqueue_shared_queue", q, "x")
		r.held(func() {
			r.i.close()
			for len(r.heard) > 0 {
				<-r.heard
			}
		})
		if err := r.plugin.Commons.Push(q, nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // all goroutines of calls have ended, or the bubble would tell
		r.held(func() {
			if n := len(r.i.calls.out); n != 0 {
				t.Errorf("%d calls under way on a dead instance, want none", n)
			}
		})
		r.silent()
	})
}

func BenchmarkProperty(b *testing.B) {
	s := propertyStream()
	path := []byte("request\x00path")
	var v value
	b.ReportAllocs()
	for b.Loop() {
		v, _ = s.property(path, v[:0])
	}
}

func BenchmarkSharedData(b *testing.B) {
	r := newRig(b, nil)
	r.want(abi.OK, "proxy_set_shared_data", "k", "value", 0)
	f := r.i.vm.Lookup("call_proxy_get_shared_data")
	b.ReportAllocs()
	for b.Loop() {
		r.i.hold()
		if v, err := r.i.enter(&r.rt.guestContext, nil, f, rigText, 1, out, out2, out3); v != 0 || err != nil {
			b.Fatal(v, err)
		}
		r.i.drop()
	}
}
