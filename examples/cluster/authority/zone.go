package main

import (
	"net"
	"strconv"
	"time"

	"github.com/miekg/dns"
)

// zone is the DNS in which every name is at the first of nodes that accepts connections.
type zone struct {
	nodes []string
	port  int
}

// serve answers at a port of loopback until it is closed.
func (z *zone) serve() (address string, end func(), err error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0") // by which Pebble asks
	if err != nil {
		return "", nil, err
	}
	server := &dns.Server{Listener: l, Handler: z}
	go server.ActivateAndServe() //nolint:errcheck // ends by end
	return l.Addr().String(), func() { l.Close() }, nil
}

// ServeDNS answers one question.
func (z *zone) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	m := new(dns.Msg).SetReply(r)
	if len(r.Question) == 1 && r.Question[0].Qtype == dns.TypeA {
		head := dns.RR_Header{Name: r.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}
		m.Answer = []dns.RR{&dns.A{Hdr: head, A: net.ParseIP(z.there())}}
	}
	w.WriteMsg(m) //nolint:errcheck // who asked is gone
}

// there is the node to ask; if there is none, the first.
func (z *zone) there() string {
	for _, n := range z.nodes {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(n, strconv.Itoa(z.port)), time.Second)
		if err == nil {
			conn.Close()
			return n
		}
	}
	return z.nodes[0]
}
