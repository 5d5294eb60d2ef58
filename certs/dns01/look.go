package dns01

import (
	"context"
	"fmt"
)

// Place is where the record for a domain would be put.
type Place struct {
	Zone, Record string // "example.com", "_acme-challenge.www.example.com"
	// Known tells whether the provider itself could be asked, and has the zone: then its
	// credentials are good for reading, at least.
	Known bool
}

// Look finds out where the record for a domain would be put, and whether the provider
// has that zone. Nothing is written.
func (s *Solver) Look(ctx context.Context, domain string) (Place, error) {
	name, err := cleanName("_acme-challenge." + domain)
	if err != nil {
		return Place{}, fmt.Errorf("look for the zone of %s: %w", domain, err)
	}
	at, err := s.place(ctx, name)
	if err != nil {
		return Place{}, err
	}
	p := Place{Zone: at.zone[:len(at.zone)-1], Record: at.name}
	f, ok := s.o.Provider.(ZoneFinder)
	if !ok {
		return p, nil
	}
	zone, err := f.FindZone(ctx, at.name)
	switch {
	case err != nil:
		return p, fmt.Errorf("look for zone %s at the provider: %w", p.Zone, err)
	case zone != at.zone:
		return p, fmt.Errorf("the DNS says that %s is in zone %s, the provider has %s (%s)", at.name, p.Zone, zone[:len(zone)-1], dnsHint)
	}
	p.Known = true
	return p, nil
}
