package sdktest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/sdk/internal/host"
	"github.com/weirproxy/weir/sdk/weir"
)

// Host runs one instance of a module. It belongs to the test that made it.
type Host struct {
	t      TB
	make   func() host.Guest
	rootID string
	config string
	plain  bool

	mostBody, mostCalls int
	patience            time.Duration
	mostSteps           int           // how much may happen without the clock going on
	mostAsked           int           // how many functions of the host's a callback may call
	longest             time.Duration // how long it may take, by the clock on the wall

	guest   host.Guest
	refused error
	broken  error // what the guest has failed with: it is not called any longer
	busy    bool  // inside the guest

	clock     clock
	contexts  map[uint32]*Exchange // streams that the guest knows
	live      []*Exchange          // those that are not over
	lastID    uint32
	effective *Exchange // what host functions speak of; nil: the root
	asked     int       // host functions called in this callback
	tick      ticker
	lent      lent

	next      func(*Request) *Answer
	nextHead  bool
	upstreams map[string]func(*Call) *Answer
	pending   map[uint32]*pending // by token
	lastToken uint32
	calls     []*Call
	reached   []*Request

	log      []Line
	warnings []string
	store    store
	keys     map[string]any
	shared   map[string]sharedValue
	lastCAS  uint32
	metrics  metrics
	random   *rand.ChaCha8
}

const (
	rootID          = 1
	defaultPatience = 10 * time.Minute
)

// New starts a filter: an instance of it is made, and configured. t may be nil in
// examples, where what would fail a test panics.
func New(t TB, options ...Option) *Host {
	if t == nil {
		t = nobody{}
	}
	t.Helper()
	h := &Host{
		t: t, mostBody: 1 << 20, mostCalls: 64, patience: defaultPatience,
		mostSteps: 1_000_000, mostAsked: 1_000_000, longest: 30 * time.Second,
		contexts: map[uint32]*Exchange{}, lastID: rootID,
		upstreams: map[string]func(*Call) *Answer{}, pending: map[uint32]*pending{},
		keys: map[string]any{}, shared: map[string]sharedValue{},
		random: rand.NewChaCha8([32]byte{}),
	}
	h.store.granted = map[string]bool{"": true}
	for _, o := range options {
		o(h)
	}
	if h.make == nil {
		t.Fatalf("sdktest: New needs one of the options Filter, Configured or Registered")
	}
	h.guest = h.make()
	t.Cleanup(h.end)
	if err := h.configure(); err != nil {
		t.Fatalf("sdktest: %v", err)
	}
	return h
}

// configure brings the guest up. A configuration that it refuses is no error here.
func (h *Host) configure() error {
	var started, taken bool
	err := h.enter(nil, func(g host.Guest) {
		g.OnContextCreate(rootID, 0)
		started = g.OnVMStart(rootID, 0)
	})
	if err != nil {
		return err
	}
	err = h.enter(nil, func(g host.Guest) {
		h.lent.config = true
		taken = g.OnConfigure(rootID, len(h.config))
	})
	switch {
	case err != nil:
		return err
	case !started || !taken:
		h.refused = errors.New("the configuration was refused")
		if n := len(h.log); n > 0 && h.log[n-1].Level == abi.Error {
			h.refused = errors.New(h.log[n-1].Text)
		}
	}
	return h.settle()
}

// Refused tells why the filter has not taken its configuration; nil: it has.
func (h *Host) Refused() error { return h.refused }

// Next says what is behind the filter. f is called when a request has reached that as a
// whole; if it returns nil, the answer is held until [Exchange.Answer]. Without Next, all
// is answered with an empty 200.
func (h *Host) Next(f func(*Request) *Answer) { h.next, h.nextHead = f, false }

// NextAtHead is Next for what answers as soon as it has the head of a request, without
// waiting for the body.
func (h *Host) NextAtHead(f func(*Request) *Answer) { h.next, h.nextHead = f, true }

// Upstream says how an upstream answers that the filter calls, and grants it. If f
// returns nil, or is nil, answers are held until [Call.Answer].
func (h *Host) Upstream(name string, f func(*Call) *Answer) {
	if f == nil {
		f = func(*Call) *Answer { return nil }
	}
	h.upstreams[name] = f
}

// Get sends a request without a body, and returns the response.
func (h *Host) Get(path string, header ...weir.Field) *Response {
	h.t.Helper()
	return h.Do(&Request{Path: path, Header: header})
}

