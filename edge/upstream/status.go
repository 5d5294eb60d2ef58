package upstream

import "time"

// PoolStatus is what is to be seen of a pool at a moment.
type PoolStatus struct {
	Name      string
	Policy    string
	Pending   int    // calls that wait for a free endpoint
	Calls     uint64 // since the pool was made
	Retries   uint64 // attempts beyond the first of a call
	Exhausted uint64 // retries that the budget did not allow
	Refused   uint64 // calls that found no endpoint, or none free in time
	Err       string // why its names do not resolve; "" if they do
	Endpoints []EndpointStatus
}

// EndpointStatus is what is to be seen of an endpoint. Counters begin with the
// endpoint.
type EndpointStatus struct {
	Address  string // host:port, or the path of a socket
	Protocol string // http, https, h2, h2c, h3
	Name     string // what its certificate has to say, and what it is asked for by default
	Weight   int
	// State is "up", "starting" (up, and in its slow start), "down" (by active
	// checks), "ejected" (by failures of calls) or "draining" (by order). Why tells
	// more, and Since when it began.
	State string
	Why   string
	Since time.Time

	InFlight   int
	Open, Idle int    // connections
	Made       uint64 // connections
	Calls      uint64 // attempts
	Retried    uint64 // attempts that were followed by another
	Stale      uint64 // idle connections that turned out to be closed; no failure
	// Failures: connections that could not be made, those cut before or in an answer,
	// time limits, answers 502 to 504.
	Connect, Cut, Timeout, Status uint64
	Ejections                     uint64
	Latency                       time.Duration // moving average to the head of answers; 0: not known
	Passed, Failed                uint64        // active checks
}

// Status returns what is to be seen of all pools, by name: of the newest one where a
// reload has left several.
func (u *Upstreams) Status() []PoolStatus {
	var list []PoolStatus
	for _, p := range u.current() {
		list = append(list, p.status())
	}
	return list
}

func (p *Pool) status() PoolStatus {
	now := p.now()
	s := p.fresh(now)
	p.mu.Lock()
	defer p.mu.Unlock()
	out := PoolStatus{
		Name: p.name, Policy: p.settings.Policy, Pending: int(p.queue.length.Load()),
		Calls: p.calls.Load(), Retries: p.retries.Load(), Exhausted: p.exhausted.Load(), Refused: p.refused.Load(),
	}
	if err := p.lookup.failure(); err != nil {
		out.Err = err.Error()
	}
	for _, e := range s.all {
		out.Endpoints = append(out.Endpoints, e.status(now))
	}
	return out
}

// status is called with pool.mu held.
func (e *endpoint) status(now int64) EndpointStatus {
	n := &e.count
	out := EndpointStatus{
		Address: e.address, Protocol: e.protocol, Name: e.server, Weight: e.weight,
		State: e.state(now), Why: e.why, Since: e.since,
		InFlight: int(e.inflight.Load()), Calls: n.calls.Load(), Retried: n.retried.Load(), Stale: n.stale.Load(),
		Connect: n.connect.Load(), Cut: n.cut.Load(), Timeout: n.timeout.Load(), Status: n.status.Load(),
		Ejections: n.ejections.Load(), Latency: time.Duration(e.latency.Load()),
		Passed: e.check.passed, Failed: e.check.failed,
	}
	out.Open, out.Idle, out.Made = e.client.connections()
	return out
}

func (e *endpoint) state(now int64) string {
	switch {
	case e.draining:
		return "draining"
	case e.down:
		return "down"
	case e.ejected > now:
		return "ejected"
	case e.pool.share(e, now) < 1:
		return "starting"
	}
	return "up"
}
