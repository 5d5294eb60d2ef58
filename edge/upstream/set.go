package upstream

import (
	"math/rand/v2"
	"slices"
	"sort"
)

// set is what calls choose from: a snapshot of the pool's endpoints, made anew when
// one of them changes its state, and never changed.
type set struct {
	all   []*endpoint // in the order of the settings
	able  []*endpoint // those that may be asked, those that stand by last
	first int         // so many of able are asked before the rest
	until int64       // when the first ejection ends and the set is stale; 0: never
	// sums has the weights of able[:first] added up, nil if they are all the same.
	sums []uint64
	most uint64 // the largest weight
	ids  map[string]*endpoint
}

// stale tells whether an ejection has ended since s was made.
func (s *set) stale(now int64) bool { return s.until != 0 && now >= s.until }

// query is what decides about one call's endpoint.
type query struct {
	now    int64
	limit  int64 // calls that an endpoint may have; 0: any number
	key    uint64
	keyed  bool
	sticky string // the value of the cookie
	tried  [8]*endpoint
	ntried int
}

// skips tells whether e must not be asked: it was, or is busy.
func (q *query) skips(e *endpoint) bool {
	return slices.Contains(q.tried[:q.ntried], e) || q.limit > 0 && e.inflight.Load() >= q.limit
}

// try notes that e was asked. It returns false when enough have been.
func (q *query) try(e *endpoint) bool {
	if q.ntried == len(q.tried) {
		return false
	}
	q.tried[q.ntried] = e
	q.ntried++
	return true
}

// newSet judges all at the time now. weights are those of all.
func newSet(all []*endpoint, now int64, sticky bool) *set {
	s := &set{all: all}
	var out []*endpoint // ejected, but not known to be ill
	for _, e := range all {
		switch {
		case e.down || e.draining:
		case e.ejected > now:
			out = append(out, e)
			if s.until == 0 || e.ejected < s.until {
				s.until = e.ejected
			}
		default:
			s.able = append(s.able, e)
		}
	}
	// Where all that is left has failed calls, a try is better than a sure refusal.
	if len(s.able) == 0 {
		s.able = out
	}
	slices.SortStableFunc(s.able, func(a, b *endpoint) int { return a.tier - b.tier })
	for s.first < len(s.able) && s.able[s.first].tier == s.able[0].tier {
		s.first++
	}
	s.weigh()
	if sticky {
		s.ids = make(map[string]*endpoint, len(s.able))
		for _, e := range s.able {
			s.ids[e.id] = e
		}
	}
	return s
}

func (s *set) weigh() {
	even, sum := true, uint64(0)
	sums := make([]uint64, s.first)
	for i, e := range s.able[:s.first] {
		w := uint64(e.weight)
		s.most = max(s.most, w)
		even = even && e.weight == s.able[0].weight
		sum += w
		sums[i] = sum
	}
	if !even {
		s.sums = sums
	}
}

// weight is that of able[i], i < first.
func (s *set) weight(i int) uint64 {
	switch {
	case s.sums == nil:
		return s.most
	case i == 0:
		return s.sums[0]
	}
	return s.sums[i] - s.sums[i-1]
}

// sample returns the index of an endpoint by weight. first is not 0.
func (s *set) sample() int {
	if s.sums == nil {
		return rand.IntN(s.first)
	}
	x := rand.Uint64N(s.sums[s.first-1])
	return sort.Search(s.first, func(i int) bool { return s.sums[i] > x })
}

// any returns an endpoint that may be asked, whatever the policy says, beginning
// anywhere among those of the first tier; nil if there is none.
func (s *set) any(q *query) *endpoint {
	if s.first == 0 {
		return nil
	}
	start := rand.IntN(s.first)
	for i := range s.able {
		at := i
		if i < s.first {
			if at += start; at >= s.first {
				at -= s.first
			}
		}
		if e := s.able[at]; !q.skips(e) {
			return e
		}
	}
	return nil
}
