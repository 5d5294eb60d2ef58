package dns01

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/libdns/libdns"
	"github.com/miekg/dns"
)

// ErrNotPublished is the cause of errors about names whose HTTPS record is not weir's
// to write.
var ErrNotPublished = errors.New("not published")

// PublishECH has the HTTPS record of name carry an ECHConfigList, and reports whether it
// had to be changed. Other parameters stay. A name without a record gets one that offers
// the protocols in alpn ("h2", "h3"); an empty list takes ech out.
//
// Nothing is written, and the error is ErrNotPublished, where that would do harm: at a
// CNAME, at a name that has no address of its own (a record would hide the wildcard that
// answers for it), and where the HTTPS records lead to other hosts. A provider that is no
// [Publisher] gives [errors.ErrUnsupported].
func (s *Solver) PublishECH(ctx context.Context, name string, list []byte, alpn ...string) (bool, error) {
	changed, err := s.publish(ctx, name, list, alpn)
	if err != nil {
		return false, fmt.Errorf("publish ECH for %s: %w", name, err)
	}
	return changed, nil
}

func (s *Solver) publish(ctx context.Context, name string, list []byte, alpn []string) (bool, error) {
	p, ok := s.o.Provider.(Publisher)
	if !ok {
		return false, fmt.Errorf("the provider cannot write HTTPS records: %w", errors.ErrUnsupported)
	}
	name, err := cleanName(name)
	if err != nil {
		return false, err
	}
	if err := s.ownAddress(ctx, name); err != nil {
		return false, err
	}
	zone, err := s.findZone(ctx, name)
	if err != nil {
		return false, fmt.Errorf("%w (%s)", err, dnsHint)
	}
	short := relative(name, zone, "@")
	have, err := p.Bindings(ctx, zone+".", short)
	if err != nil {
		return false, err
	}
	want, changed, err := withECH(have, name, list, alpn, s.o.TTL)
	if err != nil || !changed {
		return false, err
	}
	return true, p.SetBindings(ctx, zone+".", short, want)
}

// ownAddress makes sure that name has an address, and by itself: a name that nobody
// made must have other addresses, or none.
func (s *Solver) ownAddress(ctx context.Context, name string) error {
	own, err := s.hosts(ctx, name)
	switch {
	case err != nil:
		return err
	case len(own) == 0:
		return fmt.Errorf("it has no address: %w", ErrNotPublished)
	}
	_, parent, ok := strings.Cut(name, ".")
	if !ok || strings.HasPrefix(name, "*.") {
		return nil
	}
	sibling, err := s.hosts(ctx, nobodys(name))
	if err != nil && !errors.Is(err, ErrNotPublished) {
		return err
	}
	if slices.ContainsFunc(own, func(ip string) bool { return slices.Contains(sibling, ip) }) {
		return fmt.Errorf("the wildcard *.%s may be what answers for it, and would no longer: %w", parent, ErrNotPublished)
	}
	return nil
}

// hosts are the addresses of a name that is no CNAME.
func (s *Solver) hosts(ctx context.Context, name string) ([]string, error) {
	var all []string
	for _, typ := range []uint16{dns.TypeA, dns.TypeAAAA} {
		r, err := s.resolve(ctx, name, typ)
		if err != nil {
			return nil, err
		}
		_, alias, err := aliasIn(r, name)
		if err != nil {
			return nil, err
		}
		if alias {
			return nil, fmt.Errorf("it is a CNAME: %w", ErrNotPublished)
		}
		all = append(all, addressesIn(r)...)
	}
	return all, nil
}

// withECH is what HTTPS records become with an ECHConfigList, and whether that is a
// difference.
func withECH(have []libdns.ServiceBinding, name string, list []byte, alpn []string, ttl time.Duration) ([]libdns.ServiceBinding, bool, error) {
	ech := base64.StdEncoding.EncodeToString(list)
	if len(have) == 0 {
		if ech == "" {
			return nil, false, nil
		}
		params := libdns.SvcParams{"ech": {ech}}
		if len(alpn) > 0 {
			params["alpn"] = alpn
		}
		return []libdns.ServiceBinding{{Scheme: "https", TTL: ttl, Priority: 1, Target: ".", Params: params}}, true, nil
	}
	changed, ours := false, false
	want := slices.Clone(have)
	for i, b := range want {
		target, _ := cleanName(b.Target)
		if b.Priority == 0 || b.Target != "." && target != name {
			continue // it leads elsewhere, to keys of others
		}
		ours = true
		if old := b.Params["ech"]; len(old) == 1 && old[0] == ech || len(old) == 0 && ech == "" {
			continue
		}
		changed = true
		want[i].TTL = ttl
		want[i].Params = maps.Clone(b.Params)
		if ech == "" {
			delete(want[i].Params, "ech")
			continue
		}
		if want[i].Params == nil {
			want[i].Params = make(libdns.SvcParams)
		}
		want[i].Params["ech"] = []string{ech}
	}
	if !ours {
		return nil, false, fmt.Errorf("its HTTPS records lead to other hosts: %w", ErrNotPublished)
	}
	return want, changed, nil
}
