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
	"time"
)

// diskCache keeps compiled code, in a directory for each module. What lies there is run,
// and the engine believes lengths that it reads there; so a directory is used only if it
// belongs to nobody else, and an entry only if it is what was once written.
type diskCache struct{ dir string }

// keep is how long an entry lives that nobody uses.
const keep = 60 * 24 * time.Hour

// seal is the file of an entry that tells the sum of the others.
const seal = "sum"

func openCache(dir string) (*diskCache, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
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

// prune removes what has not been used for long.
func (c *diskCache) prune(now time.Time) error {
	list, err := os.ReadDir(c.dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		info, err := e.Info()
		if err != nil || len(e.Name()) != sha256.Size*2 || !e.IsDir() || now.Sub(info.ModTime()) < keep {
			continue
		}
		_ = os.RemoveAll(filepath.Join(c.dir, e.Name()))
	}
	return nil
}

// entry returns the directory of a module. What is wrong in it is removed.
func (c *diskCache) entry(metered []byte) string {
	sum := sha256.Sum256(metered)
	dir := filepath.Join(c.dir, hex.EncodeToString(sum[:]))
	want, err := os.ReadFile(filepath.Join(dir, seal))
	if err == nil {
		var got []byte
		if got, err = sumOf(dir); err == nil && !bytes.Equal(got, want) {
			err = errors.New("changed")
		}
	}
	if err != nil {
		_ = os.RemoveAll(dir)
		return dir
	}
	now := time.Now()
	_ = os.Chtimes(dir, now, now) // for prune
	return dir
}

// seal says that what is in an entry now is right.
func (c *diskCache) seal(dir string) error {
	name := filepath.Join(dir, seal)
	if _, err := os.Stat(name); err == nil {
		return nil // it was found right
	}
	sum, err := sumOf(dir)
	if err != nil {
		return err
	}
	if err := os.WriteFile(name+".new", sum, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
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
