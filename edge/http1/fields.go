package http1

import (
	"encoding/binary"
	"math/bits"

	"github.com/weirproxy/weir/edge/exchange"
)

// span is where one field stands in the bytes of a head.
type span struct{ name, nameEnd, value, valueEnd uint32 }

// head is what parsing one header block yields, besides strings: memory that is
// reused for the next.
type head struct {
	spans []span
	framing
}

// lower maps the bytes of a token to lower case, and all others to 0.
var lower = func() (t [256]byte) {
	for c := range 256 {
		b := byte(c)
		if !exchange.TokenByte(b) {
			continue
		}
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		t[c] = b
	}
	return t
}()

// parseFields reads field lines from b[i:] to the empty line that ends them and
// returns the index behind it. Names are put into lower case in place. The caller
// has made sure that CRLF CRLF follows, or CRLF at i: no scan below runs past a CR.
func (h *head) parseFields(b []byte, i, maxFields int) (end int, r *refusal) {
	h.spans = h.spans[:0]
	h.framing = noFraming
	for b[i] != '\r' {
		if len(h.spans) == maxFields {
			return 0, refManyFields
		}
		start := i
		for lower[b[i]] != 0 {
			b[i] = lower[b[i]]
			i++
		}
		if b[i] != ':' || i == start {
			return 0, refuseName(b, start, i)
		}
		nameEnd := i
		for i++; b[i] == ' ' || b[i] == '\t'; i++ {
		}
		value := i
		i = valueEnd(b, i)
		if b[i] != '\r' || b[i+1] != '\n' {
			return 0, refuseValue(b[i])
		}
		last := i
		for last > value && (b[last-1] == ' ' || b[last-1] == '\t') {
			last--
		}
		i += 2
		h.spans = append(h.spans, span{uint32(start), uint32(nameEnd), uint32(value), uint32(last)})
		if r := h.framing.note(b[start:nameEnd], b[value:last]); r != nil {
			return 0, r
		}
	}
	if b[i+1] != '\n' {
		return 0, refBareCR
	}
	return i + 2, nil
}

// valueEnd returns the index of the first byte from i on that cannot stand in a
// value. It looks at eight bytes at a time; there is a CR in b[i:].
func valueEnd(b []byte, i int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for {
		for ; i+8 <= len(b); i += 8 {
			x := binary.LittleEndian.Uint64(b[i:])
			d := x ^ 0x7f*ones
			// The lowest byte flagged is under 0x20 or is 0x7f; those above it may
			// be flagged by a borrow.
			if m := ((x - 0x20*ones) &^ x & tops) | ((d - ones) &^ d & tops); m != 0 {
				i += bits.TrailingZeros64(m) / 8
				break
			}
		}
		for i < len(b) && exchange.ValueByte(b[i]) {
			i++
			if i+8 <= len(b) {
				break
			}
		}
		if !exchange.ValueByte(b[i]) {
			return i
		}
	}
}

func refuseName(b []byte, start, i int) *refusal {
	c := b[i]
	switch {
	case i == start && (c == ' ' || c == '\t'):
		return refFold
	case i == start && c == ':':
		return refNameEmpty
	case c == ' ' || c == '\t':
		return refColonSpace
	case c == '\n':
		return refBareLF
	case c == '\r' && b[i+1] != '\n':
		return refBareCR
	}
	return refName
}

func refuseValue(c byte) *refusal {
	switch c {
	case '\r':
		return refBareCR
	case '\n':
		return refBareLF
	}
	return refValue
}

// cut appends the fields that were parsed to h; text is the parsed bytes.
func (h *head) cut(text string, to *exchange.Header) {
	for _, s := range h.spans {
		to.Append(text[s.name:s.nameEnd], text[s.value:s.valueEnd])
	}
}
