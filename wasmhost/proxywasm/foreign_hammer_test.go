package proxywasm

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/guest"
)

// whim is a guest that does anything, at any time.
type whim struct {
	mu     sync.Mutex
	rand   *rand.Rand
	tokens []uint64 // lately
	deaths bool
}

func (w *whim) n(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rand.IntN(n)
}

func (w *whim) token() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.tokens) == 0 || w.rand.IntN(10) == 0 {
		return w.rand.Uint64N(50)
	}
	return w.tokens[w.rand.IntN(len(w.tokens))]
}

func (w *whim) keep(token uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.tokens = append(w.tokens, token); len(w.tokens) > 20 {
		w.tokens = w.tokens[1:]
	}
}

// act does one thing.
func (w *whim) act(m *mind) {
	heads := []string{"", callHead, pairsOf("x-a", "1"), pairsOf("content-length", "5"), "junk"}
	switch w.n(20) {
	case 0, 1:
		m.ask(ext.Body, w.n(2), 1+w.n(2))
	case 2:
		m.ask(ext.Body, w.n(2), 1+w.n(3))
	case 3, 4:
		m.ask(ext.ReplyStart, []int{200, 204, 500, 99}[w.n(4)], heads[w.n(len(heads))])
	case 5, 6, 7:
		m.ask(ext.ReplyWrite, strings.Repeat("x", []int{0, 1, 5, 3000, 70_000}[w.n(5)]))
	case 8:
		m.ask(ext.ReplyEnd, heads[w.n(len(heads))])
	case 9, 10:
		w.keep(m.token(ext.Timer, w.n(3)))
	case 11:
		w.keep(m.token(ext.Fetch, []string{"backend", "other"}[w.n(2)], callHead, "", 1+w.n(50)))
	case 12, 13:
		m.ask(ext.FetchRead, w.token())
	case 14:
		m.ask(ext.Cancel, w.token())
	case 15:
		m.ask(ext.Inform, 103, heads[w.n(len(heads))])
	case 16:
		m.resume(abi.Direction(w.n(2)))
	case 17:
		w.keep(m.token("weir.wait"))
	case 18:
		switch w.n(8) {
		case 0:
			proxyCloseStream(m.i, []uint64{uint64(w.n(2))})
		case 1:
			proxySendLocalResponse(m.i, []uint64{403, 0, 0, 0, 0, 0, 0, 0})
		case 2:
			m.of(uint32(w.n(200)))
		case 3:
			if w.deaths && w.n(100) == 0 {
				panic("died")
			}
		}
	case 19:
		if h := m.i.half(uint32(w.n(2))); h != nil && (h.stage == inBody || h.stage == inTrailers) {
			h.splice(0, uint64(w.n(10)), []byte("new"))
		}
	}
}

func (w *whim) think(m *mind, cb string, _ [3]uint32) uint32 {
	for range w.n(4) {
		w.act(m)
	}
	switch cb {
	case "proxy_on_done":
		return 1 // a root that is not done lives on
	case "proxy_on_foreign_function":
		if w.n(3) == 0 {
			m.resume(abi.Direction(w.n(2)))
		}
	}
	action := []uint32{0, 0, 0, 1, 1, 1, 2, 3, 4, 5}[w.n(10)]
	if action != 0 && w.n(10) > 0 {
		m.ask(ext.Body, w.n(2), 1+w.n(3))
		w.keep(m.token(ext.Timer, w.n(3)))
	}
	return action
}

