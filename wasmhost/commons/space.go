package commons

import (
	"errors"
	"sync"
	"sync/atomic"
)

// What one space holds at most. Guests are not trusted to bound themselves: entries
// never expire, and nobody else removes them.
const (
	MaxData   = 16 << 20 // bytes of keys, values, and the overhead of entries
	MaxQueued = 16 << 20 // bytes in all queues, with the overhead of items
	MaxQueues = 1000
	MaxItems  = 10_000 // in one queue
	MaxSeries = 1000   // metrics
	MaxName   = 256    // bytes of the name of a queue or metric
)

// overhead is what an entry or item costs beside its bytes. Without it, a space full of
// empty ones would take many times its limit.
const overhead = 64

// The errors of a Space. Operations return them as they are.
var (
	ErrNotFound = errors.New("there is none of that name or number")
	ErrCAS      = errors.New("it has changed meanwhile")
	ErrFull     = errors.New("the space is full")
	ErrEmpty    = errors.New("the queue is empty")
	ErrArgument = errors.New("not possible for that kind, or of that size")
)

// Spaces are all there are, by VM id. The zero Spaces is ready, and safe for concurrent
// use. It must not be copied.
type Spaces struct {
	mu     sync.RWMutex
	byID   map[string]*Space
	queues []*queue // by number, less one

	cas atomic.Uint32 // given last
}

// Space is what the guests of one VM id share. It is safe for concurrent use, and lives
// as long as the Spaces it is from.
type Space struct {
	all  *Spaces
	id   string
	data data

	names  map[string]uint32 // of queues; under all.mu
	queued atomic.Int64      // bytes

	metrics metrics
}

// Of returns the space of a VM id.
func (s *Spaces) Of(id string) *Space {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID = map[string]*Space{}
	}
	if s.byID[id] == nil {
		s.byID[id] = &Space{all: s, id: id}
	}
	return s.byID[id]
}
