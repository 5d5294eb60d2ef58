package upstream

import (
	"fmt"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
)

func BenchmarkPick(b *testing.B) {
	for _, policy := range policies {
		for _, n := range []int{2, 10, 1000} {
			for _, kind := range []string{"even", "weighted"} {
				b.Run(fmt.Sprintf("%s/%d/%s", policy, n, kind), func(b *testing.B) {
					weights := make([]int, n)
					for i := range weights {
						if weights[i] = 1; kind == "weighted" {
							weights[i] += i % 5
						}
					}
					w := newWorld(b, ok)
					s := Settings{Endpoints: weighted(weights...), Policy: policy}
					if policy == "hash" {
						s.Hash = "uri"
					}
					p := w.pool(b, s)
					set, q := p.set.Load(), query{now: 1, keyed: true}
					b.ReportAllocs()
					for b.Loop() {
						q.key += 0x9e3779b97f4a7c15
						if e, _ := p.choose(set, &q); e == nil {
							b.Fatal("nobody")
						}
					}
				})
			}
		}
	}
}

// settingsOfBench are common ones.
func settingsOfBench() map[string]Settings {
	return map[string]Settings{
		"plain":  {Endpoints: weighted(1, 1, 1)},
		"limits": {Endpoints: weighted(1, 1, 1), Limits: Limits{Requests: 100}},
		"sticky": {Endpoints: weighted(1, 1, 1), Sticky: "at"},
		"hash":   {Endpoints: weighted(1, 1, 1), Policy: "hash", Hash: "cookie at"},
	}
}

// stream is a body of one byte that is there again after reset.
type stream struct{ left int }

func (s *stream) Read(p []byte) (int, error) { s.left--; return 1, nil }
func (s *stream) Close() error               { return nil }
func (s *stream) Len() int64                 { return -1 }

func BenchmarkDo(b *testing.B) {
	for name, s := range settingsOfBench() {
		b.Run(name, func(b *testing.B) {
			body := &stream{}
			w := newWorld(b, nil)
			w.connect = func(*Pool, *endpoint) client { return instant{body} }
			p := w.pool(b, s)
			c, resp := newCall(), exchange.Response{}
			c.Header.Append("cookie", "a=b; at=c")
			b.ReportAllocs()
			for b.Loop() {
				if err := once(p, c, &resp); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDoParallel(b *testing.B) {
	w := newWorld(b, nil)
	w.connect = func(*Pool, *endpoint) client { return instant{&stream{}} }
	p := w.pool(b, Settings{Endpoints: weighted(1, 1, 1)})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		c, resp := newCall(), exchange.Response{}
		for pb.Next() {
			if err := once(p, c, &resp); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func once(p *Pool, c *exchange.Call, resp *exchange.Response) error {
	_, err := p.Do(c, resp)
	if err != nil {
		return err
	}
	resp.Body.Close()
	resp.Header.Reset()
	return nil
}

// instant answers at once, with a body that is not in memory.
type instant struct{ body *stream }

func (i instant) Do(_ *exchange.Call, resp *exchange.Response) error {
	resp.Status, resp.Body = 200, i.body
	return nil
}
func (instant) CloseIdle()                                 {}
func (instant) Close()                                     {}
func (instant) connections() (open, idle int, made uint64) { return 0, 0, 0 }

func TestDo_AllocatesNothing(t *testing.T) {
	for name, s := range settingsOfBench() {
		w := newWorld(t, nil)
		w.connect = func(*Pool, *endpoint) client { return instant{&stream{}} }
		p := w.pool(t, s)
		c, resp := newCall(), exchange.Response{}
		c.Header.Append("cookie", "a=b; at=c")
		if n := testing.AllocsPerRun(1000, func() {
			if err := once(p, c, &resp); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations for a call, want none", name, n)
		}
	}
}
