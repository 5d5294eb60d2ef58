package vm

import (
	"crypto/rand"
	"time"
)

// sleep is the guest's: it ends when the call's time is over, or the host wants it to.
func (i *Instance) sleep(nanos int64) {
	left := time.Until(i.Until())
	d := time.Duration(nanos)
	if nanos < 0 || d > left {
		d = left // the guest's number is unsigned, and so may look negative here
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-i.stop:
	}
	i.check()
}

// randomness gives out what the system's generator gives, a block at a time: guests ask
// for 8 bytes at once, and each might be a system call.
type randomness struct {
	block [256]byte
	used  int // of it; 0: nothing is in it
}

// Read implements io.Reader.
func (r *randomness) Read(p []byte) (int, error) {
	if len(p) > len(r.block) {
		return rand.Read(p)
	}
	if r.used == 0 || r.used+len(p) > len(r.block) {
		rand.Read(r.block[:])
		r.used = 0
	}
	n := copy(p, r.block[r.used:])
	clear(r.block[r.used : r.used+n]) // what a guest has got is nobody else's
	r.used += n
	return n, nil
}
