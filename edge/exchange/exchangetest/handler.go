package exchangetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// patience is how long an exchange may take before it counts as stuck. It only
// passes when a check fails, so it is long enough for a busy machine.
const patience = time.Minute

// TestHandler holds h to the contract of [exchange.Handler]: exactly one result,
// a body that keeps to its Len and may be closed twice, valid fields, nothing
// touched after return, an end when the context ends, no goroutine left behind,
// concurrent use (run it under the race detector). Every request is made many
// times.
func TestHandler(t *testing.T, h exchange.Handler, requests ...Ask) {
	t.Helper()
	report(t, CheckHandler(h, requests...))
}

// CheckHandler is [TestHandler] for other harnesses. The error joins all breaches.
func CheckHandler(h exchange.Handler, requests ...Ask) error {
	if len(requests) == 0 {
		return errors.New("check handler: no requests given")
	}
	var all []error
	check := func(a Ask, how reading) {
		errs, done := within(patience, func() []error {
			r := a.New()
			_, errs := run(h, r, how)
			a.Renew(r) // a kept-alive connection: the same memory again
			_, more := run(h, r, how)
			return append(errs, more...)
		})
		if all = append(all, errs...); !done {
			all = append(all, fmt.Errorf("%s %s: no end after %v", a.Method, a.Target, patience))
		}
	}
	for _, a := range requests {
		for how := readAll; how <= readNone; how++ {
			check(a, how)
		}
		check(a.gone(), readAll)
	}
	all = append(all, hammer(h, requests)...)
	all = append(all, leaks(func() {
		for _, a := range requests {
			for how := readAll; how <= readNone; how++ {
				run(h, a.New(), how)
			}
		}
	})...)
	return errors.Join(distinct(all)...)
}

// gone is the request of a client that has left.
func (a Ask) gone() Ask {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(exchange.ErrClientGone)
	a.Options = append(a.Options[:len(a.Options):len(a.Options)], Context(ctx))
	return a
}

// hammer has many connections ask at once, each in the memory of its last exchange.
func hammer(h exchange.Handler, requests []Ask) []error {
	const connections, rounds = 8, 8
	var (
		group sync.WaitGroup
		mu    sync.Mutex // guards all
		all   []error
	)
	for c := range connections {
		group.Go(func() {
			r := new(exchange.Request)
			for i := range rounds * len(requests) {
				requests[(i+c)%len(requests)].Renew(r)
				if _, errs := run(h, r, reading(i/len(requests)%4)); errs != nil {
					mu.Lock()
					all = append(all, errs...)
					mu.Unlock()
				}
			}
		})
	}
	if _, done := within(patience, func() []error { group.Wait(); return nil }); !done {
		return []error{fmt.Errorf("%d exchanges at once: no end after %v", connections, patience)}
	}
	mu.Lock()
	defer mu.Unlock()
	return all
}

// within runs f and waits for it no longer than d.
func within(d time.Duration, f func() []error) (errs []error, done bool) {
	end := make(chan []error, 1)
	go func() { end <- f() }()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case errs := <-end:
		return errs, true
	case <-timer.C:
		return nil, false
	}
}

// distinct drops repetitions: every breach shows once, however often it came.
func distinct(errs []error) []error {
	seen := make(map[string]bool)
	var kept []error
	for _, err := range errs {
		if text := err.Error(); !seen[text] {
			seen[text] = true
			kept = append(kept, err)
		}
	}
	return kept
}

func report(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("contract broken:\n%v", err)
	}
}
