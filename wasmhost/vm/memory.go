package vm

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"github.com/tetratelabs/wazero/experimental"
)

// The methods below read and write the guest's memory by the addresses that it gives.
// They return false where a range is not all inside, or the guest has no memory. Host
// functions make the guest pay by them for the bytes, which they copy, most likely. A view
// that Read returns is the guest's memory itself: it is good until the guest runs again,
// its allocator included, and must not be kept.

// Read returns a view of n bytes at p.
func (i *Instance) Read(p, n uint32) ([]byte, bool) {
	end := uint64(p) + uint64(n)
	if end > uint64(len(i.memory)) {
		return nil, false
	}
	i.Charge(int64(n / bytesPerUnit))
	return i.memory[p:end:end], true
}

// Write copies b to p.
func (i *Instance) Write(p uint32, b []byte) bool {
	if uint64(p)+uint64(len(b)) > uint64(len(i.memory)) {
		return false
	}
	i.Charge(int64(len(b) / bytesPerUnit))
	copy(i.memory[p:], b)
	return true
}

// WriteString copies s to p.
func (i *Instance) WriteString(p uint32, s string) bool {
	if uint64(p)+uint64(len(s)) > uint64(len(i.memory)) {
		return false
	}
	i.Charge(int64(len(s) / bytesPerUnit))
	copy(i.memory[p:], s)
	return true
}

// ReadString returns a copy of n bytes at p.
func (i *Instance) ReadString(p, n uint32) (string, bool) {
	b, ok := i.Read(p, n)
	return string(b), ok
}

// PutUint32 writes v at p, little-endian.
func (i *Instance) PutUint32(p, v uint32) bool {
	b, ok := i.Read(p, 4)
	if ok {
		binary.LittleEndian.PutUint32(b, v)
	}
	return ok
}

// PutUint64 writes v at p, little-endian.
func (i *Instance) PutUint64(p uint32, v uint64) bool {
	b, ok := i.Read(p, 8)
	if ok {
		binary.LittleEndian.PutUint64(b, v)
	}
	return ok
}

// Uint32 reads a number at p, little-endian.
func (i *Instance) Uint32(p uint32) (uint32, bool) {
	b, ok := i.Read(p, 4)
	if !ok {
		return 0, false
	}
	return binary.LittleEndian.Uint32(b), true
}

// Size returns how many bytes of memory the guest has.
func (i *Instance) Size() int { return len(i.memory) }

// allocator gives an instance its memory.
type allocator Instance

// Allocate implements experimental.MemoryAllocator.
func (a *allocator) Allocate(_, most uint64) experimental.LinearMemory {
	return a
}

// Reallocate implements experimental.LinearMemory. Memory grows where it is, and not
// above the limit: the guest is told that there is no more.
func (a *allocator) Reallocate(size uint64) []byte {
	i := (*Instance)(a)
	if size > uint64(i.Limits.Memory) {
		i.starved = true
		return nil
	}
	m := &i.program.engine.memories
	if i.mapping == nil {
		if i.mapping = m.get(int(i.Limits.Memory)); i.mapping == nil {
			return nil
		}
	}
	if !i.mapping.grow(int(size)) {
		return nil
	}
	i.uses(int64(size) - int64(len(i.memory)))
	i.memory = i.mapping.bytes[:size:size]
	return i.memory
}

// Free implements experimental.LinearMemory. The engine calls it from proc_exit, while
// host functions further up may still be at work: what is freed is freed by Close.
func (a *allocator) Free() {}

// memories are where guests' memories lie: address space that is reserved once and used
// again. What one guest has left behind is given back to the system before the next
// gets it.
//
// Views of memory outlive their guest if a host function keeps one by mistake. They
// then see zeros, or at worst another guest's memory; that they see nothing at all would
// end the process. So address space goes back to the system late: when the spare places
// are more than the kernel's count of mappings can bear.
type memories struct {
	live  atomic.Int64 // bytes of memory that guests have
	mu    sync.Mutex
	spare []*mapping // the one that has been free longest first
}

// mostSpare is how many reservations are kept: of 65,530 that a process may have by default.
const mostSpare = 1024

// get returns zeroed memory that may grow to size bytes, or nil.
func (m *memories) get(size int) *mapping {
	m.mu.Lock()
	for k, s := range m.spare {
		if s.size == size {
			m.spare = append(m.spare[:k], m.spare[k+1:]...)
			m.mu.Unlock()
			return s
		}
	}
	m.mu.Unlock()
	return reserve(size)
}

// put takes memory back.
func (m *memories) put(s *mapping) {
	m.live.Add(-int64(s.used))
	if !s.clear() {
		s.release() // it must not be another's as it is
		return
	}
	m.mu.Lock()
	m.spare = append(m.spare, s)
	var old *mapping
	if len(m.spare) > mostSpare {
		old = m.spare[0]
		m.spare = append(m.spare[:0], m.spare[1:]...)
	}
	m.mu.Unlock()
	if old != nil {
		old.release()
	}
}

func (m *memories) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.spare {
		s.release()
	}
	m.spare = nil
}
