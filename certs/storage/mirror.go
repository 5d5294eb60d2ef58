package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// MirrorOptions are the settings of a [Mirrored]. The zero value is usable.
type MirrorOptions struct {
	Prefixes []string     // of the keys that are copied; none means "cert/", "account/" and "secret/"
	Files    int          // how many at most; 0 means 20,000
	Log      *slog.Logger // hears when the copy is needed, and when it cannot be written; nil is silent
}

// Mirrored is a store with a copy on the local disk: what was last read or written here,
// for the time when the store cannot be reached. It starts no goroutine; whatever passes
// is copied in passing. Its methods are safe for concurrent use. A command beside a server
// may use the same directory; the two do not see what is new in each other's copy.
//
// Get and List answer from the copy after any error of the store that does not say that
// the value is not there, unless the caller left or asked to know for sure, [Fresh]. All
// else is the store's alone: nothing is written, and no lock is had, while it is away.
//
// For a short while after the store failed, what the copy has is answered without asking
// again: a store that hangs is waited for once a second, not once a handshake.
type Mirrored struct {
	Store
	log      *slog.Logger
	prefixes []string
	copy     *copies

	fromCopy  atomic.Uint64
	downUntil atomic.Int64 // Unix nanoseconds: the store is given a rest until then

	mu    sync.Mutex // guards what follows
	stale bool
	since time.Time
	err   error
}

// MirrorStatus is how a [Mirrored] is.
type MirrorStatus struct {
	Stale    bool      // the store failed last time, and the copy answered or would have
	Since    time.Time // when Stale last changed; zero if never
	Err      error     // of the store while Stale
	Files    int       // in the copy
	FromCopy uint64    // how many calls the copy has answered
	DiskErr  error     // why the copy could not be written last time; nil if it could
}

// rest is how long the copy answers alone after the store failed.
const rest = time.Second

// Mirror returns inner with a copy in dir, which is made if need be and must be for the
// eyes of weir's user alone. Values are copied as inner has them: see [Seal] for how to
// have the copy encrypted.
func Mirror(inner Store, dir string, o MirrorOptions) (*Mirrored, error) {
	if len(o.Prefixes) == 0 {
		o.Prefixes = []string{CertPrefix, "account/", "secret/"}
	}
	if o.Files <= 0 {
		o.Files = 20_000
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	m := &Mirrored{Store: inner, log: o.Log, prefixes: o.Prefixes}
	copy, err := openCopies(dir, o.Files, m.covers, o.Log)
	if err != nil {
		return nil, fmt.Errorf("open copy of the store: %w", err)
	}
	m.copy = copy
	return m, nil
}

type freshKey struct{}

// Fresh returns a context with which a [Mirrored] does not answer from its copy: for
// those who read in order to write.
func Fresh(ctx context.Context) context.Context { return context.WithValue(ctx, freshKey{}, true) }

type lastKey struct{}

// LastSeen returns a context with which a [Mirrored] answers from its copy alone, with
// what it last saw of a value: also for some days after the store has said that it has it
// no more, if it is a certificate. It is for those who know that the store has lost it.
func LastSeen(ctx context.Context) context.Context { return context.WithValue(ctx, lastKey{}, true) }

// Close gives the directory back. The store is not closed.
func (m *Mirrored) Close() error { return m.copy.close() }

// Stale tells whether the store failed the last time it was asked.
func (m *Mirrored) Stale() bool { return m.Status().Stale }

// Status returns how it is now.
func (m *Mirrored) Status() MirrorStatus {
	files, err := m.copy.status()
	m.mu.Lock()
	defer m.mu.Unlock()
	return MirrorStatus{m.stale, m.since, m.err, files, m.fromCopy.Load(), err}
}

// Get is [Store].Get, from the copy if the store cannot be reached.
func (m *Mirrored) Get(ctx context.Context, key string) ([]byte, error) {
	if !m.covers(key) {
		return m.Store.Get(ctx, key)
	}
	if ctx.Value(lastKey{}) != nil {
		if value, ok := m.copy.last(key); ok {
			return value, nil
		}
		return nil, fmt.Errorf("copy of %q: %w", key, fs.ErrNotExist)
	}
	if m.resting(ctx) {
		if value, ok := m.copy.get(key); ok {
			m.fromCopy.Add(1)
			return value, nil
		}
	}
	began := m.copy.now()
	value, err := m.Store.Get(ctx, key)
	if m.heard(ctx, err) {
		if value, ok := m.copy.get(key); ok {
			m.fromCopy.Add(1)
			return value, nil
		}
		return nil, err
	}
	switch {
	case err == nil:
		m.copy.put(began, Record{key, value})
	case notThere(err):
		m.copy.missed(began, key)
	}
	return value, err
}

// List is [Store].List, from the copy if the store cannot be reached.
func (m *Mirrored) List(ctx context.Context, prefix, after string, limit int) ([]Record, error) {
	if !m.covers(prefix) {
		return m.Store.List(ctx, prefix, after, limit)
	}
	if m.resting(ctx) {
		if records, ok := m.copy.list(prefix, after, limit); ok {
			m.fromCopy.Add(1)
			return records, nil
		}
	}
	began := m.copy.now()
	records, err := m.Store.List(ctx, prefix, after, limit)
	if m.heard(ctx, err) {
		if records, ok := m.copy.list(prefix, after, limit); ok {
			m.fromCopy.Add(1)
			return records, nil
		}
		return nil, err
	}
	if err == nil {
		m.copy.put(began, records...)
		m.copy.missed(began, m.copy.missing(prefix, after, records, len(records) < limit)...)
	}
	return records, err
}

// brief is how long a value must live at least to be copied.
const brief = time.Hour

// Put is [Store].Put. What goes away by itself within an hour is not copied. A copy of
// what lives longer goes when the store is found to have it no more.
func (m *Mirrored) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return m.put(ctx, m.Store.Put, key, value, ttl)
}

