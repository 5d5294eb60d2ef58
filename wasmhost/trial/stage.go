package trial

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/wasmhost/guest"
)

// stage is what a guest finds around it in one case. It is safe for concurrent use.
type stage struct {
	c     *Case
	quiet bool         // nothing is noted
	taken func() int64 // what the guest's instances have now
	most  atomic.Int64 // of that, what was seen

	mu         sync.Mutex
	behind     *Got
	calls      []*Got // in the order in which they were begun; nil: it came to none
	unanswered []*Got
	used       map[*Answer]int
}

// Handle is what is behind the filter.
func (s *stage) Handle(r *exchange.Request) (*exchange.Response, error) {
	s.sample()
	if err := s.note(r); err != nil {
		return nil, err
	}
	resp := r.NewResponse(http.StatusOK)
	if err := s.c.Upstream.give(resp, r, time.Time{}); err != nil {
		return nil, err
	}
	return resp, nil
}

// note reads what reaches the upstream, and keeps it.
func (s *stage) note(r *exchange.Request) error {
	if s.quiet {
		_, err := io.Copy(io.Discard, r.Body)
		return err
	}
	got := &Got{Method: r.Method, Path: r.Target, Scheme: r.Scheme, Authority: r.Authority, Header: fieldsOf(&r.Header)}
	if r.Body != exchange.NoBody {
		got.Header = framed(got.Header, r.Body.Len())
	}
	s.mu.Lock()
	s.behind = got
	s.mu.Unlock()
	var came Got
	came.keep(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	got.Body, got.Size, got.Err, got.Trailer = came.Body, came.Size, came.Err, fieldsOf(&r.Trailer)
	return came.Err
}

// sample looks at what the guest takes.
func (s *stage) sample() {
	now := s.taken()
	for most := s.most.Load(); now > most && !s.most.CompareAndSwap(most, now); most = s.most.Load() {
	}
}

// tell copies to o what has come so far: a call that nobody waits for may still be going on.
func (s *stage) tell(o *Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	copyOf := func(g *Got) *Got {
		if g == nil {
			return nil
		}
		one := *g
		return &one
	}
	o.Upstream, o.Memory = copyOf(s.behind), s.most.Load()
	o.Calls = nil
	for _, g := range s.calls {
		if g != nil {
			o.Calls = append(o.Calls, copyOf(g))
		}
	}
	o.unanswered = slices.Clone(s.unanswered)
}

// callee is an upstream that guests call.
type callee struct {
	s    *stage
	name string
	at   int // which of the calls it is
}

// callee finds one by what the guest calls it. Guests ask for it in their own order;
// what calls then is a goroutine for each, and any of them may be the first.
func (s *stage) callee(target string) (guest.Upstream, error) {
	if _, ok := s.c.Callees[target]; !ok {
		return nil, fmt.Errorf("the case has no upstream %s", target)
	}
	if s.quiet {
		return callee{s: s, name: target}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, nil)
	return callee{s, target, len(s.calls) - 1}, nil
}

// Do implements guest.Upstream.
func (u callee) Do(c *exchange.Call, resp *exchange.Response) error {
	s := u.s
	s.sample()
	got := &Got{To: u.name, Method: c.Method, Path: c.Target, Scheme: c.Scheme, Authority: c.Authority, Header: fieldsOf(&c.Header)}
	if c.Body != exchange.NoBody {
		got.Header = framed(got.Header, c.Body.Len())
	}
	if !s.quiet {
		s.mu.Lock()
		s.calls[u.at] = got
		s.mu.Unlock()
	}
	var came Got
	came.keep(c.Body)
	err := came.Err
	s.mu.Lock()
	got.Body, got.Size, got.Err = came.Body, came.Size, err
	if c.Trailer != nil {
		got.Trailer = fieldsOf(c.Trailer)
	}
	var a *Answer
	if err == nil {
		a = s.answer(u.name, got)
	}
	s.mu.Unlock()
	switch {
	case err != nil:
		return err
	case a == nil:
		return &exchange.Error{Fault: exchange.Upstream, Err: fmt.Errorf("the case has no answer for %s", got)}
	}
	return a.give(resp, c.Caller, c.Deadline)
}

// answer chooses the one for a call. It is called with s.mu held.
func (s *stage) answer(name string, got *Got) *Answer {
	all := s.c.Callees[name]
	for i := range all {
		a := &all[i]
		if !s.quiet && a.Times > 0 && s.used[a] >= a.Times || a.Match != nil && len(a.Match.differ("", got)) > 0 {
			continue
		}
		if !s.quiet {
			s.used[a]++
		}
		return a
	}
	if !s.quiet {
		s.unanswered = append(s.unanswered, got)
	}
	return nil
}

// patience is somebody who waits until it is told to stop.
type patience chan error

// Interrupt implements exchange.Interrupter.
func (p patience) Interrupt(cause error) {
	select {
	case p <- cause:
	default:
	}
}

var errSaid = errors.New("the call failed, as the case says")

// give fills resp as a says, after the time that a says, while the caller waits.
func (a *Answer) give(resp *exchange.Response, caller exchange.Caller, deadline time.Time) error {
	if err := a.linger(caller, deadline); err != nil {
		return err
	}
	if a.Err != "" {
		return &exchange.Error{Fault: exchange.Upstream, Err: fmt.Errorf("%w: %s", errSaid, a.Err)}
	}
	if len(a.Hints) > 0 && caller != nil {
		var h exchange.Header
		if err := fill(&h, a.Hints); err != nil {
			return err
		}
		if err := caller.Inform(http.StatusEarlyHints, &h); err != nil {
			return err
		}
	}
	var trailer exchange.Header
	if err := cmp.Or(fill(&resp.Header, a.Header), fill(&trailer, a.Trailer)); err != nil {
		return err
	}
	body := newContent(&a.Body, func() { resp.Trailer.CopyFrom(&trailer) })
	body.pause, body.cut = a.Pause, a.Cut
	resp.Status, resp.Body = a.Status, body
	return nil
}

// linger waits for as long as an answer takes.
func (a *Answer) linger(caller exchange.Caller, deadline time.Time) error {
	d, late := a.Delay, false
	if left := time.Until(deadline); !deadline.IsZero() && left < d {
		d, late = left, true
	}
	if d <= 0 && !late {
		return nil
	}
	p := make(patience, 1)
	if caller != nil {
		caller.Watch(p)
		defer caller.Watch(nil)
	}
	if err := wait(max(d, 0), p); err != nil {
		return err
	}
	if late {
		return &exchange.Error{Fault: exchange.Upstream, Err: fmt.Errorf("call took too long: %w", context.DeadlineExceeded)}
	}
	return nil
}
