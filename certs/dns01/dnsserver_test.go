package dns01_test

import (
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// nameServer answers for a world, on UDP and TCP of one port, and takes updates that are
// signed with its key.
type nameServer struct {
	world   *world
	addr    string
	recurse atomic.Bool // it says that it looks names up for others
	open    atomic.Bool // unsigned updates are taken, too

	asked atomic.Int64
	mu    sync.Mutex
	// fault answers in place of the server; nil does not answer at all, and false has the
	// server do it.
	fault func(q dns.Question, tcp bool) (*dns.Msg, bool)
	seen  []string // "TXT example.com"
}

const (
	tsigKey    = "weir.key."
	tsigSecret = "c2VjcmV0LXRoYXQtbm9ib2R5LW1heS1zZWU="
)

// startDNS serves until the test ends.
func startDNS(t testing.TB, w *world) *nameServer {
	t.Helper()
	s := &nameServer{world: w}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = tcp.Addr().String()
	udp, err := net.ListenPacket("udp", s.addr)
	if err != nil {
		tcp.Close()
		return startDNS(t, w) // somebody else has that port
	}
	for _, server := range []*dns.Server{{Listener: tcp}, {PacketConn: udp}} {
		up := make(chan struct{})
		server.NotifyStartedFunc = func() { close(up) }
		server.Handler = s
		server.TsigSecret = map[string]string{tsigKey: tsigSecret}
		server.MsgAcceptFunc = func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept }
		var done sync.WaitGroup
		done.Go(func() { _ = server.ActivateAndServe() })
		<-up
		t.Cleanup(func() { _ = server.Shutdown(); done.Wait() })
	}
	return s
}