func (m *Mirrored) put(ctx context.Context, put func(context.Context, string, []byte, time.Duration) error, key string, value []byte, ttl time.Duration) error {
	err := put(ctx, key, value, ttl)
	switch {
	case err != nil || !m.covers(key):
	case ttl == 0 || ttl >= brief:
		m.copy.wrote(Record{key, value})
	default:
		m.copy.removed(key)
	}
	return err
}

// Delete is [Store].Delete.
func (m *Mirrored) Delete(ctx context.Context, keys ...string) error {
	err := m.Store.Delete(ctx, keys...)
	if err == nil {
		m.copy.removed(keys...)
	}
	return err
}

// Lock is [Store].Lock. What is written through the lock is copied as well.
func (m *Mirrored) Lock(ctx context.Context, name string) (Lock, error) {
	return m.lock(m.Store.Lock(ctx, name))
}

// TryLock is [Store].TryLock. What is written through the lock is copied as well.
func (m *Mirrored) TryLock(ctx context.Context, name string) (Lock, error) {
	return m.lock(m.Store.TryLock(ctx, name))
}

func (m *Mirrored) lock(l Lock, err error) (Lock, error) {
	if err != nil {
		return nil, err
	}
	return mirroredLock{l, m}, nil
}

type mirroredLock struct {
	Lock
	store *Mirrored
}

func (l mirroredLock) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return l.store.put(ctx, l.Lock.Put, key, value, ttl)
}

func (m *Mirrored) covers(key string) bool {
	for _, prefix := range m.prefixes {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

func (m *Mirrored) resting(ctx context.Context) bool {
	return ctx.Value(freshKey{}) == nil && ctx.Err() == nil && time.Now().UnixNano() < m.downUntil.Load()
}

// heard takes note of how the store answered, and tells whether the copy is to answer.
func (m *Mirrored) heard(ctx context.Context, err error) bool {
	down := err != nil && !notThere(err)
	if down && errors.Is(ctx.Err(), context.Canceled) {
		return false // the caller left, and that is all that is known
	}
	if down {
		m.downUntil.Store(time.Now().Add(rest).UnixNano())
	} else {
		m.downUntil.Store(0)
	}
	m.mu.Lock()
	turned := m.stale != down
	if turned {
		m.stale, m.since = down, time.Now()
	}
	m.err = nil
	if down {
		m.err = err
	}
	m.mu.Unlock()
	switch {
	case turned && down:
		m.log.Warn("store cannot be reached, its copy answers", "err", err)
	case turned:
		m.log.Info("store answers again")
	}
	return down && ctx.Value(freshKey{}) == nil
}
