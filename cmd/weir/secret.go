package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// secretFile is in the data directory. Whoever has what it holds can tell endpoints
// by their sticky cookies; several weirs that share it send clients to the same ones.
const secretFile = "upstreams.key"

// secret returns the key of sticky cookies: the one in the data directory, which is
// made by the first weir that needs it, so that clients keep their endpoints over a
// restart. Where that cannot be, it is another one every time.
func (w *world) secret() []byte {
	key, err := w.keep(secretFile)
	if err != nil {
		w.log.Debug("sticky cookies will not outlive this process", "err", err)
		return []byte(rand.Text())
	}
	return key
}

// keep returns what the file holds, which is a new secret if it is not there.
func (w *world) keep(name string) ([]byte, error) {
	if w.data == "" {
		return nil, errors.New("no data directory")
	}
	path := filepath.Join(w.data, name)
	key, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !w.dry {
		if err = makeSecret(path); err == nil {
			key, err = os.ReadFile(path)
		}
	}
	if key = bytes.TrimSpace(key); err == nil && len(key) < len(rand.Text()) {
		err = fmt.Errorf("read %s: %d bytes are too few for a secret; remove it, and it is made again", path, len(key))
	}
	return key, err
}

// makeSecret leaves a whole file behind or none. Of several processes that make it
// at the same time, the first one does: a link replaces nothing.
func makeSecret(path string) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(rand.Text() + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Link(f.Name(), path); errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}
