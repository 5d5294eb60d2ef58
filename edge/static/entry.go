package static

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"sync/atomic"

	"github.com/weirproxy/weir/edge/exchange"
)

const (
	// smallFile is up to which size a file is served from memory. Above, sendfile
	// from an open file is as cheap as copying.
	smallFile = 64 << 10
	// mediumFile is up to which size the content is kept beside the open file once
	// it was asked for under TLS, where the kernel cannot send a file by itself: it
	// would have to be read anew for every response.
	mediumFile = 256 << 10
)

// entry is what a name stands for: a directory, or a file in its forms. It does not
// change once made, but for the counters.
type entry struct {
	info  fs.FileInfo    // of the file itself; nil for a listing
	peers [3]fs.FileInfo // of its siblings, in the order of codings; nil where there is none
	dir   bool
	// forms holds the plain file, then its codings, smallest first; names are those
	// codings as offers to the client.
	forms []form
	names []string
	// young says that the file was written so shortly before it was read that
	// another write could have left the same time stamp. Equal stamps then prove nothing.
	young bool
	// unsettled says that the file was being written while it was read: the entry is
	// good for one answer.
	unsettled bool

	// tls says that the file was asked for under TLS and would be better kept in
	// memory; kept, that it is.
	tls  atomic.Bool
	kept bool

	cost    int64 // bytes of memory, about
	files   int64 // open files
	checked atomic.Int64
	used    atomic.Bool
	// refs counts users of the open files: the cache, and every response until
	// its body is closed. Entries without open files are not counted.
	refs    atomic.Int32
	release func() // drop, made once so that responses need not
}

// form is one representation of a file.
type form struct {
	coding  string // "" for the plain one
	size    int64
	lastMod int64            // seconds, as in Last-Modified; 0 if the file has no time worth telling
	date    string           // lastMod as in Last-Modified
	loaded  int64            // when the file was looked at, in seconds
	etag    string           // strong, quoted; "" if there is none
	content []byte           // nil if it is not in memory
	file    *os.File         // nil if small
	fields  []exchange.Field // of 200 and 206
	brief   []exchange.Field // of 304 (RFC 9110 §15.4.5)
}

// reader returns the content by offset.
func (f *form) reader() io.ReaderAt {
	if f.content == nil {
		return f.file
	}
	return bytes.NewReader(f.content)
}

// hold adds references.
func (e *entry) hold(n int32) {
	if e.files > 0 {
		e.refs.Add(n)
	}
}

// drop gives a reference back. The last one closes the open files.
func (e *entry) drop() {
	if e.files > 0 && e.refs.Add(-1) == 0 {
		for i := range e.forms {
			if f := e.forms[i].file; f != nil {
				_ = f.Close() // it was only read
			}
		}
	}
}

// seal counts what e takes, and gives its maker a reference.
func (e *entry) seal(name string) {
	e.cost = 1024 + 2*int64(len(name))
	for i := range e.forms {
		f := &e.forms[i]
		e.cost += 512 + int64(cap(f.content))
		if f.file != nil {
			e.files++
		}
		if i > 0 {
			e.names = append(e.names, f.coding)
		}
	}
	e.refs.Store(1)
	e.release = e.drop
}

// choose returns the form that the client wants most.
func (e *entry) choose(acceptEncoding string) *form {
	if len(e.names) > 0 {
		if best := exchange.PreferEncoding(acceptEncoding, e.names...); best != "" {
			for i := range e.names {
				if e.names[i] == best {
					return &e.forms[i+1]
				}
			}
		}
	}
	return &e.forms[0]
}
