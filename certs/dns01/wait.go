package dns01

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mholt/acmez/v3/acme"
	"github.com/miekg/dns"
)

const (
	firstPoll   = 200 * time.Millisecond
	longestPoll = 2 * time.Second
	mostServers = 32               // that are asked for one zone
	blindTime   = 30 * time.Second // without any answer, after which Wait goes on in good faith
)

// server is one that is asked for the record.
type server struct {
	name    string // for people: "ns1.example.net (192.0.2.1)"
	addr    string
	recurse bool // it is a resolver, not one of the zone's own
}

// Wait waits until the zone's own servers, all that can be reached, have the record of
// a challenge. Where none of them can be reached, the resolvers are asked; they may
// remember for as long as the zone's SOA says that it was not there. Where nobody answers,
// port 53 being closed, half a minute has to do.
func (s *Solver) Wait(ctx context.Context, c acme.Challenge) error {
	p := s.recall(challengeKey(c))
	if p == nil || p.value == "" {
		return nil // nothing was put anywhere
	}
	start := time.Now()
	if s.o.PropagationDelay > 0 && !sleep(ctx, s.o.PropagationDelay) {
		return fmt.Errorf("wait for TXT %s: %w", p.name, ended(ctx))
	}
	if s.o.PropagationTimeout < 0 {
		return nil
	}
	if err := s.seen(ctx, p); err != nil {
		return fmt.Errorf("wait for TXT %s: %w", p.name, err)
	}
	s.o.Log.Debug("challenge record seen", "name", p.name, "dur", time.Since(start))
	return nil
}

// seen polls until all servers have the record. The last look is when time is up.
func (s *Solver) seen(ctx context.Context, p *place) error {
	begin := time.Now()
	end := begin.Add(s.o.PropagationTimeout)
	d, ok := ctx.Deadline()
	callers := ok && d.Before(end) // the caller's time is over first
	if callers {
		end = d
	}
	servers, err := s.servers(ctx, p, end)
	if err != nil {
		return err
	}
	saw := false // a server could tell whether it has the record
	last := "nobody was asked"
	for pause := firstPoll; ; pause = min(pause*3/2, longestPoll) {
		said, blind := s.look(ctx, servers, p)
		over := !time.Now().Before(end)
		switch {
		case len(said) == 0:
			return nil
		case ctx.Err() != nil, over && callers: // what was asked last was cut short
			return fmt.Errorf("%w (before: %s)", ended(ctx), last)
		case blind && !saw && (over || time.Since(begin) > blindTime):
			// Nobody can be asked from here; the authority can, and the record is in.
			s.o.Log.Warn("challenge record not seen: no name server answers", "name", p.name, "err", strings.Join(said, "; "))
			return nil
		case over:
			return fmt.Errorf("not everywhere after %v: %s", time.Since(begin).Round(10*time.Millisecond), strings.Join(said, "; "))
		}
		saw = saw || !blind
		last = strings.Join(said, "; ")
		if !sleep(ctx, min(pause, time.Until(end))) && ctx.Err() != nil {
			return fmt.Errorf("%w (before: %s)", ended(ctx), last)
		}
	}
}

// ended is why ctx is over, or about to be.
func ended(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return context.DeadlineExceeded
}

// look asks all servers at once and returns what those say that do not have the record,
// and whether that is all that can be learnt: no server speaks to us at all.
func (s *Solver) look(ctx context.Context, servers []server, p *place) (said []string, blind bool) {
	said = make([]string, len(servers))
	var spoke atomic.Bool
	each(servers, func(i int, to server) {
		r, err := query(ctx, to.addr, p.name, dns.TypeTXT, to.recurse)
		switch {
		case err != nil:
			said[i] = to.name + ": " + brief(err)
			return
		case r.Rcode == dns.RcodeRefused, r.Rcode == dns.RcodeNotImplemented:
			said[i] = to.name + ": " + rcode(r.Rcode)
			return
		case r.Rcode != dns.RcodeSuccess:
			said[i] = to.name + ": " + rcode(r.Rcode)
		case !slices.Contains(textsIn(r), p.value):
			said[i] = fmt.Sprintf("%s: not there among %d values", to.name, len(textsIn(r)))
		}
		spoke.Store(true)
	})
	return slices.DeleteFunc(said, func(s string) bool { return s == "" }), !spoke.Load()
}

// each calls f for all servers at once and waits.
func each(servers []server, f func(int, server)) {
	var all sync.WaitGroup
	for i, to := range servers {
		all.Go(func() { f(i, to) })
	}
	all.Wait()
}

// servers are the zone's own, as far as they answer for it, or else the resolvers.
func (s *Solver) servers(ctx context.Context, p *place, end time.Time) ([]server, error) {
	until, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	own := s.authorities(until, strings.TrimSuffix(p.zone, "."))
	if ctx.Err() != nil {
		return nil, ended(ctx)
	}
	if len(own) > 0 {
		return own, nil
	}
	addrs, err := s.resolvers()
	if err != nil {
		return nil, err
	}
	var all []server
	for _, a := range addrs {
		all = append(all, server{name: a, addr: a, recurse: true})
	}
	s.o.Log.Debug("resolvers asked instead of the zone's servers", "zone", p.zone)
	return all, nil
}

// authorities looks up the zone's name servers and returns those that say that they are.
func (s *Solver) authorities(ctx context.Context, zone string) []server {
	r, err := s.resolve(ctx, zone, dns.TypeNS)
	if err != nil {
		return nil
	}
	var all []server
	for _, rr := range r.Answer {
		ns, ok := rr.(*dns.NS)
		if !ok || !strings.EqualFold(ns.Hdr.Name, zone+".") {
			continue
		}
		name, err := cleanName(ns.Ns)
		if err != nil || len(all) >= mostServers {
			continue
		}
		for _, ip := range s.addresses(ctx, name) {
			all = append(all, server{name: fmt.Sprintf("%s (%s)", name, ip), addr: s.at(ip)})
		}
	}
	all = all[:min(len(all), mostServers)]
	own := make([]bool, len(all))
	each(all, func(i int, to server) {
		r, err := query(ctx, to.addr, zone, dns.TypeSOA, false)
		if err == nil && r.Authoritative {
			found, ok := zoneIn(r, zone)
			own[i] = ok && found == zone
		}
	})
	var answering []server
	for i, to := range all {
		if own[i] {
			answering = append(answering, to)
		}
	}
	return answering
}

// addresses are those of a name server.
func (s *Solver) addresses(ctx context.Context, name string) []string {
	var all []string
	for _, typ := range []uint16{dns.TypeA, dns.TypeAAAA} {
		if r, err := s.resolve(ctx, name, typ); err == nil {
			all = append(all, addressesIn(r)...)
		}
	}
	return all
}
