package ext

import (
	"errors"
)

// Append appends a field: its length, four bytes, the least significant first, and it.
func Append[T string | []byte](b []byte, field T) []byte {
	b = appendUint32(b, uint32(len(field)))
	return append(b, field...)
}

// AppendUint appends a number: a field of eight bytes, the least significant first.
func AppendUint(b []byte, n uint64) []byte {
	b = appendUint32(b, 8)
	return append(appendUint32(b, uint32(n)), byte(n>>32), byte(n>>40), byte(n>>48), byte(n>>56))
}

// Fields reads fields in their order. What it returns are parts of the bytes it was made
// with.
type Fields struct {
	rest []byte
	bad  bool
}

// Read returns a reader of b.
func Read(b []byte) Fields { return Fields{rest: b} }

// Bytes returns the next field; nil if there is none.
func (f *Fields) Bytes() []byte {
	if f.bad || len(f.rest) < 4 {
		f.bad = true
		return nil
	}
	n := uint32At(f.rest)
	if uint64(n) > uint64(len(f.rest)-4) {
		f.bad = true
		return nil
	}
	b := f.rest[4 : 4+n : 4+n]
	f.rest = f.rest[4+n:]
	return b
}

// Text returns the next field as a string.
func (f *Fields) Text() string { return string(f.Bytes()) }

// Uint returns the next field, a number; 0 if there is none.
func (f *Fields) Uint() uint64 {
	b := f.Bytes()
	if len(b) != 8 {
		f.bad = true
		return 0
	}
	return uint64(uint32At(b)) | uint64(uint32At(b[4:]))<<32
}

// More tells whether there are further fields, and nothing was wrong so far.
func (f *Fields) More() bool { return !f.bad && len(f.rest) > 0 }

var errFields = errors.New("read fields: they are not what was expected")

// End says what was wrong: a field that was missing or no number, or bytes left over.
func (f *Fields) End() error {
	if f.bad || len(f.rest) > 0 {
		return errFields
	}
	return nil
}

// Rest returns what has not been read.
func (f *Fields) Rest() []byte { return f.rest }

// Package encoding/binary would do this as well, and bring package reflect into every
// guest: a quarter of its size.

func appendUint32(b []byte, n uint32) []byte {
	return append(b, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
}

func uint32At(b []byte) uint32 {
	_ = b[3]
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}
