package upstream

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// Result is what is to be told of a call, whether it went well or not.
type Result struct {
	Endpoint string        // that answered, or was asked last: host:port, or the path of a socket
	Attempts int           // requests sent, and connections that could not be made
	Connect  time.Duration // spent on connecting, in all attempts
	Waited   time.Duration // from the first attempt to the head of the answer, or the last failure
}

// asking is the state of one Do.
type asking struct {
	query
	result Result
	sent   int  // attempts that may have reached an endpoint
	named  bool // the call says whom it asks for
	told   bool // and by which scheme
	bytes  *exchange.Bytes
	saved  exchange.Bytes // bytes as they were before the first attempt
	again  bool           // the body can be sent again
	timed  bool           // it is there: time is the endpoint's, not that of who sends it to us
	length int64          // of the body
	// hurried says that the deadline is the caller's.
	hurried bool
}

// Do sends c to one of the pool's endpoints, and to others as [Retry] says, and
// fills resp, which is empty. The caller reads and closes resp.Body, and until then
// the call counts as in flight.
//
// An empty Authority or Scheme of c is filled in by the endpoint's own. Errors are
// those of c's caller and Body as they are, else *exchange.Error, whose fault is the
// upstream's: with status 503 where no endpoint is well or free, 504 where time ran
// out, 502 for the rest.
func (p *Pool) Do(c *exchange.Call, resp *exchange.Response) (Result, error) {
	var a asking
	p.begin(c, &a)
	e, err := p.first(c, &a)
	if err != nil {
		return a.result, err
	}
	for {
		err = p.attempt(e, c, resp, &a)
		next := p.next(e, c, resp, &a, err)
		if next == nil {
			break
		}
		e = next
	}
	if err != nil {
		e.leave()
		return a.result, p.explain(e, err)
	}
	p.finish(e, c, resp, &a)
	return a.result, nil
}

// begin looks at c before anything happens to it.
func (p *Pool) begin(c *exchange.Call, a *asking) {
	p.calls.Add(1)
	p.ask(c, &a.query)
	a.named, a.told = c.Authority != "", c.Scheme != ""
	a.hurried = !c.Deadline.IsZero()
	if whole := p.settings.Timeouts.Whole; whole > 0 {
		if end := time.Now().Add(whole); !a.hurried || end.Before(c.Deadline) {
			c.Deadline, a.hurried = end, false
		}
	}
	a.length = c.Body.Len()
	if b, ok := c.Body.(*exchange.Bytes); ok {
		a.bytes, a.saved = b, *b
	}
	a.again = a.bytes != nil || a.length == 0
	there, ok := c.Body.(interface{ Buffered() int })
	a.timed = a.again || ok && int64(there.Buffered()) == a.length
	if a.length < 0 {
		c.Body = &begun{Body: c.Body}
	}
}

// ask fills in what decides about the endpoint.
func (p *Pool) ask(c *exchange.Call, q *query) {
	q.now, q.limit = p.now(), int64(p.settings.Limits.Requests)
	q.key, q.keyed = p.hash.key(c)
	if p.settings.Sticky != "" {
		q.sticky = cookie(&c.Header, p.settings.Sticky)
	}
}

// first takes a place at an endpoint, and waits for it where it has to.
func (p *Pool) first(c *exchange.Call, a *asking) (*endpoint, error) {
	s := p.fresh(a.now)
	if len(s.all) == 0 {
		// Names are looked up for the first time.
		if err := wait(c, p.resolved, cmp.Or(p.settings.Timeouts.Connect, lookupTimeout)); err != nil && err != errWaited {
			return nil, p.refuse(err)
		}
		s = p.set.Load()
	}
	if s.first == 0 {
		return nil, p.unavailable(p.illness(s))
	}
	if a.limit == 0 || p.queue.length.Load() == 0 {
		if e := p.grab(s, &a.query); e != nil {
			return e, nil
		}
	}
	e, err := p.await(c, &a.query)
	return e, p.refuse(err)
}

// attempt sends c once and notes how that went.
func (p *Pool) attempt(e *endpoint, c *exchange.Call, resp *exchange.Response, a *asking) error {
	if !a.named {
		c.Authority = e.authority
	}
	if !a.told {
		c.Scheme = e.scheme()
	}
	c.Attempt = exchange.Attempt{}
	began := p.now()
	if a.result.Attempts == 0 {
		a.now = began // after waiting, which is not the endpoints'
	}
	start := a.now
	err := e.client.Do(c, resp)
	end := p.now()
	a.result.Endpoint = e.address
	a.result.Attempts++
	a.result.Connect += c.Attempt.Connect
	a.result.Waited = time.Duration(end - start)
	took := end - began
	if !a.timed {
		took = 0
	}
	e.judge(c, resp.Status, err, a.hurried, took, end)
	return err
}

