package dns01

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libdns/libdns"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
	"github.com/miekg/dns"
)

// Options are the settings of a Solver. Provider is needed; the rest works as it is.
type Options struct {
	Provider Provider
	TTL      time.Duration // of the records; 0 means a minute. Providers raise it to what they allow
	// Resolvers are asked instead of the system's: "1.1.1.1", "[2606:4700::1111]:53".
	Resolvers []string
	// PropagationDelay is waited before the first look at the record; 0 looks at once.
	PropagationDelay time.Duration
	// PropagationTimeout is how long the record may take to be seen; 0 means two minutes,
	// negative does not look at all.
	PropagationTimeout time.Duration
	// OverrideDomain is the name that the record is put at, for all domains: where a CNAME
	// at _acme-challenge leads that cannot be seen from here.
	OverrideDomain string
	Log            *slog.Logger // nil is silent
}

// Solver proves control over domains by records in their zones. It is safe for
// concurrent use; a name and its wildcard may be proved at once.
type Solver struct {
	o        Options
	override string
	conf     string                     // path of resolv.conf
	at       func(server string) string // where the name server of that address is asked
	good     atomic.Int32               // the resolver that answered last, which is asked first

	mu     sync.Mutex
	placed map[string]*place // by challenge
	left   []*place          // that could not be taken out
}

// place is where the record of a challenge is, or was about to be.
type place struct {
	zone, name, value string
}

var (
	_ acmez.Solver = (*Solver)(nil)
	_ acmez.Waiter = (*Solver)(nil)
)

const (
	lookUpTime  = 30 * time.Second // of finding the zone
	cleanUpTime = 30 * time.Second
)

// NewSolver checks options. It asks nobody.
func NewSolver(o Options) (*Solver, error) {
	s := &Solver{
		o: o, conf: "/etc/resolv.conf", placed: make(map[string]*place),
		at: func(server string) string { return net.JoinHostPort(server, "53") },
	}
	if o.Provider == nil {
		return nil, errors.New("make dns-01 solver: no provider")
	}
	if s.o.Log == nil {
		s.o.Log = slog.New(slog.DiscardHandler)
	}
	if o.TTL == 0 {
		s.o.TTL = time.Minute
	}
	if o.PropagationTimeout == 0 {
		s.o.PropagationTimeout = 2 * time.Minute
	}
	if o.TTL < 0 || o.PropagationDelay < 0 {
		return nil, errors.New("make dns-01 solver: a duration is negative")
	}
	s.o.Resolvers = nil
	for _, r := range o.Resolvers {
		addr, err := serverAddress(r, "53")
		if err != nil {
			return nil, fmt.Errorf("make dns-01 solver: resolvers: %w", err)
		}
		s.o.Resolvers = append(s.o.Resolvers, addr)
	}
	if o.OverrideDomain != "" {
		var err error
		if s.override, err = cleanName(o.OverrideDomain); err != nil {
			return nil, fmt.Errorf("make dns-01 solver: override domain: %w", err)
		}
	}
	return s, nil
}

func (s *Solver) resolvers() (all []string, err error) {
	if all = s.o.Resolvers; len(all) > 0 {
		return all, nil
	}
	return systemResolvers(s.conf)
}

func challengeKey(c acme.Challenge) string {
	return c.DNS01TXTRecordName() + " " + c.DNS01KeyAuthorization()
}

// Present puts the record of a challenge in.
func (s *Solver) Present(ctx context.Context, c acme.Challenge) error {
	name, err := cleanName(c.DNS01TXTRecordName())
	if err != nil {
		return fmt.Errorf("present challenge: %w", err)
	}
	key := challengeKey(c)
	s.remember(key, &place{}) // nothing to clean up, until there is
	p, err := s.place(ctx, name)
	if err != nil {
		return err
	}
	p.value = c.DNS01KeyAuthorization()
	// Before the call: it may do its work and fail all the same.
	s.remember(key, p)
	if _, err = s.o.Provider.AppendRecords(ctx, p.zone, p.records(s.o.TTL)); err != nil {
		return fmt.Errorf("present challenge of %s: %w%s", name, err, s.otherZone(ctx, p, err))
	}
	s.o.Log.Debug("challenge record set", "name", p.name, "zone", p.zone)
	return nil
}

// CleanUp takes the record of a challenge out, at most 30 seconds long, though ctx may
// have ended.
func (s *Solver) CleanUp(ctx context.Context, c acme.Challenge) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	p := s.forget(challengeKey(c))
	switch {
	case p == nil: // of another life, or another node
		name, err := cleanName(c.DNS01TXTRecordName())
		if err != nil {
			return fmt.Errorf("clean up challenge: %w", err)
		}
		if p, err = s.place(ctx, name); err != nil {
			return fmt.Errorf("clean up challenge: %w", err)
		}
		p.value = c.DNS01KeyAuthorization()
	case p.value == "": // Present did not come that far
		return nil
	}
	if _, err := s.o.Provider.DeleteRecords(ctx, p.zone, p.records(s.o.TTL)); err != nil {
		s.leave(p)
		return fmt.Errorf("clean up challenge: leave TXT %q at %s behind: %w", p.value, p.name, err)
	}
	s.tidy(ctx)
	return nil
}

