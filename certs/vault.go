package certs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// The files of the internal authority. Those named key hold a certificate and its
// key and are for weir's user alone; rootFile is for those who want to trust.
const (
	rootKeyFile         = "root-key.pem"
	rootFile            = "root.crt"
	intermediateKeyFile = "intermediate-key.pem"
	lockFile            = "lock"
	newFiles            = ".new-*"
)

// vault is the directory of the internal authority. Several processes may use it
// at once: whoever makes something new holds the lock, and looks first whether
// another has made it.
type vault struct {
	dir  string
	name string // of a new root
}

// open makes what is missing, and returns the root without its key, and the
// intermediate.
func (v vault) open(l lives) (root, intermediate *authority, err error) {
	if err := os.MkdirAll(v.dir, 0o700); err != nil {
		return nil, nil, err
	}
	unlock, err := lock(filepath.Join(v.dir, lockFile))
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	v.sweep()
	if root, err = v.root(l); err != nil {
		return nil, nil, err
	}
	intermediate, err = v.renewed(root, l)
	return &authority{cert: root.cert}, intermediate, err
}

// intermediate returns the newest intermediate, which is a new one if the stored
// one is due. The root's key is in memory only meanwhile.
func (v vault) intermediate(l lives) (*authority, error) {
	unlock, err := lock(filepath.Join(v.dir, lockFile))
	if err != nil {
		return nil, err
	}
	defer unlock()
	root, err := v.read(rootKeyFile)
	if err != nil {
		return nil, err
	}
	return v.renewed(root, l)
}

func (v vault) root(l lives) (*authority, error) {
	root, err := v.read(rootKeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		// A root.crt that is left over may be trusted by many machines: its key is
		// to be looked for, not replaced.
		if _, err := os.Lstat(filepath.Join(v.dir, rootFile)); err == nil {
			return nil, v.damaged(rootKeyFile, errors.New("it is missing, though "+rootFile+" is there"))
		}
		if root, err = newRoot(v.name, time.Now(), l.backdate); err == nil {
			err = v.writeAuthority(rootKeyFile, root)
		}
	}
	if err != nil {
		return nil, err
	}
	if err := outOfDate(root.cert); err != nil {
		return nil, v.damaged(rootKeyFile, err)
	}
	if err := root.cert.CheckSignatureFrom(root.cert); err != nil {
		return nil, v.damaged(rootKeyFile, err)
	}
	public := encodeCert(root.cert)
	if b, err := os.ReadFile(filepath.Join(v.dir, rootFile)); err == nil && bytes.Equal(b, public) {
		return root, nil
	}
	return root, v.write(rootFile, public, 0o644)
}

func (v vault) renewed(root *authority, l lives) (*authority, error) {
	now := time.Now()
	old, err := v.read(intermediateKeyFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case old.cert.CheckSignatureFrom(root.cert) != nil:
		return nil, v.damaged(intermediateKeyFile, errors.New("another root has signed it"))
	case now.Before(old.renewAt) && outOfDate(old.cert) == nil:
		return old, nil
	}
	made, err := newIntermediate(root, now, l)
	if err != nil {
		return nil, err
	}
	return made, v.writeAuthority(intermediateKeyFile, made)
}

func (v vault) read(name string) (*authority, error) {
	path := filepath.Join(v.dir, name)
	info, err := os.Stat(path)
	if err != nil {
		return nil, fileHint(err)
	}
	if info.Mode().Perm()&0o007 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("%s: every user of this machine can get at the key: chmod 600, and consider a new authority", path)
	}
	b, err := readFile(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil, err
	}
	var a *authority
	if err == nil {
		a, err = decodeAuthority(b)
	}
	if err != nil {
		return nil, v.damaged(name, err)
	}
	return a, nil
}

// damaged says how to go on. Nothing is replaced silently: browsers would refuse
// the new certificates, and nobody would know why.
func (v vault) damaged(name string, err error) error {
	what := "restore it, or move the directory away for a new authority, which then has to be trusted anew (weir trust)"
	if name == intermediateKeyFile {
		what = "remove this one file and it is made again"
	}
	return fmt.Errorf("%s: %w: %s", filepath.Join(v.dir, name), err, what)
}

func (v vault) writeAuthority(name string, a *authority) error {
	b, err := a.encode()
	if err != nil {
		return err
	}
	return v.write(name, b, 0o600)
}

// write replaces a file as a whole, also if the power fails.
func (v vault) write(name string, b []byte, mode fs.FileMode) (err error) {
	f, err := os.CreateTemp(v.dir, newFiles) // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(v.dir, name))
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	if d, err := os.Open(v.dir); err == nil {
		_ = d.Sync() // not every file system can
		_ = d.Close()
	}
	return nil
}

// sweep removes what a process left that died while it wrote.
func (v vault) sweep() {
	left, _ := filepath.Glob(filepath.Join(v.dir, newFiles))
	for _, path := range left {
		_ = os.Remove(path)
	}
}