// next returns the endpoint for another attempt, with a place taken there and the
// one at e given back; nil if the last one decides.
func (p *Pool) next(e *endpoint, c *exchange.Call, resp *exchange.Response, a *asking, err error) *endpoint {
	if err == nil && (len(p.settings.Retry.Statuses) == 0 || !slices.Contains(p.settings.Retry.Statuses, resp.Status)) {
		return nil
	}
	how := p.repeatable(c, a, err)
	if how == no || overdue(c) || gone(c) != nil {
		return nil
	}
	other := p.another(e, a, how)
	if other == nil {
		return nil
	}
	if how != unsent && !p.budget.spend(p.now(), &p.calls, p.settings.Retry.Budget) {
		p.exhausted.Add(1)
		if other != e {
			other.leave()
		}
		return nil
	}
	p.retries.Add(1)
	e.count.retried.Add(1)
	if err == nil {
		resp.Body.Close()
	}
	resp.Header.Reset()
	resp.Trailer.Reset()
	resp.Status, resp.Body, resp.Tunnel = 0, exchange.NoBody, nil
	if a.bytes != nil {
		// A client may have put a copy in its place, of which nothing is left.
		*a.bytes, c.Body = a.saved, a.bytes
	}
	if c.Fresh = how == fresh; c.Fresh {
		// What else lies idle is as old as the connection that was closed; and so may
		// be what other calls put back there until this one is sent.
		e.client.CloseIdle()
	}
	if other != e {
		e.leave()
	}
	return other
}

// finish makes a call that was answered count until its response is over.
func (p *Pool) finish(e *endpoint, c *exchange.Call, resp *exchange.Response, a *asking) {
	if e.id != "" && a.sticky != e.id {
		secure := 0
		if c.Secure {
			secure = 1
		}
		resp.Header.Append("set-cookie", e.cookie[secure])
	}
	resp.Follow(e)
}

// overdue tells whether c's time is over.
func overdue(c *exchange.Call) bool { return !c.Deadline.IsZero() && !time.Now().Before(c.Deadline) }

// illness says why s has nobody to ask.
func (p *Pool) illness(s *set) error {
	if len(s.all) == 0 {
		p.mu.Lock()
		defer p.mu.Unlock()
		if err := p.lookup.failure(); err != nil {
			return err
		}
		return errors.New("no address is known yet")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var text strings.Builder
	for i, e := range s.all {
		if i == 3 {
			fmt.Fprintf(&text, " and %d more", len(s.all)-i)
			break
		}
		fmt.Fprintf(&text, "; %s: %s", e.address, e.why)
	}
	return errors.New("no endpoint is well" + text.String())
}

// refuse makes the error for a call that did not get a place; what its caller says
// stays as it is.
func (p *Pool) refuse(err error) error {
	switch err {
	case errFull, errWaited:
		return p.unavailable(err)
	case errOverdue:
		p.refused.Add(1)
		return &exchange.Error{Fault: exchange.Upstream, Status: 504, Err: fmt.Errorf("ask upstream %q: %w", p.name, err)}
	}
	return err
}

func (p *Pool) unavailable(err error) error {
	p.refused.Add(1)
	return &exchange.Error{
		Fault: exchange.Upstream, Status: 503, Err: fmt.Errorf("ask upstream %q: %w", p.name, err),
		Fields: []exchange.Field{{Name: "retry-after", Value: "1"}},
	}
}

// explain tells the log which endpoint failed; the client learns the status only.
// What is not the endpoint's fault stays as it is.
func (p *Pool) explain(e *endpoint, err error) error {
	inner, ok := errors.AsType[*exchange.Error](err)
	if !ok || !blames(err) {
		return err
	}
	return &exchange.Error{
		Fault: exchange.Upstream, Status: cmp.Or(inner.Status, 502), Fields: inner.Fields,
		Err: fmt.Errorf("ask %s of upstream %q: %w", e.address, p.name, reason(err)),
	}
}

// Choose tells which endpoint would be asked now, and why that one; "" if none.
func (p *Pool) Choose(c *exchange.Call) (endpoint, why string) {
	var q query
	p.ask(c, &q)
	s := p.fresh(q.now)
	e, busy := p.choose(s, &q)
	switch {
	case e == nil && busy:
		return "", "all endpoints are busy: the call would wait"
	case e == nil:
		return "", p.illness(s).Error()
	case q.sticky != "" && e.id == q.sticky:
		return e.address, "by cookie " + p.settings.Sticky
	}
	why = fmt.Sprintf("%s, %d of %d well", p.settings.Policy, len(s.able), len(s.all))
	if p.policy == byHash {
		if !q.keyed {
			return e.address, fmt.Sprintf("no %s to hash, so least-requests, %d of %d well", p.settings.Hash, len(s.able), len(s.all))
		}
		why = fmt.Sprintf("hash of %s, %d of %d well", p.settings.Hash, len(s.able), len(s.all))
	}
	return e.address, why
}
