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
	needed  bool     // there are names
	names   []naming // by origin
	unasked int      // of them have not been looked up once
	running int      // look-ups
	failing int      // names whose last look-up failed
	changed bool     // since the set was made of them
	told    bool     // pool.resolved is closed
}

// naming is what is known of one origin. Each is looked up for itself, so that name
// servers that are slow, or dead, keep no other names waiting.
type naming struct {
	places  []place // the last good answer, or what needs none
	fixed   bool    // it needs none
	err     error   // of the last look-up
	next    int64
	running bool
	met     bool // its places have been in the set
	failed  int  // look-ups in a row
}

const (
	lookupTimeout = 10 * time.Second
	lookupAgain   = time.Second // after a first failure; then twice that, and so on
	lookupsMost   = 64          // of one pool, at a time
	serviceMost   = 64          // targets of one service
	addressMost   = 256         // of one name
)

// start finds the places of origins that need no resolving, before the pool is used.
func (l *lookup) start(p *Pool) {
	l.names = make([]naming, len(p.origins))
	for i, o := range p.origins {
		n := &l.names[i]
		var at place
		if at, n.fixed = o.literal(p.weightOf(i)); n.fixed {
			n.places = []place{at}
		} else {
			l.unasked++
		}
	}
	l.needed = l.unasked > 0
	p.set.Store(&set{})
	p.settle()
}

func (p *Pool) weightOf(origin int) int { return max(1, p.settings.Endpoints[origin].Weight) }

// failure says why names do not resolve; nil if they do. It names a few.
func (l *lookup) failure() error {
	var few []error
	for i := range l.names {
		if err := l.names[i].err; err != nil {
			if few = append(few, err); len(few) == 3 {
				break
			}
		}
	}
	if more := l.failing - len(few); more > 0 {
		few = append(few, fmt.Errorf("and %d more", more))
	}
	return errors.Join(few...)
}

// resolve looks the name of one origin up. Where that fails, the last good answer
// stays.
func (p *Pool) resolve(ctx context.Context, i int) {
	limited, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	p.mu.Lock()
	old := p.lookup.names[i].places
	p.mu.Unlock()
	places, err := p.places(limited, p.origins[i], p.weightOf(i), old)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		err = fmt.Errorf("resolve %s: %w", p.settings.Endpoints[i].URL, err)
	}
	p.learn(i, places, err)
}

// learn takes what resolve found. There may be places with an error, too.
func (p *Pool) learn(i int, places []place, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := &p.lookup
	n := &l.names[i]
	l.running--
	n.running = false
	if n.next == 0 { // for the first time
		l.unasked--
		l.changed = true // if only in that
	}
	if places != nil && !slices.Equal(places, n.places) {
		n.places, l.changed = places, true
	}
	p.complain(n.err, err)
	n.err = err
	wait := p.settings.Refresh
	if err == nil {
		n.failed = 0
	} else {
		n.failed++
		if again := lookupAgain << min(n.failed-1, 5); wait < 0 || again < wait {
			wait = again
		}
	}
	if n.next = p.now() + int64(wait); wait < 0 {
		n.next = never
	}
	p.nudge()
}

// complain logs the first of the pool's names that fails, and that none does any more.
func (p *Pool) complain(before, now error) {
	l := &p.lookup
	switch {
	case before == nil && now != nil:
		if l.failing++; l.failing == 1 {
			p.owner.log.Warn("upstream does not resolve", "pool", p.name, "err", now)
		}
	case before != nil && now == nil:
		if l.failing--; l.failing == 0 {
			p.owner.log.Info("upstream resolves again", "pool", p.name)
		}
	}
}

// places asks name servers where o is. Targets of a service that cannot be looked up
// now stay where they were among old; then there are places and an error.
func (p *Pool) places(ctx context.Context, o origin, weight int, old []place) ([]place, error) {
	if o.service == "" {
		return p.addresses(ctx, o, o.lookup, o.port, weight, 0)
	}
	_, records, err := p.owner.lookupSRV(ctx, "", "", o.service)
	// The resolver reports records that it has left out beside those it has not.
	if len(records) == 0 {
		return nil, cmp.Or(err, errors.New("no records"))
	}
	// It shuffles those of one priority, too: endpoints are to keep their order.
	records = slices.SortedFunc(slices.Values(records), func(a, b *net.SRV) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Target, b.Target), cmp.Compare(a.Port, b.Port))
	})
	var places []place
	var all []error
	var passing error
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
		if mayPass(err) {
			passing, found = err, still(old, host, port, tier)
		}
		places, all = append(places, found...), append(all, err)
	}
	if len(places) == 0 {
		return nil, cmp.Or(errors.Join(all...), errors.New("no targets"))
	}
	return places, passing
}

// still returns the places of a target as they were, moved to a tier.
func still(old []place, host, port string, tier int) (list []place) {
	for _, at := range old {
		if at.server == host && strings.HasSuffix(at.address, ":"+port) {
			at.tier = tier + at.tier&1
			list = append(list, at)
		}
	}
	return list
}

// mayPass tells whether asking again may help against err: a name that is not there is
// an answer.
func mayPass(err error) bool {
	e, ok := errors.AsType[*net.DNSError](err)
	return ok && !e.IsNotFound || errors.Is(err, context.DeadlineExceeded)
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
	// Name servers and resolvers turn the order from one answer to the next.
	ips = slices.SortedFunc(slices.Values(ips), netip.Addr.Compare)
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
	l := &p.lookup
	for i := range l.names {
		n := &l.names[i]
		for _, at := range n.places {
			key := at.key()
			if twin := known[key]; twin != nil {
				twin.weight = min(twin.weight+at.weight, weightMost)
				continue
			}
			e := old[key]
			if delete(old, key); e == nil {
				if e = p.newEndpoint(at); n.met {
					e.started.Store(p.now())
					p.owner.log.Info("endpoint is new", "pool", p.name, "endpoint", e.address)
				}
			}
			e.weight, e.tier = at.weight, at.tier
			known[key] = e
			all = append(all, e)
		}
		n.met = n.met || n.places != nil
	}
	l.changed = false
	p.renew(all)
	if !l.told && (len(all) > 0 || l.unasked == 0) {
		l.told = true
		close(p.resolved)
	}
	for _, e := range old {
		p.owner.log.Info("endpoint is gone", "pool", p.name, "endpoint", e.address)
		e.client.Close()
	}
}
