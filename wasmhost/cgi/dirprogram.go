package cgi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// stamp tells two states of a file apart.
type stamp struct {
	modified time.Time
	size     int64
}

func stampOf(info fs.FileInfo) stamp { return stamp{info.ModTime(), info.Size()} }

// entry is one name. Its fields are guarded by Directory.mu.
type entry struct {
	current *opened       // nil: none could be opened
	tried   stamp         // what was opened last, or not
	err     error         // why not
	opening chan struct{} // closed when somebody has opened the file; nil: nobody is at it
}

// opened is a program. Every exchange that uses it is a user, and so is its entry.
type opened struct {
	dir     *Directory
	handler exchange.Handler
	close   func()
	users   int // guarded by dir.mu
}

// End implements exchange.Ender.
func (p *opened) End(*exchange.Request) {
	p.dir.mu.Lock()
	last := p.dropped()
	p.dir.mu.Unlock()
	if last {
		p.close()
	}
}

// dropped takes a user away, and tells whether it was the last, who closes p.
func (p *opened) dropped() bool {
	p.users--
	return p.users == 0
}

// take returns the program of a file for one exchange. One that is opened for the first
// time is waited for; else what was there before answers meanwhile.
func (d *Directory) take(r *exchange.Request, root *os.Root, name string, info fs.FileInfo) (*opened, error) {
	want := stampOf(info)
	for {
		d.mu.Lock()
		if d.closed {
			d.mu.Unlock()
			return nil, exchange.ErrNotFound
		}
		e := d.programs[name]
		if e == nil {
			e = &entry{}
			d.programs[name] = e
		}
		if e.opening == nil && e.tried != want {
			ctx := r.Context()
			if ctx.Err() != nil {
				d.mu.Unlock()
				return nil, context.Cause(ctx)
			}
			e.opening = make(chan struct{})
			d.mu.Unlock()
			d.open(ctx, e, root, name, want)
			continue
		}
		if p := e.current; p != nil {
			p.users++
			d.mu.Unlock()
			return p, nil
		}
		opening, err := e.opening, e.err
		d.mu.Unlock()
		if opening == nil {
			if _, ok := errors.AsType[*exchange.Error](err); !ok {
				err = &exchange.Error{Fault: exchange.Plugin, Err: err}
			}
			return nil, err
		}
		gone := r.Context()
		select {
		case <-opening:
		case <-gone.Done():
			return nil, context.Cause(gone)
		}
	}
}

// open opens the file for all who wait for it. Where who came first has gone away, the
// next of them tries.
func (d *Directory) open(ctx context.Context, e *entry, root *os.Root, name string, want stamp) {
	var p *opened
	code, err := read(root, name)
	if err == nil {
		p = &opened{dir: d, users: 1}
		p.handler, p.close, err = d.o.Open(ctx, name, code)
	}
	d.mu.Lock()
	old := e.current
	close(e.opening)
	e.opening = nil
	switch {
	case err == nil && d.closed:
		old, e.current = p, nil
	case err == nil:
		e.current, e.tried, e.err = p, want, nil
	case ctx.Err() == nil:
		e.tried, e.err = want, fmt.Errorf("open CGI program %s: %w", name, err)
		if old != nil {
			d.o.Log.Error("changed CGI program not opened; it goes on as it was", "file", name, "err", err)
		}
		fallthrough
	default:
		old = nil
	}
	last := old != nil && old.dropped()
	d.mu.Unlock()
	if last {
		old.close()
	}
}

// read returns the content of a file. It does not wait for the writer of a FIFO that took
// the file's place.
func read(root *os.Root, name string) ([]byte, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, errUnreadable
	case err != nil:
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errNoProgram
	}
	return io.ReadAll(io.LimitReader(f, vm.MaxModule+1))
}

// forget closes the program of a file that is gone.
func (d *Directory) forget(name string) {
	d.mu.Lock()
	var p *opened
	if e := d.programs[name]; e != nil && e.opening == nil {
		delete(d.programs, name)
		if p = e.current; p != nil && !p.dropped() {
			p = nil
		}
	}
	d.mu.Unlock()
	if p != nil {
		p.close()
	}
}

// Close closes the programs that no exchange uses, and the others when theirs is over.
func (d *Directory) Close() {
	d.mu.Lock()
	d.closed = true
	var last []*opened
	for _, e := range d.programs {
		if p := e.current; p != nil && p.dropped() {
			last = append(last, p)
		}
		e.current = nil
	}
	clear(d.programs)
	d.mu.Unlock()
	for _, p := range last {
		p.close()
	}
}
