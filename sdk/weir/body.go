package weir

import (
	"io"

	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/sdk/internal/host"
)

// Body is the content of a request or response, or of the answer to a call, as it
// arrives. Reading waits for more. It implements io.Reader.
//
// A filter may look at a body before it lets the head go on, with what it reads kept by
// the host: it goes on unchanged unless SetBody or Transform say otherwise. That needs
// weir as the host, and is bounded by the plugin's limits.body. A transform reads a body
// that is going on, of any length, on every host.
type Body struct {
	side   *side   // nil: of an answer
	answer *Answer // nil: of a request or response
	reader *task   // who waits for more; nil: nobody
	rest   []byte  // of a chunk, for Read
	err    error   // sticky; io.EOF at the end
}

// mostChunk is how much of a body a chunk is at most.
const mostChunk = 64 << 10

// Chunk returns what has come and was not read yet, or waits for it. At the end it
// returns io.EOF. The bytes are the caller's.
func (b *Body) Chunk() ([]byte, error) {
	if len(b.rest) > 0 {
		c := b.rest
		b.rest = nil
		return c, nil
	}
	if b.err != nil {
		return nil, b.err
	}
	if b.answer != nil {
		return b.answer.chunk()
	}
	return b.side.chunk()
}

// Read implements io.Reader.
func (b *Body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(b.rest) == 0 {
		c, err := b.Chunk()
		if err != nil {
			return 0, err
		}
		b.rest = c
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// ReadAll returns all that is left, if that is no more than limit bytes.
func (b *Body) ReadAll(limit int) ([]byte, error) {
	var all []byte
	for {
		c, err := b.Chunk()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		if len(all)+len(c) > limit {
			return all, &Error{Op: "read body", Message: "it is longer than " + itoa(limit) + " bytes"}
		}
		if all == nil {
			all = c
		} else {
			all = append(all, c...)
		}
	}
}

// Take has what is read of a request's body dropped from now on: the filter answers by
// itself, and reads a body of any length. The request can no longer go on.
func (b *Body) Take() {
	if b.side != nil {
		b.side.drop = true
	}
}

// Empty tells whether it is known that nothing more will come.
func (b *Body) Empty() bool {
	return len(b.rest) == 0 && (b.err == io.EOF || b.side != nil && b.side.end && b.side.pos >= b.side.avail)
}

// chunk is Chunk, of a request or response.
func (d *side) chunk() ([]byte, error) {
	s := d.s
	for {
		switch {
		case !s.active():
			return nil, ErrGone
		case d.pos < d.avail:
			c, st := host.Buffer(d.kind, d.pos, min(d.avail-d.pos, mostChunk))
			if st != abi.OK || len(c) == 0 {
				return nil, &Error{Op: "read body", Status: st}
			}
			d.pos += len(c)
			return c, nil
		case d.end:
			d.body.err = io.EOF
			return nil, io.EOF
		}
		t := s.g.current
		if d.body.reader != nil {
			return nil, &Error{Op: "read body", Message: "somebody else reads it"}
		}
		if t != d.turn {
			if err := d.ask(); err != nil {
				return nil, err
			}
		}
		d.body.reader = t
		alive := t.wait()
		d.body.reader = nil
		if !alive {
			return nil, ErrGone
		}
	}
}

// ask has the host show more to a filter that holds the head.
func (d *side) ask() error {
	switch {
	case d.passed || d.dir == abi.Request && d.s.asked:
		return &Error{Op: "read body", kind: ErrLate, Message: "it has gone on"}
	case !d.s.g.onWeir():
		return &Error{Op: "read body before it goes on", Status: abi.Unimplemented}
	case d.drop || d.s.replied:
		return d.more(ext.DropMore)
	}
	return d.more(ext.ShowMore)
}
