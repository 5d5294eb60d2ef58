package certstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/weirproxy/weir/certs/storage"
)

// Errors of a [MemoryStore] that was told to fail.
var (
	ErrDown   = errors.New("the store is down")
	ErrKilled = errors.New("the node was killed in the middle of a write")
)

// MemoryStore is what several nodes share. It fails when told to. The zero value is
// usable; its methods are safe for concurrent use.
type MemoryStore struct {
	mu     sync.Mutex
	values map[string]value
	locks  map[string]*memoryLock
	nodes  []*Node
	calls  map[string]int
}

type value struct {
	data []byte
	dies time.Time // zero: never
}

// Node returns a new node's handle.
func (m *MemoryStore) Node() *Node {
	n := &Node{m: m, Patience: 2 * time.Second, woken: make(chan struct{})}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.nodes = append(m.nodes, n)
	return n
}

// Each calls do with every node's handle: m.Each((*Node).Down).
func (m *MemoryStore) Each(do func(*Node)) {
	m.mu.Lock()
	nodes := slices.Clone(m.nodes)
	m.mu.Unlock()
	for _, n := range nodes {
		do(n)
	}
}

// Expire gives a lock away as if its holder had been silent for too long. told: the
// holder hears of it at once; else with its next write, as one does that slept.
func (m *MemoryStore) Expire(name string, told bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := m.locks[name]; l != nil {
		m.free(l)
		if told {
			l.lose()
		}
	}
}

// Held tells whether a lock is held.
func (m *MemoryStore) Held(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.locks[name] != nil
}

// Keys are the keys that begin with prefix, in order.
func (m *MemoryStore) Keys(prefix string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.keys(prefix, "")
}

// Calls counts the calls of one operation, "get", "list", "put", "delete", "lock",
// "watch", by all nodes.
func (m *MemoryStore) Calls(op string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls[op]
}

// Snapshot is a copy of all values.
func (m *MemoryStore) Snapshot() map[string][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[string][]byte{}
	for key, v := range m.values {
		all[key] = bytes.Clone(v.data)
	}
	return all
}

