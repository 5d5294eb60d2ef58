package certstest

import (
	"net"
	"strings"

	"github.com/miekg/dns"
)

func (d *DNS) serve(w dns.ResponseWriter, r *dns.Msg) {
	m := new(dns.Msg)
	m.SetReply(r)
	m.Authoritative, m.RecursionAvailable = true, true
	if len(r.Question) == 1 {
		d.locked(func() { d.answer(m, r.Question[0]) })
	} else {
		m.Rcode = dns.RcodeFormatError
	}
	w.WriteMsg(m) //nolint:errcheck // who asked is gone
}

// answer follows aliases, as a resolver does.
func (d *DNS) answer(m *dns.Msg, q dns.Question) {
	name := strings.ToLower(q.Name)
	d.asked[question{name, q.Qtype}]++
	for range 8 {
		if code := d.rcodes[name]; code != dns.RcodeSuccess {
			m.Rcode = code
			return
		}
		found, alias := d.find(name, q.Qtype)
		m.Answer = append(m.Answer, found...)
		if alias == "" {
			break
		}
		name = alias
	}
	if len(m.Answer) == 0 {
		m.Ns = append(m.Ns, soa(d.zoneOf(name)))
	}
}

// find returns the records of one name. alias is where to go on.
func (d *DNS) find(name string, kind uint16) (found []dns.RR, alias string) {
	known := false
	for _, rr := range d.rrs[name] {
		if _, none := rr.(*dns.ANY); none {
			known = known || typeOf(rr) == kind
			continue
		}
		if cname, ok := rr.(*dns.CNAME); ok && kind != dns.TypeCNAME {
			return []dns.RR{rr}, fqdn(cname.Target)
		}
		if typeOf(rr) == kind {
			known, found = true, append(found, rr)
		}
	}
	if !known {
		found = d.presumed(name, kind)
	}
	return found, ""
}

// presumed is what is held of names about which nothing was said.
func (d *DNS) presumed(name string, kind uint16) []dns.RR {
	head := dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET}
	switch {
	case kind == dns.TypeA:
		return []dns.RR{&dns.A{Hdr: head, A: net.IPv4(127, 0, 0, 1)}}
	case kind == dns.TypeSOA && d.zoneOf(name) == name:
		return []dns.RR{soa(name)}
	case kind == dns.TypeNS && d.zoneOf(name) == name:
		return []dns.RR{&dns.NS{Hdr: head, Ns: "ns." + strings.TrimPrefix(name, ".")}}
	}
	return nil
}

// zoneOf is the apex of the zone that name is in.
func (d *DNS) zoneOf(name string) string {
	labels := dns.SplitDomainName(name)
	for i := range labels {
		if at := dns.Fqdn(strings.Join(labels[i:], ".")); d.zones[at] {
			return at
		}
	}
	if len(labels) > 2 {
		labels = labels[len(labels)-2:]
	}
	return dns.Fqdn(strings.Join(labels, "."))
}

func soa(zone string) *dns.SOA {
	return &dns.SOA{
		Hdr: dns.RR_Header{Name: zone, Rrtype: dns.TypeSOA, Class: dns.ClassINET},
		Ns:  "ns." + strings.TrimPrefix(zone, "."), Mbox: "hostmaster.invalid.",
		Serial: 1, Refresh: 3600, Retry: 600, Expire: 86400, Minttl: 0,
	}
}
