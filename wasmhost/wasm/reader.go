package wasm

import (
	"errors"
	"unicode/utf8"
)

// Reader reads the primitives of the binary format (core 5.2) off a slice that it does
// not copy. The first error sticks: what is read after it is zero, and no more is left.
// It is for one goroutine.
type Reader struct {
	code []byte
	at   int
	err  error
}

var (
	errShort = errors.New("it ends too early")
	errUTF8  = errors.New("a name is not UTF-8")
	errLong  = errors.New("a number is longer than it may be")
)

// NewReader returns a reader of b.
func NewReader(b []byte) *Reader { return &Reader{code: b} }

// Reset makes r read b, from its beginning.
func (r *Reader) Reset(b []byte) { *r = Reader{code: b} }

// Err returns what went wrong first; nil: nothing.
func (r *Reader) Err() error { return r.err }

// Fail makes err the reader's error, unless it has one already.
func (r *Reader) Fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.at = len(r.code)
}

// Left returns how many bytes are left.
func (r *Reader) Left() int { return len(r.code) - r.at }

// At returns how many bytes have been read.
func (r *Reader) At() int { return r.at }

// Since returns what has been read since At was from.
func (r *Reader) Since(from int) []byte { return r.code[min(from, r.at):r.at] }

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if r.at >= len(r.code) {
		r.Fail(errShort)
		return 0
	}
	r.at++
	return r.code[r.at-1]
}

// Uint32 reads a number without sign.
func (r *Reader) Uint32() uint32 {
	if r.at < len(r.code) && r.code[r.at] < 0x80 {
		r.at++
		return uint32(r.code[r.at-1])
	}
	return uint32(r.unsigned(32))
}

// Uint64 reads a number without sign.
func (r *Reader) Uint64() uint64 { return r.unsigned(64) }

func (r *Reader) unsigned(bits int) (n uint64) {
	for shift := 0; shift < bits; shift += 7 {
		b := r.Byte()
		if left := bits - shift; left < 7 && b>>left != 0 {
			break
		}
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return n
		}
	}
	r.Fail(errLong)
	return 0
}

// Int64 reads a number with sign of at most so many bits: 32, 33 or 64.
func (r *Reader) Int64(bits int) (n int64) {
	for shift := 0; shift < bits; shift += 7 {
		b := r.Byte()
		n |= int64(b&0x7f) << shift
		if b >= 0x80 {
			continue
		}
		if shift += 7; shift < 64 {
			n = n << (64 - shift) >> (64 - shift)
		}
		if n>>(bits-1) != 0 && n>>(bits-1) != -1 {
			break
		}
		return n
	}
	r.Fail(errLong)
	return 0
}

// Count reads the length of a vector whose elements take size bytes at least, so that
// what claims more than can be there is found out before anything is allocated by it.
func (r *Reader) Count(size int) int {
	n := r.Uint32()
	if uint64(n)*uint64(size) > uint64(r.Left()) {
		r.Fail(errShort)
		return 0
	}
	return int(n)
}

// Take reads n bytes. They are not a copy.
func (r *Reader) Take(n int) []byte {
	if n < 0 || n > r.Left() {
		r.Fail(errShort)
		return nil
	}
	r.at += n
	return r.code[r.at-n : r.at : r.at]
}

// Name reads a name.
func (r *Reader) Name() string {
	b := r.Take(r.Count(1))
	if !utf8.Valid(b) {
		r.Fail(errUTF8)
		return ""
	}
	return string(b)
}

// Section reads a section's number and content.
func (r *Reader) Section() (id byte, body []byte) {
	id = r.Byte()
	return id, r.Take(r.Count(1))
}
