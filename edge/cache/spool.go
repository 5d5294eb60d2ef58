package cache

import (
	"hash/crc32"
	"os"
	"strconv"
	"sync/atomic"
)

// spool is a large body on its way to a file.
type spool struct {
	disk      *disk
	file      *os.File
	temp      string
	n, held   int64 // bytes written; counted in the store
	sum       uint32
	committed bool
	closed    atomic.Bool
}

// spool returns a spool for a body of at least size bytes, or nil.
func (d *disk) spool(size int64) *spool {
	temp := d.run + "-" + strconv.FormatUint(d.count.Add(1), 16) + ".tmp"
	w := &spool{disk: d, temp: temp}
	if !w.hold(size) {
		return nil
	}
	f, err := d.root.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		d.failed(err)
		d.store.spool(-w.held)
		return nil
	}
	w.file = f
	return w
}

// hold makes room for total bytes.
func (w *spool) hold(total int64) bool {
	if total <= w.held {
		return true
	}
	if total > w.disk.object || !w.disk.store.spool(total-w.held) {
		return false
	}
	w.held = total
	return true
}

// spool counts n more bytes of arriving files. They get at most half of the disk.
func (s *Store) spool(n int64) bool {
	s.mu.Lock()
	if n > 0 && s.spooled+n > s.disk.limit/2 {
		s.mu.Unlock()
		return false
	}
	s.spooled += n
	gone := s.makeRoom(nil)
	s.mu.Unlock()
	s.disk.remove(gone)
	return true
}

func (w *spool) write(p []byte) bool {
	if !w.hold(w.n + int64(len(p))) {
		return false
	}
	if _, err := w.file.WriteAt(p, w.n); err != nil {
		w.disk.failed(err)
		return false
	}
	w.n += int64(len(p))
	w.sum = crc32.Update(w.sum, castagnoli, p)
	return true
}

func (w *spool) readAt(p []byte, off int64) (int, error) { return w.file.ReadAt(p, off) }

// commit makes the file the body of e.
func (w *spool) commit(e *entry) bool {
	d := w.disk
	name := d.name()
	if name == "" {
		return false
	}
	e.sum.Store(w.sum)
	if err := d.root.Rename(w.temp, name+".body"); err != nil {
		d.failed(err)
		return false
	}
	w.committed = true
	if err := d.writeFile(name+".head", encode(e)); err != nil {
		d.failed(err)
		d.remove([]string{name})
		return false
	}
	e.file = name
	e.saved.Store(true)
	d.store.spool(-w.held)
	w.held = 0
	return true
}

// discard closes the file, and removes it if it has not become an entry's.
func (w *spool) discard() {
	if w.closed.Swap(true) {
		return
	}
	w.file.Close()
	if !w.committed {
		w.disk.root.Remove(w.temp)
	}
	if w.held > 0 {
		w.disk.store.spool(-w.held)
	}
}
