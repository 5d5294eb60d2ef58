package store

import (
	"sync/atomic"
	"time"
)

// kind is one of the operations that are counted.
type kind int

const (
	kindGet kind = iota
	kindList
	kindCommit
	kindAcquire
	kindExtend
	kindRelease
	kindNow
	kindInspect
	kinds
)

// String returns the name that metrics have for k.
func (k kind) String() string {
	return [...]string{"get", "list", "commit", "acquire", "extend", "release", "now", "inspect"}[k]
}

// urgent: what keeps or frees a lease is worth a try, always; it is rare.
func (k kind) urgent() bool { return k == kindExtend || k == kindRelease }

// Sides of a store, each with a gate.
const (
	reads = iota
	writes
	sides
)

// side returns which gate k goes through.
func (k kind) side() int {
	switch k {
	case kindGet, kindList, kindNow, kindInspect:
		return reads
	default:
		return writes
	}
}

// patience is how many deadlines k may take: an inspection reads all there is.
func (k kind) patience() time.Duration {
	if k == kindInspect {
		return 10
	}
	return 1
}

type counter struct{ count, failed, nanos atomic.Uint64 }

func (c *counter) add(took time.Duration, err error) {
	c.count.Add(1)
	c.nanos.Add(uint64(took))
	if !answered(err) {
		c.failed.Add(1)
	}
}

// Stats are numbers for metrics.
type Stats struct {
	Operations []OperationStats // one of each kind, always in the same order
	Running    int              // operations within the engine, those that hang included
	Hanging    int              // operations that were given up and have not returned
	Open       bool             // the engine does not answer reads, or writes, and is asked now and then only
	Silent     bool             // it gave no answer last, to reads or to writes
	Locks      int              // held
	Watches    int
}

// OperationStats are the numbers of one kind of operation since the store was made.
type OperationStats struct {
	Name   string // get, list, commit, acquire, extend, release, now, inspect
	Count  uint64
	Failed uint64        // those that got no answer, or an error of the engine; not conflicts
	Time   time.Duration // sum
}

// Stats returns what has happened up to now.
func (s *Store) Stats() Stats {
	var st Stats
	for k := range kinds {
		c := &s.stats[k]
		st.Operations = append(st.Operations, OperationStats{
			Name: k.String(), Count: c.count.Load(), Failed: c.failed.Load(), Time: time.Duration(c.nanos.Load()),
		})
	}
	for i := range s.gates {
		running, hanging, fails := s.gates[i].state()
		st.Running += running
		st.Hanging += hanging
		st.Open = st.Open || fails >= patience
		st.Silent = st.Silent || fails > 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Locks, st.Watches = len(s.locks), s.watchs
	return st
}
