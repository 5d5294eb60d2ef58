package static

import (
	"sync"
	"sync/atomic"
)

// CacheOptions bounds a Cache.
type CacheOptions struct {
	Bytes int64 // of memory: 0 means 64 MiB, less than 0 nothing is remembered
	Files int   // files kept open: 0 means 512, less than 0 none
}

// Cache remembers files for one or many handlers, within one set of bounds. All
// its methods are safe for concurrent use. It needs no closing: its handlers take
// out what is theirs when they are closed.
type Cache struct {
	maxBytes, maxFiles int64
	bytes, files       atomic.Int64
	hand               atomic.Uint32 // where eviction goes on
	shards             [16]shard
	// absent remembers names that stand for nothing. Every name has one place,
	// and the next comer takes it: a flood of made-up names costs a fixed amount of
	// memory, and no file its place.
	absent [4096]atomic.Pointer[absence]
}

type key struct {
	h    *Handler
	name string
}

type absence struct {
	key
	checked int64
}

type shard struct {
	mu      sync.RWMutex // guards what follows
	entries map[key]*entry
	flights map[key]*flight
}

// flight is one look at the disk that others wait for.
type flight struct {
	done    chan struct{}
	waiting int32 // guarded by the shard's mu
	entry   *entry
	err     error
}

// NewCache returns an empty cache.
func NewCache(o CacheOptions) *Cache {
	c := &Cache{maxBytes: o.Bytes, maxFiles: int64(o.Files)}
	if o.Bytes == 0 {
		c.maxBytes = 64 << 20
	}
	if o.Files == 0 {
		c.maxFiles = 512
	}
	return c
}

// get returns the entry of name with a reference for the caller, or nil.
func (c *Cache) get(h *Handler, hash uint64, name []byte) *entry {
	s := &c.shards[hash%uint64(len(c.shards))]
	s.mu.RLock()
	e := s.entries[key{h, string(name)}]
	if e != nil {
		e.hold(1)
	}
	s.mu.RUnlock()
	if e != nil && !e.used.Load() { // written only when it changes: the line is shared by all processors
		e.used.Store(true)
	}
	return e
}

// isAbsent tells whether name was found to be nothing at or after since.
func (c *Cache) isAbsent(h *Handler, hash uint64, name []byte, since int64) bool {
	a := c.absent[hash>>8%uint64(len(c.absent))].Load()
	return a != nil && a.checked > since && a.h == h && a.name == string(name)
}

func (c *Cache) setAbsent(k key, hash uint64, now int64) {
	if c.maxBytes > 0 && len(k.name) <= 512 {
		c.absent[hash>>8%uint64(len(c.absent))].Store(&absence{k, now})
	}
}

// join makes the caller the one who looks, or lets it wait for who does.
func (c *Cache) join(k key, hash uint64, wait bool) (f *flight, leads bool) {
	s := &c.shards[hash%uint64(len(c.shards))]
	s.mu.Lock()
	defer s.mu.Unlock()
	if f = s.flights[k]; f != nil {
		if wait {
			f.waiting++
		}
		return f, false
	}
	if s.flights == nil {
		s.flights = make(map[key]*flight)
	}
	f = &flight{done: make(chan struct{})}
	s.flights[k] = f
	return f, true
}

// land ends a flight. It gives each who waits a reference to what was found, and
// the cache one where it keeps it.
func (c *Cache) land(f *flight, k key, hash uint64, e *entry, err error) {
	s := &c.shards[hash%uint64(len(c.shards))]
	s.mu.Lock()
	delete(s.flights, k)
	old := s.entries[k]
	if e != nil {
		e.hold(f.waiting)
	}
	switch {
	case old == e:
		old = nil
	case err != nil && passing(err):
		old = nil
	default:
		if old != nil {
			c.forget(s, k, old)
		}
		if e != nil && e.cost <= c.maxBytes && e.files <= c.maxFiles && !k.h.closed.Load() {
			if s.entries == nil {
				s.entries = make(map[key]*entry)
			}
			e.hold(1)
			s.entries[k] = e
			c.bytes.Add(e.cost)
			c.files.Add(e.files)
		}
	}
	s.mu.Unlock()
	f.entry, f.err = e, err
	close(f.done)
	if old != nil {
		old.drop()
	}
	c.trim()
}

// forget takes an entry out of s, which is locked. The caller drops it afterwards.
func (c *Cache) forget(s *shard, k key, e *entry) {
	delete(s.entries, k)
	c.bytes.Add(-e.cost)
	c.files.Add(-e.files)
}

// trim evicts until the bounds hold: shard by shard, in Go's random order of
// maps, sparing each entry once that was used since it was last spared.
func (c *Cache) trim() {
	for spared := 0; spared < 2*len(c.shards); {
		overFiles := c.files.Load() > c.maxFiles
		if !overFiles && c.bytes.Load() <= c.maxBytes {
			return
		}
		s := &c.shards[c.hand.Add(1)%uint32(len(c.shards))]
		if e := c.evict(s, overFiles); e != nil {
			e.drop()
			spared = 0
		} else {
			spared++
		}
	}
}

func (c *Cache) evict(s *shard, withFiles bool) *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, e := range s.entries {
		if withFiles && e.files == 0 || e.used.Swap(false) {
			continue
		}
		c.forget(s, k, e)
		return e
	}
	return nil
}

// purge takes out what belongs to h.
func (c *Cache) purge(h *Handler) {
	for i := range c.shards {
		s := &c.shards[i]
		var out []*entry
		s.mu.Lock()
		for k, e := range s.entries {
			if k.h == h {
				c.forget(s, k, e)
				out = append(out, e)
			}
		}
		s.mu.Unlock()
		for _, e := range out {
			e.drop()
		}
	}
	for i := range c.absent {
		if a := c.absent[i].Load(); a != nil && a.h == h {
			c.absent[i].CompareAndSwap(a, nil)
		}
	}
}
