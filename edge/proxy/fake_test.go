package proxy

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/upstream"
)

// scriptedPool answers calls by a function.
type scriptedPool struct {
	name string
	do   func(*exchange.Call, *exchange.Response) (upstream.Result, error)
}

func (p *scriptedPool) Do(c *exchange.Call, resp *exchange.Response) (upstream.Result, error) {
	return p.do(c, resp)
}

func (p *scriptedPool) Choose(*exchange.Call) (string, string) {
	return p.name + ":80", "it is the only one"
}
func (p *scriptedPool) Name() string { return p.name }

// recordingPool keeps the calls that it gets, bodies read, and answers 200.
type recordingPool struct {
	mu    sync.Mutex // guards calls
	calls []*seen
}

// seen is a call as an upstream would see it.
type seen struct {
	exchange.Call
	body string
	err  error
}

func (p *recordingPool) take(c *exchange.Call, resp *exchange.Response) (upstream.Result, error) {
	s := &seen{Call: *c}
	s.Header = exchange.Header{}
	s.Header.CopyFrom(&c.Header)
	body, err := io.ReadAll(c.Body)
	s.body, s.err = string(body), err
	p.mu.Lock()
	p.calls = append(p.calls, s)
	p.mu.Unlock()
	resp.Status, resp.Body = 200, exchange.NoBody
	return upstream.Result{Endpoint: "192.0.2.9:80", Attempts: 1}, err
}

func (p *recordingPool) last(t testing.TB) *seen {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.calls) == 0 {
		t.Fatal("no call was made")
	}
	return p.calls[len(p.calls)-1]
}

// newTestProxy returns a Proxy over a pool that answers by do.
func newTestProxy(t testing.TB, o Options, do func(*exchange.Call, *exchange.Response) (upstream.Result, error)) *Proxy {
	t.Helper()
	var s shares
	if err := s.add(&scriptedPool{"main", do}, Share{}); err != nil {
		t.Fatal(err)
	}
	p, err := assemble(o, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// forwarded returns what an upstream sees of r.
func forwarded(t testing.TB, o Options, r *exchange.Request) *seen {
	t.Helper()
	var pool recordingPool
	resp, err := newTestProxy(t, o, pool.take).Handle(r)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.Target, err)
	}
	resp.Body.Close()
	return pool.last(t)
}

// lines writes a header for comparisons, but what differs from one request to the
// next.
func lines(h *exchange.Header) string {
	var b strings.Builder
	for name, value := range h.All() {
		switch name {
		case "via":
			value, _, _ = strings.Cut(value, "-")
		case "x-request-id":
			if value == "0000000000001" {
				value = "ID"
			}
		}
		fmt.Fprintf(&b, "%s: %s\n", name, value)
	}
	return b.String()
}
