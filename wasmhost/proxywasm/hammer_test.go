package proxywasm

import (
	"io"
	"strings"
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

// Streams of two instances in all phases at once: paused and let go on by answers to
// calls, held, answered, cut, refused. Each hears of its own alone.
func TestShard_UnderPausedStreams(t *testing.T) {
	t.Parallel()
	b := open(t, "http_call_response buffer 4", calling(answering(200, "ok")), holding, func(p *guest.Plugin) {
		p.Limits.Instances, p.Limits.Calls = 2, 100
	})
	const call = " call backend :method=GET,:path=/,:authority=a|"
	scripts := []struct {
		text   string
		status int
		body   string
	}{
		{"request_headers return 1|request_body return 1|request_body_end return 0", 200, "one,two,three"},
		{"request_body return 1|request_body_end set_buffer 0 0 0x7fffffff new|request_body_end return 0", 200, "new"},
		{"request_body" + call + "response_body set_buffer 1 0x7fffffff 0 !", 200, "one,two,three!"},
		{"request_body_end" + call + "response_headers reply 403 no", 403, "no"},
		{"request_headers return 1|request_body return 1|request_body_end reply 401 who", 401, "who"},
		{"request_headers set_property mine 1|request_body return 1|request_body_end return 0|log property mine", 200, "one,two,three"},
	}
	var wg sync.WaitGroup
	for k := range 6 {
		wg.Go(func() {
			for n := range 30 {
				s := scripts[(k+n)%len(scripts)]
				p := newPipe()
				end := make(chan struct{})
				go func() {
					for _, piece := range []string{"one,", "two,", "three"} {
						select {
						case p.pieces <- piece:
						case <-end:
							return
						}
					}
					close(p.pieces)
				}()
				got := b.do(echo, "POST", "/", p.body(), script(s.text))
				close(end)
				if body := string(got.Body); got.Status != s.status || body != s.body && !(strings.HasSuffix(s.body, "!") && strings.ReplaceAll(body, "!", "") == "one,two,three") {
					t.Errorf("%s: got %d %q %v, want %d %q", s.text, got.Status, body, got.Err, s.status, s.body)
				}
			}
		})
	}
	wg.Wait()
	for _, i := range b.live() {
		i.hold()
		for _, c := range i.contexts {
			if c.stream != nil {
				t.Errorf("stream %d is left", c.id)
			}
		}
		i.drop()
	}
}
