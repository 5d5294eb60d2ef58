package proxywasm

import (
	"context"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
)

func TestShard_StartsAllInstancesBeforeTheyHaveWork(t *testing.T) {
	t.Parallel()
	b := open(t, "", func(p *guest.Plugin) { p.Limits.Instances = 3 })
	c := &b.plugin.Counters
	for c.Started.Load() != 3 {
		runtime.Gosched()
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if got := b.do(hello, "GET", "/"); got.Status != 200 {
				t.Errorf("got %d %v", got.Status, got.Err)
			}
		})
	}
	wg.Wait()
	if n, live := c.Started.Load(), c.Instances.Load(); n != 3 || live != 3 {
		t.Errorf("started %d, alive %d, want 3, 3", n, live)
	}
	if c.Memory.Load() == 0 || c.Fuel.Load() == 0 || c.Nanos.Load() == 0 {
		t.Errorf("memory %d, fuel %d, nanos %d, want all above 0", c.Memory.Load(), c.Fuel.Load(), c.Nanos.Load())
	}
	b.release()
	b.Close()
	if c.Streams.Load() != 0 || c.Instances.Load() != 0 || c.Memory.Load() != 0 {
		t.Errorf("left: %d streams, %d instances, %d bytes", c.Streams.Load(), c.Instances.Load(), c.Memory.Load())
	}
}

func TestShard_CountsNoInstanceThatDoesNotStart(t *testing.T) {
	t.Parallel()
	prog, err := probe()
	if err != nil {
		t.Fatal(err)
	}
	p := newPlugin(&logged{})
	p.Limits.Memory = 1 << 20 // less than a guest in Go begins with
	if _, err := Open(t.Context(), p, prog); err == nil {
		t.Fatal("opened")
	}
	c := &p.Counters
	if c.Started.Load() != 0 || c.Instances.Load() != 0 || c.Memory.Load() != 0 {
		t.Errorf("started %d, alive %d, %d bytes, want nothing", c.Started.Load(), c.Instances.Load(), c.Memory.Load())
	}
}

func TestShard_WaitsForABusyInstanceNoLongerThanItMay(t *testing.T) {
	t.Parallel()
	for _, forgives := range []bool{false, true} {
		b := open(t, "", func(p *guest.Plugin) { p.Limits.Queue, p.Open = time.Millisecond, forgives })
		i := b.live()[0]
		i.hold()
		got := b.do(hello, "GET", "/")
		i.drop()
		if want := map[bool]int{false: 503, true: 200}[forgives]; got.Status != want {
			t.Errorf("open %t: got %d %v, want %d", forgives, got.Status, got.Err, want)
		}
		c := &b.plugin.Counters
		if c.Waits.Load() != 1 || c.Waited.Load() < int64(time.Millisecond) || c.Streams.Load() != 0 {
			t.Errorf("%d waits of %d ns, %d streams, want one of 1 ms, and none", c.Waits.Load(), c.Waited.Load(), c.Streams.Load())
		}
		if got := b.do(hello, "GET", "/"); got.Status != 200 || c.Waits.Load() != 1 {
			t.Errorf("the next: got %d %v, %d waits", got.Status, got.Err, c.Waits.Load())
		}
	}
}

func TestShard_WaitsForABusyInstanceWhileTheClientDoes(t *testing.T) {
	t.Parallel()
	b := open(t, "")
	ctx, leave := context.WithCancelCause(t.Context())
	i := b.live()[0]
	i.hold()
	done := make(chan *exchangetest.Result, 1)
	go func() { done <- b.do(hello, "GET", "/", exchangetest.Context(ctx)) }()
	leave(exchange.ErrClientGone)
	got := <-done // while the instance is held
	i.drop()
	if got.Err != exchange.ErrClientGone || b.plugin.Counters.Streams.Load() != 0 {
		t.Errorf("got %v, %d streams", got.Err, b.plugin.Counters.Streams.Load())
	}
}

func TestTrap_IsLoggedOnce(t *testing.T) {
	t.Parallel()
	b := open(t, "")
	got := b.do(hello, "GET", "/", script("request_headers trap"))
	if got.Status != 500 {
		t.Fatalf("got %d %v", got.Status, got.Err)
	}
	check := func(of *bench, byRequest bool) {
		t.Helper()
		var failed []string
		for line := range strings.Lines(of.log.text()) {
			if strings.Contains(line, "guest failed") {
				failed = append(failed, line)
			}
		}
		traps := of.plugin.Counters.Traps[vm.Exited].Load() + of.plugin.Counters.Traps[vm.Crashed].Load()
		if len(failed) == 0 || int64(len(failed)) > traps {
			t.Errorf("%d traps are %d lines", traps, len(failed))
		}
		for _, line := range failed {
			if strings.Contains(line, " id=") != byRequest || !strings.Contains(line, "stack=") {
				t.Errorf("logged %q, want a stack, and an id: %t", line, byRequest)
			}
		}
	}
	check(b, true)
	b = open(t, "configure tick 1|tick trap")
	for !strings.Contains(b.log.text(), "guest failed") {
		runtime.Gosched()
	}
	check(b, false)
}

func TestPause_OfABodyThatIsReadApartEndsWhenTheClientLeaves(t *testing.T) {
	t.Parallel()
	b := open(t, "request_body return 3")
	ctx, leave := context.WithCancelCause(t.Context())
	apart := func(r *exchange.Request) (*exchange.Response, error) {
		read := make(chan error, 1)
		go func() { _, err := io.Copy(io.Discard, r.Body); read <- err }()
		for len(b.says()) < 4 { // until the guest has paused it: twice create, headers, body
			runtime.Gosched()
		}
		leave(exchange.ErrClientGone)
		return nil, <-read
	}
	got := b.do(apart, "POST", "/", exchangetest.Chunked(strings.Repeat("x", 2*small)), exchangetest.Context(ctx))
	if got.Err != exchange.ErrClientGone {
		t.Errorf("got %v, want %v", got.Err, exchange.ErrClientGone)
	}
}
