package commons

import (
	"bytes"
	"slices"
	"sync"
)

// Listener is told of items that come into queues it is registered for. Ready must not
// block; it may be called from any goroutine, and once more after Leave has returned.
type Listener struct {
	Ready func(queue uint32)
}

// queue is a list of items, first in, first out.
type queue struct {
	space     *Space
	mu        sync.Mutex
	items     [][]byte
	listeners []*Listener // the one registered last is told
}

// Register opens the space's queue of that name, which is made if there is none, and
// has l told of items from now on, instead of who was before. When l leaves, that one is
// told again.
func (s *Space) Register(name string, l *Listener) (uint32, error) {
	if len(name) > MaxName {
		return 0, ErrArgument
	}
	all := s.all
	all.mu.Lock()
	defer all.mu.Unlock()
	n, ok := s.names[name]
	if !ok {
		if len(s.names) >= MaxQueues {
			return 0, ErrFull
		}
		all.queues = append(all.queues, &queue{space: s})
		n = uint32(len(all.queues))
		if s.names == nil {
			s.names = map[string]uint32{}
		}
		s.names[name] = n
	}
	q := all.queues[n-1]
	q.mu.Lock()
	q.listeners = append(without(q.listeners, l), l)
	q.mu.Unlock()
	return n, nil
}

// Leave has l told of nothing any longer.
func (s *Space) Leave(l *Listener) {
	s.all.mu.RLock()
	defer s.all.mu.RUnlock()
	for _, n := range s.names {
		q := s.all.queues[n-1]
		q.mu.Lock()
		q.listeners = without(q.listeners, l)
		q.mu.Unlock()
	}
}

func without(list []*Listener, l *Listener) []*Listener {
	return slices.DeleteFunc(list, func(o *Listener) bool { return o == l })
}

// Resolve finds a queue of the guests of a VM id, "" being the space's own.
func (s *Space) Resolve(vmID, name string) (uint32, error) {
	s.all.mu.RLock()
	defer s.all.mu.RUnlock()
	owner := s
	if vmID != "" {
		owner = s.all.byID[vmID]
	}
	if owner != nil {
		if n, ok := owner.names[name]; ok {
			return n, nil
		}
	}
	return 0, ErrNotFound
}

func (s *Spaces) queue(n uint32) *queue {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if n == 0 || uint64(n) > uint64(len(s.queues)) {
		return nil
	}
	return s.queues[n-1]
}

// Push puts a copy of item at the end of a queue, which may be another space's, and
// tells its listener.
func (s *Space) Push(n uint32, item []byte) error {
	q := s.all.queue(n)
	if q == nil {
		return ErrNotFound
	}
	size := int64(len(item) + overhead)
	if q.space.queued.Add(size) > MaxQueued {
		q.space.queued.Add(-size)
		return ErrFull
	}
	q.mu.Lock()
	if len(q.items) >= MaxItems {
		q.mu.Unlock()
		q.space.queued.Add(-size)
		return ErrFull
	}
	q.items = append(q.items, bytes.Clone(item))
	var l *Listener
	if n := len(q.listeners); n > 0 {
		l = q.listeners[n-1]
	}
	q.mu.Unlock()
	if l != nil {
		l.Ready(n)
	}
	return nil
}

// Pop takes the first item out of one of the space's own queues. Others can be pushed to
// alone: their numbers are easily guessed, and what lies in them is not for everyone.
func (s *Space) Pop(n uint32) ([]byte, error) {
	q := s.all.queue(n)
	if q == nil || q.space != s {
		return nil, ErrNotFound
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return nil, ErrEmpty
	}
	item := q.items[0]
	q.items[0] = nil
	if q.items = q.items[1:]; len(q.items) == 0 {
		q.items = nil
	}
	q.space.queued.Add(-int64(len(item) + overhead))
	return item, nil
}
