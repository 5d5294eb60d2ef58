package commons

import (
	"bytes"
	"sync"
)

// data is a map whose entries have versions.
type data struct {
	mu      sync.RWMutex
	entries map[string]entry
	size    int
}

type entry struct {
	value []byte // never written to
	cas   uint32
}

// Get returns a value and its version, which is never 0. The value is shared and must
// not be written to. It is there, or not, whether it is empty or not.
func (s *Space) Get(key []byte) (value []byte, cas uint32, ok bool) {
	d := &s.data
	d.mu.RLock()
	defer d.mu.RUnlock()
	e, ok := d.entries[string(key)]
	return e.value, e.cas, ok
}

// Set stores a copy of value. A cas that is not 0 must be the version of what is there,
// else ErrCAS; a key that is not there yet has none to differ from. ErrFull changes
// nothing.
func (s *Space) Set(key, value []byte, cas uint32) error {
	d := &s.data
	d.mu.Lock()
	defer d.mu.Unlock()
	e, ok := d.entries[string(key)]
	grown := len(value) - len(e.value)
	if !ok {
		grown += len(key) + overhead
	} else if cas != 0 && cas != e.cas {
		return ErrCAS
	}
	if grown > 0 && d.size+grown > MaxData {
		return ErrFull
	}
	if d.entries == nil {
		d.entries = map[string]entry{}
	}
	d.size += grown
	d.entries[string(key)] = entry{bytes.Clone(value), s.all.version()}
	return nil
}

// version returns the next one, of which all spaces have a single sequence.
func (s *Spaces) version() uint32 {
	for {
		if v := s.cas.Add(1); v != 0 {
			return v
		}
	}
}
