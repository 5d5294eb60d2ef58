package vm

import "sync"

// Mold makes the instances of a pool that is Fresh: it starts the first and freezes it,
// and has the others made of that image. Where there can be no image, all are started.
// It is safe for concurrent use, and must not be copied.
type Mold struct {
	// Make starts an instance, or, where there is an image, makes one of it; what it has
	// to know of the first is the image's State.
	Make func(*Image) (*Instance, error)
	// Warn is told why there is no image; once.
	Warn func(error)

	mu     sync.RWMutex // held while instances are made
	tried  bool         // one was started, and frozen if that is possible
	closed bool
	image  *Image
}

// New makes an instance; it is a pool's New.
func (m *Mold) New() (*Instance, error) {
	m.mu.RLock()
	if !m.tried && !m.closed {
		m.mu.RUnlock()
		return m.first()
	}
	defer m.mu.RUnlock()
	if m.closed {
		return nil, ErrClosed
	}
	return m.Make(m.image)
}

func (m *Mold) first() (*Instance, error) {
	m.mu.Lock()
	if m.tried || m.closed { // somebody else was
		m.mu.Unlock()
		return m.New()
	}
	defer m.mu.Unlock()
	i, err := m.Make(nil)
	if err != nil {
		return nil, err
	}
	m.tried = true
	if m.image, err = i.Freeze(); err != nil {
		m.Warn(err)
	}
	return i, nil
}

// Close gives back the image, and has New fail. It may be called more than once.
func (m *Mold) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed = true; m.image != nil {
		m.image.Close()
		m.image = nil
	}
}
