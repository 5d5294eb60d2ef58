package cache

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/weirproxy/weir/edge/exchange"
)

// Store keeps responses. It is safe for concurrent use; Close ends it.
//
// What it holds is counted by the byte: bodies, whole or still arriving, keys and heads.
// When there is no more room, what nobody has asked for lately goes first (the SIEVE
// rule: a hand walks from the oldest to the newest entry and takes the first one that
// was not visited since it last came by). Unlike with LRU a hit changes no list, so
// that hits need no exclusive lock; and what is asked for once, by a crawler, goes soon.
type Store struct {
	limit, object int64 // bytes of memory; of one body there
	log           *slog.Logger
	disk          *disk // nil: none

	mu        sync.RWMutex
	resources map[string][]*entry // variants by key, the newest first
	newest    *entry
	oldest    *entry
	hand      *entry // where the search for room goes on
	memory    int64  // bytes, arriving ones included
	arriving  int64  // of them
	onDisk    int64  // bytes of files
	spooled   int64  // of bodies on their way to a file
	entries   int
	revoked   revocations

	flights  flights
	unshared unshared

	ctx       context.Context // ends at Close
	end       context.CancelFunc
	refreshes chan struct{} // holds one token per refresh that is going on
	work      sync.WaitGroup

	hits, misses, stale, collapsed, validated, stored, evicted, purged atomic.Int64
}

// Stats are what a Store has done, and holds now.
type Stats struct {
	Hits, Misses int64 // requests answered from the store without asking, and others that could have been
	Stale        int64 // of the hits, those that were not fresh
	Collapsed    int64 // requests that waited for another one's answer
	Validated    int64 // responses found good still by asking
	Stored       int64 // responses put in
	Evicted      int64 // responses that had to make room
	Purged       int64 // responses taken out by Purge, or by requests that change things
	Entries      int   // responses held
	Memory, Disk int64 // bytes held
}

// The most refreshes in the background at a time.
const maxRefreshes = 64

// NewStore returns a store. It fails if Dir cannot be used.
func NewStore(o StoreOptions) (*Store, error) {
	if o.Memory < 0 || o.Disk < 0 || o.Object < 0 {
		return nil, errors.New("make cache: a limit is negative")
	}
	s := &Store{
		limit: orElse(o.Memory, 64<<20), log: o.Log,
		resources: map[string][]*entry{}, refreshes: make(chan struct{}, maxRefreshes),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.object = min(orElse(o.Object, 8<<20), s.limit/2)
	s.revoked.seed = maphash.MakeSeed()
	s.flights.byKey = map[string]*flight{}
	s.ctx, s.end = context.WithCancel(context.Background())
	if o.Dir != "" {
		d, err := openDisk(s, o.Dir, orElse(o.Disk, 1<<30), orElse(o.Object, 128<<20))
		if err != nil {
			s.end()
			return nil, fmt.Errorf("make cache: %w", err)
		}
		s.disk = d
		s.work.Go(d.write)
		s.work.Go(d.load)
	}
	return s, nil
}

func orElse(n, otherwise int64) int64 {
	if n == 0 {
		return otherwise
	}
	return n
}

// Close ends what the store does by itself, and waits for it. What is on disk stays
// there for the next one.
func (s *Store) Close() {
	s.mu.Lock() // nobody is about to start something
	s.end()
	s.mu.Unlock()
	s.work.Wait()
	s.disk.close()
}

// start runs f in the background, unless the store is closed.
func (s *Store) start(f func()) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.ctx.Err() != nil {
		return false
	}
	s.work.Go(f)
	return true
}

// largest is the size of the largest body that may be kept.
func (s *Store) largest() int64 {
	if s.disk != nil {
		return max(s.object, s.disk.object)
	}
	return s.object
}

// Stats returns the store's counters.
func (s *Store) Stats() Stats {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return Stats{
		Hits: s.hits.Load(), Misses: s.misses.Load(), Stale: s.stale.Load(), Collapsed: s.collapsed.Load(),
		Validated: s.validated.Load(), Stored: s.stored.Load(), Evicted: s.evicted.Load(), Purged: s.purged.Load(),
		Entries: s.entries, Memory: s.memory, Disk: s.onDisk + s.spooled,
	}
}

// find returns the entry that answers r, if there is one; others tells whether there
// are any for other requests to the same URL.
func (s *Store) find(key []byte, r *exchange.Request) (e *entry, others bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := s.resources[string(key)]
	for _, e := range all {
		if e.fits(r) {
			if !e.visited.Load() { // hot entries are not written to
				e.visited.Store(true)
			}
			return e, true
		}
	}
	return nil, len(all) > 0
}

// put keeps e, in place of old and of what fits the same requests. What was reserved for
// its body becomes part of its weight. It returns false, and removes e's file, if e may
// not be kept: something was purged since epoch, or there is no room.
func (s *Store) put(e, old *entry, reserved int64, epoch uint64) bool {
	e.weight = e.weigh()
	var gone []string
	s.mu.Lock()
	inserted := false
	s.arriving -= reserved
	s.memory -= reserved
	if (old == nil || old.kept) && !s.revoked.covers(e, epoch) && s.ctx.Err() == nil {
		for _, other := range s.resources[e.key] {
			if other == old || other.twin(e) {
				gone = s.remove(other, gone)
			}
		}
		if all := s.resources[e.key]; len(all) >= maxVariants {
			gone = s.remove(all[len(all)-1], gone)
		}
		s.insert(e)
		inserted = true
		if gone = s.makeRoom(gone); s.over() {
			gone = s.remove(e, gone)
		}
	}
	ok := e.kept
	if !ok && e.pins.Load() > 0 && !inserted {
		s.memory += e.weight // until those who read it are done
	}
	s.mu.Unlock()
	if ok {
		gone = slices.DeleteFunc(gone, func(name string) bool { return name == e.file }) // old's was taken over
	} else if old == nil && e.file != "" && !slices.Contains(gone, e.file) {
		gone = append(gone, e.file)
	}
	s.disk.remove(gone)
	return ok
}

