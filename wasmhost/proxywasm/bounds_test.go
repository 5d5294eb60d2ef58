package proxywasm

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
	. "github.com/weirproxy/weir/wasmhost/vmtest"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// Fields that guests write are in the host's memory, not in theirs.
func TestSecurity_W10_FieldsAreBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	var s *stream
	req := newRequest()
	r.held(func() { s = newStream(r.i, r.rt, req) })
	long := strings.Repeat("x", 1<<20)
	for range 20 {
		if st := r.callIn(&s.guestContext, "proxy_add_header_map_value", int(abi.RequestHeaders), "x-long", long); st != abi.OK {
			t.Fatalf("got status %d, which guests in Rust panic over", st)
		}
	}
	got := headBytes(&req.Header)
	if got < 1<<20 || got > guest.MostFields {
		t.Errorf("the header has %d bytes after 20 MiB were added, want a few MiB and at most %d", got, guest.MostFields)
	}
	// What no field can be called is not looked for.
	for name, args := range map[string][]any{
		"proxy_get_header_map_value":    {int(abi.RequestHeaders), long, rigSlots, rigSlots + 4},
		"proxy_remove_header_map_value": {int(abi.RequestHeaders), long},
	} {
		r.callIn(&s.guestContext, name, args...)
	}
	if n := cap(r.i.scratch); n > 1<<18 {
		t.Errorf("the instance keeps %d bytes of a name", n)
	}
	s.End(req)
}

// busy makes a callback of the rig's guest compute for some milliseconds.
func busy(m Module, name string) Module {
	for k := range m.Funcs {
		if f := &m.Funcs[k]; f.Name == name {
			n := len(f.Params)
			f.Locals = append(f.Locals, wasm.I32)
			f.Body = append(Code{I32Const, 5_000_000, LocalSet, n, Loop, Void,
				LocalGet, n, I32Const, 1, I32Sub, LocalTee, n, BrIf, 0, End}, f.Body...)
		}
	}
	return m
}

// What is nobody's request leaves most of the processor to others, however often the
// guest asks for it.
func TestSecurity_W7_WorkOfNobodysRequestRests(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"proxy_on_tick", "proxy_on_queue_ready"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRigOf(t, nil, busy(rigModule(), name))
				if name == "proxy_on_tick" {
					r.want(abi.OK, "proxy_set_tick_period_milliseconds", 1)
				} else {
					r.want(abi.OK, "proxy_register_shared_queue", "q", rigSlots)
					for range 4 {
						r.want(abi.OK, "proxy_enqueue_shared_queue", r.uint32(rigSlots), "item")
					}
				}
				r.await(name)
				spent := func() (d time.Duration) {
					r.held(func() { d = time.Duration(r.i.vm.Spent()) })
					return d
				}
				begin, before := time.Now(), spent()
				const more = 3
				for range more {
					r.await(name)
				}
				work := spent() - before
				if rested := time.Since(begin); work < more*time.Millisecond || rested < work*restFor {
					t.Errorf("rested %v for %v of work, want %d times as long", rested, work, restFor)
				}
			})
		})
	}
}

// A stream pays for the answers to what it has asked, and so cannot go on for ever.
func TestSecurity_W7_StreamsPayForAnswers(t *testing.T) {
	t.Parallel()
	r := newRigOf(t, nil, busy(rigModule(), "proxy_on_http_call_response"))
	var s *stream
	r.held(func() { s = newStream(r.i, r.rt, newRequest()) })
	o := &callout{rt: r.rt, origin: s.id}
	n := 0
	for ; n < 1000 && !r.i.closed; n++ {
		r.held(func() { o.answer(nil, errCanceled) })
	}
	if most := 100; n < 10 || n > most {
		t.Errorf("the guest has heard %d answers of some milliseconds each, want at most %d", n, most)
	}
}

// A guest that cancels what it calls has no more calls under way than others.
func TestSecurity_W7_CancelledCallsCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		let := make(chan struct{})
		r := newRig(t, upstreamFunc(func(*exchange.Call, *exchange.Response) error {
			<-let // an upstream that is slow to notice
			return errCanceled
		}))
		n := 0
		for ; n < 100; n++ {
			if r.call("proxy_grpc_call", "backend", "s", "m", "", "x", 0, rigSlots) != abi.OK {
				break
			}
			r.want(abi.OK, "proxy_grpc_cancel", r.uint32(rigSlots))
		}
		if most := 2 * r.i.vm.Limits.Calls; n != most {
			t.Errorf("%d calls were made and cancelled, want %d", n, most)
		}
		close(let)
		synctest.Wait()
		r.want(abi.OK, "proxy_grpc_call", "backend", "s", "m", "", "x", 0, rigSlots)
	})
}

// What a guest asks for while its root is deleted ends with the root.
func TestRoot_LeavesNothingBehind(t *testing.T) {
	t.Parallel()
	m := rigModule()
	m.Funcs = append(m.Funcs, Func{Name: "proxy_on_delete", Params: I32, Body: Code{
		I32Const, 10, Call, "proxy_set_tick_period_milliseconds", Drop}})
	r := newRigOf(t, nil, m)
	r.held(r.rt.finish)
	r.held(func() {
		if r.rt.ticker.timer == nil || r.rt.ticker.period != 0 || r.rt.closers != nil {
			t.Errorf("the timer of a root that is gone has a period of %v", r.rt.ticker.period)
		}
	})
}

// A stream that has nothing left to spend ends alone, and its guest is told to forget it.
func TestStream_EndsAloneWithItsBudget(t *testing.T) {
	t.Parallel()
	m := rigModule()
	m.Funcs = append(m.Funcs, Func{Name: "proxy_on_delete", Params: I32, Body: Code{I32Const, rigSlots, LocalGet, 0, I32Store, 2, 0}})
	r := newRigOf(t, nil, m)
	var s *stream
	var id uint32
	r.held(func() {
		s = newStream(r.i, r.rt, newRequest())
		other := newStream(r.i, r.rt, newRequest())
		id, s.budget = s.id, vm.Budget{}
		_, err := r.i.enter(&s.guestContext, &s.budget, r.i.vm.Lookup("proxy_on_context_create"), uint64(s.id), uint64(r.rt.id))
		if err == nil || s.lost == nil {
			t.Errorf("got %v, and the stream is lost for %v; want both", err, s.lost)
		}
		if r.i.closed || other.lost != nil {
			t.Errorf("the instance has ended (%v), or another stream: %v", r.i.closed, other.lost)
		}
	})
	s.End(s.r)
	if got := r.uint32(rigSlots); got != id {
		t.Errorf("proxy_on_delete of %d, want %d", got, id)
	}
}
