package demand

import (
	"container/list"
	"sync"
	"sync/atomic"
	"time"
)

// How many names are kept: those with a yes, and the others. Full of long names
// they take 43 MiB.
const (
	mostKnown   = 90_000
	mostUnknown = 10_000
)

// answers are what is known of names. Times are since the guard began.
type answers struct {
	mu     sync.RWMutex
	byName map[string]*answer
	known  list.List // of *answer, those that say yes, the oldest first
	others list.List
}

// answer is what is known of one name. It does not change, but for used.
type answer struct {
	name    string
	decided bool // somebody has said yes or no
	yes     bool
	until   time.Duration // how long that counts
	retry   time.Duration // after a failure: nobody is asked before then
	refusal *Refusal      // what to say; nil: yes

	at   *list.Element
	used atomic.Bool // since it was put, or was last spared
}

// get returns what is kept of name, or nil.
func (s *answers) get(name string) *answer {
	s.mu.RLock()
	a := s.byName[name]
	s.mu.RUnlock()
	if a != nil && !a.used.Load() {
		a.used.Store(true)
	}
	return a
}

// put keeps a instead of what was known of its name.
func (s *answers) put(a *answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.byName[a.name]; old != nil {
		s.shelf(old).Remove(old.at)
	}
	s.byName[a.name] = a
	shelf, most := s.shelf(a), mostUnknown
	if a.yes {
		most = mostKnown
	}
	a.at = shelf.PushBack(a)
	if shelf.Len() > most {
		s.evict(shelf)
	}
}

func (s *answers) shelf(a *answer) *list.List {
	if a.yes {
		return &s.known
	}
	return &s.others
}

// evict removes the oldest answer of a shelf. One that was used is spared once, but
// only so many are, so that an eviction never takes long.
func (s *answers) evict(shelf *list.List) {
	for range 64 {
		front := shelf.Front()
		if !front.Value.(*answer).used.Swap(false) {
			break
		}
		shelf.MoveToBack(front)
	}
	old := shelf.Remove(shelf.Front()).(*answer)
	delete(s.byName, old.name)
}

func (s *answers) sizes() (known, others int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.known.Len(), s.others.Len()
}
