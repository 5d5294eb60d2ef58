package argon2

import "encoding/binary"

// block is what the memory is made of: 1 KiB.
type block [128]uint64

// slices are the parts of a pass, between which lanes may look at each other.
const slices = 4

// filling is the memory while it is being filled.
type filling struct {
	blocks        []block // of each lane one after the other
	passes, lanes uint32
	length        uint32 // of a lane
}

// Key returns a hash of a password with a salt, of size bytes: as many passes over so many
// KiB of memory, in so many lanes, of which all are at least one.
func Key(password, salt []byte, passes, memory uint32, lanes uint8, size uint32) []byte {
	p := uint32(lanes)
	f := &filling{passes: passes, lanes: p, length: max(memory/(slices*p), 2) * slices}
	f.blocks = make([]block, p*f.length)
	f.begin(seed(password, salt, passes, memory, p, size))
	for pass := range passes {
		for slice := range uint32(slices) {
			for lane := range p {
				f.fill(pass, slice, lane)
			}
		}
	}
	var last block
	for lane := range p {
		for i, word := range f.at(lane, f.length-1) {
			last[i] ^= word
		}
	}
	return long(size, last.bytes())
}

// words appends numbers of 32 bits.
func words(b []byte, all ...uint32) []byte {
	for _, n := range all {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return b
}

// seed is H0 of RFC 9106 §3.2: of version 0x13 and type 2, without a secret and without
// associated data.
func seed(password, salt []byte, passes, memory, lanes, size uint32) []byte {
	b := words(nil, lanes, size, memory, passes, 0x13, 2, uint32(len(password)))
	b = append(b, password...)
	b = append(words(b, uint32(len(salt))), salt...)
	return blake2b(64, words(b, 0, 0))
}

// long is the hash of variable length of §3.3.
func long(size uint32, message []byte) []byte {
	message = append(words(nil, size), message...)
	if size <= 64 {
		return blake2b(int(size), message)
	}
	v := blake2b(64, message)
	sum := append([]byte(nil), v[:32]...)
	for size -= 32; size > 64; size -= 32 {
		v = blake2b(64, v)
		sum = append(sum, v[:32]...)
	}
	return append(sum, blake2b(int(size), v)...)
}

func (b *block) bytes() (out []byte) {
	for _, word := range b {
		out = binary.LittleEndian.AppendUint64(out, word)
	}
	return out
}

func (f *filling) at(lane, column uint32) *block { return &f.blocks[lane*f.length+column] }

// begin makes the first two blocks of each lane.
func (f *filling) begin(seed []byte) {
	for lane := range f.lanes {
		for column := range uint32(2) {
			text := long(1024, words(append([]byte(nil), seed...), column, lane))
			b := f.at(lane, column)
			for i := range b {
				b[i] = binary.LittleEndian.Uint64(text[8*i:])
			}
		}
	}
}

// fill computes what belongs to one slice of one lane (§3.4).
func (f *filling) fill(pass, slice, lane uint32) {
	segment := f.length / slices
	// In the first half of the first pass, which block is taken does not depend on the
	// password: who watches the cache learns nothing.
	blind := pass == 0 && slice < slices/2
	var input, addresses block
	copy(input[:], []uint64{uint64(pass), uint64(lane), uint64(slice), uint64(f.lanes * f.length), uint64(f.passes), 2})
	for i := range segment {
		if blind && i%128 == 0 {
			var zero, once block
			input[6]++
			mix(&once, &zero, &input)
			addresses = block{}
			mix(&addresses, &zero, &once)
		}
		if pass == 0 && slice == 0 && i < 2 {
			continue
		}
		column := slice*segment + i
		previous := f.at(lane, (column+f.length-1)%f.length)
		pick := previous[0]
		if blind {
			pick = addresses[i%128]
		}
		mix(f.at(lane, column), previous, f.reference(pass, slice, lane, i, pick))
	}
}

// reference is the block that a random number picks (§3.4.2).
func (f *filling) reference(pass, slice, lane, i uint32, pick uint64) *block {
	segment := f.length / slices
	from := uint32(pick>>32) % f.lanes
	if pass == 0 && slice == 0 {
		from = lane
	}
	done, first := slice*segment, uint32(0) // of this pass, and where the oldest block is
	if pass > 0 {
		done, first = f.length-segment, (slice+1)*segment%f.length
	}
	switch {
	case from == lane:
		done += i - 1
	case i == 0:
		done--
	}
	x := pick & 0xffffffff
	x = x * x >> 32
	back := uint32(uint64(done) * x >> 32)
	return f.at(from, (first+done-1-back)%f.length)
}

// mix adds the compression of x and y to what dst holds, which at first is zeros (§3.5).
func mix(dst, x, y *block) {
	var r block
	for i := range r {
		r[i] = x[i] ^ y[i]
		dst[i] ^= r[i]
	}
	var places [16]uint8
	for row := range 8 {
		for i := range places {
			places[i] = uint8(16*row + i)
		}
		permute(&r, &places)
	}
	for column := range 8 {
		for i := range places {
			places[i] = uint8(2*column + 16*(i/2) + i%2)
		}
		permute(&r, &places)
	}
	for i := range r {
		dst[i] ^= r[i]
	}
}
