package weir

import (
	"sync"
	"time"

	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/sdk/internal/host"
)

// outside is what goroutines have to do with the guest, beside its coroutines: code that
// knows nothing of this package blocks as it is used to, on channels, locks and timers.
type outside struct {
	live  int    // goroutines that Detach has started
	token uint32 // of the timer that lets them go on; 0: none
	root  uint32 // whose that is
	wait  uint64 // of that, in milliseconds
	still uint32 // how often in a row nothing came of it
	more  bool   // there was no time for all of ops

	mu   sync.Mutex // guards what follows
	ops  []op
	next int // of ops: what is before it is done
}

// op is something that a goroutine wants done where it can be.
type op struct {
	d    *Detached
	f    func()
	done chan struct{} // closed when it is; nil: nobody waits for it
	t    *task         // that does it
}

// Detached is a goroutine that answers a request.
type Detached struct {
	g    *guest
	s    *stream // nil: the request is over, or there never was one
	root uint32  // whose it is without a request
}

// Background returns what goroutines that answer no request call this package by. They go
// on while the guest has requests to answer.
func Background() *Detached {
	d := &Detached{g: inside}
	if d.g != nil {
		for id := range d.g.roots {
			d.root = id
			break
		}
	}
	return d
}

// Detach runs f on a goroutine of its own, and waits until it returns. f may block in
// any way that goroutines do, and start others; others of their kind, and other
// requests, go on meanwhile. It must not call this package but through d.Do. gone is
// called when the request is over before f is; f is expected to return soon then, but is
// not waited for.
//
// It is what package weirhttp is made of. Goroutines' timers are looked at a thousand times
// a second while something happens, and fifty times where nothing has happened for a
// second, so they may be late by as much.
func (r *Request) Detach(f func(d *Detached), gone func()) error {
	s := r.s
	if !s.active() || s.g.current != &s.main {
		return ErrGone
	}
	g, t := s.g, &s.main
	d := &Detached{g: g, s: s}
	over := false
	s.farewell = func() {
		d.s = nil
		gone()
	}
	g.outside.live++
	g.outside.still = 0
	go func() {
		defer d.finally(func() {
			over = true
			g.outside.live--
			if d.s != nil {
				g.wake(t)
			}
		})
		f(d)
	}()
	for !over {
		if !t.wait() {
			return ErrGone
		}
	}
	s.farewell, d.s = nil, nil // what f has left behind has nothing to do with it any longer
	return nil
}

// Do runs f where functions of this package may be called for the request, and waits
// until it returns. They may wait; further calls of Do go on meanwhile. When the request
// is over, they return ErrGone.
func (d *Detached) Do(f func()) {
	d.DoUntil(nil, f)
}

// DoUntil is Do, for as long as done is not closed: then what f waits for is given up,
// and returns ErrGone.
func (d *Detached) DoUntil(done <-chan struct{}, f func()) {
	if d.g == nil {
		return
	}
	p := op{d, f, make(chan struct{}), &task{g: d.g}}
	d.g.outside.push(p)
	select {
	case <-p.done:
	case <-done:
		d.finally(func() {
			if p.t.gone = true; p.t.waiting() {
				d.g.wake(p.t)
			}
		})
		<-p.done
	}
}

// finally has f done, and waits for nothing.
func (d *Detached) finally(f func()) { d.g.outside.push(op{d: d, f: f}) }

func (o *outside) push(p op) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ops = append(o.ops, p)
}

func (o *outside) pop() (p op, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.next == len(o.ops) {
		o.ops, o.next = o.ops[:0], 0
		return op{}, false
	}
	p, o.ops[o.next] = o.ops[o.next], op{}
	o.next++
	return p, true
}

// slice is how long the guest is kept for goroutines at a time, in nanoseconds: a call
// that computes for too long is ended by the host, and others want to be served.
const slice = int64(3 * time.Millisecond)

// pump lets goroutines run until they have nothing to do, and does what they want done.
// While there are any, a timer has it called again.
func (g *guest) pump() {
	o := &g.outside
	until, some := host.Now()+slice, false
	o.more = false
	for idle := 0; idle < rounds && !o.more; idle++ {
		breathe()
		for {
			p, ok := o.pop()
			if !ok {
				break
			}
			idle, some = -1, true
			if p.done == nil {
				p.f()
			} else {
				g.do(p)
			}
			if o.more = host.Now() > until; o.more {
				break
			}
		}
	}
	if o.still++; some {
		o.still = 0
	}
	switch {
	case o.more:
		g.again(0)
	case o.live > 0:
		g.again(min(uint64(1)<<min(o.still/16, 5), longestWait))
	}
}

// longestWait is how many milliseconds pass at most before goroutines are looked at. When
// their timers are due nobody can know: the longer nothing has happened, the less often it
// is seen to, so that they are late by some sixteenth of that time.
const longestWait = 20

// do does what a goroutine wants done, as a task of its own: it may wait.
func (g *guest) do(p op) {
	t := p.t
	t.s, t.root, t.gone = p.d.s, p.d.root, p.d.s == nil && p.d.root == 0
	if s := t.s; s != nil {
		host.SetEffectiveContext(s.id)
		s.parts = append(s.parts, t)
	} else {
		host.SetEffectiveContext(t.root)
	}
	t.start(func() {
		p.f()
		close(p.done)
		if s := t.s; s != nil {
			s.parts = without(s.parts, t)
		}
	})
	if t.s != nil {
		t.s.settle()
	}
}

// again has the host call again after some milliseconds, if it would not do so soon.
func (g *guest) again(wait uint64) {
	o := &g.outside
	var rt *root
	for _, rt = range g.roots {
		break
	}
	switch {
	case rt == nil:
		return
	case !g.onWeir():
		host.SetEffectiveContext(rt.id)
		rt.ticks(host.Now() + tick*int64(time.Millisecond))
		return
	case o.token != 0 && o.wait <= max(wait, 4):
		return
	case o.token != 0:
		host.Foreign(ext.Cancel, ext.AppendUint(nil, uint64(o.token)))
		o.token = 0
	}
	host.SetEffectiveContext(rt.id)
	if b, st := host.Foreign(ext.Timer, ext.AppendUint(nil, wait)); st == abi.OK {
		f := ext.Read(b)
		o.token, o.root, o.wait = uint32(f.Uint()), rt.id, wait
	}
}
