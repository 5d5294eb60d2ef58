package commons

import "sync"

// Spaces are all there are, by VM id. The zero Spaces is ready.
type Spaces struct {
	mu   sync.Mutex
	byID map[string]*Space
}

// Space is what the guests of one VM id share.
type Space struct {
	all *Spaces
	id  string
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
