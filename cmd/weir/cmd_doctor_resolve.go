package main

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

// resolver asks name servers. The DNS alone counts: authorities see no /etc/hosts.
type resolver struct {
	servers []string
	err     error // why there are none
}

// system takes those that this machine asks.
func (r *resolver) system() {
	conf, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil {
		r.err = err
		return
	}
	for _, s := range conf.Servers[:min(len(conf.Servers), 4)] {
		r.servers = append(r.servers, net.JoinHostPort(s, conf.Port))
	}
}

// ask asks one server after the other until one says what there is, or that there is
// nothing.
func (r *resolver) ask(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	if len(r.servers) == 0 {
		return nil, fmt.Errorf("no resolver is known (%w): name one with --resolver", errors.Join(r.err, errors.New("/etc/resolv.conf names none")))
	}
	var said []string
	for _, server := range r.servers {
		m, err := exchangeDNS(ctx, server, name, kind)
		switch {
		case err != nil:
			said = append(said, fmt.Sprintf("%s: %v", server, err))
		case m.Rcode == dns.RcodeSuccess || m.Rcode == dns.RcodeNameError:
			return m, nil
		default:
			said = append(said, fmt.Sprintf("%s says %s", server, dns.RcodeToString[m.Rcode]))
		}
	}
	return nil, errors.New(dns.TypeToString[kind] + " of " + name + ": " + strings.Join(said, "; "))
}

// exchangeDNS asks over UDP, and over TCP if the answer is too long for that.
func exchangeDNS(ctx context.Context, server, name string, kind uint16) (*dns.Msg, error) {
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
	m.SetEdns0(1232, false)
	for network := "udp"; ; network = "tcp" {
		c := dns.Client{Net: network, Timeout: 2 * time.Second}
		r, _, err := c.ExchangeContext(ctx, m, server)
		if err != nil {
			if op, ok := errors.AsType[*net.OpError](err); ok && op.Timeout() {
				err = errors.New("no answer in time")
			}
			return nil, err
		}
		if !r.Truncated || network == "tcp" {
			return r, nil
		}
	}
}

// records is what DNS says of a name.
type records struct {
	missing   bool         // NXDOMAIN
	aliases   []string     // that were followed, in order
	addresses []netip.Addr // 16 of a kind at most
}

// lookUp asks for both kinds of addresses.
func (r *resolver) lookUp(ctx context.Context, name string) (found records, err error) {
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		m, err := r.ask(ctx, name, kind)
		if err != nil {
			return found, err
		}
		found.missing = m.Rcode == dns.RcodeNameError
		if kind == dns.TypeA {
			found.aliases = aliasesIn(m, name)
		}
		found.addresses = append(found.addresses, addressesIn(m)...)
	}
	return found, nil
}

// aliasesIn are the names that CNAMEs lead to, from name on.
func aliasesIn(m *dns.Msg, name string) (all []string) {
	const most = 16
	next := map[string]string{}
	for _, rr := range m.Answer {
		if c, ok := rr.(*dns.CNAME); ok {
			next[strings.ToLower(c.Hdr.Name)] = strings.ToLower(c.Target)
		}
	}
	at := strings.ToLower(dns.Fqdn(name))
	for range most {
		to, ok := next[at]
		if !ok {
			break
		}
		all, at = append(all, strings.TrimSuffix(to, ".")), to
	}
	return all
}

func addressesIn(m *dns.Msg) (all []netip.Addr) {
	const most = 16
	for _, rr := range m.Answer {
		var ip net.IP
		switch rr := rr.(type) {
		case *dns.A:
			ip = rr.A
		case *dns.AAAA:
			ip = rr.AAAA
		}
		if a, ok := netip.AddrFromSlice(ip); ok && len(all) < most {
			all = append(all, a.Unmap())
		}
	}
	return all
}
