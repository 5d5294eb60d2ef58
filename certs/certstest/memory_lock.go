package certstest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/weirproxy/weir/certs/storage"
)

// memoryLock is held while it is in the store's table.
type memoryLock struct {
	node  *Node
	name  string
	freed chan struct{} // closed when another may have it
	lost  chan struct{}
	once  sync.Once
}

// Lock implements [storage.Store].
func (n *Node) Lock(ctx context.Context, name string) (storage.Lock, error) {
	for {
		l, busy, err := n.take(ctx, name)
		if err == nil {
			return l, nil
		}
		if !errors.Is(err, storage.ErrHeld) {
			return nil, err
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, fmt.Errorf("lock %q: %w", name, ctx.Err())
		}
	}
}

// TryLock implements [storage.Store].
func (n *Node) TryLock(ctx context.Context, name string) (storage.Lock, error) {
	l, _, err := n.take(ctx, name)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// take returns the lock, or what is closed when it may be free.
func (n *Node) take(ctx context.Context, name string) (l *memoryLock, busy <-chan struct{}, err error) {
	if err := n.enter(ctx, "lock"); err != nil {
		return nil, nil, fmt.Errorf("lock %q: %w", name, err)
	}
	defer n.m.mu.Unlock()
	if held := n.m.locks[name]; held != nil {
		return nil, held.freed, fmt.Errorf("lock %q: %w", name, storage.ErrHeld)
	}
	l = &memoryLock{node: n, name: name, freed: make(chan struct{}), lost: make(chan struct{})}
	if err := n.write(func() error { n.m.hold(l); return nil }); err != nil {
		return nil, nil, fmt.Errorf("lock %q: %w", name, err)
	}
	return l, nil, nil
}

func (m *MemoryStore) hold(l *memoryLock) {
	if m.locks == nil {
		m.locks = map[string]*memoryLock{}
	}
	m.locks[l.name] = l
}

func (m *MemoryStore) free(l *memoryLock) {
	delete(m.locks, l.name)
	close(l.freed)
}

func (l *memoryLock) lose() { l.once.Do(func() { close(l.lost) }) }

// Put implements [storage.Lock].
func (l *memoryLock) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if err := l.node.enter(ctx, "put"); err != nil {
		return fmt.Errorf("put %q: %w", key, err)
	}
	m := l.node.m
	defer m.mu.Unlock()
	err := l.node.write(func() error {
		if m.locks[l.name] != l {
			l.lose()
			return storage.ErrLost
		}
		m.put(key, value, ttl)
		return nil
	})
	if err != nil {
		return fmt.Errorf("put %q: %w", key, err)
	}
	return nil
}

// Lost implements [storage.Lock].
func (l *memoryLock) Lost() <-chan struct{} { return l.lost }

// Unlock implements [storage.Lock].
func (l *memoryLock) Unlock(ctx context.Context) error {
	if err := l.node.enter(ctx, "unlock"); err != nil {
		return fmt.Errorf("unlock %q: %w", l.name, err)
	}
	defer l.node.m.mu.Unlock()
	if l.node.m.locks[l.name] == l {
		l.node.m.free(l)
	}
	return nil
}
