package vm

import "golang.org/x/sys/unix"

// mapping is a piece of address space of which a part can be used. The rest is out of
// bounds, and costs nothing.
type mapping struct {
	bytes []byte // all of it
	size  int    // of all
	open  int    // bytes that may be used
	used  int    // by the guest that has it
}

// reserve returns a mapping of which nothing is used yet, or nil.
func reserve(size int) *mapping {
	b, err := unix.Mmap(-1, 0, size, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return nil
	}
	return &mapping{bytes: b, size: size}
}

// grow makes the first n bytes usable; they are zero.
func (m *mapping) grow(n int) bool {
	if n > m.open {
		if unix.Mprotect(m.bytes[:n], unix.PROT_READ|unix.PROT_WRITE) != nil {
			return false
		}
		m.open = n
	}
	m.used = max(m.used, n)
	return true
}

// clear forgets what has been written. It stays usable.
func (m *mapping) clear() {
	if m.used > 0 && unix.Madvise(m.bytes[:m.used], unix.MADV_DONTNEED) != nil {
		clear(m.bytes[:m.used])
	}
	m.used = 0
}

func (m *mapping) release() { _ = unix.Munmap(m.bytes) }
