package cache

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// Selection says what Purge takes out: everything that all of its fields fit. The zero
// Selection fits nothing.
type Selection struct {
	Host   string // without port
	URL    string // one resource: "https://example.com/a?b=c", in all its variants
	Prefix string // of the canonical path: "/static/"
	Tag    string
	All    bool // fits everything, if no other field is set
}

// Purge takes out what fits, and keeps out what is arriving and fits. It returns how many
// responses it took out. An error says why a Selection cannot fit anything.
func (s *Store) Purge(what Selection) (n int, err error) {
	if what == (Selection{}) {
		return 0, fmt.Errorf("purge cache: nothing is selected")
	}
	rule := revocation{Selection: what}
	rule.Host = strings.ToLower(strings.TrimSuffix(what.Host, "."))
	if what.URL != "" {
		if rule.key, err = keyOf(what.URL); err != nil {
			return 0, fmt.Errorf("purge cache: %w", err)
		}
	}
	return s.revoke(rule), nil
}

// keyOf returns the key of an URL.
func keyOf(url string) (string, error) {
	scheme, rest, ok := strings.Cut(url, "://")
	slash := strings.IndexByte(rest+"/", '/')
	var r exchange.Request
	if !ok || scheme != "http" && scheme != "https" || rest == "" {
		return "", fmt.Errorf("URL %q: want http://host/path or https://host/path", url)
	}
	if err := r.SetAuthority(rest[:slash]); err != nil {
		return "", fmt.Errorf("URL %q: %w", url, err)
	}
	target := rest[slash:]
	if target == "" {
		target = "/"
	}
	if err := r.SetTarget(target); err != nil {
		return "", fmt.Errorf("URL %q: %w", url, err)
	}
	r.Scheme = scheme
	return string(new(Filter).appendKey(nil, &r)), nil
}

// revoke takes out what rule fits.
func (s *Store) revoke(rule revocation) (n int) {
	s.mu.Lock()
	s.revoked.add(rule)
	var victims []*entry
	switch {
	case rule.key != "":
		victims = slices.Clone(s.resources[rule.key])
	default:
		for e := s.oldest; e != nil; e = e.newer {
			victims = append(victims, e)
		}
	}
	var gone []string
	for _, e := range victims {
		if rule.fits(e) {
			gone = s.remove(e, gone)
			n++
		}
	}
	s.mu.Unlock()
	s.purged.Add(int64(n))
	s.disk.remove(gone)
	return n
}

// revocation is a purge, or what a request that changes something does to one URL.
type revocation struct {
	Selection
	key string
}

func (v *revocation) fits(e *entry) bool {
	if v.key != "" && v.key != e.key {
		return false
	}
	if v.Tag != "" && !slices.Contains(e.tags, v.Tag) {
		return false
	}
	if v.Host == "" && v.Prefix == "" {
		return true
	}
	p := placeOf(e.key)
	return (v.Host == "" || v.Host == p.host) && strings.HasPrefix(p.path, v.Prefix)
}

// revocations remembers the last purges: a response that was on its way, or on disk,
// when one happened is older than it. What changes single URLs is remembered by a hash
// of the key: to take one for another costs a fetch. Who began before all purges that
// are remembered has lost.
type revocations struct {
	epoch uint64 // counts both kinds
	seed  maphash.Seed
	keys  [4096]uint64 // the last epoch of each hash
	last  [64]revocation
	at    [64]uint64 // their epochs
	n     int
}

func (v *revocations) slot(key string) *uint64 {
	return &v.keys[maphash.String(v.seed, key)%uint64(len(v.keys))]
}

func (v *revocations) add(r revocation) {
	v.epoch++
	if r.key != "" {
		*v.slot(r.key) = v.epoch
		return
	}
	v.last[v.n%len(v.last)], v.at[v.n%len(v.last)] = r, v.epoch
	v.n++
}

// covers tells whether e, which was asked for at epoch, has been purged since.
func (v *revocations) covers(e *entry, epoch uint64) bool {
	if v.epoch == epoch {
		return false
	}
	if *v.slot(e.key) > epoch {
		return true
	}
	for i := range min(v.n, len(v.last)) {
		if v.at[i] > epoch && v.last[i].fits(e) {
			return true
		}
	}
	// The oldest that is remembered may have pushed out one that e ought to know.
	return v.n > len(v.last) && v.at[v.n%len(v.last)] > epoch
}

// revokedSince tells whether e, which was asked for at epoch, has been purged since.
func (s *Store) revokedSince(epoch uint64, e *entry) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.revoked.covers(e, epoch)
}

func (s *Store) epoch() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.revoked.epoch
}
