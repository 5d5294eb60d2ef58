package board

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"sync"
)

// Notice is what somebody has put up.
type Notice struct {
	ID      int    `json:"id"`
	Version int    `json:"version"`
	By      string `json:"by"`
	Text    string `json:"text"`
}

var (
	errNoNotice = errors.New("there is no such notice")
	errChanged  = errors.New("somebody else has changed it")
)

// notices are those on the board. Handlers of many requests use them at a time.
type notices struct {
	mu   sync.RWMutex
	all  map[int]Notice
	last int
}

func (s *notices) add(n Notice) Notice {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[int]Notice{}
	}
	s.last++
	n.ID, n.Version = s.last, 1
	s.all[n.ID] = n
	return n
}

func (s *notices) get(id int) (Notice, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n, ok := s.all[id]
	if !ok {
		return n, errNoNotice
	}
	return n, nil
}

// change gives a notice another text, if it has the version that is wanted, or if none is.
func (s *notices) change(id, version int, text string) (Notice, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.all[id]
	switch {
	case !ok:
		return n, errNoNotice
	case version != 0 && version != n.Version:
		return n, errChanged
	}
	n.Text, n.Version = text, n.Version+1
	s.all[id] = n
	return n, nil
}

func (s *notices) remove(id int) (Notice, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.all[id]
	if !ok {
		return n, errNoNotice
	}
	delete(s.all, id)
	return n, nil
}

// list returns all of them, the newest first.
func (s *notices) list() []Notice {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.SortedFunc(maps.Values(s.all), func(a, b Notice) int { return cmp.Compare(b.ID, a.ID) })
}
