package metrics

import (
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// site has the counts of one site. Most of ten thousand sites are idle, so the
// memory for counts is made when the first exchange ends.
type site struct {
	name string
	made atomic.Pointer[counts]
}

type counts struct {
	requests [len(protocols)]atomic.Pointer[requests]
	took     [len(bounds) + 1]atomic.Uint64 // by the first bound that holds; the last holds all
	tookSum  atomic.Int64                   // nanoseconds
	received atomic.Int64
	sent     atomic.Int64
	errors   [len(faults)]atomic.Uint64
}

// requests counts by method and class of status.
type requests [len(methods)][len(classes)]atomic.Uint64

var (
	protocols = [...]string{"other", "HTTP/1.0", "HTTP/1.1", "HTTP/2.0", "HTTP/3.0"}
	methods   = [...]string{"other", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
	classes   = [...]string{"other", "1xx", "2xx", "3xx", "4xx", "5xx"}
	faults    = [...]string{"internal", "client", "upstream", "plugin"}

	// bounds of the histogram: from what is answered out of memory to what people
	// no longer wait for. Few, as every site has them.
	bounds = [...]time.Duration{
		time.Millisecond, 5 * time.Millisecond, 25 * time.Millisecond, 100 * time.Millisecond,
		250 * time.Millisecond, time.Second, 2500 * time.Millisecond, 10 * time.Second,
	}
)

// load returns what p points to, made on first use.
func load[T any](p *atomic.Pointer[T]) *T {
	if v := p.Load(); v != nil {
		return v
	}
	p.CompareAndSwap(nil, new(T))
	return p.Load()
}

func (s *site) count(r *exchange.Request) {
	c, rec := load(&s.made), &r.Record
	proto := int(r.Proto)
	if proto >= len(protocols) {
		proto = 0
	}
	class := rec.Status / 100
	if class < 0 || class >= len(classes) {
		class = 0
	}
	load(&c.requests[proto])[methodIndex(r.Method)][class].Add(1)
	i := 0
	for i < len(bounds) && rec.Took > bounds[i] {
		i++
	}
	c.took[i].Add(1)
	c.tookSum.Add(int64(rec.Took))
	if rec.Received > 0 {
		c.received.Add(rec.Received)
	}
	if rec.Sent > 0 {
		c.sent.Add(rec.Sent)
	}
	if rec.Err != nil {
		c.errors[rec.Fault&3].Add(1)
	}
}

// methodIndex returns the place of method in methods. Clients make methods up;
// those that are not well known are all the same.
func methodIndex(method string) int {
	switch method {
	case "GET":
		return 1
	case "HEAD":
		return 2
	case "POST":
		return 3
	case "PUT":
		return 4
	case "PATCH":
		return 5
	case "DELETE":
		return 6
	case "OPTIONS":
		return 7
	}
	return 0
}
