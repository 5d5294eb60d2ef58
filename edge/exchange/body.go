package exchange

import (
	"errors"
	"io"
	"os"
)

// Body is the content of a message. Read returns io.EOF at its proper end and
// any other error where it was cut; a reader that wraps a Body passes that error
// on, so that a message cut short never looks complete.
//
// Close ends the body, read to its end or not. Closing twice is harmless.
// A Body is used by one goroutine at a time.
type Body interface {
	io.Reader
	io.Closer
	// Len returns how many bytes are still to be read, or -1 when unknown.
	Len() int64
}

// A Body that may have nothing to read for a while should have a method
// Buffered() int as well: how many bytes Read returns without waiting. Protocols do
// not hold a head back for a body that has none.
//
// One whose Read may wait for a peer should be an Interrupter too. An upstream may
// answer, and end, while the request's body still comes: then nobody waits for the
// rest, and the goroutine that reads it has to come back before the exchange is over.
// Interrupt with ErrPause is for who has to see to something else meanwhile: Read
// returns ErrPause and no bytes, once, and goes on where it was when it is called
// again. A body that cannot do that ignores it. Bodies that stand before others pass
// Interrupt on, and treat ErrPause as no error.

// ErrPause is what Read returns that was interrupted for a moment only. See [Body].
var ErrPause = errors.New("reading is interrupted, and may go on")

// NoBody is the body of a message that has none.
var NoBody Body = noBody{}

type noBody struct{}

func (noBody) Read([]byte) (int, error) { return 0, io.EOF }
func (noBody) Close() error             { return nil }
func (noBody) Len() int64               { return 0 }

// Bytes is a Body in memory. The bytes are shared, never written to; protocols
// send them together with the head in one write.
type Bytes struct {
	rest    []byte
	release func()
}

// NewBytes returns a Body that reads b.
func NewBytes(b []byte) *Bytes { return &Bytes{rest: b} }

// Rest returns what has not been read yet. The caller must not change it.
func (b *Bytes) Rest() []byte { return b.rest }

// Read implements Body.
func (b *Bytes) Read(p []byte) (int, error) {
	if len(b.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// Len implements Body.
func (b *Bytes) Len() int64 { return int64(len(b.rest)) }

// Close implements Body.
func (b *Bytes) Close() error {
	b.rest = nil
	if release := b.release; release != nil {
		b.release = nil
		release()
	}
	return nil
}

// File is a Body that is a range of a file. It reads by offset, so many bodies
// may share one open file. Protocols hand the range to the kernel (sendfile)
// where nothing has to be encrypted or framed in between.
type File struct {
	F       *os.File
	Off, N  int64  // the range that is left
	Release func() // called once by Close; nil if there is nothing to do
}

// Read implements Body. A file that has become shorter is a cut body.
func (f *File) Read(p []byte) (int, error) {
	if f.N <= 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > f.N {
		p = p[:f.N]
	}
	n, err := f.F.ReadAt(p, f.Off)
	f.Off += int64(n)
	f.N -= int64(n)
	if err == io.EOF {
		if err = nil; f.N > 0 && n == 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	return n, err
}

// Len implements Body.
func (f *File) Len() int64 { return f.N }

// Close implements Body.
func (f *File) Close() error {
	if release := f.Release; release != nil {
		f.Release = nil
		release()
	}
	f.N = 0
	return nil
}

// NewBody returns a Body that reads r, of n bytes or -1, and calls end, if that is
// not nil, once when it is closed.
func NewBody(r io.Reader, n int64, end func() error) Body {
	return &reading{r: r, n: n, end: end}
}

type reading struct {
	r   io.Reader
	n   int64
	end func() error
}

func (s *reading) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if s.n >= 0 {
		switch s.n -= int64(n); {
		case s.n < 0:
			s.n, s.r = 0, overlong{} // what follows is not the body either
			return 0, errLength
		case s.n > 0 && err == io.EOF:
			err = io.ErrUnexpectedEOF
		}
	}
	return n, err
}

// overlong is what is left of a reader that gave more than was announced.
type overlong struct{}

func (overlong) Read([]byte) (int, error) { return 0, errLength }

func (s *reading) Len() int64 { return s.n }

func (s *reading) Close() error {
	if end := s.end; end != nil {
		s.end = nil
		return end()
	}
	return nil
}