// Post sends a request with a body, and returns the response.
func (h *Host) Post(path, body string, header ...weir.Field) *Response {
	h.t.Helper()
	return h.Do(&Request{Method: "POST", Path: path, Header: header, Body: body})
}

// Do sends a request, and returns the response when that is complete. The clock goes on
// as far as it has to.
func (h *Host) Do(r *Request) *Response {
	h.t.Helper()
	return h.Begin(r).Wait()
}

// Begin sends a request, with all of its body, and returns when everybody waits.
func (h *Host) Begin(r *Request) *Exchange {
	h.t.Helper()
	return h.begin(r, true)
}

// Open is Begin for a request whose body is not complete: [Exchange.Send] and
// [Exchange.End] are what sends the rest.
func (h *Host) Open(r *Request) *Exchange {
	h.t.Helper()
	return h.begin(r, false)
}

func (h *Host) begin(r *Request, whole bool) *Exchange {
	h.t.Helper()
	if h.refused != nil {
		h.t.Fatalf("sdktest: the filter has not taken its configuration: %v", h.refused)
	}
	h.outside()
	h.lastID++
	x := newExchange(h, h.lastID, r.filled(), whole)
	h.live = append(h.live, x)
	h.contexts[x.id] = x
	h.must(h.enter(x, func(g host.Guest) { g.OnContextCreate(x.id, rootID) }))
	h.must(h.settle())
	return x
}

// Now returns how far the clock has gone.
func (h *Host) Now() time.Duration { return h.clock.now }

// Advance has the clock go on, and what is due by then happen.
func (h *Host) Advance(d time.Duration) {
	h.t.Helper()
	h.outside()
	until := h.clock.now + d
	for {
		h.must(h.settle())
		at, ok := h.clock.next()
		if !ok || at > until {
			break
		}
		h.jump(at)
	}
	h.clock.now = until
}

// jump has the clock go on to the next event. Goroutines of the filter, which package
// weirhttp has, know of no clock but the machine's, and get some of its time.
func (h *Host) jump(at time.Duration) {
	if g, ok := h.guest.(interface{ Detached() int }); ok && g.Detached() > 0 {
		time.Sleep(min(at-h.clock.now, time.Millisecond))
	}
	h.clock.now = at
}

// must fails the test if there is an error.
func (h *Host) must(err error) {
	if err != nil {
		h.t.Helper()
		h.t.Fatalf("sdktest: %v", err)
	}
}

// settle has everything happen that can, without the clock going on.
func (h *Host) settle() error {
	for range h.mostSteps {
		some, err := h.step()
		if err != nil || !some {
			return err
		}
	}
	return fmt.Errorf("the filter does not come to an end: %d things have happened at the same time%s", h.mostSteps, h.openOnes())
}

// step has one thing happen.
func (h *Host) step() (bool, error) {
	if h.refused != nil {
		return false, nil
	}
	for _, x := range h.live {
		if some, err := x.step(); some || err != nil {
			return some, err
		}
	}
	if e := h.clock.due(); e != nil {
		return true, e.do()
	}
	return false, nil
}

// openOnes tells of requests that are under way, for failures.
func (h *Host) openOnes() (s string) {
	for _, x := range h.live {
		s += "\n\t" + x.state()
	}
	return s
}

// end is called when the test is over: clients go, and the instance ends.
func (h *Host) end() {
	if h.broken != nil || h.t.Failed() {
		return
	}
	h.t.Helper()
	for len(h.live) > 0 {
		h.must(h.live[0].leave())
	}
	h.must(h.enter(nil, func(g host.Guest) {
		g.OnDone(rootID)
		g.OnDelete(rootID)
	}))
	if c, ok := h.guest.(interface{ Waiting() int }); ok {
		if n := c.Waiting(); n > 0 {
			h.t.Fatalf("sdktest: %d functions of the filter still wait when all requests are over", n)
		}
	}
	if c, ok := h.guest.(interface{ Close() }); ok {
		c.Close()
	}
}

// nobody is the test where there is none.
type nobody struct{}

func (nobody) Helper()                        {}
func (nobody) Cleanup(func())                 {}
func (nobody) Logf(string, ...any)            {}
func (nobody) Failed() bool                   { return false }
func (nobody) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }
