package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/weirproxy/weir/cmd/weir/config"
)

// examineCAA finds the records that say who may issue for a name, and compares them with
// the authorities that are asked.
func (d *doctor) examineCAA(ctx context.Context, t *target) []finding {
	set, at, err := d.relevantCAA(ctx, strings.TrimPrefix(t.name, "*."))
	if err != nil {
		return one(wrong, err.Error(), "authorities refuse where CAA cannot be looked up: see that all name servers of the domain answer questions of this type")
	}
	if len(set) == 0 {
		return one(fine, "no records: any authority may issue", "")
	}
	p := policyOf(set, strings.HasPrefix(t.name, "*."))
	allowed, unknown := 0, 0
	var text, refused []string
	for _, i := range t.issuers {
		o := d.offerOf(i)
		if o == nil || len(o.caa) == 0 {
			unknown++
			text = append(text, "whether they mean "+caText(i)+" cannot be told")
			continue
		}
		why := p.refuses(o.caa, i.Challenges)
		if why == "" {
			allowed++
			text = append(text, "they allow "+caText(i)+p.noteFor(o.caa))
			continue
		}
		text = append(text, "they do not allow "+caText(i)+": "+why)
		refused = append(refused, hintCAA(i, o, at, p.wild))
	}
	f := finding{Level: fine, Found: fmt.Sprintf("records of %s: %s", at, strings.Join(text, "; ")), Hint: strings.Join(refused, "; ")}
	switch {
	case allowed+unknown == 0:
		f.Level = wrong
	case allowed < len(t.issuers):
		f.Level = warning
	}
	return []finding{f}
}

func hintCAA(i *config.Issuer, o *offer, at string, wild bool) string {
	tag := "issue"
	if wild {
		tag = "issuewild"
	}
	return fmt.Sprintf("add for %s: %s. CAA 0 %s %q; or use another authority", caText(i), at, tag, o.caa[0])
}

// relevantCAA walks up the tree to the first name that has records (RFC 8659 §3).
func (d *doctor) relevantCAA(ctx context.Context, name string) (set []*dns.CAA, at string, err error) {
	for at = name; at != ""; {
		m, err := d.resolver.ask(ctx, at, dns.TypeCAA)
		if err != nil {
			return nil, at, err
		}
		for _, rr := range m.Answer {
			if c, ok := rr.(*dns.CAA); ok {
				set = append(set, c)
			}
		}
		if len(set) > 0 {
			return set, at, nil
		}
		_, at, _ = strings.Cut(at, ".")
	}
	return nil, "", nil
}

// caaPolicy is what a set of records says about one kind of certificate.
type caaPolicy struct {
	limited  bool // some issuer is named, so the others are forbidden
	wild     bool // by issuewild
	issuers  []caaIssuer
	critical string // a tag that nobody knows and that has to be: nobody may issue
}

// caaIssuer is the value of an issue or issuewild property (RFC 8659 §4.2).
type caaIssuer struct {
	domain     string // in lower case; "": nobody
	accountURI string // RFC 8657 §3
	methods    []string
	malformed  bool
}

// policyOf reads a set of records; for a wildcard issuewild goes before issue.
func policyOf(set []*dns.CAA, wildcard bool) (p caaPolicy) {
	known := []string{"issue", "issuewild", "iodef", "contactemail", "contactphone", "issuemail", "issuevmc"}
	byTag := map[string][]caaIssuer{}
	for _, c := range set {
		tag := strings.ToLower(c.Tag)
		if c.Flag&0x80 != 0 && !slices.Contains(known, tag) {
			p.critical = oneLine(c.Tag)
		}
		byTag[tag] = append(byTag[tag], parseCAAIssuer(c.Value))
	}
	p.issuers = byTag["issue"]
	if wildcard && len(byTag["issuewild"]) > 0 {
		p.issuers, p.wild = byTag["issuewild"], true
	}
	p.limited = len(p.issuers) > 0
	return p
}

// parseCAAIssuer reads `ca.example; accounturi=…; validationmethods=dns-01`. What cannot
// be read allows nobody, as RFC 8659 §4.2 has it.
func parseCAAIssuer(value string) (i caaIssuer) {
	domain, rest, more := strings.Cut(value, ";")
	i.domain = strings.ToLower(strings.Trim(domain, " \t"))
	i.malformed = strings.ContainsAny(i.domain, " \t=")
	for more && strings.Trim(rest, " \t") != "" {
		var part string
		part, rest, more = strings.Cut(rest, ";")
		tag, v, ok := strings.Cut(strings.Trim(part, " \t"), "=")
		tag, v = strings.ToLower(strings.Trim(tag, " \t")), strings.Trim(v, " \t")
		switch {
		case !ok || tag == "" || strings.ContainsAny(v, " \t"):
			i.malformed = true
		case tag == "accounturi":
			i.accountURI = v
		case tag == "validationmethods":
			i.methods = append(i.methods, strings.Split(strings.ToLower(v), ",")...)
		}
	}
	return i
}

// refuses says why an authority of these names may not issue after any of the
// challenges; "" if it may.
func (p caaPolicy) refuses(names, challenges []string) string {
	switch {
	case p.critical != "":
		return "they have the property " + p.critical + ", which has to be understood, and nobody does"
	case !p.limited:
		return ""
	}
	why, others := "", []string{}
	for _, i := range p.issuers {
		isIt := slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, i.domain) })
		switch {
		case !isIt && i.domain != "":
			others = append(others, oneLine(i.domain))
		case !isIt:
		case i.malformed:
			why = "its parameters cannot be read"
		case len(i.methods) > 0 && !slices.ContainsFunc(challenges, func(c string) bool { return slices.Contains(i.methods, c) }):
			why = "only after " + oneLine(strings.Join(i.methods, ", "))
		default:
			return ""
		}
	}
	switch {
	case why != "":
		return why
	case len(others) == 0:
		return "they allow nobody"
	}
	return "they allow only " + strings.Join(others, ", ")
}

// noteFor tells what else is asked of an authority that is allowed.
func (p caaPolicy) noteFor(names []string) (note string) {
	for _, i := range p.issuers {
		if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, i.domain) }) {
			continue
		}
		if i.accountURI != "" {
			note += " for the account " + oneLine(i.accountURI) + " alone"
		}
		if len(i.methods) > 0 {
			note += " after " + oneLine(strings.Join(i.methods, ", "))
		}
	}
	return note
}
