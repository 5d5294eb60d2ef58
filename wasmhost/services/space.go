package services

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// guestsPrefix is where guests have their part of the store.
const guestsPrefix = "guests/"

// longestSpace is how long names of spaces are within the store's keys.
const longestSpace = 64

// prefixOf is what all keys of a space begin with. No two spaces have one that begins
// with the other's: names have no slash there.
func prefixOf(space string) string { return guestsPrefix + escape(space) + "/" }

// escape writes a name so that different ones stay different, with letters, digits and
// "-_." alone, "%" before other bytes, and "~" before the sum that stands for the rest of
// a long one.
func escape(name string) string {
	var b strings.Builder
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
			b.WriteByte(c)
		default:
			b.WriteString("%" + hex.EncodeToString([]byte{c}))
		}
	}
	if s := b.String(); len(s) <= longestSpace {
		return s
	}
	sum := sha256.Sum256([]byte(name))
	return b.String()[:longestSpace-33] + "~" + hex.EncodeToString(sum[:16])
}
