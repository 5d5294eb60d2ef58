package upstream

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/weirproxy/weir/edge/exchange"
)

// blames tells whether err is the endpoint's fault, not the client's or weir's.
func blames(err error) bool {
	if errors.Is(err, exchange.ErrClientGone) {
		return false
	}
	e, ok := errors.AsType[*exchange.Error](err)
	return ok && e.Fault == exchange.Upstream
}

// judge learns from one attempt, which took so long; 0: nobody knows. hurried says that the caller has
// set the call's deadline: clients that give little time must not get an endpoint
// ejected.
func (e *endpoint) judge(c *exchange.Call, status int, err error, hurried bool, took, now int64) {
	e.count.calls.Add(1)
	switch {
	case err == nil && (status < 502 || status > 504):
		if e.unanswered.Load() != 0 {
			e.unanswered.Store(0)
		}
		if status < 500 && took > 0 { // errors come fast, and must not attract calls
			e.measure(took, now)
		}
		return
	case err == nil:
		e.count.status.Add(1)
		err = statusError(status)
	case !blames(err), hurried && isTimeout(err) && overdue(c):
		return
	case c.Attempt.Reused && !c.Attempt.Answered && !isTimeout(err):
		// The endpoint closed a connection that lay idle, as it may.
		e.count.stale.Add(1)
		return
	case isTimeout(err):
		e.count.timeout.Add(1)
	case !c.Attempt.Written:
		e.count.connect.Add(1)
	default:
		e.count.cut.Add(1)
	}
	e.failed(&e.unanswered, err)
}

type statusError int

func (s statusError) Error() string { return fmt.Sprintf("answers %d", int(s)) }

// failed counts a failure in row, and ejects e when there are enough of them.
func (e *endpoint) failed(row *atomic.Int32, err error) {
	most := e.pool.settings.Eject.Failures
	if n := row.Add(1); most > 0 && int(n) >= most {
		row.Store(0)
		e.pool.eject(e, int(n), err)
	}
}

// ejectLongest is how many times longer than the first an ejection gets.
const ejectLongest = 10

// eject takes e out for a while, unless too many are out: then, more would only
// overload those that are left.
func (p *Pool) eject(e *endpoint, failures int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, all := p.now(), p.set.Load().all
	usable, out := 0, 0
	for _, o := range all {
		if o.down || o.draining {
			continue
		}
		usable++
		if o.ejected > now {
			out++
		}
	}
	if e.ejected > now || e.down || e.draining || out+1 > max(1, len(all)*p.settings.Eject.Most/100) || out+1 >= usable {
		return
	}
	long := int64(p.settings.Eject.For)
	if e.ejects > 0 && now-e.ejected > ejectLongest*long {
		e.ejects = 0 // it has been well for long
	}
	e.ejected = now + min(long<<min(e.ejects, 8), ejectLongest*long)
	e.ejects++
	e.count.ejections.Add(1)
	p.note(e, slog.LevelWarn, "endpoint is ejected", fmt.Sprintf("%d failures in a row, the last: %v", failures, reason(err)))
	p.renew(all)
}

// comeBack ends ejections whose time is over. p.mu is held.
func (p *Pool) comeBack(now int64) {
	for _, e := range p.set.Load().all {
		if s := e.started.Load(); e.ejected > s && e.ejected <= now && !e.down {
			e.started.Store(e.ejected)
			p.note(e, slog.LevelInfo, "endpoint is tried again", "")
		}
	}
}
