package edge

import (
	"math/rand/v2"
	"sync/atomic"
)

// numbers gives exchanges their numbers: unique in the process, and such that one
// does not tell the next. Mixing a counter (the finaliser of splitmix64, a
// bijection) costs less than drawing random bits.
type numbers struct {
	seed uint64
	n    atomic.Uint64
}

func newNumbers() *numbers { return &numbers{seed: rand.Uint64()} }

func (g *numbers) next() uint64 {
	z := g.seed + g.n.Add(1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
