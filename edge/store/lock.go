package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Lock is a lease that keeps itself alive, until Unlock, or until it is lost because
// the store could not be reached for too long or this process slept. Its methods are
// safe for concurrent use.
type Lock struct {
	store  *Store
	lease  Lease
	cancel context.CancelFunc // ends the keeper
	lost   chan struct{}
	gone   chan struct{} // closed when it is lost or given back

	mu   sync.Mutex
	over bool // lost or given back
}

// Lock waits until this caller alone holds the lease of that name, or ctx ends. While
// the store does not answer it tries a few times, then gives up with [ErrUnavailable].
func (s *Store) Lock(ctx context.Context, name string) (*Lock, error) { return s.lock(ctx, name, true) }

// TryLock is Lock that does not wait for a holder: the error is [ErrHeld].
func (s *Store) TryLock(ctx context.Context, name string) (*Lock, error) {
	return s.lock(ctx, name, false)
}

// tries is how often a lock is asked for that gets no answer.
const tries = 3

func (s *Store) lock(ctx context.Context, name string, wait bool) (*Lock, error) {
	if err := ValidKey(name); err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	holder := rand.Text()
	unsure := false // an answer was lost: the lease may be ours
	next := shortestPoll
	for silent := 0; ; {
		l, err := s.acquire(ctx, name, holder)
		if err == nil {
			return l, nil
		}
		held := errors.Is(err, ErrHeld)
		if held {
			silent = 0
		} else {
			silent++
			unsure = true
		}
		again := held && wait || errors.Is(err, ErrUnavailable) && silent < tries
		if !again || !s.poll(ctx, name, jitter(next)) {
			if unsure {
				s.abandon(name, holder)
			}
			return nil, fmt.Errorf("lock %q: %w", name, joinCause(err, ctx))
		}
		next = min(next*3/2, longestPoll)
	}
}

// joinCause adds that ctx has ended to err.
func joinCause(err error, ctx context.Context) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", err, cause)
	}
	return err
}

// poll waits until name is worth another try; false if ctx ends or the store is closed.
func (s *Store) poll(ctx context.Context, name string, wait time.Duration) bool {
	t := time.NewTimer(wait)
	defer t.Stop()
	var gone chan struct{}
	s.mu.Lock()
	for l := range s.locks {
		if l.lease.Name == name { // held by this process: no need to be late
			gone = l.gone
		}
	}
	s.mu.Unlock()
	select {
	case <-t.C:
		return true
	case <-gone:
		return true
	case <-ctx.Done():
		return false
	case <-s.ending:
		return false
	}
}

func (s *Store) acquire(ctx context.Context, name, holder string) (*Lock, error) {
	began := time.Now()
	fence, err := call(ctx, s, kindAcquire, func(ctx context.Context) (uint64, error) {
		return s.engine.Acquire(ctx, name, holder, s.lease)
	})
	if err != nil {
		return nil, err
	}
	keeping, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l := &Lock{
		store: s, lease: Lease{Name: name, Holder: holder, Fence: fence}, cancel: cancel,
		lost: make(chan struct{}), gone: make(chan struct{}),
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		defer cancel()
		return nil, errors.Join(ErrClosed, s.release(keeping, l.lease))
	}
	s.locks[l] = struct{}{}
	s.work.Go(func() { l.keep(keeping, began.Add(s.lease)) })
	s.mu.Unlock()
	return l, nil
}

// Lost is closed as soon as it is known, or has to be assumed, that the lease is not
// held any more, other than by Unlock. What is written under the lease is refused by
// the engine, however late this is noticed here.
func (l *Lock) Lost() <-chan struct{} { return l.lost }

// Lease returns what a [Batch] is to be written under.
func (l *Lock) Lease() Lease { return l.lease }

// Unlock gives the lease back, even if ctx has ended; it takes the store's deadline at
// most. If the store does not answer, the lease ends by itself. Unlocking twice, or
// what was lost, does nothing.
func (l *Lock) Unlock(ctx context.Context) error {
	l.cancel()
	if !l.end() {
		return nil
	}
	if err := l.store.release(context.WithoutCancel(ctx), l.lease); err != nil {
		return fmt.Errorf("unlock %q: %w", l.lease.Name, err)
	}
	return nil
}
