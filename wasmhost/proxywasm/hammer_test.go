package proxywasm

import (
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/wasmhost/guest"
)

// Streams on several instances, of which some trap, while a body is read on a goroutine
// of its own, and uses come and go. The race detector looks on.
func TestShard_UnderManyStreams(t *testing.T) {
	t.Parallel()
	b := open(t, "", func(p *guest.Plugin) { p.Limits.Instances = 3 })
	apart := func(r *exchange.Request) (*exchange.Response, error) {
		read := make(chan error, 1)
		go func() { _, err := io.Copy(io.Discard, r.Body); read <- err }()
		if err := <-read; err != nil {
			return nil, err
		}
		return hello(r)
	}
	scripts := []string{"request_headers add 0 x-a 1", "request_body return 1|request_body_end continue 0",
		"request_headers reply 403", "response_body set_buffer 1 0 0 x", "request_body trap"}
	var wg sync.WaitGroup
	var odd atomic.Int64
	for k := range 8 {
		wg.Go(func() {
			for n := range 20 {
				s := scripts[(k+n)%4]
				if k == 0 && n%10 == 9 {
					s = scripts[4]
				}
				got := b.do(apart, "POST", "/", exchangetest.Chunked("content"), script(s))
				switch got.Status {
				case 200, 403, 500, 503:
				default:
					odd.Add(1)
				}
			}
		})
	}
	wg.Go(func() {
		for range 5 {
			if _, release, err := b.Filter2(guest.Use{Root: "passing"}); err == nil {
				release()
			}
		}
	})
	wg.Wait()
	if odd.Load() > 0 {
		t.Errorf("%d odd answers", odd.Load())
	}
	b.release()
	b.Close()
	if n := b.plugin.Counters.Instances.Load(); n != 0 {
		t.Errorf("%d instances are left", n)
	}
}
