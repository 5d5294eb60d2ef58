package upstream

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// choose returns an endpoint of s for q, by cookie, policy, or whoever is left; nil
// if there is none, and whether that is because those left are busy.
func (p *Pool) choose(s *set, q *query) (e *endpoint, busy bool) {
	if s.first == 0 {
		return nil, false
	}
	if q.sticky != "" {
		if e := s.ids[q.sticky]; e != nil && !q.skips(e) {
			return e, false
		}
	}
	switch {
	case p.policy == byFirst:
		e = s.able[0]
	case p.policy == byRound:
		e = p.round(s, q)
	case p.policy == byRandom:
		e = p.random(s, q)
	case p.policy == byHash && q.keyed:
		e = s.rendezvous(q)
	default:
		e = p.least(s, q)
	}
	if e != nil && !q.skips(e) {
		return e, false
	}
	if p.policy == byFirst {
		e = s.next(q)
	} else {
		e = s.any(q)
	}
	return e, e == nil && !s.exhausted(q)
}

// next returns the first endpoint in order that may be asked.
func (s *set) next(q *query) *endpoint {
	for _, e := range s.able {
		if !q.skips(e) {
			return e
		}
	}
	return nil
}

// exhausted tells whether q has tried all that are able.
func (s *set) exhausted(q *query) bool {
	for _, e := range s.able {
		if !slices.Contains(q.tried[:q.ntried], e) {
			return false
		}
	}
	return true
}

// policy is how endpoints are chosen.
type policy uint8

const (
	byLeast policy = iota // the order is that of policies
	byRound
	byRandom
	byFirst
	byHash
)

// least takes two at random and returns the one that has less to do. Two and not
// all: looking at all costs more, and would send everything that comes at the same
// moment to the same endpoint (Mitzenmacher, "The Power of Two Choices").
func (p *Pool) least(s *set, q *query) *endpoint {
	i := p.begun(s, q)
	if s.first == 1 {
		return s.able[i]
	}
	j := p.begun(s, q)
	if i == j {
		if j++; j == s.first {
			j = 0
		}
	}
	a, b := s.able[i], s.able[j]
	costA, costB := p.cost(a, s.weight(i), q.now), p.cost(b, s.weight(j), q.now)
	// Noise must not give everything to one: only those that are slower by half are
	// slow, and one that has not answered lately may have become better.
	if la, lb := a.latencyAt(q.now), b.latencyAt(q.now); la > 0 && lb > 0 && (la > lb+lb/2 || lb > la+la/2) {
		costA *= float64(la)
		costB *= float64(lb)
	}
	if q.skips(a) || costB < costA && !q.skips(b) {
		return b
	}
	return a
}

// cost is how much e has to do for its weight. Idle endpoints cost the same, since
// heavier ones come up more often already.
func (p *Pool) cost(e *endpoint, weight uint64, now int64) float64 {
	return 1 + float64(e.inflight.Load())/(float64(weight)*p.share(e, now))
}

// random returns an endpoint by weight alone.
func (p *Pool) random(s *set, q *query) *endpoint { return s.able[p.begun(s, q)] }

// begun samples, and samples again as often as slow start asks for: an endpoint
// that has a third of its share is refused two times in three.
func (p *Pool) begun(s *set, q *query) int {
	i := s.sample()
	if p.settings.SlowStart == 0 {
		return i
	}
	for range 8 {
		if share := p.share(s.able[i], q.now); share >= 1 || rand.Float64() < share {
			break
		}
		i = s.sample()
	}
	return i
}

// shareLeast is what an endpoint gets at once when it is back, so that it is tried.
const shareLeast = 0.1

// share is how far e's slow start has come, up to 1.
func (p *Pool) share(e *endpoint, now int64) float64 {
	slow := int64(p.settings.SlowStart)
	if slow == 0 {
		return 1
	}
	from := e.started.Load()
	if from == 0 || now-from >= slow {
		return 1
	}
	return max(shareLeast, float64(now-from)/float64(slow))
}

// round goes around by weight, smoothly and without a lock: of every turn's most
// passes, an endpoint takes part in as many as its weight says, spread evenly.
// Endpoints begin at different points of their turns, so that light ones do not come
// all at once.
func (p *Pool) round(s *set, q *query) *endpoint {
	n := uint64(s.first)
	for range min(2*s.first, roundSteps) {
		at := p.turn.Add(1) - 1
		i, pass := int(at%n), at/n
		e := s.able[i]
		if s.sums == nil && p.settings.SlowStart == 0 {
			if !q.skips(e) {
				return e
			}
			continue
		}
		weight := uint64(math.Ceil(float64(s.weight(i)) * p.share(e, q.now) * roundScale))
		most := s.most * roundScale
		if (weight*pass+e.hash%most)%most >= most-weight && !q.skips(e) {
			return e
		}
	}
	return p.random(s, q)
}

// roundSteps bounds the search where a few heavy endpoints let many light ones wait for
// their turn. Who is found by chance then is found by weight as well.
const roundSteps = 64

// roundScale keeps slow start's fractions of small weights.
const roundScale = 16

// stale is how long a latency holds that has not been measured again.
const stale = int64(10 * time.Second)

func (e *endpoint) latencyAt(now int64) int64 {
	if now-e.measured.Load() > stale {
		return 0
	}
	return e.latency.Load()
}

// measure adds one call's time to the moving average, to an eighth.
func (e *endpoint) measure(took, now int64) {
	if old := e.latencyAt(now); old > 0 {
		took = old + (took-old)/8
	}
	e.latency.Store(max(took, 1))
	e.measured.Store(now)
}
