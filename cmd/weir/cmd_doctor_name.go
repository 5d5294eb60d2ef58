package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/weirproxy/weir/cmd/weir/config"
)

// recordExams are what DNS says of each name.
func (d *doctor) recordExams() (all []exam) {
	for _, t := range d.targets {
		exam := func(check string, do func(context.Context, *target) []finding) exam {
			return exam{check: check, subject: t.name, site: t.site, do: func(ctx context.Context) []finding { return do(ctx, t) }}
		}
		all = append(all, exam("certificate", d.examineStored), exam("name", d.examineName), exam("dns", d.examineRecords))
		if _, ok := t.address(); !ok {
			all = append(all, exam("caa", d.examineCAA))
		}
		if t.by("dns-01") {
			all = append(all, exam("dns-01", d.examineZone))
		}
	}
	return all
}

// examineName says why no public authority would certify a name; nothing if one might.
func (d *doctor) examineName(_ context.Context, t *target) []finding {
	if strings.HasPrefix(t.name, "*.") && !t.by("dns-01") {
		return one(wrong, "a wildcard is certified by dns-01 alone", "acme: {dns: {provider: …}}, or name the hosts one by one")
	}
	if _, ok := t.address(); ok || !d.public(t) {
		return nil
	}
	base := strings.TrimPrefix(t.name, "*.")
	suffix, listed := publicsuffix.PublicSuffix(base)
	switch {
	case !listed && !strings.Contains(suffix, "."):
		return one(wrong, "no top-level domain is named "+suffix, "call it .internal or .lan for a certificate of weir's own CA")
	case suffix == base && listed:
		return one(wrong, base+" is a public suffix, below which others have their names", "name a host below it")
	}
	return nil
}

// public tells whether an authority of a target is one of those that know public names
// and addresses alone.
func (d *doctor) public(t *target) bool {
	return slices.ContainsFunc(t.issuers, isPublicCA)
}

func isPublicCA(i *config.Issuer) bool {
	for _, ca := range knownCAs() {
		if i.Directory() == (&config.Issuer{CA: ca.prefix}).Directory() {
			return true
		}
	}
	return false
}

// examineRecords looks for addresses of a name.
func (d *doctor) examineRecords(ctx context.Context, t *target) []finding {
	if addr, ok := t.address(); ok {
		return d.judge(t, records{addresses: []netip.Addr{addr}})
	}
	if strings.HasPrefix(t.name, "*.") {
		return nil // which hosts there are is for others to know
	}
	found, err := d.resolver.lookUp(ctx, t.name)
	if err != nil {
		return one(wrong, err.Error(), "look at the name servers of the domain, and at DNSSEC; other resolvers can be asked with --resolver")
	}
	d.setAddresses(t.name, found.addresses)
	return d.judge(t, found)
}

// judge says what to think of what DNS says. Where dns-01 is the only way, nobody comes
// to an address for a certificate's sake.
func (d *doctor) judge(t *target, r records) []finding {
	bad := wrong
	if t.by("dns-01") {
		bad = warning
	}
	switch {
	case r.missing:
		return one(bad, "the name does not exist (NXDOMAIN)", "make an A or AAAA record of it for this machine")
	case len(r.addresses) == 0:
		return one(bad, via(r)+"the name has no address", "make an A or AAAA record of it for this machine")
	}
	all := []finding{{Level: fine, Found: via(r) + d.describe(r.addresses)}}
	if d.allPrivate(r.addresses) && d.public(t) {
		all[0].Level, all[0].Hint = bad, "a public authority cannot come to private addresses: use dns-01, or public ones"
	}
	return append(all, d.judgeIPv6(r.addresses)...)
}

func (d *doctor) allPrivate(all []netip.Addr) bool {
	for _, a := range all {
		if !private(a) {
			return false
		}
	}
	return true
}

func via(r records) string {
	if len(r.aliases) == 0 {
		return ""
	}
	return "CNAME " + strings.Join(r.aliases, ", then ") + "; "
}

// describe lists addresses, and which are this machine's. That none is, is no mistake:
// there are NAT and load balancers.
func (d *doctor) describe(all []netip.Addr) string {
	var parts []string
	own := 0
	for _, a := range all {
		text := a.String()
		if d.own[a] || a.IsLoopback() {
			own++
			text += " (this machine)"
		}
		parts = append(parts, text)
	}
	text := strings.Join(parts, ", ")
	if own == 0 {
		text += "; none is an address of this machine, as behind NAT or a load balancer"
	}
	return text
}

// judgeIPv6 warns of IPv6 addresses that lead elsewhere: authorities try them first.
func (d *doctor) judgeIPv6(all []netip.Addr) []finding {
	var four, six, own4, own6 int
	for _, a := range all {
		own := d.own[a] || a.IsLoopback()
		switch {
		case a.Is4() && own:
			four, own4 = four+1, own4+1
		case a.Is4():
			four++
		case own:
			six, own6 = six+1, own6+1
		default:
			six++
		}
	}
	const hint = "authorities try IPv6 first: correct the AAAA record, or take it out"
	switch {
	case six > 0 && !listensIPv6(d.c.Listen.HTTP) && !listensIPv6(d.c.Listen.HTTPS):
		return one(warning, "there is an AAAA record, but weir listens to IPv4 only", hint+"; or listen: {http: \":80\", https: \":443\"}")
	case six > 0 && own6 == 0 && own4 > 0:
		return one(warning, fmt.Sprintf("IPv4 leads here, and %s elsewhere", count(six, "AAAA record")), hint)
	}
	return nil
}

// examineZone looks for the place of dns-01's record, without writing.
func (d *doctor) examineZone(ctx context.Context, t *target) (all []finding) {
	w := dryWorld()
	defer w.close()
	b := &builder{ctx: ctx, world: w, c: d.c}
	for _, i := range t.issuers {
		if i.DNS == nil {
			continue
		}
		s := b.solver(i.DNS)
		if s == nil {
			return one(wrong, b.errs.Error(), "weir check says more")
		}
		place, err := s.Look(ctx, strings.TrimPrefix(t.name, "*."))
		f := finding{Level: fine, Found: place.Record + " in zone " + place.Zone + ", which " + i.DNS.Provider.Text + " has"}
		switch {
		case err != nil:
			f.Level, f.Found, f.Hint = wrong, err.Error(), "see that the credentials are those of the zone's owner, and that the resolvers see the public zone"
		case !place.Known:
			f.Found = place.Record + " in zone " + place.Zone + "; whether " + i.DNS.Provider.Text + " lets weir write there only an order can tell"
		}
		all = append(all, f)
	}
	return all
}
