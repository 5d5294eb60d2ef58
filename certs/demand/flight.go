package demand

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

const (
	mostAsking = 32 // questions at once
	mostNovel  = 24 // of them about names without a yes, so that a flood leaves room for the others
	// failFor is how long a name is not asked about after a failure.
	failFor = 5 * time.Second
	// failing is how many failures in a row make it likely that the next is one.
	failing = 5
	// warnEvery is how often the log hears of failures.
	warnEvery = time.Minute
)

// flight is one question, and everybody who waits for its answer.
type flight struct {
	done   chan struct{}
	answer *answer // set before done is closed
}

// fresh tells whether a need not be asked about.
func (a *answer) fresh(now time.Duration) bool { return a != nil && a.decided && now < a.until }

// stands tells whether a, fresh or old, counts where nobody can be asked.
func (a *answer) stands(now, stale time.Duration) bool {
	return a != nil && a.decided && now < a.until+stale
}

// waits tells whether asking about a has failed just now.
func (a *answer) waits(now, stale time.Duration) bool {
	return a != nil && now < a.retry && (!a.decided || a.stands(now, stale))
}

// join returns the flight that asks about name, a new one if need be; or an answer that
// does without; or why it may not be asked.
func (g *Guard) join(name string, client netip.Addr, now time.Duration) (*flight, *answer, *Refusal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	// A flight may have ended since the caller looked.
	old, stale := g.answers.get(name), g.options.Stale
	if old.fresh(now) || old.waits(now, stale) {
		return nil, old, nil
	}
	stands := old.stands(now, stale)
	if f := g.flights[name]; f != nil {
		if stands && g.failed >= failing {
			return nil, old, nil
		}
		return f, nil, nil
	}
	if refusal := g.admit(name, client, old, now); refusal != nil {
		if stands {
			return nil, old, nil
		}
		return nil, nil, refusal
	}
	f := &flight{done: make(chan struct{})}
	name = strings.Clone(name) // it may be part of something large
	g.flights[name] = f
	novel := old == nil || !old.yes
	if novel {
		g.novel++
	}
	g.done.Go(func() { g.fly(f, name, client, old, novel) })
	if stands && g.failed >= failing {
		return nil, old, nil
	}
	return f, nil, nil
}

// admit takes from the budgets for a question about name.
func (g *Guard) admit(name string, client netip.Addr, old *answer, now time.Duration) *Refusal {
	r := &Refusal{Name: name, Reason: ReasonAsks, Until: time.Now().Add(busy)}
	novel := old == nil || !old.yes
	switch {
	case g.closed:
		r.Reason, r.Err, r.Until = ReasonClosed, errClosed, time.Time{}
	case g.failed >= failing && len(g.flights) > 0:
		r.Reason, r.Err = ReasonAsk, fmt.Errorf("asking has been failing: %w", g.failure)
	case len(g.flights) >= mostAsking || novel && g.novel >= mostNovel:
		r.Err = errAsking
	case novel:
		wait := g.asking.take(client, now)
		if wait == 0 {
			return nil
		}
		r.Err, r.Until = errAsks, time.Now().Add(wait)
	default:
		return nil
	}
	return r
}

var (
	errAsking = errors.New("too many names are being asked about")
	errAsks   = errors.New("too many names have been asked about for this client, or in all")
)

// fly asks, keeps the answer and hands it to who waits. The question does not end with
// those who came with it, since others may wait for it too.
func (g *Guard) fly(f *flight, name string, client netip.Addr, old *answer, novel bool) {
	ctx, cancel := context.WithTimeout(g.life, g.options.AskTimeout)
	g.asks.Add(1)
	err := g.decide(ctx, name, client)
	cancel()
	closing := g.life.Err() != nil && err != nil
	now := time.Since(g.start)
	f.answer = g.conclude(name, old, err, closing, now)
	failed := err != nil && !isDenial(err) && !closing

	g.mu.Lock()
	if !closing {
		g.answers.put(f.answer)
	}
	delete(g.flights, name)
	if novel {
		g.novel--
	}
	warn, recovered := g.count(err, failed, now)
	probe := err == nil && g.ask != nil && !g.probed
	g.probed = g.probed || probe
	g.mu.Unlock()
	close(f.done)

	if warn {
		g.log.Warn("certificates on demand: nobody can be asked", "name", name, "err", err)
	}
	if recovered {
		g.log.Info("certificates on demand: asking works again")
	}
	if probe {
		g.probe(client)
	}
}

// count enters how a question ended, and tells whether that is worth a line in the log.
func (g *Guard) count(err error, failed bool, now time.Duration) (warn, recovered bool) {
	switch {
	case failed:
		g.failures.Add(1)
		g.failed++
		g.failure = err
		if warn = now >= g.quiet; warn {
			g.quiet, g.warned = now+warnEvery, true
		}
		return warn, false
	case err == nil:
		g.yes.Add(1)
	case isDenial(err):
		g.no.Add(1)
	default:
		return false, false
	}
	recovered, g.warned = g.warned, false
	g.failed, g.failure = 0, nil
	return false, recovered
}

// conclude makes an answer of what came of a question.
func (g *Guard) conclude(name string, old *answer, err error, closing bool, now time.Duration) *answer {
	o, wall := g.options, time.Now()
	switch {
	case err == nil:
		return &answer{name: name, decided: true, yes: true, until: now + o.Yes}
	case isDenial(err):
		return &answer{
			name: name, decided: true, until: now + o.No,
			refusal: &Refusal{Name: name, Reason: ReasonDenied, Err: err, Until: wall.Add(o.No)},
		}
	case old.stands(now, o.Stale):
		a := &answer{name: name, decided: true, yes: old.yes, until: old.until, retry: now + failFor}
		if old.refusal != nil {
			a.refusal = &Refusal{Name: name, Reason: ReasonDenied, Err: old.refusal.Err, Until: wall.Add(failFor)}
		}
		return a
	case closing:
		return &answer{name: name, refusal: &Refusal{Name: name, Reason: ReasonClosed, Err: errClosed}}
	}
	return &answer{
		name: name, retry: now + failFor,
		refusal: &Refusal{Name: name, Reason: ReasonAsk, Err: err, Until: wall.Add(failFor)},
	}
}

// decide asks whoever there is: nil is a yes, a denial a no, everything else a failure.
func (g *Guard) decide(ctx context.Context, name string, client netip.Addr) error {
	if g.options.Decide != nil {
		yes, err := g.options.Decide(ctx, name, client)
		if err != nil {
			return fmt.Errorf("decide about %s: %w", name, err)
		}
		if !yes {
			return &denial{"decide about " + name + ": no"}
		}
	}
	if g.ask == nil {
		return nil
	}
	return g.ask.ask(ctx, name, client)
}

// probe finds out whether Ask says yes to everything, which is what a page does that
// answers 200 to any path, and which makes the guard an open door.
func (g *Guard) probe(client netip.Addr) {
	ctx, cancel := context.WithTimeout(g.life, g.options.AskTimeout)
	defer cancel()
	err := g.ask.askMissing(ctx, client)
	switch {
	case err == nil:
		g.log.Warn("certificates on demand: ask says yes to everything; "+
			"it has to answer 404 to names that are not yours", "url", g.ask.shown)
	case !isDenial(err):
		g.mu.Lock()
		g.probed = false // with the next yes, then
		g.mu.Unlock()
	}
}

// denial is a no that was said, as opposed to a failure to ask.
type denial struct{ text string }

func (d *denial) Error() string { return d.text }

func isDenial(err error) bool {
	_, ok := errors.AsType[*denial](err)
	return ok
}
