package cache

import (
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"strings"
)

// load finds what an earlier process left on the disk, and throws away what it did not
// finish. Every byte is read before any is believed.
func (d *disk) load() {
	dir, err := d.root.Open(".")
	if err != nil {
		d.failed(err)
		return
	}
	defer dir.Close()
	for d.store.ctx.Err() == nil {
		found, err := dir.ReadDir(256)
		for _, f := range found {
			if d.store.ctx.Err() != nil {
				return
			}
			d.loadFile(f)
		}
		if err != nil {
			return
		}
	}
}

func (d *disk) loadFile(f fs.DirEntry) {
	name := f.Name()
	base, end, _ := strings.Cut(name, ".")
	switch {
	case strings.HasPrefix(name, d.run):
		return // this process's own
	case !f.Type().IsRegular():
		d.root.RemoveAll(name)
	case end == "body" && isName(base):
		if _, err := d.root.Lstat(base + ".head"); err != nil {
			d.root.Remove(name)
		}
	case end != "head" || !isName(base):
		d.root.Remove(name)
	default:
		if !d.loadEntry(base) {
			d.remove([]string{base})
		}
	}
}

// isName tells whether s is a name that a process of weir gives.
func isName(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}

func (d *disk) loadEntry(name string) bool {
	head, err := d.readHead(name)
	if err != nil {
		return false
	}
	e, err := decode(head)
	if err != nil || e.size > d.object {
		return false
	}
	e.file = name
	e.saved.Store(true)
	body, err := d.open(e)
	if err != nil {
		return false
	}
	defer body.Close()
	sum := crc32.New(castagnoli)
	p := pieces.Get().(*[]byte)
	defer pieces.Put(p)
	if _, err := io.CopyBuffer(struct{ io.Writer }{sum}, struct{ io.Reader }{body}, *p); err != nil || sum.Sum32() != e.sum.Load() {
		return false
	}
	return d.store.adopt(e)
}

func (d *disk) readHead(name string) ([]byte, error) {
	f, err := d.root.OpenFile(name+".head", os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxHead+1))
}

// adopt keeps an entry that was found, unless there is a newer one, or it has been
// purged since this process began.
func (s *Store) adopt(e *entry) bool {
	e.weight = e.weigh()
	s.mu.Lock()
	ok := s.ctx.Err() == nil && !s.revoked.covers(e, 0)
	for _, other := range s.resources[e.key] {
		ok = ok && !other.twin(e)
	}
	var gone []string
	if ok = ok && len(s.resources[e.key]) < maxVariants; ok {
		s.insert(e)
		gone = s.makeRoom(nil)
		ok = e.kept
	}
	s.mu.Unlock()
	s.disk.remove(gone)
	return ok
}
