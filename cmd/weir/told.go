package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weirproxy/weir/edge/cache"
	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/proxy"
	"github.com/weirproxy/weir/edge/upstream"
)

// told is what proxies and caches say they would do with the one request that is
// explained. It is for one goroutine.
type told struct {
	cache string
	proxy *proxy.Explanation
}

// errTold ends the request that is explained where an upstream would be asked.
var errTold = errors.New("an upstream would be asked")

// errGuest ends the request that is explained where a module would answer.
var errGuest = errors.New("a module would answer")

// explains has p explained in place of asking an upstream.
func (t *told) explains(p *proxy.Proxy, upstreams *upstream.Upstreams) exchange.Handler {
	return exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		resolve(upstreams)
		e := p.Explain(r)
		if e.Err != nil {
			return nil, e.Err
		}
		t.proxy = &e
		return nil, errTold
	})
}

// resolve waits until the names of all pools have been looked up, but not for long.
func resolve(upstreams *upstream.Upstreams) {
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		waiting := false
		for _, p := range upstreams.Status() {
			waiting = waiting || len(p.Endpoints) == 0 && p.Err == ""
		}
		if !waiting {
			return
		}
	}
}

// caches has f explained in place of being asked.
func (t *told) caches(f *cache.Filter) exchange.Filter {
	return exchange.FilterFunc(func(r *exchange.Request, next exchange.Handler) (*exchange.Response, error) {
		t.cache = f.Explain(r)
		return next.Handle(r)
	})
}

// passed prints which upstream would be asked, and what.
func (e *explanation) passed(t *told) {
	p := t.proxy
	pool := p.Pool
	if p.Share != "" {
		pool += "  (" + p.Share + ")"
	}
	e.line("upstream", pool, "")
	endpoint := p.Endpoint
	if endpoint == "" {
		endpoint = "none"
	}
	why := p.Why
	if i := strings.LastIndex(why, ", "); i >= 0 && strings.HasSuffix(why, " well") {
		why = why[:i] + ", if all are well" // who only looks has not asked them
	}
	e.line("endpoint", endpoint, why)
	if p.Upgrade != "" {
		e.line("upgrade", p.Upgrade, "")
	}
	fmt.Fprintf(e.out, "\n  %s %s\n", p.Method, p.Target)
	if p.Authority != "" {
		fmt.Fprintf(e.out, "  host: %s\n", p.Authority)
	} else {
		fmt.Fprintf(e.out, "  host: %s\n", hostOf(p.Endpoint))
	}
	for name, value := range p.Header.All() {
		if name == "x-request-id" {
			value = "(the request's id)"
		}
		fmt.Fprintf(e.out, "  %s: %s\n", name, value)
	}
}

// hostOf is what an upstream is called that is asked for by its own name.
func hostOf(endpoint string) string {
	if endpoint == "" || strings.HasPrefix(endpoint, "/") {
		return "(the upstream's own name)"
	}
	return endpoint
}
