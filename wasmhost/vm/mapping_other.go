//go:build !linux

package vm

// mapping is memory that grows by being copied: elsewhere than on Linux, weir is for
// trying things out.
type mapping struct {
	bytes []byte
	size  int // that it may grow to
	used  int // by the guest that has it
}

func reserve(size int) *mapping { return &mapping{size: size} }

func (m *mapping) grow(n int) bool {
	if n > len(m.bytes) {
		bytes := make([]byte, n)
		copy(bytes, m.bytes)
		m.bytes = bytes
	}
	m.used = max(m.used, n)
	return true
}

func (m *mapping) clear() { m.bytes, m.used = nil, 0 }

func (m *mapping) release() {}
