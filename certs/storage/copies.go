package storage

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// copies are values in files of a directory, one each. A file holds its key, the value
// and a sum of both, and gets its name when it is complete; so what a crash leaves behind
// is a file without a name, and what a power failure or a broken disk makes of one is
// noticed. Errors of the disk are told to the log, and are nobody's concern else.
type copies struct {
	log  *slog.Logger
	root *os.Root
	most int

	mu    sync.Mutex // guards what follows, and the directory
	files map[string]*copied
	clock uint64 // counts calls: what was read before a write is not to undo it
	err   error  // of the last attempt to write
}

type copied struct {
	name  string    // of the file
	sum   [16]byte  // of the value; zero: not known yet
	wrote uint64    // clock of the last write that passed here
	gone  time.Time // since when the store is known not to have it; zero: it has
}

// keptGone is how long copies of certificates outlive what they are copies of: a store
// that was emptied by accident gets them back.
const keptGone = 7 * 24 * time.Hour

func openCopies(dir string, most int, ours func(key string) bool, log *slog.Logger) (*copies, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("directory %s: others may use it (mode %v): chmod 700", dir, info.Mode())
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	c := &copies{log: log, root: root, most: most, files: make(map[string]*copied)}
	if err := c.sweep(ours); err != nil {
		root.Close()
		return nil, err
	}
	return c, nil
}

func (c *copies) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.root.Close()
}

// sweep finds the files that are there, and removes those that nobody will ask for:
// unfinished ones, and keys that are not copied any more. Files of other names are not
// ours and stay.
func (c *copies) sweep(ours func(key string) bool) error {
	dir, err := c.root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, newCopy) {
			// Another process may be at one just now.
			if info, err := c.root.Stat(name); err == nil && time.Since(info.ModTime()) > time.Hour {
				_ = c.root.Remove(name)
			}
			continue
		}
		key, ok := c.keyOf(name)
		switch {
		case !ok:
		case !ours(key) || len(c.files) >= c.most:
			_ = c.root.Remove(name)
		default:
			c.files[key] = &copied{name: name}
		}
	}
	return nil
}

// keyOf returns the key whose copy is in the file of that name.
func (c *copies) keyOf(name string) (string, bool) {
	if key, ok := unescape(name); ok {
		return key, fileName(key) == name
	}
	if !strings.Contains(name, "~") {
		return "", false
	}
	r, err := readCopy(c.root, name) // the name says half of it
	return r.Key, err == nil && fileName(r.Key) == name
}

// now is what to give put and remove for something that is about to be read.
func (c *copies) now() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clock++
	return c.clock
}

func (c *copies) status() (files int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.files {
		if f.gone.IsZero() {
			files++
		}
	}
	return files, c.err
}

// get returns the copy of a value. A damaged one is thrown away.
func (c *copies) get(key string) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.files[key]; f == nil || !f.gone.IsZero() {
		return nil, false
	}
	return c.load(key)
}

// last is get also of what the store has no more.
func (c *copies) last(key string) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.load(key)
}

func (c *copies) load(key string) ([]byte, bool) {
	f := c.files[key]
	if f == nil {
		return nil, false
	}
	r, err := readCopy(c.root, f.name)
	if err == nil && r.Key != key {
		err = ErrDamaged
	}
	if err != nil {
		c.log.Warn("copy of the store's value not usable", "key", key, "err", err)
		if errors.Is(err, ErrDamaged) || notThere(err) {
			c.drop(key)
		}
		return nil, false
	}
	return r.Value, true
}

// list is [Store].List on the copies. Where there are none below prefix, nothing is
// known: that is not to be taken for an empty store.
func (c *copies) list(prefix, after string, limit int) (found []Record, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range c.between(prefix, after, "") {
		if len(found) >= limit {
			break
		}
		if !c.files[key].gone.IsZero() {
			continue
		}
		if value, ok := c.load(key); ok {
			found = append(found, Record{key, value})
		}
	}
	return found, len(found) > 0 || len(c.between(prefix, "", after)) > 0 && after != ""
}

// between returns the keys behind after and, if last is not "", not behind last.
func (c *copies) between(prefix, after, last string) []string {
	var keys []string
	for key := range c.files {
		if strings.HasPrefix(key, prefix) && key > after && (last == "" || key <= last) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// missing returns the copies that a page of the store's listing should have held, and
// did not.
func (c *copies) missing(prefix, after string, got []Record, last bool) []string {
	until := ""
	switch {
	case last:
	case len(got) == 0:
		return nil
	default:
		until = got[len(got)-1].Key
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(c.between(prefix, after, until), func(key string) bool {
		_, there := slices.BinarySearchFunc(got, key, func(r Record, key string) int { return cmp.Compare(r.Key, key) })
		return there
	})
}

// put copies what was read since began.
func (c *copies) put(began uint64, records ...Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range records {
		switch f := c.files[r.Key]; {
		case f == nil:
			// Ten thousand are listed at the first start, and to wait for the disk each
			// time would take minutes. What a power failure tears is noticed.
			c.store(r, false)
		case f.wrote < began:
			c.store(r, true)
		}
	}
}

// missed forgets what was found to be gone since began; certificates later.
func (c *copies) missed(began uint64, keys ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range keys {
		f := c.files[key]
		if f == nil || f.wrote >= began {
			continue
		}
		if now := time.Now(); !strings.HasPrefix(key, CertPrefix) {
			c.drop(key)
		} else if f.gone.IsZero() {
			f.gone = now
		} else if now.Sub(f.gone) > keptGone {
			c.drop(key)
		}
	}
}

// wrote copies what was written, and counts for more than what was read meanwhile.
func (c *copies) wrote(r Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clock++
	c.store(r, true)
	if f := c.files[r.Key]; f != nil {
		f.wrote = c.clock
	}
}

// removed forgets what was removed.
func (c *copies) removed(keys ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range keys {
		c.drop(key)
	}
}

// store writes the file of r, if it is not as it should be. When it cannot, an older copy
// stays: the best there is.
func (c *copies) store(r Record, wait bool) {
	f := c.files[r.Key]
	sum := sumOf(r.Value)
	if f != nil {
		f.gone = time.Time{}
	} else if len(c.files) >= c.most {
		c.dropGone()
	}
	switch {
	case f == nil && len(c.files) >= c.most:
		c.failed(fmt.Errorf("there are %d files, which is the most", c.most))
		return
	case len(r.Key)+len(r.Value) > mostCopied:
		c.drop(r.Key)
		return
	case f == nil:
		f = &copied{name: fileName(r.Key)}
	case f.sum == sum:
		return
	case f.sum == [16]byte{}: // of another run
		if old, err := readCopy(c.root, f.name); err == nil && old.Key == r.Key && sumOf(old.Value) == sum {
			f.sum = sum
			return
		}
	}
	if err := writeCopy(c.root, f.name, r, wait); err != nil {
		c.failed(err)
		return
	}
	f.sum = sum
	c.files[r.Key] = f
	c.err = nil
}

func (c *copies) failed(err error) {
	if c.err == nil {
		c.log.Warn("copy of the store not written", "err", err)
	}
	c.err = err
}

// dropGone makes room.
func (c *copies) dropGone() {
	for key, f := range c.files {
		if !f.gone.IsZero() {
			c.drop(key)
			return
		}
	}
}

func (c *copies) drop(key string) {
	if f := c.files[key]; f != nil {
		_ = c.root.Remove(f.name)
		delete(c.files, key)
	}
}

func sumOf(value []byte) (sum [16]byte) {
	full := sha256.Sum256(value)
	copy(sum[:], full[:])
	return sum
}
