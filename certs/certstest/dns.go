package certstest

import (
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// DNS is a name server that knows everything: of a name about which nothing was
// said it holds that it is at 127.0.0.1. The last two labels of a name are its zone,
// unless [DNS.Zone] says otherwise. Its methods are safe for concurrent use.
//
// (Pebble's own, challtestsrv, hands its questions to a handler that all servers of
// a process share, and knows neither SOA nor single values of TXT records.)
type DNS struct {
	Resolver string // host:port, UDP and TCP

	mu     sync.RWMutex
	rrs    map[string][]dns.RR // by name
	zones  map[string]bool
	rcodes map[string]int
	asked  map[question]int
	held   []func() // changes that are not visible yet
	hold   bool
}

type question struct {
	name string
	kind uint16
}

// StartDNS starts a name server.
func StartDNS(t testing.TB) *DNS {
	t.Helper()
	d := &DNS{rrs: map[string][]dns.RR{}, zones: map[string]bool{}, rcodes: map[string]int{}, asked: map[question]int{}}
	tcp, udp := samePort(t)
	d.Resolver = tcp.Addr().String()
	var work sync.WaitGroup
	for _, s := range []*dns.Server{{Listener: tcp}, {PacketConn: udp}} {
		ready := make(chan struct{})
		s.Handler, s.NotifyStartedFunc = dns.HandlerFunc(d.serve), func() { close(ready) }
		work.Go(func() {
			if err := s.ActivateAndServe(); err != nil {
				t.Errorf("name server: %v", err)
			}
		})
		<-ready
		t.Cleanup(func() { s.Shutdown() }) //nolint:errcheck // it ran
	}
	return d
}

// samePort opens one port for both protocols.
func samePort(t testing.TB) (net.Listener, net.PacketConn) {
	t.Helper()
	var err error
	for range 20 {
		var tcp net.Listener
		var udp net.PacketConn
		if tcp, err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
			break
		}
		if udp, err = net.ListenPacket("udp4", tcp.Addr().String()); err == nil {
			return tcp, udp
		}
		tcp.Close()
	}
	t.Fatal(err)
	return nil, nil
}

// Zone makes name the apex of a zone.
func (d *DNS) Zone(name string) { d.locked(func() { d.zones[fqdn(name)] = true }) }

// SetA makes addrs the only IPv4 addresses of name; none: it has none.
func (d *DNS) SetA(name string, addrs ...string) { d.set(name, dns.TypeA, addrs) }

// SetAAAA makes addrs the only IPv6 addresses of name.
func (d *DNS) SetAAAA(name string, addrs ...string) { d.set(name, dns.TypeAAAA, addrs) }

// SetCNAME makes name an alias.
func (d *DNS) SetCNAME(name, target string) { d.set(name, dns.TypeCNAME, []string{fqdn(target)}) }

// SetCAA makes values, as `0 issue "ca.example"`, the only CAA records of name.
func (d *DNS) SetCAA(name string, values ...string) { d.set(name, dns.TypeCAA, values) }

// SetRcode has every question for name fail: [dns.RcodeNameError],
// [dns.RcodeServerFailure]. [dns.RcodeSuccess] ends that.
func (d *DNS) SetRcode(name string, code int) { d.locked(func() { d.rcodes[fqdn(name)] = code }) }

// AddTXT adds a value to the TXT records of name, beside others.
func (d *DNS) AddTXT(name, value string) { d.change(func() { d.add(newTXT(name, value, 0)) }) }

// RemoveTXT removes one value.
func (d *DNS) RemoveTXT(name, value string) {
	d.change(func() { d.remove(newTXT(name, value, 0)) })
}

// TXT are the values of name, as they were added.
func (d *DNS) TXT(name string) (values []string) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, rr := range d.rrs[fqdn(name)] {
		if txt, ok := rr.(*dns.TXT); ok {
			values = append(values, strings.Join(txt.Txt, ""))
		}
	}
	return values
}

// Hold keeps changes of TXT records and by [Provider]s from being seen, as if name
// servers were slow to hear of them, until [DNS.Release].
func (d *DNS) Hold() { d.locked(func() { d.hold = true }) }

// Release makes visible what was held, and ends Hold.
func (d *DNS) Release() {
	d.locked(func() {
		for _, change := range d.held {
			change()
		}
		d.held, d.hold = nil, false
	})
}

// Asked counts the questions for name and a type as [dns.TypeTXT].
func (d *DNS) Asked(name string, kind uint16) int {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.asked[question{fqdn(name), kind}]
}

func (d *DNS) locked(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

func (d *DNS) change(f func()) {
	d.locked(func() {
		if d.hold {
			d.held = append(d.held, f)
		} else {
			f()
		}
	})
}

// set replaces all records of one type. An empty list is remembered: a name with
// no address is not one of which nothing was said.
func (d *DNS) set(name string, kind uint16, values []string) {
	name = fqdn(name)
	d.locked(func() {
		list := slices.DeleteFunc(d.rrs[name], func(rr dns.RR) bool { return typeOf(rr) == kind })
		if len(values) == 0 {
			list = append(list, &dns.ANY{Hdr: dns.RR_Header{Name: name, Rrtype: kind}})
		}
		for _, v := range values {
			rr, err := dns.NewRR(name + " 0 IN " + dns.TypeToString[kind] + " " + v)
			if err != nil {
				panic("certstest: " + err.Error()) // a mistake in a test
			}
			list = append(list, rr)
		}
		d.rrs[name] = list
	})
}

func (d *DNS) add(rr dns.RR) {
	name := rr.Header().Name
	if !slices.ContainsFunc(d.rrs[name], func(o dns.RR) bool { return dns.IsDuplicate(o, rr) }) {
		d.rrs[name] = append(d.rrs[name], rr)
	}
}

func (d *DNS) remove(rr dns.RR) {
	name := rr.Header().Name
	d.rrs[name] = slices.DeleteFunc(d.rrs[name], func(o dns.RR) bool { return dns.IsDuplicate(o, rr) })
}

func typeOf(rr dns.RR) uint16 { return rr.Header().Rrtype }

func fqdn(name string) string { return dns.Fqdn(strings.ToLower(name)) }

// newTXT cuts a value into the strings of at most 255 bytes that a record holds.
func newTXT(name, value string, ttl uint32) *dns.TXT {
	rr := &dns.TXT{Hdr: dns.RR_Header{Name: fqdn(name), Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: ttl}}
	for part := range slices.Chunk([]byte(value), 255) {
		rr.Txt = append(rr.Txt, string(part))
	}
	return rr
}
