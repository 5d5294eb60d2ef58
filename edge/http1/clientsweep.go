package http1

import "time"

// minTick is the shortest time between two looks, for calls that have to be over soon.
const minTick = 5 * time.Millisecond

// sendTick is how often who is stuck in sending a body is looked at: an upstream that
// answers and reads no further is not to cost a second.
const sendTick = 50 * time.Millisecond

// add takes c in and makes the sweeper look often enough for its limits.
func (t *Transport) add(c *clientConn) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return errClientClosed
	}
	if t.ticker == nil {
		// The clock has stood since the transport was made, which may be days ago.
		t.start = time.Now()
		t.ticker = time.NewTicker(time.Duration(t.tick.Load()))
		go t.sweep()
	}
	c.index = len(t.conns)
	t.conns = append(t.conns, c)
	// The clock may be as old as the longest tick, and limits of c allow for its own.
	t.clock.Store(uint64(time.Since(t.start) / time.Millisecond))
	t.quicken(c.client.tick)
	return nil
}

func (t *Transport) remove(c *clientConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := len(t.conns) - 1
	if c.index > last || t.conns[c.index] != c {
		return // it never got in
	}
	moved := t.conns[last]
	t.conns[c.index], moved.index = moved, c.index
	t.conns[last] = nil
	t.conns = t.conns[:last]
}

// tick returns how often connections with these limits are looked at.
func (o *ClientOptions) tick() time.Duration {
	tick := time.Second
	for _, d := range []time.Duration{o.Head, o.Idle, o.Keep, o.Age, o.Tunnel} {
		if d > 0 {
			tick = min(tick, d/4)
		}
	}
	return max(tick, minTick)
}

// quicken makes the sweeper look at least every d. t.mu is held.
func (t *Transport) quicken(d time.Duration) {
	if int64(d) < t.tick.Load() {
		t.tick.Store(int64(d))
		t.ticker.Reset(d)
	}
}

// hurry makes the sweeper look in time for a call that has to be over in d.
func (t *Transport) hurry(d time.Duration) {
	if d = max(d/4, minTick); int64(d) < t.tick.Load() {
		t.mu.Lock()
		if t.ticker != nil {
			t.quicken(d)
		}
		t.mu.Unlock()
	}
}

// lookTick is how often unused connections are looked at, each by a system call, even
// while the sweeper has to hurry for others.
const lookTick = 900 * time.Millisecond

// sweep is the transport's one goroutine.
func (t *Transport) sweep() {
	defer close(t.swept)
	defer t.ticker.Stop()
	var over []*clientConn
	var looked uint64
	for {
		select {
		case <-t.stop:
			return
		case <-t.ticker.C:
		}
		now := uint64(time.Since(t.start) / time.Millisecond)
		t.clock.Store(now)
		look := now-looked >= uint64(lookTick/time.Millisecond)
		if look {
			looked = now
		}
		over = t.inspect(now, look, over[:0])
		for _, c := range over {
			c.client.forget(c)
			c.close()
		}
		clear(over)
	}
}

// inspect looks at every connection and returns the unused ones that are over. It
// finds out how soon the next look has to be.
func (t *Transport) inspect(now uint64, look bool, over []*clientConn) []*clientConn {
	next := time.Second
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := len(t.conns); i > 0; {
		if i--; i%sweepBatch == 0 {
			t.mu.Unlock()
			t.mu.Lock()
		}
		if i >= len(t.conns) {
			continue
		}
		c := t.conns[i]
		if c.inspect(now, look) {
			over = append(over, c)
		}
		next = min(next, c.client.tick)
		p := phaseOf(c.state.Load())
		if until := c.until.Load(); until >= now && p != callPooled {
			next = min(next, max(time.Duration(until-now)*time.Millisecond/4, minTick))
		}
		if p == callSend {
			next = min(next, sendTick)
		}
	}
	if int64(next) != t.tick.Load() {
		t.tick.Store(int64(next))
		t.ticker.Reset(next)
	}
	return over
}

// inspect holds c to its time limits. It tells whether c was unused and is over: look
// has it look for what the upstream has said to nobody, its end above all.
func (c *clientConn) inspect(now uint64, look bool) (over bool) {
	state := c.state.Load()
	p, since := phaseOf(state), state>>phaseBits
	o := &c.client.options
	switch until := c.until.Load(); {
	case p == callEnded:
		c.raw.SetDeadline(past) // again, for who had undone it when looking briefly
	case p == callPooled:
		if c.older(now, since, o.Keep) || c.old() || look && c.socket.sys != nil && readable(c.socket.sys) {
			return c.end(state, errUnused)
		}
	case until != 0 && now > until: // of which a fraction of a millisecond was cut off
		c.end(state, errCallSlow)
	case p == callSend && c.older(now, since, o.Idle):
		c.end(state, errSendSlow)
	case p == callSend && now > since && c.socket.sys != nil && readable(c.socket.sys):
		c.wake(state)
	case p == callHead && c.older(now, since, o.Head):
		c.end(state, errHeadSlow)
	case p == callBody && c.older(now, since, o.Idle):
		c.end(state, errAnswerSlow)
	case p == callQuiet && c.older(now, since, o.Tunnel):
		c.end(state, errQuietLong)
	case p == callTunnel && c.older(now, since, o.Tunnel):
		c.end(state, errTunnelIdle)
	}
	return false
}

// older tells whether something that began at since has lasted longer than d, if that
// is a limit. A stamp may be a tick old when it is made, so one tick is added: the
// longest there is while c is.
func (c *clientConn) older(now, since uint64, d time.Duration) bool {
	return d > 0 && now > since && time.Duration(now-since)*time.Millisecond >= d+c.client.tick
}

// wake makes who is stuck in sending since it was in state look around. One that has
// moved on is left alone: see tunnel.
func (c *clientConn) wake(state uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state.Load() == state {
		c.raw.SetWriteDeadline(past)
	}
}
