package store

import (
	"context"
	"fmt"
	"time"
)

// Commit writes a batch whole or not at all, and returns the version that all its keys
// have now. The error is [ErrConflict] or [ErrFenced] if nothing was written because of
// a condition or the lease.
func (s *Store) Commit(ctx context.Context, b Batch) (uint64, error) {
	if err := validBatch(b); err != nil {
		return 0, fmt.Errorf("commit: %w", err)
	}
	version, err := call(ctx, s, kindCommit, func(ctx context.Context) (uint64, error) { return s.engine.Commit(ctx, b) })
	if err != nil {
		return 0, fmt.Errorf("commit %q: %w", b.Ops[0].Key, err)
	}
	return version, nil
}

// Put writes a value, whatever was there. It goes away by itself after ttl; 0 keeps it.
func (s *Store) Put(ctx context.Context, key string, value []byte, ttl time.Duration) (uint64, error) {
	return s.Commit(ctx, Batch{Ops: []Op{{Key: key, Value: value, TTL: ttl}}})
}

// PutNew writes a value if the key is not there, else the error is [ErrConflict].
func (s *Store) PutNew(ctx context.Context, key string, value []byte, ttl time.Duration) (uint64, error) {
	return s.Commit(ctx, Batch{Ops: []Op{{Key: key, Value: value, TTL: ttl, If: Condition{Absent: true}}}})
}

// CompareAndSwap writes a value if the key still has that version, else the error is
// [ErrConflict]. Version 0 is that of a key that is not there.
func (s *Store) CompareAndSwap(ctx context.Context, key string, version uint64, value []byte, ttl time.Duration) (uint64, error) {
	return s.Commit(ctx, Batch{Ops: []Op{{Key: key, Value: value, TTL: ttl, If: Condition{Absent: version == 0, Version: version}}}})
}

// Delete removes keys, in batches of MaxOps. Those that are not there are no error.
func (s *Store) Delete(ctx context.Context, keys ...string) error {
	for len(keys) > 0 {
		n := min(len(keys), MaxOps)
		ops := make([]Op, 0, n)
		seen := make(map[string]bool, n)
		for _, key := range keys[:n] {
			if !seen[key] {
				ops = append(ops, Op{Key: key, Delete: true})
			}
			seen[key] = true
		}
		if _, err := s.Commit(ctx, Batch{Ops: ops}); err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

// Millis returns d in whole milliseconds, rounded up: a life that is not nothing never
// becomes nothing. Engines count so.
func Millis(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}
