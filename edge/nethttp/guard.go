package nethttp

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
)

// guard counts the frames of one HTTP/2 connection in both directions and ends it
// when its client keeps the server busy with frames that get nobody anything:
// resets, and what makes the server reset (CVE-2023-44487, CVE-2025-8671), pings,
// settings, empty frames. The library bounds memory and handlers; it does not end
// connections for the work they make (security G5, G6, G7).
//
// Every such frame costs; requests, responses and content earn. What is left over
// is bounded, so a client cannot save up for an attack.
type guard struct {
	clock  *atomic.Int64 // ticks of the watch
	left   atomic.Int64
	filled atomic.Int64 // tick of the last refill
	in     frames
	out    frames

	reading  sync.Mutex   // guards in, heard, last and leaving
	heard    int64        // tick of the last HEADERS
	last     uint32       // the highest stream of the client's
	leaving  bool         // a GOAWAY was sent: nothing more is read
	head     atomic.Int64 // tick plus one when the header block began that is on its way; 0 for none
	quiet    atomic.Int64 // tick plus one when the connection began to have no streams; 0 while it has some
	retiring atomic.Bool
	writing  sync.Mutex // guards out, and keeps writes whole
}

const (
	guardMost   = 2000 // what a connection starts with and may have at most
	guardRefill = 50   // per tick
)

var errFlood = errors.New("http2: client sends frames that get it nothing")

// frames reads the frame headers out of a byte stream (RFC 9113 §4.1).
type frames struct {
	skip   int // bytes to come that are no header
	header [9]byte
	have   int
	flags  byte // of the last frame
}

const preface = 24 // bytes before the client's first frame (RFC 9113 §3.4)

// Frame types (RFC 9113 §6).
const (
	frameData         = 0x0
	frameHeaders      = 0x1
	framePriority     = 0x2
	frameReset        = 0x3
	frameSettings     = 0x4
	framePing         = 0x6
	frameGoAway       = 0x7
	frameWindowUpdate = 0x8
	frameContinuation = 0x9

	flagAckOrEnd   = 0x1
	flagEndHeaders = 0x4
)

// next calls f for every frame header that p completes.
func (s *frames) next(p []byte, f func(kind, flags byte, length int)) {
	for len(p) > 0 {
		if s.skip > 0 {
			n := min(s.skip, len(p))
			s.skip -= n
			p = p[n:]
			continue
		}
		n := copy(s.header[s.have:], p)
		s.have += n
		p = p[n:]
		if s.have == len(s.header) {
			h := &s.header
			s.have, s.skip, s.flags = 0, int(h[0])<<16|int(h[1])<<8|int(h[2]), h[4]
			f(h[3], h[4], s.skip)
		}
	}
}

func newGuard(clock *atomic.Int64) guard {
	return guard{clock: clock, in: frames{skip: preface}}
}

// received takes what came from the client. It returns errFlood when that was too much.
func (g *guard) received(p []byte) error {
	g.in.next(p, g.frameIn)
	if g.in.skip == 0 && g.in.flags&flagEndHeaders != 0 && g.head.Load() != 0 {
		g.head.Store(0)
	}
	if g.left.Load() >= 0 {
		return nil
	}
	return errFlood
}

// read reads from c what the library is to see.
func (g *guard) read(c net.Conn, p []byte) (int, error) {
	for {
		n, err := c.Read(p)
		g.reading.Lock()
		leaving := g.leaving
		if !leaving {
			if flood := g.received(p[:n]); flood != nil {
				err = flood
			}
		}
		g.reading.Unlock()
		if !leaving || err != nil {
			return n, err
		}
	}
}

func (g *guard) write(c net.Conn, p []byte) (int, error) {
	g.writing.Lock()
	defer g.writing.Unlock()
	g.out.next(p, g.frameOut)
	return c.Write(p)
}

func (g *guard) frameIn(kind, flags byte, length int) {
	if kind != frameContinuation {
		g.head.Store(0)
	}
	switch kind {
	case frameHeaders:
		h := &g.in.header
		g.heard = g.clock.Load()
		g.last = max(g.last, (uint32(h[5])<<24|uint32(h[6])<<16|uint32(h[7])<<8|uint32(h[8]))&^(1<<31))
		g.head.Store(g.heard + 1)
	case frameData:
		if length == 0 && flags&flagAckOrEnd == 0 {
			g.pay(1)
		} else {
			g.earn(1)
		}
	case frameReset:
		g.pay(2) // more than the request earned
	case frameSettings:
		if flags&flagAckOrEnd == 0 {
			g.pay(20) // once or twice in a connection's life; it may cost tables (TableFlood)
		}
	case framePing:
		if flags&flagAckOrEnd == 0 {
			g.pay(2) // it has to be answered
		}
	case framePriority, frameWindowUpdate, frameContinuation:
		g.pay(1)
	}
}

func (g *guard) frameOut(kind, flags byte, _ int) {
	switch kind {
	case frameHeaders, frameData:
		g.earn(2) // a client may open its windows once for each
	case frameReset:
		g.pay(4)
	}
}

func (g *guard) earn(n int64) {
	if g.left.Add(n) > guardMost {
		g.left.Store(guardMost)
	}
}

func (g *guard) pay(n int64) {
	now := g.clock.Load()
	if last := g.filled.Load(); now > last && g.filled.CompareAndSwap(last, now) {
		g.earn((now - last) * guardRefill)
	}
	g.left.Add(-n)
}

// guardedTLS is a *tls.Conn, handshake done, whose frames are counted.
type guardedTLS struct {
	*tls.Conn
	guard guard
}

func (c *guardedTLS) Read(p []byte) (int, error)  { return c.guard.read(c.Conn, p) }
func (c *guardedTLS) Write(p []byte) (int, error) { return c.guard.write(c.Conn, p) }

// guardedPlain is the same without TLS.
type guardedPlain struct {
	net.Conn
	guard guard
}

func (c *guardedPlain) Read(p []byte) (int, error)  { return c.guard.read(c.Conn, p) }
func (c *guardedPlain) Write(p []byte) (int, error) { return c.guard.write(c.Conn, p) }
