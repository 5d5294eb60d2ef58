package upstream

import (
	"fmt"
	"math"
	"net/textproto"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// hashBy is what of a call policy hash looks at.
type hashBy struct {
	kind byte // 'i'p, 'u'ri, 'h'eader, 'c'ookie; 0: nothing
	name string
}

func parseHash(s string) (hashBy, error) {
	word, name, _ := strings.Cut(s, " ")
	switch {
	case s == "":
		return hashBy{}, nil
	case (s == "ip" || s == "uri"):
		return hashBy{kind: s[0]}, nil
	case word == "header" && exchange.ValidName(name):
		return hashBy{'h', strings.ToLower(name)}, nil
	case word == "cookie" && exchange.ValidName(name):
		return hashBy{'c', name}, nil
	}
	return hashBy{}, fmt.Errorf(`%q: want "ip", "uri", "header NAME" or "cookie NAME"`, s)
}

// key returns the hash of what c has; false if it has nothing.
func (h hashBy) key(c *exchange.Call) (uint64, bool) {
	switch h.kind {
	case 'i':
		if !c.Client.IsValid() {
			return 0, false
		}
		ip := c.Client.Addr().Unmap().As16()
		return hashBytes(ip[:]), true
	case 'u':
		return hashBytes(c.Target), true
	case 'h':
		v, ok := c.Header.Lookup(h.name)
		return hashBytes(v), ok
	case 'c':
		v := cookie(&c.Header, h.name)
		return hashBytes(v), v != ""
	}
	return 0, false
}

// cookie returns the value of the first cookie called name, or "".
func cookie(h *exchange.Header, name string) string {
	for line := range h.Values("cookie") {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			if k, v, ok := strings.Cut(textproto.TrimString(pair), "="); ok && k == name {
				return v
			}
		}
	}
	return ""
}

// hashBytes is FNV-1a, mixed. It is the same in every process, so that several
// weirs before the same upstreams agree.
func hashBytes[T string | []byte](s T) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return mix(h)
}

// mix spreads every bit of x over all others (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// rendezvous returns the endpoint that scores highest for q's key among those that
// may be asked. When one leaves, only the keys that it had move; when it is back,
// only those return. Weighted as in "Weighted Distributed Hash Tables" (Schindelhauer
// and Schomaker): the share of an endpoint is its weight's.
func (s *set) rendezvous(q *query) *endpoint {
	var best *endpoint
	var high uint64
	top := math.Inf(-1)
	for i, e := range s.able[:s.first] {
		if q.skips(e) {
			continue
		}
		score := mix(e.hash ^ q.key)
		if s.sums == nil {
			if best == nil || score > high {
				best, high = e, score
			}
			continue
		}
		// -w/ln(u), u uniform in (0, 1).
		u := (float64(score>>11) + 0.5) / (1 << 53)
		if weighted := -float64(s.weight(i)) / math.Log(u); weighted > top {
			best, top = e, weighted
		}
	}
	return best
}
