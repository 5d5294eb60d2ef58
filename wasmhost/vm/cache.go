package vm

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// diskCache keeps compiled code, in a directory for each module. What lies there is run,
// and the engine believes lengths that it reads there; so a directory is used only if it
// belongs to nobody else, and an entry only if it is what was once written.
type diskCache struct{ dir string }

const (
	// keep is how long an entry lives that nobody uses.
	keep = 60 * 24 * time.Hour
	// abandoned is the age of a draft that nobody works at any longer.
	abandoned = 24 * time.Hour
)

const (
	seal  = "sum"  // the file of an entry that tells the sum of the others
	draft = "new-" // begins the names of what is being written
)

func openCache(dir string) (*diskCache, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return nil, err
	}
	if err := ownDirectory(dir); err != nil {
		return nil, err
	}
	c := &diskCache{dir}
	return c, c.prune(time.Now())
}

// prune removes what has not been used for long, and what was never finished.
func (c *diskCache) prune(now time.Time) error {
	list, err := os.ReadDir(c.dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		most := keep
		if strings.HasPrefix(e.Name(), draft) {
			most = abandoned
		} else if len(e.Name()) != sha256.Size*2 {
			continue
		}
		if info, err := e.Info(); err == nil && e.IsDir() && now.Sub(info.ModTime()) >= most {
			_ = os.RemoveAll(filepath.Join(c.dir, e.Name()))
		}
	}
	return nil
}

// entry is the directory of a module's code: one that is right, or a draft, which nobody
// else sees. Several processes may use a cache at a time.
type entry struct {
	dir  string
	name string // that the draft gets when it is right; "": it is no draft
}

// entry returns that of a module. What is wrong is removed.
func (c *diskCache) entry(metered []byte) (entry, error) {
	sum := sha256.Sum256(metered)
	name := filepath.Join(c.dir, hex.EncodeToString(sum[:]))
	if sealed(name) {
		now := time.Now()
		_ = os.Chtimes(name, now, now) // for prune
		return entry{dir: name}, nil
	}
	dir, err := os.MkdirTemp(c.dir, draft)
	return entry{dir, name}, err
}

// sealed tells whether what is in a directory is what was once written.
func sealed(dir string) bool {
	want, err := os.ReadFile(filepath.Join(dir, seal))
	if err != nil {
		return false
	}
	got, err := sumOf(dir)
	return err == nil && bytes.Equal(got, want)
}

// publish says that what is in e now is right, and has others find it.
func (e *entry) publish() error {
	if e.name == "" {
		return nil
	}
	sum, err := sumOf(e.dir)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(e.dir, seal), sum, 0o600); err != nil {
		return err
	}
	if os.Rename(e.dir, e.name) == nil {
		e.name = ""
		return nil
	}
	if sealed(e.name) { // another process was faster
		return nil
	}
	if err := os.RemoveAll(e.name); err != nil {
		return err
	}
	if err := os.Rename(e.dir, e.name); err != nil {
		return err
	}
	e.name = ""
	return nil
}

// drop removes a draft that is none any longer, or comes to nothing.
func (e *entry) drop() {
	if e.name != "" {
		_ = os.RemoveAll(e.dir)
	}
}

// sumOf adds up the names and contents of all files of an entry but its seal.
func sumOf(dir string) ([]byte, error) {
	h := sha256.New()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Dir(path) == dir {
			return err
		}
		if !d.Type().IsRegular() {
			return errors.New("not a file: " + path)
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		_, _ = io.WriteString(h, filepath.Base(path)+"\n")
		_, err = io.Copy(h, f)
		return err
	})
	return h.Sum(nil), err
}