func (s *nameServer) setFault(f func(q dns.Question, tcp bool) (*dns.Msg, bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

func (s *nameServer) questions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

func (s *nameServer) ServeDNS(rw dns.ResponseWriter, m *dns.Msg) {
	s.asked.Add(1)
	q := m.Question[0]
	_, tcp := rw.RemoteAddr().(*net.TCPAddr)
	s.mu.Lock()
	s.seen = append(s.seen, dns.TypeToString[q.Qtype]+" "+strings.TrimSuffix(q.Name, "."))
	fault := s.fault
	s.mu.Unlock()
	if fault != nil {
		if r, mine := fault(q, tcp); mine {
			if r != nil {
				code := r.Rcode
				r.SetReply(m)
				r.Rcode = code
				_ = rw.WriteMsg(r)
			}
			return
		}
	}
	r := new(dns.Msg).SetReply(m)
	if t := m.IsTsig(); t != nil {
		code := uint16(0)
		switch {
		case t.Hdr.Name != tsigKey:
			code = dns.RcodeBadKey
		case rw.TsigStatus() != nil:
			code = dns.RcodeBadSig
		}
		if code != 0 {
			r.Rcode = dns.RcodeNotAuth
			r.Extra = append(r.Extra, &dns.TSIG{
				Hdr:       dns.RR_Header{Name: t.Hdr.Name, Rrtype: dns.TypeTSIG, Class: dns.ClassANY},
				Algorithm: t.Algorithm, TimeSigned: t.TimeSigned, Fudge: t.Fudge, OrigId: m.Id, Error: code,
			})
			out, _ := r.Pack() // not signed (RFC 8945 section 5.3.2)
			_, _ = rw.Write(out)
			return
		}
		r.SetTsig(t.Hdr.Name, t.Algorithm, 300, time.Now().Unix())
	}
	s.world.mu.Lock()
	if m.Opcode == dns.OpcodeUpdate {
		s.update(m, r)
	} else {
		s.answer(q, r)
	}
	s.world.mu.Unlock()
	r.RecursionAvailable = s.recurse.Load()
	_ = rw.WriteMsg(r)
}

func (s *nameServer) answer(q dns.Question, r *dns.Msg) {
	name := strings.ToLower(strings.TrimSuffix(q.Name, "."))
	zone := s.world.zoneOf(name)
	if zone == "" {
		r.Rcode = dns.RcodeRefused
		if s.recurse.Load() {
			r.Rcode = dns.RcodeNameError
		}
		return
	}
	r.Authoritative = !s.recurse.Load()
	soa := &dns.SOA{
		Hdr: dns.RR_Header{Name: zone + ".", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 60},
		Ns:  "ns1.example.com.", Mbox: "hostmaster.example.com.", Serial: 1, Refresh: 2, Retry: 3, Expire: 4, Minttl: 5,
	}
	if q.Qtype == dns.TypeSOA && name == zone {
		r.Answer = append(r.Answer, soa)
		return
	}
	exists := name == zone
	made := func(rec stored) bool { return rec.name == name || strings.HasSuffix(rec.name, "."+name) }
	if _, parent, _ := strings.Cut(name, "."); !slices.ContainsFunc(s.world.recs, made) {
		for _, rec := range s.world.recs { // RFC 4592, one label deep
			if rec.name == "*."+parent && (rec.typ == dns.TypeToString[q.Qtype] || rec.typ == "CNAME") {
				rec.name = name
				r.Answer = append(r.Answer, rrOf(rec))
			}
		}
	}
	for _, rec := range s.world.recs {
		exists = exists || rec.name == name || strings.HasSuffix(rec.name, "."+name)
		if rec.name != name || rec.typ != dns.TypeToString[q.Qtype] && rec.typ != "CNAME" {
			continue
		}
		r.Answer = append(r.Answer, rrOf(rec))
	}
	if n := len(r.Answer); n > 0 && s.recurse.Load() && len(r.Answer) < 10 {
		if c, ok := r.Answer[n-1].(*dns.CNAME); ok && q.Qtype != dns.TypeCNAME {
			s.answer(dns.Question{Name: c.Target, Qtype: q.Qtype}, r)
			return
		}
	}
	if len(r.Answer) == 0 {
		r.Ns = append(r.Ns, soa)
		if !exists {
			r.Rcode = dns.RcodeNameError
		}
	}
}

func rrOf(rec stored) dns.RR {
	value := rec.value
	if rec.typ == "TXT" {
		return &dns.TXT{Hdr: dns.RR_Header{Name: rec.name + ".", Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60}, Txt: []string{strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value)}}
	}
	rr, err := dns.NewRR(rec.name + ". 60 IN " + rec.typ + " " + value)
	if err != nil {
		panic(err)
	}
	return rr
}

// update applies RFC 2136 section 3.4.2, as far as anybody here needs it.
func (s *nameServer) update(m, r *dns.Msg) {
	zone := strings.TrimSuffix(m.Question[0].Name, ".")
	switch {
	case m.IsTsig() == nil && !s.open.Load():
		r.Rcode = dns.RcodeRefused
		return
	case !slices.Contains(s.world.zones, zone):
		r.Rcode = dns.RcodeNotAuth
		return
	}
	for _, rr := range m.Ns {
		h := rr.Header()
		name := strings.TrimSuffix(h.Name, ".")
		typ := dns.TypeToString[h.Rrtype]
		if s.world.zoneOf(name) != zone {
			r.Rcode = dns.RcodeNotZone
			return
		}
		value := strings.TrimSpace(strings.TrimPrefix(rr.String(), h.String()))
		if t, ok := rr.(*dns.TXT); ok {
			value = strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(strings.Join(t.Txt, ""))
		}
		have := s.world.valuesLocked(name, typ)
		switch at := slices.Index(have, value); {
		case h.Class == dns.ClassNONE && at >= 0:
			s.world.setLocked(name, typ, int(h.Ttl), slices.Delete(have, at, at+1))
		case h.Class == dns.ClassINET && at < 0:
			s.world.setLocked(name, typ, int(h.Ttl), append(have, value))
		}
	}
}
