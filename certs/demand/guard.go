package demand

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// busy is after how long it makes sense to come again where something is full that may
// be free at any time.
const busy = time.Second

// Guard stands before certificates on demand. Its methods are safe for concurrent use.
type Guard struct {
	options Options
	log     *slog.Logger
	allow   allowed
	ask     *endpoint // nil: none
	start   time.Time
	answers answers

	life context.Context // ends questions at Close
	end  context.CancelFunc
	done sync.WaitGroup

	mu      sync.Mutex // guards what follows
	closed  bool
	flights map[string]*flight
	novel   int           // flights for names without a yes
	failed  int           // questions that failed in a row
	failure error         // the last of them
	quiet   time.Duration // the log hears of no failure before then
	warned  bool          // it has heard of one since there was an answer
	probed  bool          // whether Ask says yes to everything is known, or being found out
	asking  asking
	issuing issuing

	asks, yes, no, failures, stale atomic.Uint64
	refused                        map[string]*atomic.Uint64
	told                           map[string]*told
}

// New makes a guard. Close ends it.
func New(o Options) (*Guard, error) {
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("guard certificates on demand: %w", err)
	}
	allow, err := parseAllow(o.Allow)
	if err != nil {
		return nil, fmt.Errorf("guard certificates on demand: %w", err)
	}
	g := &Guard{
		options: o, log: o.Log, allow: allow, start: time.Now(), flights: make(map[string]*flight),
		refused: make(map[string]*atomic.Uint64), told: make(map[string]*told), answers: answers{byName: make(map[string]*answer)},
	}
	if o.Ask != "" {
		if g.ask, err = parseEndpoint(o.Ask); err != nil {
			return nil, fmt.Errorf("guard certificates on demand: %w", err)
		}
	}
	for _, reason := range reasons() {
		g.refused[reason], g.told[reason] = new(atomic.Uint64), new(told)
	}
	seed := maphash.MakeSeed()
	g.asking = asking{newClients(seed, o.AskPerClient), newBuckets(o.AskTotal, 1)}
	g.issuing = issuing{
		seed: seed, client: newClients(seed, o.PerClient), domain: newBuckets(o.PerDomain, places),
		total: newBuckets(o.Total, 1), most: o.InFlight,
	}
	g.life, g.end = context.WithCancel(context.Background())
	return g, nil
}

// Close ends the questions that are in flight, and waits for them. Answers that are kept
// go on being given; nothing else is allowed any more.
func (g *Guard) Close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.end()
	g.done.Wait()
	if g.ask != nil {
		g.ask.pool.CloseIdleConnections()
	}
}

// Allowed tells whether name may have a certificate: nil if so, else a *[Refusal]. It
// takes at most Options.AskTimeout, or until ctx ends; nothing but a map look-up if the
// answer is kept. The client is whoever wants it; the zero Addr if that is not known.
func (g *Guard) Allowed(ctx context.Context, name string, client netip.Addr) error {
	now := time.Since(g.start)
	old := g.answers.get(name)
	if old.fresh(now) || old.waits(now, g.options.Stale) {
		return g.give(old, now)
	}
	if old == nil {
		if _, err := registrable(name); err != nil {
			return g.refuse(&Refusal{Name: name, Reason: ReasonName, Err: err})
		}
		if g.allow.match(name) {
			return nil
		}
	}
	if g.ask == nil && g.options.Decide == nil {
		return g.refuse(&Refusal{Name: name, Reason: ReasonDenied, Err: errNotListed})
	}
	f, a, refusal := g.join(name, client, now)
	switch {
	case a != nil:
		return g.give(a, now)
	case refusal != nil:
		return g.refuse(refusal)
	}
	select {
	case <-f.done:
		return g.give(f.answer, time.Since(g.start))
	case <-ctx.Done():
		return g.refuse(&Refusal{Name: name, Reason: ReasonCanceled, Err: context.Cause(ctx)})
	}
}

var errNotListed = errors.New("it is not listed, and nobody is asked")

// give counts an answer and returns it.
func (g *Guard) give(a *answer, now time.Duration) error {
	if a.decided && now >= a.until {
		g.stale.Add(1)
	}
	if a.refusal == nil {
		return nil
	}
	return g.refuse(a.refusal)
}

func (g *Guard) refuse(r *Refusal) error {
	g.refused[r.Reason].Add(1)
	g.tell(r)
	return r
}

// Begin takes from the budgets for one issuance, which ends when done is called, any
// number of times. The error is a *[Refusal]. It never waits, and does not ask whether
// the name is allowed: see Allowed.
func (g *Guard) Begin(name string, client netip.Addr) (done func(), err error) {
	domain, err := registrable(name)
	if err != nil {
		return nil, g.refuse(&Refusal{Name: name, Reason: ReasonName, Err: err})
	}
	g.mu.Lock()
	reason, wait := ReasonClosed, time.Duration(0)
	if !g.closed {
		reason, wait = g.issuing.take(domain, client, time.Since(g.start))
	}
	g.mu.Unlock()
	if reason != "" {
		return nil, g.refuse(g.spent(name, domain, reason, wait))
	}
	return sync.OnceFunc(func() {
		g.mu.Lock()
		g.issuing.inFlight--
		g.mu.Unlock()
	}), nil
}

func (g *Guard) spent(name, domain, reason string, wait time.Duration) *Refusal {
	r := &Refusal{Name: name, Reason: reason, Until: time.Now().Add(wait)}
	o := g.options
	switch reason {
	case ReasonClosed:
		r.Err, r.Until = errClosed, time.Time{}
	case ReasonInFlight:
		r.Err = fmt.Errorf("%d issuances are under way, which is the most", o.InFlight)
	case ReasonPerClient:
		r.Err = fmt.Errorf("the client has had %d in %v", o.PerClient.N, o.PerClient.Per)
	case ReasonPerDomain:
		r.Err = fmt.Errorf("%s has had %d in %v", domain, o.PerDomain.N, o.PerDomain.Per)
	case ReasonTotal:
		r.Err = fmt.Errorf("all together have had %d in %v", o.Total.N, o.Total.Per)
	}
	return r
}

var errClosed = errors.New("weir is stopping")

// Stats returns what has happened since New.
func (g *Guard) Stats() Stats {
	s := Stats{
		Asks: g.asks.Load(), Yes: g.yes.Load(), No: g.no.Load(), Failures: g.failures.Load(), Stale: g.stale.Load(),
		Refused: make(map[string]uint64),
	}
	for reason, n := range g.refused {
		s.Refused[reason] = n.Load()
	}
	s.Known, s.Unknown = g.answers.sizes()
	g.mu.Lock()
	defer g.mu.Unlock()
	s.Issuances, s.InFlight, s.Asking = g.issuing.begun, g.issuing.inFlight, len(g.flights)
	return s
}
