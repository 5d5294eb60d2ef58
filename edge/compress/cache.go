package compress

import (
	"bytes"
	"container/list"
	"hash/maphash"
	"sync"
)

// cache keeps compressed bodies by their content: an answer is found only for the
// very bytes it was made from, so no header, no tag, no address of memory can lead
// to another's response. Looking up 100 KB (a hash and a comparison) costs some
// 15 µs, where compressing costs 300 to 1100.
//
// Only what is seen twice is stored: pages made for one reader pass by and leave
// no more than their hash. The one used longest ago goes first.
type cache struct {
	seed maphash.Seed
	max  int // bytes

	mu      sync.Mutex // guards what follows
	size    int
	entries map[identification]*list.Element
	recent  list.List // of *entry, the one used last in front
	passed  []uint64  // hashes of what was seen once, by their last bits; made on first use
}

type identification struct {
	hash   uint64
	length int
	e      encoding
}

type entry struct {
	id         identification
	plain, out []byte
}

func newCache(max int) *cache {
	return &cache{seed: maphash.MakeSeed(), max: max, entries: make(map[identification]*list.Element)}
}

func (c *cache) identify(plain []byte, e encoding) identification {
	return identification{maphash.Bytes(c.seed, plain), len(plain), e}
}

// find returns the compressed form of plain, or nil. seen tells whether plain has
// come by before.
func (c *cache) find(id identification, plain []byte) (out []byte, seen bool) {
	c.mu.Lock()
	element := c.entries[id]
	if element == nil {
		seen = c.pass(id)
		c.mu.Unlock()
		return nil, seen
	}
	c.recent.MoveToFront(element)
	found := element.Value.(*entry)
	c.mu.Unlock()
	// The seed is secret, but a hash is only a hash.
	if !bytes.Equal(found.plain, plain) {
		return nil, false
	}
	return found.out, true
}

// pass tells whether id was seen before, and remembers it.
func (c *cache) pass(id identification) bool {
	if c.passed == nil {
		c.passed = make([]uint64, 4096)
	}
	mark := id.hash ^ uint64(id.e)
	slot := &c.passed[mark%uint64(len(c.passed))]
	seen := *slot == mark
	*slot = mark
	return seen
}

// store keeps out, and a copy of plain, whose memory is its owner's.
func (c *cache) store(id identification, plain, out []byte) {
	n := &entry{id, bytes.Clone(plain), out}
	if n.cost() > c.max {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries[id] != nil { // another request was faster
		return
	}
	c.entries[id] = c.recent.PushFront(n)
	for c.size += n.cost(); c.size > c.max; {
		last := c.recent.Remove(c.recent.Back()).(*entry)
		delete(c.entries, last.id)
		c.size -= last.cost()
	}
}

func (n *entry) cost() int { return len(n.plain) + len(n.out) + 200 }
