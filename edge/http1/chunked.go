package http1

import (
	"math"

	"github.com/weirproxy/weir/edge/exchange"
)

// parseChunkLine reads a chunk-size line without its CRLF (RFC 9112 §7.1) and
// returns the size and how many bytes of extensions follow it. The size is
// 1*16HEXDIG and is followed by nothing or ";": the grammar allows space before
// the semicolon, but no client sends it and peers disagree about it.
func parseChunkLine(line []byte) (size int64, extensions int, bad *refusal) {
	i := 0
	var n uint64
	for ; i < len(line); i++ {
		d := exchange.Unhex(line[i])
		if d > 15 {
			break
		}
		if i == 16 {
			return 0, 0, refChunkRange
		}
		n = n<<4 | uint64(d)
	}
	switch {
	case i == 0:
		return 0, 0, refChunkSize
	case n > math.MaxInt64:
		return 0, 0, refChunkRange
	case i < len(line) && line[i] != ';':
		return 0, 0, refChunkSize
	}
	for _, c := range line[i:] {
		if !exchange.ValueByte(c) {
			if c == '\r' {
				return 0, 0, refBareCR
			}
			return 0, 0, refChunkExt
		}
	}
	return int64(n), len(line) - i, nil
}
