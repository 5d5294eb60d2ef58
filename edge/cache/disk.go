package cache

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// disk keeps responses in files, two for each: a body, and a head that says whose body
// it is, what its sum is, and how it ends itself. Both get their names when they are
// complete, the head last; so what a crash leaves behind is a file without its other
// half, or one whose sum is wrong, and is thrown away by the next process.
//
// Files are written by one goroutine, but for large bodies, which go to their file as
// they arrive. A nil disk keeps nothing.
type disk struct {
	store         *Store
	root          *os.Root
	limit, object int64
	run           string // what the names of this process begin with
	count         atomic.Uint64
	jobs          chan *entry
	downUntil     atomic.Int64 // Unix seconds; the disk is left alone after an error
	complain      sync.Once
}

// folder is ours within the directory that the configuration names. All files in it are
// ours to throw away.
const folder = "weir-cache-1"

// spoolFrom is the size from which on a body goes to the disk alone: from there on
// sendfile costs less than memory.
const spoolFrom = 256 << 10

// rest is how many seconds the disk is left alone after an error.
const rest = 60

func openDisk(s *Store, dir string, limit, object int64) (*disk, error) {
	path := filepath.Join(dir, folder)
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("directory %s: others may use it (mode %v), want 0700", path, info.Mode())
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	var id [8]byte
	rand.Read(id[:])
	return &disk{
		store: s, root: root, limit: limit, object: min(object, limit/2),
		run: hex.EncodeToString(id[:]), jobs: make(chan *entry, 256),
	}, nil
}

func (d *disk) close() {
	if d != nil {
		d.root.Close()
	}
}

// nameLength is the most that a name takes in memory.
const nameLength = 64

// name returns a new name for files, "" if nothing is to be written.
func (d *disk) name() string {
	if !d.up() {
		return ""
	}
	return d.run + fmt.Sprintf("%016x", d.count.Add(1))
}

func (d *disk) up() bool { return d != nil && time.Now().Unix() >= d.downUntil.Load() }

// failed leaves the disk alone for a while. What is in memory is served on.
func (d *disk) failed(err error) {
	d.downUntil.Store(time.Now().Unix() + rest)
	d.complain.Do(func() {
		d.store.log.Warn("cache cannot write to its disk, and keeps to memory", "err", err)
	})
}

// wants tells whether a body of that size is to go to a file.
func (d *disk) wants(size int64) bool { return size > spoolFrom && d.up() && size <= d.object }

// cost is how many bytes of disk e takes: whole blocks, and one for the head.
func (d *disk) cost(e *entry) int64 {
	const block = 4 << 10
	return (e.size+block-1)/block*block + block
}

func (d *disk) remove(names []string) {
	for _, name := range names {
		for _, end := range [...]string{".head", ".body"} { // in this order: half of it is no response
			if err := d.root.Remove(name + end); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, os.ErrClosed) {
				d.failed(err)
			}
		}
	}
}

// open opens the body of e.
func (d *disk) open(e *entry) (*os.File, error) {
	f, err := d.root.Open(e.file + ".body")
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || info.Size() != e.size {
		f.Close()
		return nil, errors.Join(errFileGone, err)
	}
	return f, nil
}

// save has e written; when there is too much to do, e stays in memory alone.
func (d *disk) save(e *entry) {
	if d == nil || e.file == "" {
		return
	}
	select {
	case d.jobs <- e:
	default:
	}
}

// write writes what it is told to, until the store is closed.
func (d *disk) write() {
	for {
		select {
		case e := <-d.jobs:
			d.writeEntry(e)
			continue
		default:
		}
		select {
		case e := <-d.jobs:
			d.writeEntry(e)
		case <-d.store.ctx.Done():
			return
		}
	}
}

func (d *disk) writeEntry(e *entry) {
	if !d.store.keeps(e) || !d.up() {
		return
	}
	err := error(nil)
	if !e.saved.Load() {
		err = d.writeFile(e.file+".body", e.body)
		e.sum.Store(crc32.Checksum(e.body, castagnoli))
	}
	if err == nil {
		err = d.writeFile(e.file+".head", encode(e))
	}
	if err != nil {
		d.failed(err)
		d.remove([]string{e.file})
		return
	}
	e.saved.Store(true)
	if !d.store.keeps(e) { // taken out meanwhile; if it was replaced, that entry is to be written yet
		d.remove([]string{e.file})
	}
}

// keeps tells whether e is in the store.
func (s *Store) keeps(e *entry) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return e.kept
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// writeFile writes a whole file, or none.
func (d *disk) writeFile(name string, data []byte) error {
	temp := d.run + "-" + strconv.FormatUint(d.count.Add(1), 16) + ".tmp"
	err := d.root.WriteFile(temp, data, 0o600)
	if err == nil {
		err = d.root.Rename(temp, name)
	}
	if err != nil {
		d.root.Remove(temp)
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