func (m *MemoryStore) keys(prefix, after string) (keys []string) {
	now := time.Now()
	for key, v := range m.values {
		if strings.HasPrefix(key, prefix) && key > after && v.alive(now) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

func (v value) alive(now time.Time) bool { return v.dies.IsZero() || now.Before(v.dies) }

func (m *MemoryStore) put(key string, data []byte, ttl time.Duration) {
	if m.values == nil {
		m.values = map[string]value{}
	}
	v := value{data: bytes.Clone(data)}
	if ttl > 0 {
		v.dies = time.Now().Add(ttl)
	}
	m.values[key] = v
	m.tell(key)
}

func (m *MemoryStore) tell(key string) {
	for _, n := range m.nodes {
		n.changed(key)
	}
}

// Node is one node's handle of a [MemoryStore]. Its faults are its own: the others
// go on.
type Node struct {
	// Patience bounds every call while the store hangs. Set it before use.
	Patience time.Duration
	m        *MemoryStore

	// Guarded by m.mu.
	fault    fault
	fails    int // writes left until they fail, counted from 1; 0: they do not
	loses    int // likewise, until one is done but reported as failed
	woken    chan struct{}
	watchers map[*watcher]bool
}

type fault int

const (
	well fault = iota
	hangs
	down
	full
)

var _ storage.Store = (*Node)(nil)

// Hang has calls hang until their time is up.
func (n *Node) Hang() { n.become(hangs) }

// Down has calls fail at once.
func (n *Node) Down() { n.become(down) }

// Full has writes fail as on a disk that is full.
func (n *Node) Full() { n.become(full) }

// Up ends all faults. Watchers are told that they may have missed something.
func (n *Node) Up() {
	n.become(well)
	n.m.mu.Lock()
	defer n.m.mu.Unlock()
	n.fails, n.loses = 0, 0
	n.changed("")
}

func (n *Node) become(f fault) {
	n.m.mu.Lock()
	defer n.m.mu.Unlock()
	n.fault = f
	close(n.woken)
	n.woken = make(chan struct{})
}

// FailWrite has the i-th write from now on, counted from 1, and all that follow fail
// without effect, as if the node had been killed there. 0 ends that.
func (n *Node) FailWrite(i int) {
	n.m.mu.Lock()
	defer n.m.mu.Unlock()
	n.fails = i
}

// LoseAnswer has the i-th write from now on, counted from 1, take effect and be
// reported as failed, as happens when a connection breaks in between.
func (n *Node) LoseAnswer(i int) {
	n.m.mu.Lock()
	defer n.m.mu.Unlock()
	n.loses = i
}

// enter waits while the store hangs, and returns with m.mu held if err is nil.
func (n *Node) enter(ctx context.Context, op string) error {
	patience, cancel := context.WithTimeout(ctx, n.Patience)
	defer cancel()
	n.m.mu.Lock()
	if n.m.calls == nil {
		n.m.calls = map[string]int{}
	}
	n.m.calls[op]++
	for {
		err := ctx.Err()
		if n.fault == down && err == nil {
			err = ErrDown
		}
		if err != nil || n.fault != hangs {
			if err != nil {
				n.m.mu.Unlock()
			}
			return err
		}
		woken := n.woken
		n.m.mu.Unlock()
		select {
		case <-woken:
		case <-patience.Done():
			return patience.Err()
		}
		n.m.mu.Lock()
	}
}

// write does one write under m.mu, or fails as told.
func (n *Node) write(do func() error) error {
	switch {
	case n.fault == full:
		return syscall.ENOSPC
	case n.fails == 1:
		return ErrKilled
	case n.fails > 1:
		n.fails--
	}
	if err := do(); err != nil {
		return err
	}
	if n.loses > 0 {
		if n.loses--; n.loses == 0 {
			return ErrDown
		}
	}
	return nil
}

// Get implements [storage.Store].
func (n *Node) Get(ctx context.Context, key string) ([]byte, error) {
	if err := n.enter(ctx, "get"); err != nil {
		return nil, fmt.Errorf("get %q: %w", key, err)
	}
	defer n.m.mu.Unlock()
	v, ok := n.m.values[key]
	if !ok || !v.alive(time.Now()) {
		return nil, fmt.Errorf("get %q: %w", key, fs.ErrNotExist)
	}
	return bytes.Clone(v.data), nil
}

// List implements [storage.Store].
func (n *Node) List(ctx context.Context, prefix, after string, limit int) ([]storage.Record, error) {
	if err := n.enter(ctx, "list"); err != nil {
		return nil, fmt.Errorf("list %q: %w", prefix, err)
	}
	defer n.m.mu.Unlock()
	var list []storage.Record
	for _, key := range n.m.keys(prefix, after) {
		if len(list) == limit {
			break
		}
		list = append(list, storage.Record{Key: key, Value: bytes.Clone(n.m.values[key].data)})
	}
	return list, nil
}

// Put implements [storage.Store].
func (n *Node) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if err := n.enter(ctx, "put"); err != nil {
		return fmt.Errorf("put %q: %w", key, err)
	}
	defer n.m.mu.Unlock()
	if err := n.write(func() error { n.m.put(key, value, ttl); return nil }); err != nil {
		return fmt.Errorf("put %q: %w", key, err)
	}
	return nil
}

// Delete implements [storage.Store].
func (n *Node) Delete(ctx context.Context, keys ...string) error {
	if err := n.enter(ctx, "delete"); err != nil {
		return fmt.Errorf("delete %q: %w", keys, err)
	}
	defer n.m.mu.Unlock()
	err := n.write(func() error {
		for _, key := range keys {
			if _, ok := n.m.values[key]; ok {
				delete(n.m.values, key)
				n.m.tell(key)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("delete %q: %w", keys, err)
	}
	return nil
}

// watcher hears of changes in one call of Watch.
type watcher struct {
	prefix string
	keys   map[string]bool // that changed
	bell   chan struct{}
}

// Watch implements [storage.Store]. While its node cannot reach the store it hears
// nothing.
func (n *Node) Watch(ctx context.Context, prefix string, changed func(key string)) {
	w := &watcher{prefix: prefix, keys: map[string]bool{"": true}, bell: make(chan struct{}, 1)}
	w.bell <- struct{}{}
	n.m.mu.Lock()
	if n.watchers == nil {
		n.watchers = map[*watcher]bool{}
	}
	n.watchers[w] = true
	n.m.mu.Unlock()
	defer func() {
		n.m.mu.Lock()
		defer n.m.mu.Unlock()
		delete(n.watchers, w)
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.bell:
		}
		n.m.mu.Lock()
		keys := slices.Sorted(maps.Keys(w.keys))
		clear(w.keys)
		n.m.mu.Unlock()
		for _, key := range keys {
			changed(key)
		}
	}
}

// changed tells the node's watchers, under m.mu.
func (n *Node) changed(key string) {
	if n.fault == hangs || n.fault == down {
		return
	}
	for w := range n.watchers {
		if key != "" && !strings.HasPrefix(key, w.prefix) {
			continue
		}
		w.keys[key] = true
		select {
		case w.bell <- struct{}{}:
		default:
		}
	}
}
