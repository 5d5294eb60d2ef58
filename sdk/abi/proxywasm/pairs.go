package proxywasm

import (
	"errors"
	"iter"
)

// Pair is a header field, or another key with its value.
type Pair struct{ Key, Value string }

// Bounds of pairs that guests give.
const (
	MaxPairs      = 1024
	MaxPairsBytes = 1 << 20
)

// Errors of CheckPairs.
var (
	errPairsLong  = errors.New("read pairs: more than 1 MiB")
	errPairsCount = errors.New("read pairs: more than 1,024, or more than there are bytes for")
	errPairsEnd   = errors.New("read pairs: lengths do not agree with what is there")
	errPairsNUL   = errors.New("read pairs: a key or value is not followed by a zero byte")
)

// SizePairs returns how many bytes pairs take: a count, two lengths for each, and each
// key and value with a zero byte behind it.
func SizePairs(pairs []Pair) int {
	n := 4
	for i := range pairs {
		n += 8 + len(pairs[i].Key) + 1 + len(pairs[i].Value) + 1
	}
	return n
}

// AppendPairs appends pairs to b.
func AppendPairs(b []byte, pairs []Pair) []byte {
	b = appendUint32(b, uint32(len(pairs)))
	for i := range pairs {
		b = appendUint32(b, uint32(len(pairs[i].Key)))
		b = appendUint32(b, uint32(len(pairs[i].Value)))
	}
	for i := range pairs {
		b = append(b, pairs[i].Key...)
		b = append(b, 0)
		b = append(b, pairs[i].Value...)
		b = append(b, 0)
	}
	return b
}

// CheckPairs says what is wrong with b as pairs. No bytes, and a single zero byte, are
// no pairs.
func CheckPairs(b []byte) error {
	if len(b) > MaxPairsBytes {
		return errPairsLong
	}
	if len(b) == 0 || len(b) == 1 && b[0] == 0 {
		return nil
	}
	if len(b) < 4 {
		return errPairsEnd
	}
	n := int(uint32At(b))
	if n > MaxPairs || 4+8*n > len(b) {
		return errPairsCount
	}
	at := 4 + 8*n
	for i := range 2 * n {
		length := int(uint32At(b[4+4*i:]))
		if length >= len(b)-at {
			return errPairsEnd
		}
		if at += length; b[at] != 0 {
			return errPairsNUL
		}
		at++
	}
	if at != len(b) {
		return errPairsEnd
	}
	return nil
}

// Pairs iterates over copies of the keys and values in b. What CheckPairs refuses has
// none.
func Pairs(b []byte) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for key, value := range RawPairs(b) {
			if !yield(string(key), string(value)) {
				return
			}
		}
	}
}

// RawPairs is Pairs without copies: keys and values are parts of b.
func RawPairs(b []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) {
		if len(b) < 4 || CheckPairs(b) != nil {
			return
		}
		n := int(uint32At(b))
		at := 4 + 8*n
		for i := range n {
			key := at + int(uint32At(b[4+8*i:]))
			value := key + 1 + int(uint32At(b[8+8*i:]))
			if !yield(b[at:key], b[key+1:value]) {
				return
			}
			at = value + 1
		}
	}
}

// Package encoding/binary would do this as well, and bring package reflect into every
// guest: a quarter of its size.

func appendUint32(b []byte, n uint32) []byte {
	return append(b, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
}

func uint32At(b []byte) uint32 {
	_ = b[3]
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}
