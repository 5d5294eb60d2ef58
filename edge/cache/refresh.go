package cache

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// refreshTime is how long a fetch in the background may take.
const refreshTime = time.Minute

// refresh fetches anew what has just been answered stale (RFC 5861 §3): once per
// resource at a time, and not more than maxRefreshes in all; what comes on top is left to
// the next request.
func (f *Filter) refresh(r *exchange.Request, next exchange.Handler, old *entry, key []byte) {
	s := f.store
	t := &fetch{Filter: f, next: next, key: bytes.Clone(key), old: old, use: expired, background: true}
	t.r = r // whose fields the key is made of
	id := t.flightKey()
	if s.flights.going(id) {
		return
	}
	select {
	case s.refreshes <- struct{}{}:
	default:
		return
	}
	fl, leader := s.flights.join(id)
	if !leader {
		fl.unfollow()
		<-s.refreshes
		return
	}
	t.flight = fl
	ctx, cancel := context.WithTimeout(s.ctx, refreshTime)
	t.r = exchange.NewBackground(ctx, r)
	t.r.Method = "GET"
	t.r.Header.DelFunc(func(name, _ string) bool {
		switch name {
		case "range", "if-range", "if-none-match", "if-modified-since", "cache-control":
			return true
		}
		return false
	})
	t.q.read(&t.r.Header)
	if !s.start(func() {
		defer func() { <-s.refreshes }()
		defer cancel()
		t.run()
	}) {
		cancel()
		fl.land(released, nil)
	}
}

// run fetches, with nobody to tell how it went.
func (t *fetch) run() {
	defer func() {
		if p := recover(); p != nil {
			t.store.log.Error("refreshing the cache panicked", "err", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	defer t.r.End()
	resp, err := t.lead()
	if err != nil {
		return // the next request will see for itself
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
}
