//go:build !wasip1

package weir

// This file has what package sdktest asks of an instance beside what hosts do.

// Waiting tells how many functions of the filter have begun and are not over.
func (g *guest) Waiting() int { return g.busy }

// Detached tells how many goroutines answer requests, see Detach: those do not know of
// the host's clock.
func (g *guest) Detached() int { return g.outside.live }

// Close gives back what an instance keeps that is not called any longer.
func (g *guest) Close() {
	for _, w := range g.idle {
		w.stop()
	}
	g.idle = nil
}
