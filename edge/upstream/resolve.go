package upstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// lookup is what a pool knows of its names. It is guarded by pool.mu.
type lookup struct {
	needed  bool      // there are names
	places  [][]place // of every origin; the last good answer
	err     error     // of the last look-up
	next    int64
	running bool
	done    bool // names have been looked up once
	failed  int  // look-ups in a row
}

const (
	lookupTimeout = 10 * time.Second
	lookupAgain   = time.Second // after a first failure; then twice that, and so on
	serviceMost   = 64          // targets of one service
	addressMost   = 256         // of one name
)

// start finds the places of origins that need no resolving, before the pool is used.
func (l *lookup) start(p *Pool) {
	l.places = make([][]place, len(p.origins))
	for i, o := range p.origins {
		at, ok := o.literal(max(1, p.settings.Endpoints[i].Weight))
		if !ok {
			l.needed = true
			continue
		}
		l.places[i] = []place{at}
	}
	p.set.Store(&set{})
	p.settle()
	if !l.needed {
		close(p.resolved)
	}
}

// resolve looks all names of the pool up. Where that fails, the last good answer
// stays.
func (p *Pool) resolve(ctx context.Context) {
	found := make([][]place, len(p.origins))
	var all []error
	for i, o := range p.origins {
		if _, ok := o.literal(1); ok {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
		places, err := p.places(ctx, o, max(1, p.settings.Endpoints[i].Weight))
		cancel()
		if err != nil {
			all = append(all, fmt.Errorf("resolve %s: %w", p.settings.Endpoints[i].URL, err))
			continue
		}
		found[i] = places
	}
	if ctx.Err() != nil {
		return
	}
	p.learn(found, errors.Join(all...))
}

// learn takes what resolve found.
func (p *Pool) learn(found [][]place, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := &p.lookup
	for i, places := range found {
		if places != nil {
			l.places[i] = places
		}
	}
	wait := p.settings.Refresh
	switch {
	case err != nil:
		if l.err == nil {
			p.owner.log.Warn("upstream does not resolve", "pool", p.name, "err", err)
		}
		l.failed++
		again := lookupAgain << min(l.failed-1, 5)
		if wait < 0 || again < wait {
			wait = again
		}
	case l.err != nil:
		p.owner.log.Info("upstream resolves again", "pool", p.name)
		fallthrough
	default:
		l.failed = 0
	}
	l.err, l.running = err, false
	if l.next = p.now() + int64(wait); wait < 0 {
		l.next = never
	}
	p.settle()
	if !l.done {
		l.done = true
		close(p.resolved)
	}
	p.nudge()
}

// places asks name servers where o is.
func (p *Pool) places(ctx context.Context, o origin, weight int) ([]place, error) {
	if o.service == "" {
		return p.addresses(ctx, o, o.lookup, o.port, weight, 0)
	}
	_, records, err := p.owner.lookupSRV(ctx, "", "", o.service)
	// The resolver reports records that it has left out beside those it has not.
	if len(records) == 0 {
		return nil, cmp.Or(err, errors.New("no records"))
	}
	slices.SortStableFunc(records, func(a, b *net.SRV) int { return int(a.Priority) - int(b.Priority) })
	var places []place
	var all []error
	tier := 0
	for i, r := range records[:min(len(records), serviceMost)] {
		if i > 0 && r.Priority != records[i-1].Priority {
			tier += 2 // the addresses of one name take two
		}
		port := strconv.Itoa(int(r.Port))
		_, host, _, err := exchange.ParseAuthority(net.JoinHostPort(strings.TrimSuffix(r.Target, "."), port))
		if err != nil || r.Port == 0 {
			all = append(all, fmt.Errorf("target %q, port %d: not usable", r.Target, r.Port))
			continue
		}
		target := o
		target.host = host
		found, err := p.addresses(ctx, target, r.Target, port, min(weight*max(1, int(r.Weight)), weightMost), tier)
		places, all = append(places, found...), append(all, err)
	}
	if len(places) == 0 {
		return nil, cmp.Or(errors.Join(all...), errors.New("no targets"))
	}
	return places, nil
}

// addresses resolves one name. Where it has addresses of both families, those of
// version 6 stand by: very often both are the same server, and very often it listens
// to one of them only.
func (p *Pool) addresses(ctx context.Context, o origin, name, port string, weight, tier int) ([]place, error) {
	ips, err := p.owner.lookupNetIP(ctx, "ip", name)
	if err != nil {
		return nil, err
	}
	if len(ips) == 0 {
		return nil, errors.New("no addresses")
	}
	old := slices.ContainsFunc(ips, func(ip netip.Addr) bool { return ip.Unmap().Is4() })
	var places []place
	for _, ip := range ips[:min(len(ips), addressMost)] {
		at := o.at(o.host, ip, port, weight)
		if at.tier = tier; old && !ip.Unmap().Is4() {
			at.tier++
		}
		places = append(places, at)
	}
	return places, nil
}

// settle makes the set of what is known of all names. Endpoints whose place stays
// keep their health, connections and counters. p.mu is held, or nobody knows p yet.
func (p *Pool) settle() {
	old := map[string]*endpoint{}
	for _, e := range p.set.Load().all {
		old[e.key()] = e
	}
	var all []*endpoint
	known := map[string]*endpoint{}
	for _, places := range p.lookup.places {
		for _, at := range places {
			key := at.key()
			if twin := known[key]; twin != nil {
				twin.weight = min(twin.weight+at.weight, weightMost)
				continue
			}
			e := old[key]
			if delete(old, key); e == nil {
				if e = p.newEndpoint(at); p.lookup.done {
					e.started.Store(p.now())
					p.owner.log.Info("endpoint is new", "pool", p.name, "endpoint", e.address)
				}
			}
			e.weight, e.tier = at.weight, at.tier
			known[key] = e
			all = append(all, e)
		}
	}
	p.renew(all)
	for _, e := range old {
		p.owner.log.Info("endpoint is gone", "pool", p.name, "endpoint", e.address)
		e.client.Close()
	}
}
