package store

import (
	"context"
	"errors"
	"sync"
	"time"
)

// abandon releases what may have been acquired without our knowing. If that does not
// work either, the lease ends by itself.
func (s *Store) abandon(name, holder string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.work.Go(func() { _ = s.release(context.Background(), Lease{Name: name, Holder: holder}) })
}

func (s *Store) release(ctx context.Context, l Lease) error {
	_, err := call(ctx, s, kindRelease, func(ctx context.Context) (any, error) { return nil, s.engine.Release(ctx, l) })
	return err
}

// keep extends the lease three times in its life, until ctx ends. until is when it ends
// by itself, by a clock that only measures how long ago it was asked for: the engine
// counts from later, so the lease is never thought to be held for too long.
func (l *Lock) keep(ctx context.Context, until time.Time) {
	s := l.store
	wait := s.lease / 3
	for {
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
		began := time.Now()
		asking, cancel := context.WithDeadline(ctx, until)
		_, err := call(asking, s, kindExtend, func(ctx context.Context) (any, error) {
			return nil, s.engine.Extend(ctx, l.lease, s.lease)
		})
		cancel()
		left := time.Until(until)
		switch {
		case err == nil:
			until = began.Add(s.lease)
			wait = s.lease / 3
		case ctx.Err() != nil:
			return
		case errors.Is(err, ErrFenced), left <= 0:
			if l.end() {
				close(l.lost)
				s.log.Warn("lock lost", "lock", l.lease.Name, "err", err)
			}
			return
		default:
			wait = min(s.lease/12, left)
		}
	}
}

// end takes the lock out of use; false if that was done before.
func (l *Lock) end() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return false
	}
	l.over = true
	close(l.gone)
	l.store.mu.Lock()
	delete(l.store.locks, l)
	l.store.mu.Unlock()
	return true
}

// ReleaseAll unlocks whatever this store holds, as when the process is about to end.
// Locks can be taken again afterwards.
func (s *Store) ReleaseAll(ctx context.Context) error {
	s.mu.Lock()
	all := make([]*Lock, 0, len(s.locks))
	for l := range s.locks {
		all = append(all, l)
	}
	s.mu.Unlock()
	errs := make([]error, len(all))
	var done sync.WaitGroup
	for i, l := range all {
		done.Go(func() { errs[i] = l.Unlock(ctx) })
	}
	done.Wait()
	return errors.Join(errs...)
}
