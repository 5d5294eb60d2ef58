package nethttp

import (
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// The library's own idle timer is not used: when a connection is cut with streams
// open, net/http arms it anew after it has stopped it, and keeps all there is of the
// connection, some 180 KiB after a flood, until it fires. A client that connects,
// floods, and is cut could so fill memory at the speed of its handshakes.

// farewell is how long a client has to hear of a GOAWAY before its connection ends.
const farewell = time.Second

// setQuiet notes whether c has streams.
func (h *H2) setQuiet(c net.Conn, state http.ConnState) {
	if g := guardOf(c); g != nil && state == http.StateIdle {
		g.quiet.Store(h.clock.Load() + 1)
	} else if g != nil {
		g.quiet.Store(0)
	}
}

// look is called once a tick. It ends connections that are idle for too long, and
// those whose client has begun a header block and does not end it (security G9).
func (h *H2) look(now int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c, k := range h.conns {
		g := k.guard
		if g == nil || g.retiring.Load() {
			continue
		}
		if ticksSince(&g.quiet, now) > h.idle || ticksSince(&g.head, now) > h.header {
			g.retiring.Store(true)
			go h.retire(c, g, now-h.idle)
		}
	}
}

// ticksSince returns how long ago t was set to a tick plus one; 0 means that it is not.
func ticksSince(t *atomic.Int64, now int64) int64 {
	if began := t.Load(); began != 0 {
		return now + 1 - began
	}
	return 0
}

// retire tells the client that no request after the last it sent will be answered
// (RFC 9113 §6.8), and closes the connection when it has had the time to hear it.
func (h *H2) retire(c net.Conn, g *guard, since int64) {
	if !g.leave(c, since) { // a request came in between
		g.retiring.Store(false)
		return
	}
	t := time.NewTimer(farewell)
	defer t.Stop()
	select {
	case <-t.C:
	case <-h.done:
	}
	c.Close()
}

// leave sends a GOAWAY, unless a request has begun after the tick since; then it
// returns false. What the client sends from then on is dropped.
func (g *guard) leave(c net.Conn, since int64) bool {
	g.reading.Lock()
	if g.head.Load() == 0 && g.heard > since {
		g.reading.Unlock()
		return false
	}
	g.left.Store(guardMost) // what is dropped is no flood
	g.leaving = true
	last := g.last
	g.reading.Unlock()
	c.SetWriteDeadline(time.Now().Add(farewell))
	g.writing.Lock()
	defer g.writing.Unlock()
	if g.out.have == 0 && g.out.skip == 0 {
		under(c).Write([]byte{0, 0, 8, frameGoAway, 0, 0, 0, 0, 0, byte(last >> 24), byte(last >> 16), byte(last >> 8), byte(last), 0, 0, 0, 0})
	}
	return true
}

// under returns the connection that a guarded one writes to.
func under(c net.Conn) net.Conn {
	switch c := c.(type) {
	case *guardedTLS:
		return c.Conn
	case *guardedPlain:
		return c.Conn
	}
	return c
}

// guardOf returns the guard of c, or nil.
func guardOf(c net.Conn) *guard {
	switch c := c.(type) {
	case *guardedTLS:
		return &c.guard
	case *guardedPlain:
		return &c.guard
	}
	return nil
}
