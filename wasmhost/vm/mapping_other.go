//go:build !linux

package vm

import "bytes"

// mapping is memory that grows by being copied: elsewhere than on Linux, weir is for
// trying things out.
type mapping struct {
	bytes []byte
	size  int // that it may grow to
	used  int // by the guest that has it
	laid  *still
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

func (m *mapping) clear() bool {
	m.bytes, m.used, m.laid = nil, 0, nil
	return true
}

func (m *mapping) release() {}

// still is what memory was once.
type still struct{ bytes []byte }

func (m *mapping) freeze(n int) (*still, error) {
	m.laid = &still{bytes.Clone(m.bytes[:n])}
	return m.laid, nil
}

// lay makes the beginning of the mapping what s is.
func (m *mapping) lay(s *still) error {
	m.laid = s
	m.restore()
	return nil
}

// restore makes it that again.
func (m *mapping) restore() bool {
	copy(m.bytes, m.laid.bytes)
	return true
}

func (s *still) close() {}
