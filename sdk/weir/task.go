package weir

import "iter"

// task is a function of the author's that may wait: a coroutine. While it waits, whoever
// called into the guest gets control back, and the guest serves others.
type task struct {
	g *guest
	s *stream // on whose behalf; nil: the root's
	w *worker // nil: it is over
	// root is the context that it belongs to where there is no stream.
	root    uint32
	answers []*Answer // to its calls, where there is no stream
	gone    bool      // nothing is to be waited for any longer
	done    bool
}

// worker is a coroutine that runs one task after the other: they are dearer to make than
// to keep.
type worker struct {
	resume func() (struct{}, bool)
	stop   func()
	yield  func(struct{}) bool
	f      func() // nil: run s's filter, which needs no closure of its own
	s      *stream
	idle   bool
}

// mostIdle is how many workers are kept that have nothing to do.
const mostIdle = 64

func newWorker() *worker {
	w := &worker{}
	w.resume, w.stop = iter.Pull(w.loop)
	return w
}

// loop runs tasks until it is stopped, or one panics. It calls them itself: a frame more
// costs each switch between coroutines some of its time.
func (w *worker) loop(yield func(struct{}) bool) {
	defer trace()
	w.yield = yield
	next := w.onward()
	for {
		if s := w.s; w.f == nil {
			resp, err := s.root.filter(&s.req, next)
			s.returned = true
			s.finish(resp, err)
		} else {
			w.f()
		}
		w.f, w.s, w.idle = nil, nil, true
		if !yield(struct{}{}) {
			return
		}
	}
}

// start runs f as t's function until it waits or is over.
func (t *task) start(f func()) {
	t.ready(f)
	t.run()
}

// ready makes t what run begins with: f, or with nil its stream's filter.
func (t *task) ready(f func()) {
	g := t.g
	if n := len(g.idle); n > 0 {
		t.w, g.idle = g.idle[n-1], g.idle[:n-1]
	} else {
		t.w = newWorker()
	}
	t.w.f, t.w.s = f, t.s
	g.busy++
}

// run lets t go on, until it waits again or is over.
func (t *task) run() {
	if t == nil || t.w == nil {
		return
	}
	g, before := t.g, t.g.current
	g.current = t
	t.w.idle = false
	t.w.resume()
	g.current = before
	if w := t.w; w.idle {
		t.w, t.done = nil, true
		g.busy--
		if len(g.idle) < mostIdle {
			g.idle = append(g.idle, w)
		} else {
			w.stop()
		}
	}
}

// wait gives control back until somebody runs t again. It tells whether there is still
// something to wait for.
func (t *task) wait() bool {
	if t.gone {
		return false
	}
	t.w.yield(struct{}{})
	return !t.gone
}

// waiting tells whether t has begun and is not over.
func (t *task) waiting() bool { return t != nil && t.w != nil }
