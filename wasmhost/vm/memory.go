package vm

import "encoding/binary"

// The methods below read and write the guest's memory by the addresses that it gives.
// They return false where a range is not all inside. A view that Read returns is the
// guest's memory itself: it is good until the guest runs again, its allocator included,
// and must not be kept.

// Read returns a view of n bytes at p.
func (i *Instance) Read(p, n uint32) ([]byte, bool) { return i.memory.Read(p, n) }

// Write copies b to p.
func (i *Instance) Write(p uint32, b []byte) bool { return i.memory.Write(p, b) }

// WriteString copies s to p.
func (i *Instance) WriteString(p uint32, s string) bool { return i.memory.WriteString(p, s) }

// ReadString returns a copy of n bytes at p.
func (i *Instance) ReadString(p, n uint32) (string, bool) {
	b, ok := i.memory.Read(p, n)
	return string(b), ok
}

// PutUint32 writes v at p, little-endian.
func (i *Instance) PutUint32(p, v uint32) bool { return i.memory.WriteUint32Le(p, v) }

// PutUint64 writes v at p, little-endian.
func (i *Instance) PutUint64(p uint32, v uint64) bool { return i.memory.WriteUint64Le(p, v) }

// Uint32 reads a number at p, little-endian.
func (i *Instance) Uint32(p uint32) (uint32, bool) {
	b, ok := i.memory.Read(p, 4)
	if !ok {
		return 0, false
	}
	return binary.LittleEndian.Uint32(b), true
}

// Size returns how many bytes of memory the guest has.
func (i *Instance) Size() uint32 { return i.memory.Size() }
