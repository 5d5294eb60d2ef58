package http1

import (
	"bytes"
	"io"
)

// inputSize is what a reading buffer starts with; it grows to the largest head
// or trailer that limits allow.
const inputSize = 4 << 10

// input is what has been received and not yet been used. Its source does the
// waiting.
type input struct {
	src  io.Reader
	buf  []byte
	r, w int
}

// rest returns what is buffered. It is valid until the next fill.
func (in *input) rest() []byte { return in.buf[in.r:in.w] }

// skip uses up n buffered bytes.
func (in *input) skip(n int) { in.r += n }

// room makes space behind what is buffered and returns it.
func (in *input) room() []byte {
	if in.r == in.w {
		in.r, in.w = 0, 0
	}
	if in.w < len(in.buf) {
		return in.buf[in.w:]
	}
	to := in.buf
	if in.r == 0 {
		to = make([]byte, max(inputSize, 2*len(in.buf)))
	}
	in.w = copy(to, in.buf[in.r:in.w])
	in.r, in.buf = 0, to
	return in.buf[in.w:]
}

// fill reads once more into the buffer.
func (in *input) fill() error {
	for {
		n, err := in.src.Read(in.room())
		in.w += n
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// read reads content: what is buffered first, then from the source, past the
// buffer where p is large enough for that to pay.
func (in *input) read(p []byte) (int, error) {
	if in.r == in.w {
		if len(p) >= inputSize {
			return in.src.Read(p)
		}
		if err := in.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, in.rest())
	in.r += n
	return n, nil
}

// line uses up a line that ends in CRLF and returns it without that, valid until
// the next fill. A line of more than limit bytes is refused as long.
func (in *input) line(limit int, long *refusal) ([]byte, error) {
	for seen := 0; ; {
		b := in.rest()
		if i := bytes.IndexByte(b[seen:], '\n'); i >= 0 {
			i += seen
			switch {
			case i == 0 || b[i-1] != '\r':
				return nil, &refBareLF.err
			case i-1 > limit:
				return nil, &long.err
			}
			in.skip(i + 1)
			return b[:i-1], nil
		}
		if len(b) > limit+1 {
			return nil, &long.err
		}
		seen = len(b)
		if err := in.fill(); err != nil {
			return nil, cut(err)
		}
	}
}

// cut makes the end of the connection within a message an error that cannot be
// taken for the message's end.
func cut(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
