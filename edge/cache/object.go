package cache

import (
	"errors"
	"io"
	"sync"

	"github.com/weirproxy/weir/edge/exchange"
)

// object is a body that is arriving. One goroutine fills it, as fast as the upstream
// sends; any number read it, each as fast as its client takes it.
//
// An object that grows too large is abandoned: what has arrived stays readable for the
// one who leads, who goes on with the upstream's body itself, at the client's pace.
type object struct {
	store  *Store
	length int64 // as announced, or -1

	mu       sync.Mutex
	moved    sync.Cond // more has arrived, the end has come, or a client has gone
	file     *spool    // nil while the body is in memory
	buf      []byte    // the body, or what comes after the file's part of it
	n        int64     // bytes that have arrived
	reserved int64
	state    state
	err      error // why it failed
}

type state uint8

const (
	growing state = iota
	complete
	failed
	abandoned
)

// pieceSize is how much is read from an upstream at a time.
const pieceSize = 32 << 10

var pieces = sync.Pool{New: func() any { b := make([]byte, pieceSize); return &b }}

// newObject returns an object for a body of that length, or nil if there is no room.
func (s *Store) newObject(length int64) *object {
	o := &object{store: s, length: length}
	o.moved.L = &o.mu
	if length >= 0 && !s.disk.wants(length) {
		if length > s.object || !s.reserve(length) {
			return nil
		}
		o.reserved = length
		o.buf = make([]byte, 0, length)
		return o
	}
	if length >= 0 {
		if o.file = s.disk.spool(length); o.file == nil {
			return nil
		}
	}
	return o
}

// fill reads body to its end, or until it has become too much.
func (o *object) fill(body io.Reader) state {
	p := pieces.Get().(*[]byte)
	defer pieces.Put(p)
	for idle := 0; ; idle++ {
		n, err := body.Read(*p)
		if n > 0 {
			idle = 0
			if !o.add((*p)[:n]) {
				return abandoned
			}
		}
		switch {
		case err == io.EOF && o.length >= 0 && o.n != o.length:
			return o.settle(failed, io.ErrUnexpectedEOF)
		case err == io.EOF:
			return o.settle(complete, nil)
		case err != nil:
			return o.settle(failed, err)
		case idle > 100:
			return o.settle(failed, io.ErrNoProgress)
		}
	}
}

// add appends p, and returns false if o is abandoned from now on. What has been read
// from the upstream is never lost.
func (o *object) add(p []byte) bool {
	fits := o.room(int64(len(p)))
	inFile := false
	if fits && o.file != nil {
		inFile = o.file.write(p) // outside the lock: it may take a while
		fits = inFile
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !inFile {
		o.buf = append(o.buf, p...)
	}
	o.n += int64(len(p))
	if !fits {
		o.state = abandoned
	}
	o.moved.Broadcast()
	return fits
}

// room makes room for n more bytes, where their number was not known beforehand. A body
// that becomes large moves to the disk.
func (o *object) room(n int64) bool {
	if o.length >= 0 {
		return o.n+n <= o.length
	}
	total := o.n + n
	if o.file != nil {
		return o.file.hold(total)
	}
	if o.store.disk.wants(total) {
		if file := o.store.disk.spool(total); file != nil && file.write(o.buf) {
			o.mu.Lock()
			o.file, o.buf = file, nil
			free := o.reserved
			o.reserved = 0
			o.mu.Unlock()
			o.store.free(free)
			return true
		} else if file != nil {
			file.discard()
		}
	}
	if total > o.store.object {
		return false
	}
	if total <= o.reserved {
		return true
	}
	more := max(total-o.reserved, o.reserved, 4<<10) // grow as append does
	more = min(more, o.store.object-o.reserved)
	if !o.store.reserve(more) {
		return false
	}
	o.mu.Lock()
	grown := make([]byte, len(o.buf), o.reserved+more)
	copy(grown, o.buf)
	o.buf = grown
	o.reserved += more
	o.mu.Unlock()
	return true
}

func (o *object) settle(s state, err error) state {
	o.mu.Lock()
	o.state, o.err = s, err
	if s == complete && cap(o.buf)-len(o.buf) > len(o.buf)/8 {
		o.buf = append(make([]byte, 0, len(o.buf)), o.buf...)
	}
	o.moved.Broadcast()
	o.mu.Unlock()
	return s
}

// release gives up what o holds, once nobody reads it any more, or is going to.
func (o *object) release() {
	o.mu.Lock()
	free, file := o.reserved, o.file
	o.reserved, o.file, o.buf = 0, nil, nil
	o.mu.Unlock()
	o.store.free(free)
	if file != nil {
		file.discard()
	}
}

var errGone = errors.New("the body's reader has been closed")

// reader reads an object from its beginning.
type reader struct {
	o    *object
	off  int64 // in what o holds
	done int64 // bytes read in all
	gone error // the client has gone, or the reader is closed; guarded by o.mu
	// rest goes on where an abandoned object ends; nil for those who only follow.
	rest exchange.Body
	end  func() // called once by Close
}

// Interrupt implements exchange.Interrupter.
func (r *reader) Interrupt(cause error) {
	r.o.mu.Lock()
	r.gone = cause
	r.o.moved.Broadcast()
	r.o.mu.Unlock()
}

// Len implements exchange.Body.
func (r *reader) Len() int64 {
	if r.o.length < 0 {
		return -1
	}
	return max(0, r.o.length-r.done)
}

// Buffered tells protocols how much can be read without waiting.
func (r *reader) Buffered() int {
	r.o.mu.Lock()
	defer r.o.mu.Unlock()
	return int(min(r.o.n-r.off, 1<<30))
}

// Read implements exchange.Body.
func (r *reader) Read(p []byte) (int, error) {
	o := r.o
	o.mu.Lock()
	for r.off == o.n && o.state == growing && r.gone == nil {
		o.moved.Wait()
	}
	switch {
	case r.gone != nil:
		defer o.mu.Unlock()
		return 0, r.gone
	case r.off < o.n:
		n, err := r.copy(p)
		r.off += int64(n)
		r.done += int64(n)
		return n, err
	}
	defer o.mu.Unlock()
	switch {
	case o.state == complete:
		return 0, io.EOF
	case o.state == failed:
		return 0, o.err
	case r.rest == nil:
		return 0, io.ErrUnexpectedEOF
	}
	return r.readRest(p)
}

// copy copies what has arrived, and unlocks o.
func (r *reader) copy(p []byte) (int, error) {
	o, inFile, file := r.o, r.o.n-int64(len(r.o.buf)), r.o.file
	if r.off >= inFile {
		n := copy(p, o.buf[r.off-inFile:])
		o.mu.Unlock()
		return n, nil
	}
	o.mu.Unlock()
	return file.readAt(p[:min(int64(len(p)), inFile-r.off)], r.off)
}

// readRest reads on from the upstream. What was kept up to here is needed no longer.
func (r *reader) readRest(p []byte) (int, error) {
	r.o.mu.Unlock()
	defer r.o.mu.Lock()
	if r.o.reserved > 0 || r.o.file != nil {
		r.o.release()
		r.o.mu.Lock()
		r.o.n, r.off = 0, 0
		r.o.mu.Unlock()
	}
	n, err := r.rest.Read(p)
	r.done += int64(n)
	return n, err
}

// Close implements exchange.Body.
func (r *reader) Close() error {
	r.Interrupt(errGone)
	if end := r.end; end != nil {
		r.end = nil
		end()
	}
	return nil
}
