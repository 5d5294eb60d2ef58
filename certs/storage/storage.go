// Package storage is where certificates, accounts and shared secrets are kept: the
// seam to a store that several nodes share, encryption of what is written to it, and
// a copy on the local disk for the time when it cannot be reached.
//
// This package imports nothing of weir.
package storage

import (
	"context"
	"errors"
	"time"
)

// Store keeps values by key for all nodes. Implementations bound every call in time,
// whatever its context says, and are safe for concurrent use.
//
// Keys are parts joined by slashes, "cert/example.com". A value that was written is
// read by every later call on every node.
type Store interface {
	// Get returns the value of key, or an error that is [fs.ErrNotExist].
	Get(ctx context.Context, key string) ([]byte, error)
	// List returns what begins with prefix, in the byte order of keys, beginning
	// behind the key after; at most limit records. Fewer than limit: there are no more.
	List(ctx context.Context, prefix, after string, limit int) ([]Record, error)
	// Put writes a value. It goes away by itself after ttl; 0 keeps it.
	Put(ctx context.Context, key string, value []byte, ttl time.Duration) error
	// Delete removes keys. Those that are not there are no error.
	Delete(ctx context.Context, keys ...string) error
	// Lock waits until this caller alone holds the lock of that name, or ctx ends.
	Lock(ctx context.Context, name string) (Lock, error)
	// TryLock is Lock that does not wait: somebody else's lock gives [ErrHeld].
	TryLock(ctx context.Context, name string) (Lock, error)
	// Watch calls changed with each key below prefix that any node writes or removes,
	// soon after, at least once; and with "" whenever changes may have been missed, as
	// at the beginning. It returns when ctx ends. changed must be quick.
	Watch(ctx context.Context, prefix string, changed func(key string))
}

// Record is a key with its value.
type Record struct {
	Key   string
	Value []byte
}

// Lock is held until Unlock, or until the store gives it to another node because this
// one has been silent for too long: asleep, or cut off. It keeps itself alive.
type Lock interface {
	// Put is Store.Put that the store refuses with [ErrLost] once the lock is not
	// held any more, however late that is noticed here.
	Put(ctx context.Context, key string, value []byte, ttl time.Duration) error
	// Lost is closed as soon as it is known that the lock is not held any more, other
	// than by Unlock.
	Lost() <-chan struct{}
	// Unlock gives the lock back. A lock that was lost is not touched.
	Unlock(ctx context.Context) error
}

// Errors of locks.
var (
	ErrHeld = errors.New("the lock is held by another node")
	ErrLost = errors.New("the lock was lost to another node")
)
