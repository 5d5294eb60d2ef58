package argon2

import "math/bits"

// permute is a round of BLAKE2b, over the words of r at 16 places, with multiplications
// in it, which special hardware is no faster at (§3.6).
func permute(r *block, places *[16]uint8) {
	for _, q := range quarters {
		pa, pb, pc, pd := places[q[0]]&127, places[q[1]]&127, places[q[2]]&127, places[q[3]]&127
		a, b, c, d := r[pa], r[pb], r[pc], r[pd]
		a = plus(a, b)
		d = bits.RotateLeft64(d^a, -32)
		c = plus(c, d)
		b = bits.RotateLeft64(b^c, -24)
		a = plus(a, b)
		d = bits.RotateLeft64(d^a, -16)
		c = plus(c, d)
		b = bits.RotateLeft64(b^c, -63)
		r[pa], r[pb], r[pc], r[pd] = a, b, c, d
	}
}

func plus(a, b uint64) uint64 { return a + b + 2*uint64(uint32(a))*uint64(uint32(b)) }