// client asks, reads some of what comes, and leaves.
func (w *whim) client(b *bench) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	patience := time.AfterFunc(time.Duration(1+w.n(20))*time.Millisecond, func() { cancel(exchange.ErrClientGone) })
	defer patience.Stop()
	s := newSlow()
	method := []string{"POST", "GET", "HEAD"}[w.n(3)]
	r := exchangetest.NewRequest(method, "/", exchangetest.Context(ctx), func(r *exchange.Request) {
		switch w.n(4) {
		case 0:
			r.Body = exchange.NewBytes([]byte(strings.Repeat("y", 1+w.n(100))))
		case 1:
			r.Body = exchange.NewBody(&endless{int64(w.n(1 << 20))}, -1, nil)
		case 2:
			r.Body = s
			if w.n(2) == 0 {
				r.Trailer.Append("x-t", "1")
			}
		}
	})
	var feeder sync.WaitGroup
	feeder.Go(func() {
		for range w.n(5) {
			select {
			case s.pieces <- strings.Repeat("z", 1+w.n(5000)):
			case <-ctx.Done():
				s.cause <- exchange.ErrClientGone
				return
			}
		}
		close(s.pieces)
	})
	defer feeder.Wait()
	defer cancel(exchange.ErrClientGone)
	resp, err := b.Filter.Handle(r, exchange.HandlerFunc(w.origin))
	defer r.End()
	if err != nil {
		if resp != nil {
			return errors.New("both a response and an error")
		}
		return nil
	}
	defer resp.Body.Close()
	if method == "HEAD" {
		return nil
	}
	buf := make([]byte, 1+w.n(50_000))
	for range 1 + w.n(200) {
		_, err := resp.Body.Read(buf)
		if err != nil && err != exchange.ErrPause {
			return nil
		}
	}
	return nil
}

// origin answers in all kinds of ways.
func (w *whim) origin(r *exchange.Request) (*exchange.Response, error) {
	resp := r.NewResponse(200)
	switch w.n(5) {
	case 0:
		return echo(r)
	case 1:
		resp.SetBytes([]byte("short"))
	case 2:
		resp.Body = exchange.NewBody(&endless{int64(w.n(1 << 19))}, -1, nil)
		resp.Trailer.Append("x-t", "1")
	case 3:
		done := make(chan error, 1)
		r.ReadApart()
		go func() { _, err := io.Copy(io.Discard, r.Body); done <- err }()
		if err := <-done; err != nil {
			return nil, err
		}
	}
	return resp, nil
}

// Whatever guests do, in whatever order, nothing panics, hangs, or is left. It is not
// parallel: goroutines are counted.
func TestSecurity_W10_GuestsMayDoAnythingAtAnyTime(t *testing.T) {
	before := goleak.IgnoreCurrent()
	const sequences, clients = 10_000, 32
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	var waits atomic.Int64
	up := upstreamFunc(func(c *exchange.Call, resp *exchange.Response) error {
		if waits.Add(1)%4 == 0 {
			return lostInterest(c)
		}
		resp.Status, resp.Body = 200, exchange.NewBody(&endless{100_000}, -1, nil)
		return nil
	})
	w := &whim{rand: rand.New(rand.NewPCG(seed, 0)), deaths: true}
	b := thinking(t, w.think, calling(up), func(p *guest.Plugin) {
		p.Limits.Instances, p.Limits.Calls, p.Limits.Body, p.Limits.Request = 3, 50, 100_000, time.Minute
		p.Services = serving{"weir.wait": func(ctx context.Context, _ []byte) ([]byte, abi.Status, error) {
			select {
			case <-ctx.Done():
			case <-time.After(time.Millisecond):
			}
			return nil, abi.OK, nil
		}}
	})
	b.patience = 5 * time.Millisecond
	var left, odd atomic.Int64
	left.Store(sequences)
	within(t, 40*time.Second, "a sequence", func() {
		var wg sync.WaitGroup
		for range clients {
			wg.Go(func() {
				for left.Add(-1) >= 0 {
					if err := w.client(b); err != nil {
						odd.Add(1)
					}
				}
			})
		}
		wg.Wait()
	})
	if n := odd.Load(); n > 0 {
		t.Errorf("%d odd answers", n)
	}
	b.release()
	b.Close()
	if err := goleak.Find(before); err != nil {
		t.Error(err)
	}
	if n := b.plugin.Counters.Instances.Load(); n != 0 {
		t.Errorf("%d instances are left", n)
	}
	t.Logf("%d instances were started, %d calls made", b.plugin.Counters.Started.Load(), b.plugin.Counters.Calls.Load())
}
