package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// Options are the settings of a store. The zero value is usable.
type Options struct {
	Deadline time.Duration // of every operation; 0 means 2 s
	Lease    time.Duration // how long a lock outlives a silent holder; 0 means 30 s, at least 10 ms, at most 1 h
	// Concurrent is how many reads, and how many writes, the engine gets at once; further
	// ones wait for their turn within their deadline. 0 means 128.
	Concurrent int
	// Stuck is how many reads may hang in the engine beyond their deadline before all
	// others fail at once; and how many writes. 0 means 16.
	Stuck int
	Log   *slog.Logger // hears of watches and locks that are lost; nil is silent
}

// Store keeps entries, locks and watches on an engine; see the package's comment for
// what can be relied on. Its methods are safe for concurrent use.
type Store struct {
	engine Engine
	log    *slog.Logger
	lease  time.Duration
	gates  [sides]gate
	stats  [kinds]counter

	mu     sync.Mutex // guards what follows
	locks  map[*Lock]struct{}
	watchs int
	closed bool
	ending chan struct{} // closed by Close
	work   sync.WaitGroup
}

// New returns a store on engine, which it owns from now on. Close ends it.
func New(engine Engine, o Options) *Store {
	if o.Deadline <= 0 {
		o.Deadline = 2 * time.Second
	}
	if o.Lease == 0 {
		o.Lease = 30 * time.Second
	}
	if o.Concurrent <= 0 {
		o.Concurrent = 128
	}
	if o.Stuck <= 0 {
		o.Stuck = 16
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{
		engine: engine, log: o.Log, lease: min(max(o.Lease, shortestLease), longestLease),
		locks: make(map[*Lock]struct{}), ending: make(chan struct{}),
	}
	for i := range s.gates {
		g := &s.gates[i]
		g.deadline, g.most = o.Deadline, o.Stuck
		g.turns, g.late = make(chan struct{}, o.Concurrent), make(map[*flight]time.Time)
	}
	return s
}

// Close gives back all locks and closes the engine. It takes a few deadlines at most;
// watches end, and later operations fail with [ErrClosed].
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	err := s.ReleaseAll(context.Background())
	close(s.ending)
	s.work.Wait()
	_, closing := s.gates[writes].run(context.Background(), kindRelease, func(context.Context) (any, error) { return nil, s.engine.Close() })
	return errors.Join(err, closing)
}

func (s *Store) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// Get returns the entry of key, or an error that is [ErrNotFound].
func (s *Store) Get(ctx context.Context, key string) (Entry, error) {
	if err := ValidKey(key); err != nil {
		return Entry{}, fmt.Errorf("get: %w", err)
	}
	e, err := call(ctx, s, kindGet, func(ctx context.Context) (Entry, error) { return s.engine.Get(ctx, key) })
	if err != nil {
		return Entry{}, fmt.Errorf("get %q: %w", key, err)
	}
	return e, nil
}

// List returns the entries whose keys begin with prefix and come after the key after,
// in the order of their bytes; at most limit, which is at most MaxPage. Fewer mean that
// there are no more. Each MaxPageBytes of values is an operation with a deadline of
// its own.
func (s *Store) List(ctx context.Context, prefix, after string, limit int) ([]Entry, error) {
	if limit < 1 || limit > MaxPage {
		return nil, fmt.Errorf("list %q: limit %d: %w: 1 to %d", prefix, limit, ErrInvalid, MaxPage)
	}
	var all []Entry
	for {
		page, more, err := s.page(ctx, prefix, after, limit-len(all))
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if !more || len(all) >= limit || len(page) == 0 {
			return all, nil
		}
		after = page[len(page)-1].Key
	}
}

// All returns the entries whose keys begin with prefix, in the order of their bytes,
// reading them page by page: what is written meanwhile may be seen or not. An error is
// the last pair.
func (s *Store) All(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		after := ""
		for {
			page, more, err := s.page(ctx, prefix, after, MaxPage)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
			}
			if len(page) == 0 || len(page) < MaxPage && !more {
				return
			}
			after = page[len(page)-1].Key
		}
	}
}

func (s *Store) page(ctx context.Context, prefix, after string, limit int) ([]Entry, bool, error) {
	if err := errors.Join(validPrefix(prefix), validPrefix(after)); err != nil {
		return nil, false, fmt.Errorf("list: %w", err)
	}
	type result struct {
		page []Entry
		more bool
	}
	r, err := call(ctx, s, kindList, func(ctx context.Context) (r result, err error) {
		r.page, r.more, err = s.engine.List(ctx, prefix, after, limit)
		return r, err
	})
	if err != nil {
		return nil, false, fmt.Errorf("list %q: %w", prefix, err)
	}
	return r.page, r.more, nil
}

// Now reads the engine's clock.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	now, err := call(ctx, s, kindNow, s.engine.Now)
	if err != nil {
		return time.Time{}, fmt.Errorf("read the store's clock: %w", err)
	}
	return now, nil
}

// Range returns the least and the greatest string that a key can be which begins with
// prefix and is greater than after: both are valid UTF-8, and neither is a key, as none
// contains a control character or is that long.
func Range(prefix, after string) (from, to string) {
	from = prefix
	if after >= prefix {
		from = after + "\x01"
	}
	return from, prefix + strings.Repeat("\U0010FFFF", MaxKey/4+1)
}
