package cgi

import (
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// run is one instance at work for one request. The guest runs on a goroutine of its own,
// so that what it writes can be sent meanwhile; that ends before the exchange does. The
// exchange's goroutine waits for it in await, Read (of content) and Close.
type run struct {
	guests   *Guests
	instance *vm.Instance
	req      *exchange.Request // its goroutine reads no field but Record.Number
	content  input             // of the run's goroutine
	bodiless bool              // HEAD, 204, 304: what it writes after the head goes nowhere
	more     chan struct{}     // a token for the exchange's goroutine: look again
	room     chan struct{}     // a token for the guest's
	timer    *time.Timer

	mu        sync.Mutex
	headed    bool // the head is there
	head      head
	raw       []byte // of the head, as far as it has come
	looked    int    // of raw
	buf       []byte // content that nobody has read yet, from taken on
	taken     int
	written   int64 // bytes of content
	cause     error // why it shall end
	lost      error // what reading the request's content failed with
	ripe      bool  // what is there shall be sent, without waiting for the end
	awaited   bool  // its end is waited for, since there is nothing to send before
	streams   bool  // the response has been handed out
	over      bool  // it wrote more than its Content-Length
	reading   bool  // the guest waits for the client's content
	writing   bool  // the guest waits for room
	quietFrom time.Time
	ended     bool
	err       error // of the run; nil: it ended well

	closed bool // of the exchange's goroutine
}

const (
	// bufferSize is how much content is held for who sends it.
	bufferSize = 32 << 10
	// grace is how long a program may go on after its head before the head is sent
	// alone. Nearly all have ended then, and their answer leaves in one piece.
	grace = 2 * time.Millisecond
)

var (
	errStopped = errors.New("the run is over")
	errClosed  = errors.New("its answer is not wanted any longer")
	errSilent  = errors.New("it was silent for too long")
	errShort   = errors.New("it wrote less than its Content-Length says")
	errNoStart = errors.New("its export _start is gone")
)

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// start makes an instance and lets it run.
func (h *handler) start(r *exchange.Request, a *ask) (*run, error) {
	g := h.guests
	n := &run{
		guests: g, req: r, content: a.content, bodiless: a.method == http.MethodHead, quietFrom: time.Now(),
		more: make(chan struct{}, 1), room: make(chan struct{}, 1),
	}
	stderr := vm.NewLines(func(line string) { g.say(n, slog.LevelInfo, line) })
	i, err := g.program.Instantiate(vm.Config{
		Limits: g.inner, State: n, Args: h.args, Env: h.environment(r, a), Files: g.plugin.Files,
		Stdin: n, Stdout: n, Stderr: stderr,
	})
	if err != nil {
		return nil, err
	}
	start := i.Lookup("_start")
	if start == nil {
		i.Close()
		return nil, errNoStart
	}
	n.instance = i
	n.buf = buffers.Get().(*[bufferSize]byte)[:0]
	n.timer = time.AfterFunc(g.limits.Wall, n.tick)
	c := &g.plugin.Counters
	c.Started.Add(1)
	i.CountIn(&c.Usage)
	c.Streams.Add(1)
	r.Watch(n)
	go n.serve(start, stderr)
	return n, nil
}

// serve lets the guest run to its end.
func (n *run) serve(start *vm.Func, stderr *vm.Lines) {
	g := n.guests
	_, err := n.instance.Call(start, nil)
	t, _ := errors.AsType[*vm.Trap](err)
	if t != nil && t.Reason == vm.Exited && t.Code == 0 {
		err, t = nil, nil
	}
	stderr.Flush()
	c := &g.plugin.Counters
	c.Calls.Add(1)
	c.Fuel.Add(n.instance.Spent())
	c.Nanos.Add(n.instance.Spent()) // a unit is about an instruction is about a nanosecond
	if t != nil && n.stopped() == nil {
		g.plugin.Trapped(n.req, t)
	}
	n.instance.Close()
	c.Streams.Add(-1)
	g.leave()

	n.mu.Lock()
	defer n.mu.Unlock()
	n.timer.Stop()
	switch {
	case n.cause != nil:
		err = n.cause
	case err != nil && n.lost != nil:
		err = n.lost // the client's failure came first
	case err == nil && !n.headed:
		err = errHeadEmpty
	case err == nil && n.head.length > n.written && !n.bodiless:
		err = errShort
	}
	n.ended, n.err = true, err
	signal(n.more)
}

// signal leaves a token, if there is none.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (n *run) stopped() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cause
}

// Interrupt implements exchange.Interrupter: the client has gone.
func (n *run) Interrupt(cause error) { n.stop(cause) }

// stop makes the run end soon. Only the first cause counts.
func (n *run) stop(cause error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stopLocked(cause)
}

func (n *run) stopLocked(cause error) {
	if n.cause != nil || n.ended {
		return
	}
	n.cause = cause
	n.instance.Interrupt(cause)
	if n.reading {
		if body, ok := n.content.body.(exchange.Interrupter); ok {
			body.Interrupt(cause)
		}
	}
	signal(n.room)
	signal(n.more)
}

// pause notes that the guest is going to wait for somebody else: its silence is no
// fault of its own. It returns false if the run shall end instead.
func (n *run) pause(what *bool) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cause != nil {
		return false
	}
	*what = true
	return true
}

func (n *run) resume(what *bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	*what = false
	n.quietFrom = time.Now()
}

// tick is called when the grace is over, and then now and again. Fuel bounds what a guest
// computes; this bounds how long it sleeps. A guest that writes is not silent, and may go
// on for as long as somebody reads.
func (n *run) tick() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ended || n.cause != nil {
		return
	}
	if n.headed && !n.ripe && !n.awaited {
		n.ripe = true
		signal(n.more)
	}
	wall := n.guests.limits.Wall
	switch quiet := time.Since(n.quietFrom); {
	case n.reading || n.writing:
		n.timer.Reset(wall)
	case quiet >= wall:
		silent := &vm.Trap{Func: "_start", Reason: vm.OutOfTime, Err: errSilent}
		n.stopLocked(silent)
		n.guests.plugin.Trapped(n.req, silent)
	default:
		n.timer.Reset(wall - quiet)
	}
}
