package cgi

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/weirproxy/weir/edge/exchange"
)

// DirectoryOptions say which files are programs.
type DirectoryOptions struct {
	Root string // a directory on disk
	// StripPrefix is cut from paths of requests before files are looked up.
	StripPrefix string
	// Dirs are the directories below Root, as paths of requests without StripPrefix
	// ("/cgi-bin"), whose .wasm files are programs.
	Dirs []string
	// Open makes a handler of a program, and what closes it when no exchange uses it any
	// longer. Name is its path below Root.
	Open func(ctx context.Context, name string, code []byte) (exchange.Handler, func(), error)
	Log  *slog.Logger // of programs that have changed and cannot be opened; nil: nowhere
}

// Directory is a filter in front of a handler of files: it runs what is asked for below
// its directories, /cgi-bin/prog.wasm/path?query, and lists, and hands out, nothing of
// what is there. Programs are compiled when they are first asked for, and again when
// their files have changed; one that cannot be opened any longer goes on as it was.
//
// It is safe for concurrent use. Close ends it.
type Directory struct {
	o    DirectoryOptions
	dirs []string

	mu       sync.Mutex
	programs map[string]*entry // by name
	closed   bool
}

var _ exchange.Filter = (*Directory)(nil)

// NewDirectory fails where the root cannot be opened, or a directory is not named by a
// path.
func NewDirectory(o DirectoryOptions) (*Directory, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := &Directory{o: o, programs: map[string]*entry{}}
	for _, dir := range o.Dirs {
		path, opaque, err := exchange.CanonicalPath(dir)
		if err != nil || opaque {
			return nil, fmt.Errorf("open CGI directory %q: not a path such as /cgi-bin", dir)
		}
		d.dirs = append(d.dirs, strings.TrimSuffix(path, "/"))
	}
	root, err := os.OpenRoot(o.Root)
	if err != nil {
		return nil, fmt.Errorf("open root of CGI directories: %w", err)
	}
	return d, root.Close()
}

// What Python's http.server answers where --cgi is on. Clients learn of a file that is
// there and no program, as there; of its content nothing.
var (
	errOnlyPost   = &exchange.Error{Fault: exchange.Client, Status: http.StatusNotImplemented, Title: "Can only POST to CGI scripts"}
	errNoProgram  = &exchange.Error{Fault: exchange.Client, Status: http.StatusForbidden, Err: errors.New("no CGI program: a .wasm file is one")}
	errUnreadable = &exchange.Error{Fault: exchange.Client, Status: http.StatusForbidden, Err: errors.New("CGI program may not be read")}
)

// Handle implements exchange.Filter.
func (d *Directory) Handle(r *exchange.Request, next exchange.Handler) (*exchange.Response, error) {
	path, ok := strings.CutPrefix(r.Path, strings.TrimSuffix(d.o.StripPrefix, "/"))
	if !ok || path == "" || !d.holds(path) {
		if r.Method == http.MethodPost {
			return nil, errOnlyPost
		}
		return next.Handle(r)
	}
	root, err := os.OpenRoot(d.o.Root)
	if err != nil {
		return nil, &exchange.Error{Fault: exchange.Internal, Status: http.StatusServiceUnavailable, Err: fmt.Errorf("open root: %w", err)}
	}
	name, info, err := find(root, path[1:])
	if err != nil {
		root.Close()
		if name != "" {
			d.forget(name)
		}
		return nil, err
	}
	p, err := d.take(r, root, name, info)
	root.Close()
	if err != nil {
		return nil, err
	}
	r.AtEnd(p)
	end := len(r.Path) - len(path) + 1 + len(name)
	r.Match.Prefix, r.Match.Rest = r.Path[:end], r.Path[end:]
	return p.handler.Handle(r)
}

// holds tells whether path is in one of the directories, in any case of letters: on some
// disks that would be the same files.
func (d *Directory) holds(path string) bool {
	for _, dir := range d.dirs {
		if n := len(dir); len(path) >= n && strings.EqualFold(path[:n], dir) && (len(path) == n || path[n] == '/') {
			return true
		}
	}
	return false
}

// find returns the first file on the way along path. Hidden files are none.
func find(root *os.Root, path string) (name string, info fs.FileInfo, err error) {
	for end := 0; end < len(path); end++ {
		start := end
		if i := strings.IndexByte(path[end:], '/'); i >= 0 {
			end += i
		} else {
			end = len(path)
		}
		element := path[start:end]
		if element == "" {
			break
		}
		if element[0] == '.' || strings.IndexByte(element, 0) >= 0 {
			return "", nil, exchange.ErrNotFound
		}
		name = path[:end]
		switch info, err = root.Stat(name); {
		case errors.Is(err, fs.ErrPermission):
			return name, nil, errUnreadable
		case err != nil:
			return name, nil, exchange.ErrNotFound
		case info.IsDir():
		case !info.Mode().IsRegular() || !strings.HasSuffix(name, ".wasm"):
			return name, nil, errNoProgram
		default:
			return name, info, nil
		}
	}
	return "", nil, errNoProgram // a directory
}