// insert makes e the newest.
func (s *Store) insert(e *entry) {
	s.resources[e.key] = slices.Insert(s.resources[e.key], 0, e)
	e.kept, e.older = true, s.newest
	if s.newest != nil {
		s.newest.newer = e
	} else {
		s.oldest = e
	}
	s.newest = e
	e.pins.Add(1)
	s.memory += e.weight
	s.entries++
	if e.file != "" {
		s.onDisk += s.disk.cost(e)
	}
}

// remove takes e out. Its memory counts until the last reader of its body is done.
func (s *Store) remove(e *entry, gone []string) []string {
	if !e.kept {
		return gone
	}
	e.kept = false
	if s.hand == e {
		s.hand = e.newer
	}
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		s.newest = e.older
	}
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		s.oldest = e.newer
	}
	e.newer, e.older = nil, nil
	rest := slices.DeleteFunc(slices.Clone(s.resources[e.key]), func(o *entry) bool { return o == e })
	if s.resources[e.key] = rest; len(rest) == 0 {
		delete(s.resources, e.key)
	}
	s.entries--
	if e.file != "" {
		s.onDisk -= s.disk.cost(e)
		gone = append(gone, e.file)
	}
	if e.pins.Add(-1) == 0 {
		s.memory -= e.weight
	}
	return gone
}

// pin makes the body of e count until unpin, though e may be taken out: a client that
// reads slowly holds that memory. It returns false where there is nothing to undo.
func (e *entry) pin() bool {
	for len(e.body) >= pinned {
		n := e.pins.Load()
		if n == 0 {
			return false // taken out since it was found
		}
		if e.pins.CompareAndSwap(n, n+1) {
			return true
		}
	}
	return false
}

// pinned is the size from which on the readers of a body are counted. Smaller ones are
// with the kernel as soon as they are sent.
const pinned = 64 << 10

func (s *Store) unpin(e *entry) {
	if e.pins.Add(-1) == 0 {
		s.mu.Lock()
		s.memory -= e.weight
		s.mu.Unlock()
	}
}

// makeRoom takes entries out until the limits hold, if that is possible: to take out
// what is being read would free nothing.
func (s *Store) makeRoom(gone []string) []string {
	for steps := 2*s.entries + 1; steps > 0 && s.entries > 0 && s.over(); steps-- {
		if s.hand == nil {
			s.hand = s.oldest
		}
		e := s.hand
		s.hand = e.newer
		switch {
		case e.visited.Swap(false) || e.pins.Load() > 1:
		case s.memory > s.limit && e.body != nil && e.saved.Load():
			s.thin(e)
		default:
			gone = s.remove(e, gone)
			s.evicted.Add(1)
		}
	}
	return gone
}

// thin leaves of e what is needed to answer from its file.
func (s *Store) thin(e *entry) {
	t := &entry{facts: e.facts, file: e.file}
	t.saved.Store(true)
	t.weight = t.weigh()
	t.kept, t.newer, t.older = true, e.newer, e.older
	t.pins.Store(1)
	all := slices.Clone(s.resources[e.key])
	all[slices.Index(all, e)] = t
	s.resources[e.key] = all
	if s.newest == e {
		s.newest = t
	} else {
		t.newer.older = t
	}
	if s.oldest == e {
		s.oldest = t
	} else {
		t.older.newer = t
	}
	s.memory += t.weight
	e.kept, e.newer, e.older = false, nil, nil
	if e.pins.Add(-1) == 0 {
		s.memory -= e.weight
	}
}

func (s *Store) over() bool {
	return s.memory > s.limit || s.disk != nil && s.onDisk+s.spooled > s.disk.limit
}

// reserve makes room for n more bytes of a body that is arriving. Bodies that arrive
// get at most half of the memory, so that they cannot push out all that is kept.
func (s *Store) reserve(n int64) bool {
	s.mu.Lock()
	if s.arriving+n > s.limit/2 {
		s.mu.Unlock()
		return false
	}
	return s.claim(n)
}

// reserveHead makes room for what an entry weighs beside its body, which is reserved
// already. Entries that were put in without would be beyond the limit for as long as
// all there is is being read.
func (s *Store) reserveHead(n int64) bool {
	s.mu.Lock()
	return s.claim(n)
}

// claim is the rest of reserve. It unlocks s.
func (s *Store) claim(n int64) bool {
	s.arriving += n
	s.memory += n
	gone := s.makeRoom(nil)
	ok := s.memory <= s.limit
	if !ok { // what is there is being read
		s.arriving -= n
		s.memory -= n
	}
	s.mu.Unlock()
	s.disk.remove(gone)
	return ok
}

// free gives back what was reserved.
func (s *Store) free(n int64) {
	s.mu.Lock()
	s.arriving -= n
	s.memory -= n
	s.mu.Unlock()
}

// drop takes e out, for a reason other than room.
func (s *Store) drop(e *entry) {
	s.mu.Lock()
	gone := s.remove(e, nil)
	s.mu.Unlock()
	s.disk.remove(gone)
}
