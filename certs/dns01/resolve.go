package dns01

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	dnsTime   = 5 * time.Second // of one step in talking to a server that takes updates
	queryTime = 2 * time.Second // of one question to one server
)

// dnsError says what every server that was asked said instead of an answer.
type dnsError struct {
	typ     uint16
	servers []string
	said    []string
}

func (e *dnsError) Error() string {
	var all []string
	for i, server := range e.servers {
		all = append(all, fmt.Sprintf("asked %s for %s: %s", server, dns.TypeToString[e.typ], e.said[i]))
	}
	return strings.Join(all, "; ")
}

// dnsHint is what to do about resolvers that do not help.
const dnsHint = "is port 53 open to the outside, and does this network show its own version of the zone? " +
	"other resolvers can be set: dns: {resolvers: [1.1.1.1]}"

// query asks one server one question: over UDP, and over TCP if the answer is too long
// for that. An answer to another question is none.
func query(ctx context.Context, server, name string, typ uint16, recurse bool) (*dns.Msg, error) {
	m := new(dns.Msg).SetQuestion(name+".", typ)
	m.RecursionDesired = recurse
	for network := "udp"; ; network = "tcp" {
		c := dns.Client{Net: network, DialTimeout: queryTime, ReadTimeout: queryTime, WriteTimeout: queryTime}
		r, _, err := c.ExchangeContext(ctx, m, server)
		switch {
		case err != nil:
			return nil, err
		case r.Id != m.Id || !r.Response || r.Opcode != dns.OpcodeQuery:
			return nil, errors.New("the answer is to another question")
		// Servers that refuse may leave the question out.
		case len(r.Question) == 1 && (r.Question[0].Qtype != typ || !strings.EqualFold(r.Question[0].Name, name+".")):
			return nil, errors.New("the answer is to another question")
		case !r.Truncated || network == "tcp":
			return r, nil
		}
	}
}

// resolve asks the resolvers, one after the other, until one gives an answer: records,
// or that there are none. Silence is asked a second time.
func (s *Solver) resolve(ctx context.Context, name string, typ uint16) (*dns.Msg, error) {
	servers, err := s.resolvers()
	if err != nil {
		return nil, err
	}
	said := make([]string, len(servers))
	first := int(s.good.Load())
	for round := range 2 {
		for i := range servers {
			at := (first + i) % len(servers)
			if round > 0 && said[at] != "" {
				continue
			}
			r, err := query(ctx, servers[at], name, typ, true)
			switch {
			case ctx.Err() != nil:
				return nil, context.Cause(ctx)
			case err != nil && round > 0:
				said[at] = brief(err)
			case err == nil && useful(r):
				s.good.Store(int32(at))
				return r, nil
			case err == nil:
				said[at] = whatItSaid(r)
			}
		}
	}
	return nil, &dnsError{typ, servers, said}
}

// useful reports whether a resolver's message is an answer. A server that is none
// refers to others.
func useful(r *dns.Msg) bool {
	return (r.Rcode == dns.RcodeSuccess || r.Rcode == dns.RcodeNameError) && !referral(r)
}

func referral(r *dns.Msg) bool {
	return r.Rcode == dns.RcodeSuccess && len(r.Answer) == 0 && !r.Authoritative && !r.RecursionAvailable &&
		len(r.Ns) > 0 && r.Ns[0].Header().Rrtype == dns.TypeNS
}

func whatItSaid(r *dns.Msg) string {
	if referral(r) {
		return "it does not look names up for others"
	}
	return rcode(r.Rcode)
}

// brief is an error of the network without addresses, which are told already.
func brief(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		if op.Timeout() {
			return "no answer"
		}
		return op.Err.Error()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer"
	}
	return err.Error()
}

// systemResolvers are those of /etc/resolv.conf.
func systemResolvers(path string) ([]string, error) {
	conf, err := dns.ClientConfigFromFile(path)
	if err != nil {
		return nil, fmt.Errorf("find resolvers: %w (set them: dns: {resolvers: [1.1.1.1]})", err)
	}
	var all []string
	for _, s := range conf.Servers[:min(len(conf.Servers), 8)] {
		if ip, err := netip.ParseAddr(s); err == nil {
			all = append(all, net.JoinHostPort(ip.String(), "53"))
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("find resolvers: none in %s (set them: dns: {resolvers: [1.1.1.1]})", path)
	}
	return all, nil
}

// zoneIn returns the zone of name as the answer to a question for its SOA tells it:
// name itself, or where the authority for its absence is. An answer for what a CNAME
// leads to says nothing about the name.
func zoneIn(r *dns.Msg, name string) (string, bool) {
	for _, rr := range r.Answer {
		if owner, err := cleanName(rr.Header().Name); err != nil || owner != name {
			continue
		}
		switch rr.Header().Rrtype {
		case dns.TypeSOA:
			return name, true
		case dns.TypeCNAME:
			return "", false
		}
	}
	if len(r.Answer) > 0 {
		return "", false
	}
	for _, rr := range r.Ns {
		owner, err := cleanName(rr.Header().Name)
		if err == nil && rr.Header().Rrtype == dns.TypeSOA && within(name, owner) {
			return owner, true
		}
	}
	return "", false
}

// aliasIn returns where name leads, if the answer has a CNAME for it.
func aliasIn(r *dns.Msg, name string) (string, bool, error) {
	for _, rr := range r.Answer {
		c, ok := rr.(*dns.CNAME)
		if !ok || !strings.EqualFold(c.Hdr.Name, name+".") {
			continue
		}
		target, err := cleanName(c.Target)
		if err != nil {
			return "", false, fmt.Errorf("CNAME of %s: %w", name, err)
		}
		return target, true, nil
	}
	return "", false, nil
}

// textsIn returns the TXT values in an answer, those behind CNAMEs included.
func textsIn(r *dns.Msg) []string {
	var all []string
	for _, rr := range r.Answer {
		if t, ok := rr.(*dns.TXT); ok {
			all = append(all, textOf(t))
		}
	}
	return all
}

// addressesIn returns the addresses in an answer, those behind CNAMEs included.
func addressesIn(r *dns.Msg) []string {
	var all []string
	for _, rr := range r.Answer {
		switch rr := rr.(type) {
		case *dns.A:
			all = append(all, rr.A.String())
		case *dns.AAAA:
			all = append(all, rr.AAAA.String())
		}
	}
	return all
}
