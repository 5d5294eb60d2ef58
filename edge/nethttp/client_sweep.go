package nethttp

import (
	"sync"
	"time"
)

// sweeper holds a client's calls and connections to their limits of time: one
// goroutine, while there are connections, and no timer per call.
type sweeper struct {
	head, idle, keep, tunnel time.Duration
	every                    time.Duration
	epoch                    time.Time
	running                  bool          // held by the client's lock
	wake                     chan struct{} // has one when the last connection has gone

	calls sync.Mutex // held while a call is looked at: after remove it is not touched
	first *outgoing
}

func (s *sweeper) init(o ClientOptions) {
	s.head, s.idle, s.keep, s.tunnel = o.Head, o.Idle, o.Keep, o.Tunnel
	s.every = time.Second
	for _, d := range []time.Duration{s.head, s.idle, s.keep, s.tunnel} {
		if d > 0 {
			s.every = min(s.every, max(d/4, time.Millisecond))
		}
	}
	s.epoch, s.wake = time.Now(), make(chan struct{}, 1)
}

// clock returns nanoseconds that are never 0.
func (s *sweeper) clock() int64 { return int64(time.Since(s.epoch)) + 1 }

func (s *sweeper) add(x *outgoing) {
	s.calls.Lock()
	defer s.calls.Unlock()
	if x.watched.next = s.first; s.first != nil {
		s.first.watched.prev = x
	}
	s.first = x
}

func (s *sweeper) remove(x *outgoing) {
	s.calls.Lock()
	defer s.calls.Unlock()
	w := &x.watched
	if w.prev != nil {
		w.prev.watched.next = w.next
	} else {
		s.first = w.next
	}
	if w.next != nil {
		w.next.watched.prev = w.prev
	}
	w.prev, w.next = nil, nil
}

// startLocked is called when c has got a connection.
func (s *sweeper) startLocked(c *Client) {
	if !s.running {
		s.running = true
		go s.run(c)
	}
}

// gone is called when c has lost its last connection.
func (s *sweeper) gone() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *sweeper) run(c *Client) {
	t := time.NewTicker(s.every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-s.wake:
		}
		c.mu.Lock()
		conns := c.conns
		if len(conns) == 0 {
			s.running = false
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		now := time.Now()
		for _, conn := range conns {
			if conn.sweep(now, s.keep) {
				c.drop(conn) // it was closed before it was in the list
			}
		}
		s.look(s.clock())
	}
}

func (s *sweeper) look(now int64) {
	s.calls.Lock()
	defer s.calls.Unlock()
	for x := s.first; x != nil; x = x.watched.next {
		if why := s.late(&x.watched, now); why != "" {
			x.giveUp(timeFault(why))
		}
	}
}

// late says which limit w has passed; "" for none.
func (s *sweeper) late(w *outgoingWatch, now int64) string {
	head, limit, active := s.head, s.idle, w.active.Load()
	if w.quiet.Load() {
		head, limit = s.tunnel, s.tunnel
	}
	switch w.phase.Load() {
	case phaseHead:
		if sent := w.sent.Load(); head > 0 && sent != 0 && now-sent > int64(head) {
			return "the upstream does not answer"
		}
	case phaseTunnel:
		// Also where nobody reads or writes, as the client takes nothing.
		if s.tunnel > 0 && now-active > int64(s.tunnel) {
			return "nothing goes through the tunnel"
		}
		return ""
	case phaseBody:
		if since := w.reading.Load(); limit > 0 && since != 0 && now-max(since, active) > int64(limit) {
			return "the upstream sends nothing"
		}
	}
	if since := w.writing.Load(); limit > 0 && since != 0 && now-max(since, active) > int64(limit) {
		return "the upstream takes nothing"
	}
	return ""
}
