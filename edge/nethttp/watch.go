package nethttp

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// What a stream is waiting for.
const (
	phaseNone  = iota // a handler at work: no limit of ours
	phaseRead         // the next bytes of the request's body
	phaseWrite        // room to send
)

// watch looks at all streams once a second and ends those whose client does not
// move. One goroutine and two atomic stores per step are cheaper than a timer per
// stream, and hold for both libraries alike.
type watch struct {
	stall, grace, rate int64 // ticks; ticks of waiting before the rate counts; bytes per tick
	now                atomic.Int64
	mu                 sync.Mutex
	first              *watched
	stopped            chan struct{}
	running            bool
	also               func(now int64) // called after each look; may be nil
}

const tick = time.Second

// watched is the part of a stream that the watch sees.
type watched struct {
	prev, next *watched
	clock      *atomic.Int64
	w          http.ResponseWriter
	phase      atomic.Int32
	since      atomic.Int64 // tick of entering the phase, or of its last progress
	waited     atomic.Int64 // ticks spent in phaseRead before
	got        atomic.Int64 // bytes of body read
}

func (e *watched) reset(w http.ResponseWriter) {
	e.w = w
	e.phase.Store(phaseNone)
	e.waited.Store(0)
	e.got.Store(0)
}

func (e *watched) enter(phase int32) {
	e.since.Store(e.clock.Load())
	e.phase.Store(phase)
}

// pause says that not the client is waited for.
func (e *watched) pause() { e.phase.Store(phaseNone) }

// leave ends a phase that brought n bytes.
func (e *watched) leave(n int) {
	if e.phase.Load() == phaseRead {
		e.waited.Add(e.clock.Load() - e.since.Load())
		e.got.Add(int64(n))
	}
	e.phase.Store(phaseNone)
}

func (e *watched) progress(n int) {
	if n > 0 {
		e.since.Store(e.clock.Load())
	}
}

func (w *watch) init(stall, grace time.Duration, rate int) {
	w.stall, w.grace, w.rate = int64(max(1, stall/tick)), int64(max(1, grace/tick)), int64(rate)
	w.stopped = make(chan struct{})
}

// add begins to watch e. The goroutine starts with the first stream.
func (w *watch) add(e *watched) {
	e.clock = &w.now
	w.mu.Lock()
	w.startLocked()
	e.prev, e.next = nil, w.first
	if w.first != nil {
		w.first.prev = e
	}
	w.first = e
	w.mu.Unlock()
}

// start begins to tick before there is a stream.
func (w *watch) start() {
	w.mu.Lock()
	w.startLocked()
	w.mu.Unlock()
}

func (w *watch) startLocked() {
	if !w.running {
		w.running = true
		go w.run()
	}
}

// remove ends watching; after it, e.w is not touched any more.
func (w *watch) remove(e *watched) {
	w.mu.Lock()
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		w.first = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	}
	e.prev, e.next = nil, nil
	w.mu.Unlock()
}

func (w *watch) run() {
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			now := w.now.Add(1)
			w.look(now)
			if w.also != nil {
				w.also(now)
			}
		case <-w.stopped:
			return
		}
	}
}

func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.stopped:
	default:
		close(w.stopped)
		w.running = true // add starts no other
	}
}

// look is the sweep: some ten nanoseconds a stream.
func (w *watch) look(now int64) {
	past := time.Unix(1, 0)
	w.mu.Lock()
	defer w.mu.Unlock()
	for e := w.first; e != nil; e = e.next {
		idle := now - e.since.Load()
		switch e.phase.Load() {
		case phaseRead:
			waited := e.waited.Load() + idle
			if idle > w.stall || waited > w.grace && e.got.Load() < w.rate*waited {
				http.NewResponseController(e.w).SetReadDeadline(past)
			}
		case phaseWrite:
			if idle > w.stall {
				http.NewResponseController(e.w).SetWriteDeadline(past)
			}
		}
	}
}
