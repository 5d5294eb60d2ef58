package http1

import (
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// phase is what a connection is doing. Phases from phaseExpired on are final.
type phase uint64

const (
	phaseIdle    phase = iota // waits for the first byte of a head, holding its buffers
	phaseParked               // waits for it without buffers
	phaseHead                 // waits for the rest of a head
	phaseBody                 // waits for a request body
	phaseHandle               // runs the handler, or reads the response's body
	phaseWrite                // sends
	phaseLinger               // reads what is in flight before closing
	phaseTunnel               // carries another protocol's bytes, for as long as that takes
	phaseExpired              // took too long: the sweeper has ended it
	phaseCut                  // the server was closed
	phaseBits    = 4
)

// past is a deadline that wakes whoever waits. No deadline is ever in the future:
// setting one costs more than parsing a request.
var past = time.Unix(1, 0)

// sweepBatch bounds how long the sweeper keeps connections from coming and going.
const sweepBatch = 512

// sweep is the server's one goroutine. It publishes the clock that phases are
// stamped with, and looks at every connection once per tick.
func (s *Server) sweep() {
	defer close(s.swept)
	ticker := time.NewTicker(s.tick)
	defer ticker.Stop()
	for start := time.Now(); ; {
		select {
		case <-s.stop:
			return
		case <-ticker.C:
		}
		now := uint64(time.Since(start) / time.Millisecond)
		s.clock.Store(now)
		s.mu.Lock()
		// Downwards, because remove fills a hole with the last one, which has been
		// looked at then.
		for i := len(s.conns); i > 0; {
			if i--; i%sweepBatch == 0 {
				s.mu.Unlock()
				s.mu.Lock()
			}
			if i < len(s.conns) {
				s.conns[i].inspect(now)
			}
		}
		s.mu.Unlock()
	}
}

// enter notes that c begins something else now. It fails when the sweeper has
// ended the connection meanwhile.
func (c *conn) enter(p phase) bool {
	for {
		old := c.state.Load()
		if phase(old&(1<<phaseBits-1)) >= phaseExpired {
			return false
		}
		if c.state.CompareAndSwap(old, c.server.clock.Load()<<phaseBits|uint64(p)) {
			return true
		}
	}
}

// turn changes the phase alone: the time that counts began before.
func (c *conn) turn(p phase) bool {
	old := c.state.Load()
	return phase(old&(1<<phaseBits-1)) < phaseExpired &&
		c.state.CompareAndSwap(old, old>>phaseBits<<phaseBits|uint64(p))
}

// doing returns c's phase and since when.
func (c *conn) doing() (p phase, since uint64) {
	state := c.state.Load()
	return phase(state & (1<<phaseBits - 1)), state >> phaseBits
}

// inspect holds c to its timeouts. It runs on the sweeper's goroutine.
func (c *conn) inspect(now uint64) {
	state := c.state.Load()
	p, since := phase(state&(1<<phaseBits-1)), state>>phaseBits
	t, over := &c.server.timeouts, false
	switch p {
	case phaseIdle, phaseParked:
		over = c.older(now, since, t.Idle)
		if !over && (c.server.draining.Load() || p == phaseIdle && c.older(now, since, c.server.tick)) {
			c.wake()
		}
	case phaseHead:
		over = c.older(now, since, t.Head)
	case phaseBody:
		over = c.older(now, since, t.BodyIdle) || c.slow(now, since)
	case phaseWrite:
		over = c.older(now, since, t.Write)
	case phaseLinger:
		over = c.older(now, since, t.Linger)
	case phaseHandle:
		if c.older(now, since, 0) {
			c.watch()
		}
	}
	if over || p == phaseExpired {
		c.expire(state, now)
	}
}

// expire ends c unless it has moved on since it was in state. One that has been
// ended before, and still takes its time to close, is woken once more.
func (c *conn) expire(state, now uint64) {
	c.mu.Lock() // against revive
	defer c.mu.Unlock()
	if c.state.CompareAndSwap(state, now<<phaseBits|uint64(phaseExpired)) {
		c.raw.SetDeadline(past)
	}
}

// older tells whether something that began at since has lasted longer than d. A
// stamp may be a tick old when it is made, so one tick is added.
func (c *conn) older(now, since uint64, d time.Duration) bool {
	return d >= 0 && now > since && time.Duration(now-since)*time.Millisecond >= d+c.server.tick
}

// slow tells whether the request body comes in below the minimum rate. Only time
// spent waiting for the client counts, not what the handler took.
func (c *conn) slow(now, since uint64) bool {
	t := &c.server.timeouts
	waited := time.Duration(c.bodyWait.Load()+now-since) * time.Millisecond
	if t.BodyRate < 0 || t.BodyGrace < 0 || waited < t.BodyGrace+c.server.tick {
		return false
	}
	return c.bodyGot.Load() < int64(waited/time.Millisecond)*int64(t.BodyRate)/1000
}

// wake makes a waiting read return, so that its goroutine looks around.
func (c *conn) wake() { c.raw.SetReadDeadline(past) }

// awake undoes wake after a read timed out, and tells whether c goes on. A wake or
// an end that comes at the same moment is not lost: whoever ends a connection
// changes its state before it sets the deadline.
func (c *conn) awake() bool {
	c.raw.SetReadDeadline(time.Time{})
	p, _ := c.doing()
	return p < phaseExpired
}

// revive undoes the end of a connection: for a last answer to a client that was too
// slow, or where what was waited for came at the same moment.
func (c *conn) revive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	state := c.state.Load()
	if phase(state&(1<<phaseBits-1)) != phaseExpired ||
		!c.state.CompareAndSwap(state, c.server.clock.Load()<<phaseBits|uint64(phaseHandle)) {
		return false
	}
	c.raw.SetDeadline(time.Time{})
	return true
}

// arrived is enter(phaseHandle) after something was received: it counts, even if
// its time had just run out.
func (c *conn) arrived() bool { return c.enter(phaseHandle) || c.revive() }

// cut ends c whatever it is doing.
func (c *conn) cut() {
	c.state.Store(uint64(phaseCut))
	c.raw.Close()
	c.cancel(errServerClosed)
}

// watch ends the exchange's context if the client has gone, where nothing else would
// notice.
func (c *conn) watch() {
	c.mu.Lock()
	watched := (c.end != nil || c.watcher != nil) && c.sys != nil && c.serial == 0
	c.mu.Unlock()
	if watched && gone(c.sys) {
		c.cancel(exchange.ErrClientGone)
	}
}
