package dns01_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// world is what a provider's servers know: zones and records. Names are absolute,
// without the last dot; values plain.
type world struct {
	mu       sync.Mutex
	zones    []string
	recs     []stored
	last     int
	requests []string // "GET /zones"
	fault    func(n int, w http.ResponseWriter, r *http.Request) bool
}

type stored struct {
	id               int
	name, typ, value string
	ttl              int
}

const (
	theToken = "token-that-nobody-may-see"
	someText = "LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZo"
	moreText = "jHSsWvhJl5R8C2E_v1G6xWlLEzOpXwBXcQS8mFYAOhM"
)

// newWorld has a zone with things in it that are nobody's business.
func newWorld() *world {
	w := &world{zones: []string{"example.com", "deep.example.org"}}
	w.put("example.com", "TXT", "v=spf1 -all", 3600)
	w.put("example.com", "A", "192.0.2.1", 3600)
	w.put("www.example.com", "A", "192.0.2.1", 3600)
	w.put("_acme-challenge.other.example.com", "TXT", "not mine", 3600)
	w.put("_acme-challenge.deep.example.org", "TXT", "in another zone", 3600)
	return w
}

// put adds a record from outside.
func (w *world) put(name, typ, value string, ttl int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.putLocked(name, typ, value, ttl)
}

func (w *world) addZones(names ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.zones = append(w.zones, names...)
}

func (w *world) putLocked(name, typ, value string, ttl int) int {
	w.last++
	w.recs = append(w.recs, stored{w.last, name, typ, value, ttl})
	return w.last
}

// values are those of a name, in order.
func (w *world) values(name, typ string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.valuesLocked(name, typ)
}

func (w *world) valuesLocked(name, typ string) []string {
	var all []string
	for _, r := range w.recs {
		if r.name == name && r.typ == typ {
			all = append(all, r.value)
		}
	}
	slices.Sort(all)
	return all
}

func (w *world) setLocked(name, typ string, ttl int, values []string) {
	w.recs = slices.DeleteFunc(w.recs, func(r stored) bool { return r.name == name && r.typ == typ })
	for _, v := range values {
		w.putLocked(name, typ, v, ttl)
	}
}

// others describes all records but those of name and type.
func (w *world) others(name, typ string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for _, r := range w.recs {
		if r.name != name || r.typ != typ {
			all = append(all, fmt.Sprint(r.name, r.typ, r.value, r.ttl))
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

func (w *world) asked() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.requests)
}

// serve has an API speak for the world. Requests come one after the other.
func (w *world) serve(t testing.TB, api func(*world, http.ResponseWriter, *http.Request)) string {
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.requests = append(w.requests, r.Method+" "+r.URL.Path)
		n, fault := len(w.requests), w.fault
		w.mu.Unlock()
		if fault != nil && fault(n, rw, r) {
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		api(w, rw, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func (w *world) setFault(f func(n int, w http.ResponseWriter, r *http.Request) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = f
}

// zoneOf is the zone that a name is in.
func (w *world) zoneOf(name string) string {
	best := ""
	for _, z := range w.zones {
		if (name == z || strings.HasSuffix(name, "."+z)) && len(z) > len(best) {
			best = z
		}
	}
	return best
}

func short(name, zone, apex string) string {
	if name == zone {
		return apex
	}
	return strings.TrimSuffix(name, "."+zone)
}

func long(name, zone string) string {
	if name == "@" || name == "" {
		return zone
	}
	return name + "." + zone
}