// mostLeft is how many records that could not be taken out are remembered.
const mostLeft = 64

// leave remembers a record for tidy.
func (s *Solver) leave(p *place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.left) < mostLeft {
		s.left = append(s.left, p)
	}
}

// tidy takes out what an earlier clean-up had to leave behind, now that the provider
// works. The first failure ends it until the next time.
func (s *Solver) tidy(ctx context.Context) {
	s.mu.Lock()
	left := s.left
	s.left = nil
	s.mu.Unlock()
	for i, p := range left {
		if _, err := s.o.Provider.DeleteRecords(ctx, p.zone, p.records(s.o.TTL)); err != nil {
			for _, p := range left[i:] {
				s.leave(p)
			}
			return
		}
	}
}

func (p *place) records(ttl time.Duration) []libdns.Record {
	zone := p.zone[:len(p.zone)-1]
	return []libdns.Record{libdns.TXT{Name: relative(p.name, zone, "@"), TTL: ttl, Text: p.value}}
}

func (s *Solver) remember(key string, p *place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.placed[key] = p
}

func (s *Solver) recall(key string) *place {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.placed[key]
}

func (s *Solver) forget(key string) *place {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.placed[key]
	delete(s.placed, key)
	return p
}

// place finds out where the record for name has to be: at the end of its CNAMEs, or
// where the options say.
func (s *Solver) place(ctx context.Context, name string) (*place, error) {
	ctx, cancel := context.WithTimeout(ctx, lookUpTime)
	defer cancel()
	target, err := s.override, error(nil)
	if target == "" {
		target, err = s.follow(ctx, name)
	}
	if err == nil {
		var zone string
		if zone, err = s.findZone(ctx, target); err == nil {
			return &place{zone: zone + ".", name: target}, nil
		}
	} else {
		target = name
	}
	// The DNS does not help. The provider may know what is its.
	if f, ok := s.o.Provider.(ZoneFinder); ok && ctx.Err() == nil {
		if zone, e := f.FindZone(ctx, target); e == nil {
			s.o.Log.Warn("zone found by the provider only", "name", target, "zone", zone, "err", err)
			return &place{zone: zone, name: target}, nil
		}
	}
	return nil, fmt.Errorf("find zone of %s: %w (%s)", target, err, dnsHint)
}

// follow goes along CNAMEs.
func (s *Solver) follow(ctx context.Context, name string) (string, error) {
	const most = 10
	first := name
	for range most {
		r, err := s.resolve(ctx, name, dns.TypeCNAME)
		if err != nil {
			return "", err
		}
		next, ok, err := aliasIn(r, name)
		if err != nil {
			return "", err
		}
		if !ok || name == first && s.wildcard(ctx, name, next) {
			return name, nil
		}
		name = next
	}
	return "", fmt.Errorf("more than %d CNAMEs follow %s, or they lead in a circle", most, first)
}

// wildcard reports whether a CNAME is there for every name beside this one: then nobody
// meant to lead challenges away, and a record of the name's own takes its place.
func (s *Solver) wildcard(ctx context.Context, name, target string) bool {
	beside := nobodys(name)
	r, err := s.resolve(ctx, beside, dns.TypeCNAME)
	if err != nil {
		return false
	}
	other, ok, err := aliasIn(r, beside)
	return err == nil && ok && other == target
}

// nobodys is a name beside this one that nobody made.
func nobodys(name string) string {
	_, parent, _ := strings.Cut(name, ".")
	return strings.TrimSuffix("weir-"+strings.ToLower(rand.Text()[:16])+"."+parent, ".")
}

// findZone looks for the zone that name is in.
func (s *Solver) findZone(ctx context.Context, name string) (string, error) {
	for candidate := range ancestors(name) {
		r, err := s.resolve(ctx, candidate, dns.TypeSOA)
		if err != nil {
			return "", err
		}
		if zone, ok := zoneIn(r, candidate); ok {
			return zone, nil
		}
	}
	return "", errors.New("neither it nor a name above it has an SOA record")
}

// otherZone is a hint for the case that DNS and provider differ about the zone.
func (s *Solver) otherZone(ctx context.Context, p *place, err error) string {
	f, ok := s.o.Provider.(ZoneFinder)
	if !ok || !errors.Is(err, ErrNoZone) {
		return ""
	}
	zone, err := f.FindZone(ctx, p.name)
	switch {
	case err != nil && strings.Count(p.zone, ".") == 1:
		return fmt.Sprintf(" (nothing between %s and %s is in the DNS: is the domain registered?)", p.name, p.zone)
	case err != nil || zone == p.zone:
		return ""
	}
	return fmt.Sprintf(" (the DNS says that the zone is %s, the account has %s; %s)", p.zone, zone, dnsHint)
}
