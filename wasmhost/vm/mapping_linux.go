package vm

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapping is a piece of address space of which a part can be used. The rest is out of
// bounds, and costs nothing.
type mapping struct {
	bytes []byte // all of it
	size  int    // of all
	open  int    // bytes that may be used
	used  int    // by the guest that has it
	laid  int    // bytes that are a still's: private copies of its pages
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

// clear forgets what has been written. It stays usable. It fails where the system does.
func (m *mapping) clear() bool {
	if m.laid > 0 && m.mapped(-1, m.laid, unix.MAP_ANON) != nil {
		return false
	}
	m.laid = 0
	if m.used > 0 && unix.Madvise(m.bytes[:m.used], unix.MADV_DONTNEED) != nil {
		clear(m.bytes[:m.used])
	}
	m.used = 0
	return true
}

// mapped puts a file, or nothing, in the place of the first n bytes.
func (m *mapping) mapped(file, n, flags int) error {
	_, err := unix.MmapPtr(file, 0, unsafe.Pointer(&m.bytes[0]), uintptr(n), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_FIXED|unix.MAP_NORESERVE|flags)
	return err
}

func (m *mapping) release() { _ = unix.Munmap(m.bytes) }

// still is what memory was once: a file that nobody else sees.
type still struct {
	file *os.File
	size int
}

// freeze keeps the first n bytes, and lays them under the mapping.
func (m *mapping) freeze(n int) (*still, error) {
	const noExec, oldKernel = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING | unix.MFD_NOEXEC_SEAL, unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate("weir-image", noExec)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate("weir-image", oldKernel)
	}
	if err != nil {
		return nil, fmt.Errorf("make file in memory: %w", err)
	}
	s := &still{os.NewFile(uintptr(fd), "weir-image"), n}
	if err = s.fill(m.bytes[:n]); err == nil {
		err = m.lay(s)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// fill writes what is not zero, so that the rest takes no memory.
func (s *still) fill(b []byte) error {
	if err := s.file.Truncate(int64(len(b))); err != nil {
		return fmt.Errorf("size file in memory: %w", err)
	}
	page := os.Getpagesize()
	zeros := string(make([]byte, page))
	for at := 0; at < len(b); at += page {
		part := b[at:min(at+page, len(b))]
		if string(part) == zeros[:len(part)] {
			continue
		}
		if _, err := s.file.WriteAt(part, int64(at)); err != nil {
			return fmt.Errorf("write file in memory: %w", err)
		}
	}
	// Nobody can have it shorter below those who read it, nor write to it.
	_, err := unix.FcntlInt(s.file.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
	if err != nil {
		return fmt.Errorf("seal file in memory: %w", err)
	}
	return nil
}

// lay makes the beginning of the mapping what s is. What is written to it stays its own.
func (m *mapping) lay(s *still) error {
	if err := m.mapped(int(s.file.Fd()), s.size, 0); err != nil {
		return fmt.Errorf("map file in memory: %w", err)
	}
	m.laid = s.size
	return nil
}

// restore makes it that again.
func (m *mapping) restore() bool {
	return unix.Madvise(m.bytes[:m.laid], unix.MADV_DONTNEED) == nil
}

func (s *still) close() { _ = s.file.Close() }
