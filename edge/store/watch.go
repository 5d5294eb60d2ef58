package store

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// How long is waited between tries: for a lock, and for a watch.
const (
	shortestPoll  = 50 * time.Millisecond
	longestPoll   = time.Second
	shortestRetry = 100 * time.Millisecond
	longestRetry  = 5 * time.Second
	quietFor      = 10 * time.Minute // until a watch that still does not come about is told of again
)

// jitter returns something between half of d and d, so that nodes do not march in step.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

// Watch calls changed with each key below prefix that any node writes or removes, soon
// after and at least once; and with "" whenever changes may have been missed: at the
// beginning, and after the connection was lost and is there again. Expiry is not told.
// It returns when ctx ends or the store is closed. changed is called by one goroutine
// at a time and must be quick.
func (s *Store) Watch(ctx context.Context, prefix string, changed func(key string)) {
	if validPrefix(prefix) != nil {
		return // nothing can be written there
	}
	s.countWatch(1)
	defer s.countWatch(-1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wait := shortestRetry
	var warned time.Time
	for {
		began, came := time.Now(), false
		err := s.watch(ctx, prefix, func(key string) {
			came = true
			changed(key)
		})
		if ctx.Err() != nil || s.isClosed() {
			return
		}
		level := slog.LevelDebug
		if came || time.Since(warned) >= quietFor {
			level, warned = slog.LevelWarn, time.Now()
		}
		s.log.Log(ctx, level, "watch of the store interrupted", "prefix", prefix, "err", err)
		if time.Since(began) > longestRetry {
			wait = shortestRetry
		}
		t := time.NewTimer(jitter(wait))
		select {
		case <-t.C:
		case <-ctx.Done():
		case <-s.ending:
		}
		t.Stop()
		if ctx.Err() != nil || s.isClosed() {
			return
		}
		wait = min(2*wait, longestRetry)
	}
}

// watch is one watch of the engine. One that does not return although it should is left
// behind; it tells nothing any more.
func (s *Store) watch(ctx context.Context, prefix string, changed func(key string)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex
	over := false
	done := make(chan error, 1)
	go func() {
		done <- s.engine.Watch(ctx, prefix, func(key string) {
			mu.Lock()
			defer mu.Unlock()
			if !over {
				changed(key)
			}
		})
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	case <-s.ending:
		cancel()
	}
	t := time.NewTimer(10 * slack)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
		mu.Lock()
		over = true
		mu.Unlock()
	}
	return ctx.Err()
}

func (s *Store) countWatch(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchs += n
}
