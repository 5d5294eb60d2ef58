package vm

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental/sys"
	"github.com/tetratelabs/wazero/experimental/sysfs"
	wasys "github.com/tetratelabs/wazero/sys"
)

// Mount is a directory that a guest sees. Symbolic links do not lead out of it.
type Mount struct {
	Guest, Host string // paths
	Write       bool
}

// mount opens directories for the instance, which closes them.
func (i *Instance) mount(list []Mount) (wazero.FSConfig, error) {
	config := wazero.NewFSConfig()
	for _, m := range list {
		root, err := os.OpenRoot(m.Host)
		if err != nil {
			return nil, fmt.Errorf("mount %s: %w", m.Guest, err)
		}
		r := &rootFS{i: i, root: root, write: m.Write}
		i.roots = append(i.roots, r)
		config = config.(sysfs.FSConfig).WithSysFSMount(r, m.Guest)
	}
	return config, nil
}

// rootFS is a mount. The engine's own mounts of directories are no jail (their
// documentation says so): a link, or "..", leads out of them. os.Root is one.
type rootFS struct {
	sys.UnimplementedFS
	i     *Instance
	root  *os.Root
	write bool
}

func (r *rootFS) close() { _ = r.root.Close() }

// mostFiles is how many files an instance may have open: those that a process may have
// are few, and its connections need them.
const mostFiles = 128

// local returns a path as os.Root wants it.
func local(p string) string {
	if p = strings.TrimLeft(p, "/"); p == "" {
		return "."
	}
	return p
}

// OpenFile implements sys.FS.
func (r *rootFS) OpenFile(p string, flag sys.Oflag, perm fs.FileMode) (sys.File, sys.Errno) {
	if r.i.files.open >= mostFiles {
		return nil, sys.EAGAIN // the engine has no better word
	}
	mode := os.O_RDONLY
	switch flag & (sys.O_RDONLY | sys.O_RDWR | sys.O_WRONLY) {
	case sys.O_RDWR:
		mode = os.O_RDWR
	case sys.O_WRONLY:
		mode = os.O_WRONLY
	}
	for _, f := range []struct {
		guest sys.Oflag
		host  int
	}{{sys.O_APPEND, os.O_APPEND}, {sys.O_CREAT, os.O_CREATE}, {sys.O_EXCL, os.O_EXCL}, {sys.O_TRUNC, os.O_TRUNC}} {
		if flag&f.guest != 0 {
			mode |= f.host
		}
	}
	if mode != os.O_RDONLY && !r.write {
		return nil, sys.EROFS
	}
	if flag&sys.O_NOFOLLOW != 0 {
		if info, err := r.root.Lstat(local(p)); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return nil, sys.ELOOP
		}
	}
	// Opening a pipe or a device waits, or does things.
	info, err := r.root.Stat(local(p))
	switch {
	case err == nil && !info.IsDir() && !info.Mode().IsRegular():
		return nil, sys.EACCES
	case err == nil && info.IsDir() && mode != os.O_RDONLY:
		return nil, sys.EISDIR
	case err == nil && !info.IsDir() && (flag&sys.O_DIRECTORY != 0 || strings.HasSuffix(p, "/")):
		return nil, sys.ENOTDIR
	}
	f, err := r.root.OpenFile(local(p), mode, perm.Perm())
	if err != nil {
		return nil, errno(err)
	}
	adapted, n := (&sysfs.AdaptFS{FS: &opened{r.root, f}}).OpenFile(local(p), flag, perm)
	if n != 0 {
		_ = f.Close()
		return nil, n
	}
	return &rootFile{File: adapted, fs: r, f: f, name: p, flag: flag}, 0
}

// opened gives a file that is open already to the engine's adapter, which opens
// directories again to read them from the start.
type opened struct {
	root *os.Root
	f    *os.File
}

// Open implements fs.FS.
func (o *opened) Open(name string) (fs.File, error) {
	if f := o.f; f != nil {
		o.f = nil
		return f, nil
	}
	return o.root.Open(name)
}

// Stat implements sys.FS.
func (r *rootFS) Stat(p string) (wasys.Stat_t, sys.Errno) { return stat(r.root.Stat(local(p))) }

// Lstat implements sys.FS.
func (r *rootFS) Lstat(p string) (wasys.Stat_t, sys.Errno) { return stat(r.root.Lstat(local(p))) }

// Readlink implements sys.FS.
func (r *rootFS) Readlink(p string) (string, sys.Errno) {
	to, err := r.root.Readlink(local(p))
	return to, errno(err)
}

// Mkdir implements sys.FS.
func (r *rootFS) Mkdir(p string, perm fs.FileMode) sys.Errno {
	return r.change(func() error { return r.root.Mkdir(local(strings.TrimRight(p, "/")), perm.Perm()) })
}

// Chmod implements sys.FS.
func (r *rootFS) Chmod(p string, perm fs.FileMode) sys.Errno {
	return r.change(func() error { return r.root.Chmod(local(p), perm.Perm()) })
}

// Rename implements sys.FS.
func (r *rootFS) Rename(from, to string) sys.Errno {
	return r.change(func() error { return r.root.Rename(local(from), local(to)) })
}

// Rmdir implements sys.FS.
func (r *rootFS) Rmdir(p string) sys.Errno {
	return r.change(func() error {
		info, err := r.root.Lstat(local(p))
		if err == nil && !info.IsDir() {
			return sys.ENOTDIR
		}
		if err != nil {
			return err
		}
		return r.root.Remove(local(p))
	})
}

// Unlink implements sys.FS.
func (r *rootFS) Unlink(p string) sys.Errno {
	return r.change(func() error {
		info, err := r.root.Lstat(local(p))
		if err == nil && info.IsDir() {
			return sys.EISDIR
		}
		if err != nil {
			return err
		}
		return r.root.Remove(local(p))
	})
}

// Utimens implements sys.FS.
func (r *rootFS) Utimens(p string, atim, mtim int64) sys.Errno {
	return r.change(func() error {
		info, err := r.root.Stat(local(p))
		if err != nil {
			return err
		}
		at := func(n int64) time.Time {
			if n == sys.UTIME_OMIT {
				return info.ModTime()
			}
			return time.Unix(0, n)
		}
		return r.root.Chtimes(local(p), at(atim), at(mtim))
	})
}

// Link and Symlink are not implemented: links are how others have got out of mounts.

func (r *rootFS) change(f func() error) sys.Errno {
	if !r.write {
		return sys.EROFS
	}
	return errno(f())
}

func errno(err error) sys.Errno {
	if err == nil {
		return 0
	}
	if n, ok := err.(sys.Errno); ok {
		return n
	}
	return sys.UnwrapOSError(err)
}

func stat(info fs.FileInfo, err error) (wasys.Stat_t, sys.Errno) {
	if err != nil {
		return wasys.Stat_t{}, errno(err)
	}
	return wasys.NewStat_t(info), 0
}
