package static

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/weirproxy/weir/edge/exchange"
)

// tree is the jail: the one way from a name to the disk. Names are relative to the
// root and have no slash in front; "." is the root.
type tree struct {
	path    string
	noLinks bool

	mu     sync.RWMutex // guards what follows; held for reading while root is in use
	root   *os.Root
	id     fs.FileInfo
	closed bool
}

func openTree(path string, noLinks bool) (*tree, error) {
	if path == "" {
		return nil, errors.New("open root: no directory given")
	}
	t := &tree{path: path, noLinks: noLinks}
	root, id, err := t.openRoot()
	if err != nil {
		return nil, err
	}
	t.root, t.id = root, id
	return t, nil
}

func (t *tree) openRoot() (*os.Root, fs.FileInfo, error) {
	root, err := os.OpenRoot(t.path)
	if err != nil {
		return nil, nil, fmt.Errorf("open root: %w", err)
	}
	id, err := root.Stat(".")
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open root: %w", err), root.Close())
	}
	return root, id, nil
}

// enter returns the root for use until leave. Where the path has come to name
// another directory, as when a symlink to the current release is switched, that
// one is opened. A path that names nothing at the moment changes nothing.
func (t *tree) enter() *os.Root {
	now, err := os.Stat(t.path)
	t.mu.RLock()
	if err != nil || os.SameFile(now, t.id) {
		return t.root
	}
	t.mu.RUnlock()
	t.mu.Lock()
	if root, id, err := t.openRoot(); err == nil && !t.closed {
		_ = t.root.Close() // nothing was written
		t.root, t.id = root, id
	} else if err == nil {
		_ = root.Close()
	}
	t.mu.Unlock()
	t.mu.RLock()
	return t.root
}

func (t *tree) leave() { t.mu.RUnlock() }

func (t *tree) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	return t.root.Close()
}

// stat tells what name is. Only regular files and directories exist.
func (t *tree) stat(root *os.Root, name string) (fs.FileInfo, error) {
	if t.noLinks && hasLink(root, name) {
		return nil, exchange.ErrNotFound
	}
	info, err := root.Stat(name)
	if err != nil {
		return nil, classify(err)
	}
	if !info.Mode().IsRegular() && !info.IsDir() {
		return nil, exchange.ErrNotFound
	}
	return info, nil
}

// open opens a regular file. It looks before it opens, since opening some devices
// does something, and does not wait for the writer of a FIFO that took the file's
// place in between.
func (t *tree) open(root *os.Root, name string) (*os.File, fs.FileInfo, error) {
	info, err := t.stat(root, name)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, exchange.ErrNotFound
	}
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, classify(err)
	}
	if info, err = f.Stat(); err == nil && info.Mode().IsRegular() {
		return f, info, nil
	}
	_ = f.Close()
	if err != nil {
		return nil, nil, classify(err)
	}
	return nil, nil, exchange.ErrNotFound
}

// hasLink tells whether an element of name is a symlink. The jail holds without
// it; someone who may write below the root can win a race against it.
func hasLink(root *os.Root, name string) bool {
	for end := 0; end < len(name); end++ {
		i := strings.IndexByte(name[end:], '/')
		if i < 0 {
			i = len(name) - end
		}
		end += i
		if info, err := root.Lstat(name[:end]); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return true
		}
	}
	return false
}

// classify turns an error of the disk into one of the exchange. Everything that
// a client can cause by a name is "not found": which of the reasons it was is
// nobody's business.
func classify(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return &exchange.Error{Fault: exchange.Client, Status: 403, Err: err}
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return &exchange.Error{Fault: exchange.Internal, Status: 503, Err: err}
	case errors.Is(err, syscall.EIO), errors.Is(err, syscall.ENOMEM), errors.Is(err, os.ErrClosed):
		return &exchange.Error{Fault: exchange.Internal, Err: err}
	}
	return exchange.ErrNotFound
}

// passing tells whether an error may be gone in a moment, so that what was known
// before is the better answer.
func passing(err error) bool {
	e, ok := errors.AsType[*exchange.Error](err)
	return ok && e.Fault == exchange.Internal
}
