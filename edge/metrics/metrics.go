// Package metrics counts exchanges and shows the counts, with those of the process
// and whatever else is registered, in the text format that Prometheus reads.
//
// Counting an exchange costs a look-up of its site and a handful of atomic
// additions. Labels hold nothing that a client can make up: sites are those of the
// configuration, methods, protocols and statuses come from short fixed lists. So
// the number of series is bounded by the configuration, whatever is thrown at the
// server; a site without traffic has none.
package metrics

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// ContentType is the media type of what WriteTo writes.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Options say what a registry knows from the start.
type Options struct {
	Version  string   // of the program
	Revision string   // of its source; may be ""
	Sites    []string // names, as in Record.Site; see SetSites
}

// Registry holds the metrics of a process. It is safe for concurrent use.
type Registry struct {
	sites    atomic.Pointer[sites]
	nameless *site              // what reached no site, or one that is gone
	rejected [200]atomic.Uint64 // by status - 400
	reloads  struct {
		good, bad atomic.Uint64
		lastGood  atomic.Int64 // nanoseconds since 1970
		lastFine  atomic.Bool
	}
	invalid atomic.Uint64 // samples of collectors that were left out

	mu       sync.Mutex // guards what follows, and the change of sites
	families []family
	names    map[string]bool
}

var _ exchange.Observer = (*Registry)(nil)

// sites is the set of sites; it does not change once made.
type sites struct {
	byName map[string]*site
	sorted []*site
}

// New returns a registry.
func New(o Options) *Registry {
	g := &Registry{nameless: new(site), names: make(map[string]bool)}
	g.reloads.lastGood.Store(time.Now().UnixNano()) // the start is the first load
	g.reloads.lastFine.Store(true)
	g.SetSites(o.Sites)
	g.add(httpFamilies(g)...)
	g.add(ownFamilies(g, o)...)
	g.add(processFamilies(time.Now())...)
	return g
}

func (g *Registry) add(families ...family) {
	for _, f := range families {
		g.names[f.Name] = true
	}
	g.families = append(g.families, families...)
}

// SetSites says which sites there are from now on. Those that stay keep their
// counts, those that went take theirs along; what still ends on them is counted
// with what reached no site.
func (g *Registry) SetSites(names []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	was := g.sites.Load()
	now := &sites{byName: make(map[string]*site, len(names))}
	for _, name := range names {
		if name == "" || now.byName[name] != nil {
			continue
		}
		s := &site{name: name}
		if was != nil && was.byName[name] != nil {
			s = was.byName[name]
		}
		now.byName[name] = s
		now.sorted = append(now.sorted, s)
	}
	slices.SortFunc(now.sorted, func(a, b *site) int { return strings.Compare(a.name, b.name) })
	g.sites.Store(now)
}

// Observe implements [exchange.Observer]: it counts a finished exchange.
func (g *Registry) Observe(r *exchange.Request) {
	rec := &r.Record
	s := g.sites.Load().byName[rec.Site]
	if s == nil {
		s = g.nameless
		if i := rec.Status - 400; rec.Site == "" && i >= 0 && i < len(g.rejected) {
			g.rejected[i].Add(1)
		}
	}
	s.count(r)
}

// Reloaded counts an attempt to load the configuration anew; err is nil if it is
// in force.
func (g *Registry) Reloaded(err error) {
	g.reloads.lastFine.Store(err == nil)
	if err != nil {
		g.reloads.bad.Add(1)
		return
	}
	g.reloads.good.Add(1)
	g.reloads.lastGood.Store(time.Now().UnixNano())
}
