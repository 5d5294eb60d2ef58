package dns01_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libdns/libdns"
	"github.com/mholt/acmez/v3/acme"
	"github.com/miekg/dns"

	"github.com/weirproxy/weir/certs/dns01"
)

// scene is a zone with a primary that takes updates, name servers, and a resolver.
type scene struct {
	world    *world      // of the primary, which is ns1, and of the resolver
	primary  *nameServer // ns1.example.com, 192.0.2.11
	resolver *nameServer
	at       map[string]string // where an address is asked really
	provider dns01.Provider
}

func newScene(t *testing.T) *scene {
	t.Helper()
	w := newWorld()
	s := &scene{world: w, primary: startDNS(t, w), resolver: startDNS(t, w)}
	s.resolver.recurse.Store(true)
	s.at = map[string]string{"192.0.2.11": s.primary.addr}
	for _, zone := range w.zones {
		w.put(zone, "NS", "ns1.example.com.", 60)
	}
	w.put("ns1.example.com", "A", "192.0.2.11", 60)
	s.provider = openRFC2136(t, map[string]string{"server": s.primary.addr, "key": tsigKey, "secret": tsigSecret})
	return s
}

// second adds ns2.example.com, 192.0.2.12, with a world of its own.
func (s *scene) second(t *testing.T) (*world, *nameServer) {
	t.Helper()
	lagging := newWorld()
	server := startDNS(t, lagging)
	s.world.put("example.com", "NS", "ns2.example.com.", 60)
	s.world.put("ns2.example.com", "A", "192.0.2.12", 60)
	s.at["192.0.2.12"] = server.addr
	return lagging, server
}

func (s *scene) solver(t *testing.T, o dns01.Options) *dns01.Solver {
	t.Helper()
	if o.Provider == nil {
		o.Provider = s.provider
	}
	if o.Resolvers == nil {
		o.Resolvers = []string{s.resolver.addr}
	}
	solver, err := dns01.NewSolver(o)
	if err != nil {
		t.Fatal(err)
	}
	dns01.AskAt(solver, func(ip string) string { return s.at[ip] })
	return solver
}

func challenge(name, token string) acme.Challenge {
	return acme.Challenge{
		Type: acme.ChallengeTypeDNS01, Token: token, KeyAuthorization: token + ".thumbprint",
		Identifier: acme.Identifier{Type: "dns", Value: name},
	}
}

func TestSolver_ProvesNameAndWildcardAtOnce(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.second(t)
	delete(s.at, "192.0.2.12")
	solver := s.solver(t, dns01.Options{})
	both := []acme.Challenge{challenge("www.example.com", "one"), challenge("www.example.com", "two")}
	var want []string
	var all sync.WaitGroup
	start := time.Now()
	for _, c := range both {
		want = append(want, c.DNS01KeyAuthorization())
		all.Go(func() {
			if err := errors.Join(solver.Present(t.Context(), c), solver.Wait(t.Context(), c)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if d := time.Since(start); d > 1500*time.Millisecond {
		t.Errorf("a record that is there at once was waited for %v", d)
	}
	slices.Sort(want)
	const name = "_acme-challenge.www.example.com"
	if got := s.world.values(name, "TXT"); !slices.Equal(got, want) {
		t.Errorf("TXT = %q, want %q", got, want)
	}
	for i, c := range both {
		if err := solver.CleanUp(t.Context(), c); err != nil {
			t.Error(err)
		}
		if got := s.world.values(name, "TXT"); len(got) != 1-i {
			t.Errorf("after %d of 2 clean-ups: TXT = %q", i+1, got)
		}
	}
}

func TestSolver_FindsTheRecordsPlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, domain, override string
		records                [][3]string
		want                   string
	}{
		{name: "plain", domain: "example.com", want: "_acme-challenge.example.com"},
		{name: "deep", domain: "a.b.c.d.example.com", want: "_acme-challenge.a.b.c.d.example.com"},
		{name: "delegated zone", domain: "www.sub.example.com", want: "_acme-challenge.www.sub.example.com"},
		{name: "challenge is a zone", domain: "z.example.com", want: "_acme-challenge.z.example.com"},
		{name: "alias", domain: "www.example.com", want: "x.deep.example.org",
			records: [][3]string{{"_acme-challenge.www.example.com", "CNAME", "x.deep.example.org."}}},
		{name: "alias of alias", domain: "www.example.com", want: "y.example.com",
			records: [][3]string{{"_acme-challenge.www.example.com", "CNAME", "X.deep.example.ORG."}, {"x.deep.example.org", "CNAME", "y.example.com."}}},
		{name: "name below an alias", domain: "www.example.com", want: "_acme-challenge.www.example.com",
			records: [][3]string{{"www.example.com", "CNAME", "elsewhere.deep.example.org."}}},
		{name: "wildcard alias", domain: "example.com", want: "_acme-challenge.example.com",
			records: [][3]string{{"*.example.com", "CNAME", "hosting.elsewhere.test."}}},
		{name: "alias beside a wildcard", domain: "example.com", want: "x.deep.example.org",
			records: [][3]string{{"*.example.com", "CNAME", "hosting.elsewhere.test."}, {"_acme-challenge.example.com", "CNAME", "x.deep.example.org."}}},
		{name: "override", domain: "www.example.com", override: "Here.deep.example.org.", want: "here.deep.example.org",
			records: [][3]string{{"_acme-challenge.www.example.com", "CNAME", "x.deep.example.org."}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			s.world.addZones("sub.example.com", "_acme-challenge.z.example.com")
			for _, r := range c.records {
				s.world.put(r[0], r[1], r[2], 60)
			}
			solver := s.solver(t, dns01.Options{OverrideDomain: c.override})
			ch := challenge(c.domain, "token")
			if err := errors.Join(solver.Present(t.Context(), ch), solver.Wait(t.Context(), ch)); err != nil {
				t.Fatal(err)
			}
			if got := s.world.values(c.want, "TXT"); !slices.Contains(got, ch.DNS01KeyAuthorization()) {
				t.Errorf("TXT %s = %q, want the challenge's", c.want, got)
			}
			if err := solver.CleanUp(t.Context(), ch); err != nil {
				t.Fatal(err)
			}
			if got := s.world.values(c.want, "TXT"); slices.Contains(got, ch.DNS01KeyAuthorization()) {
				t.Error("the record is still there")
			}
		})
	}
}

func TestSolver_EndsInCirclesOfCNAMEs(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.world.put("_acme-challenge.www.example.com", "CNAME", "a.example.com.", 60)
	s.world.put("a.example.com", "CNAME", "b.example.com.", 60)
	s.world.put("b.example.com", "CNAME", "a.example.com.", 60)
	// A provider that finds zones must not be a way out.
	solver := s.solver(t, dns01.Options{Provider: onlyRecords{s.provider}})
	err := solver.Present(t.Context(), challenge("www.example.com", "token"))
	if err == nil || !strings.Contains(err.Error(), "circle") {
		t.Errorf("error %v, want a circle", err)
	}
}

// onlyRecords is a provider that can do nothing else.
type onlyRecords struct{ dns01.Provider }

func TestSolver_WaitsForTheLastNameServer(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	lagging, ns2 := s.second(t)
	solver := s.solver(t, dns01.Options{PropagationDelay: time.Millisecond})
	c := challenge("www.example.com", "token")
	if err := solver.Present(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	var polls atomic.Int64
	ns2.setFault(func(q dns.Question, _ bool) (*dns.Msg, bool) {
		if q.Qtype == dns.TypeTXT && polls.Add(1) == 3 {
			lagging.put("_acme-challenge.www.example.com", "TXT", c.DNS01KeyAuthorization(), 60)
		}
		return nil, false
	})
	start := time.Now()
	if err := solver.Wait(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if n := polls.Load(); n != 3 {
		t.Errorf("the server that lags was asked %d times, want 3", n)
	}
	if d := time.Since(start); d > 1500*time.Millisecond {
		t.Errorf("Wait took %v; the first polls have to be quick", d)
	}
}

func TestSolver_SaysWhichServerLags(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	lagging, ns2 := s.second(t)
	lagging.put("_acme-challenge.www.example.com", "TXT", "old", 60)
	solver := s.solver(t, dns01.Options{PropagationTimeout: 500 * time.Millisecond})
	c := challenge("www.example.com", "token")
	if err := solver.Present(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	wait := func(want ...string) {
		t.Helper()
		err := solver.Wait(t.Context(), c)
		for _, w := range append(want, "wait for TXT _acme-challenge.www.example.com: not everywhere after 5") {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("error %v, want %q in it", err, w)
			}
		}
		if err != nil && strings.Contains(err.Error(), "ns1") {
			t.Errorf("error blames the server that has it: %v", err)
		}
	}
	wait("ns2.example.com (192.0.2.12): not there among 1 values")
	ns2.setFault(func(q dns.Question, _ bool) (*dns.Msg, bool) {
		return &dns.Msg{MsgHdr: dns.MsgHdr{Rcode: dns.RcodeServerFailure}}, q.Qtype == dns.TypeTXT
	})
	wait("ns2.example.com (192.0.2.12): SERVFAIL")
}

// A name server that nobody reaches from here, over IPv6 say, is no reason to wait.
func TestSolver_LeavesOutServersThatCannotBeReached(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.second(t)
	s.at["192.0.2.12"] = "127.0.0.1:1" // nobody there
	s.world.put("ns1.example.com", "AAAA", "2001:db8::1", 60)
	s.at["2001:db8::1"] = "127.0.0.1:1"
	solver := s.solver(t, dns01.Options{PropagationTimeout: 10 * time.Second})
	c := challenge("www.example.com", "token")
	if err := errors.Join(solver.Present(t.Context(), c), solver.Wait(t.Context(), c)); err != nil {
		t.Error(err)
	}
}

func TestSolver_AsksResolversWhereNoNameServerAnswers(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(q dns.Question, tcp bool) (*dns.Msg, bool){
		"refused": func(q dns.Question, _ bool) (*dns.Msg, bool) {
			return &dns.Msg{MsgHdr: dns.MsgHdr{Rcode: dns.RcodeRefused}}, q.Qtype == dns.TypeSOA
		},
		// What answers at port 53 is something else, which looks names up.
		"no authority": func(q dns.Question, _ bool) (*dns.Msg, bool) { return new(dns.Msg), q.Qtype == dns.TypeSOA },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			_, ns2 := s.second(t) // never has it
			s.at["192.0.2.11"] = ns2.addr
			ns2.setFault(fault)
			solver := s.solver(t, dns01.Options{PropagationTimeout: 5 * time.Second})
			c := challenge("www.example.com", "token")
			if err := errors.Join(solver.Present(t.Context(), c), solver.Wait(t.Context(), c)); err != nil {
				t.Error(err)
			}
			if !slices.Contains(s.resolver.questions(), "TXT _acme-challenge.www.example.com") {
				t.Error("the resolver was not asked for the record")
			}
		})
	}
}

func TestSolver_GoesOnToTheNextResolver(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]int{
		"server failure": dns.RcodeServerFailure, "not implemented": dns.RcodeNotImplemented,
		"refused": dns.RcodeRefused, "form error": dns.RcodeFormatError, "silence": -1,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			broken := startDNS(t, newWorld())
			broken.setFault(func(dns.Question, bool) (*dns.Msg, bool) {
				if code < 0 {
					return nil, true
				}
				return &dns.Msg{MsgHdr: dns.MsgHdr{Rcode: code}}, true
			})
			solver := s.solver(t, dns01.Options{Resolvers: []string{broken.addr, s.resolver.addr}, PropagationTimeout: -1})
			if err := solver.Present(t.Context(), challenge("example.com", "token")); err != nil {
				t.Error(err)
			}
			if broken.asked.Load() == 0 {
				t.Error("the first resolver was not asked")
			}
		})
	}
}

// challtestsrv, which Pebble is tested with, answers NOTIMP for an SOA.
func TestSolver_SaysWhatResolversSaid(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	notimp := func(q dns.Question, _ bool) (*dns.Msg, bool) {
		return &dns.Msg{MsgHdr: dns.MsgHdr{Rcode: dns.RcodeNotImplemented}}, q.Qtype == dns.TypeSOA
	}
	s.resolver.setFault(notimp)
	other := startDNS(t, newWorld())
	other.setFault(func(dns.Question, bool) (*dns.Msg, bool) {
		return &dns.Msg{MsgHdr: dns.MsgHdr{Rcode: dns.RcodeServerFailure}}, true
	})
	o := dns01.Options{Provider: onlyRecords{s.provider}, Resolvers: []string{s.resolver.addr, other.addr}}
	err := s.solver(t, o).Present(t.Context(), challenge("example.com", "token"))
	want := fmt.Sprintf("find zone of _acme-challenge.example.com: asked %s for SOA: NOTIMP; asked %s for SOA: SERVFAIL (", s.resolver.addr, other.addr)
	if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "dns: {resolvers: [1.1.1.1]}") {
		t.Errorf("error\n%v\nwant it to begin with\n%s\nand to have a hint", err, want)
	}
}

// A provider that knows its zones makes up for a DNS that does not help.
func TestSolver_HasTheProviderFindTheZone(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.resolver.setFault(func(dns.Question, bool) (*dns.Msg, bool) {
		return &dns.Msg{MsgHdr: dns.MsgHdr{Rcode: dns.RcodeNotImplemented}}, true
	})
	solver := s.solver(t, dns01.Options{PropagationTimeout: -1})
	c := challenge("www.example.com", "token")
	if err := solver.Present(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if got := s.world.values("_acme-challenge.www.example.com", "TXT"); len(got) != 1 {
		t.Errorf("TXT = %q", got)
	}
}

// Where port 53 is closed nobody can say that the record is missing.
func TestSolver_GoesOnWhereNobodyCanBeAsked(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for name, resolver := range map[string]string{"closed": "127.0.0.1:1", "not implemented": s.resolver.addr} {
		s.resolver.setFault(func(dns.Question, bool) (*dns.Msg, bool) {
			return &dns.Msg{MsgHdr: dns.MsgHdr{Rcode: dns.RcodeNotImplemented}}, true
		})
		var log bytes.Buffer
		solver := s.solver(t, dns01.Options{
			Resolvers: []string{resolver}, PropagationTimeout: 300 * time.Millisecond, Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		c := challenge("www.example.com", "token")
		if err := errors.Join(solver.Present(t.Context(), c), solver.Wait(t.Context(), c)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.Contains(log.String(), "zone found by the provider only") || !strings.Contains(log.String(), "no name server answers") {
			t.Errorf("%s: log is\n%s", name, log.String())
		}
	}
}

func TestSolver_AsksWhetherTheDomainExists(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.world.addZones("test")
	registry := newWorld()
	registry.addZones("test")
	top := startDNS(t, registry)
	top.recurse.Store(true)
	provider := openRFC2136(t, map[string]string{"server": startDNS(t, newWorld()).addr, "key": tsigKey, "secret": tsigSecret})
	solver := s.solver(t, dns01.Options{Resolvers: []string{top.addr}, Provider: provider})
	err := solver.Present(t.Context(), challenge("www.unregistered.test", "token"))
	if err == nil || !strings.Contains(err.Error(), "is the domain registered?") {
		t.Errorf("error %v, want that question", err)
	}
}

func TestSolver_SaysWhenDNSAndProviderDiffer(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	inside := newWorld() // this network has a zone of its own
	inside.addZones("corp.example.com")
	split := startDNS(t, inside)
	split.recurse.Store(true)
	solver := s.solver(t, dns01.Options{Resolvers: []string{split.addr}})
	err := solver.Present(t.Context(), challenge("www.corp.example.com", "token"))
	if !errors.Is(err, dns01.ErrNoZone) || !strings.Contains(err.Error(), "the zone is corp.example.com., the account has example.com.") {
		t.Errorf("error %v, want both zones in it", err)
	}
}

func TestSolver_AsksOverTCPWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for i := range 40 {
		s.world.put("_acme-challenge.www.example.com", "TXT", fmt.Sprintf("%043d", i), 60)
	}
	cut := func(q dns.Question, tcp bool) (*dns.Msg, bool) {
		return &dns.Msg{MsgHdr: dns.MsgHdr{Truncated: true}}, !tcp
	}
	s.primary.setFault(cut)
	s.resolver.setFault(cut)
	solver := s.solver(t, dns01.Options{PropagationTimeout: 10 * time.Second})
	c := challenge("www.example.com", "token")
	if err := errors.Join(solver.Present(t.Context(), c), solver.Wait(t.Context(), c)); err != nil {
		t.Error(err)
	}
}

func TestSolver_TakesNoZoneThatTheNameIsNotIn(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	// The resolver names a zone that the name is not in.
	s.resolver.setFault(func(q dns.Question, _ bool) (*dns.Msg, bool) {
		soa, _ := dns.NewRR("example.net. 60 IN SOA ns1.example.net. h.example.net. 1 2 3 4 5")
		return &dns.Msg{Ns: []dns.RR{soa}}, q.Qtype == dns.TypeSOA
	})
	solver := s.solver(t, dns01.Options{Provider: onlyRecords{s.provider}})
	err := solver.Present(t.Context(), challenge("example.com", "token"))
	if err == nil || !strings.Contains(err.Error(), "has an SOA record") {
		t.Errorf("error %v, want that there is no SOA", err)
	}
}

func TestSolver_CleansUpAfterCancellation(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.second(t)
	solver := s.solver(t, dns01.Options{})
	c := challenge("www.example.com", "token")
	ctx, cancel := context.WithCancel(t.Context())
	if err := solver.Present(ctx, c); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(300*time.Millisecond, cancel)
	start := time.Now()
	if err := solver.Wait(ctx, c); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait: %v, want that it was cancelled", err)
	}
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("Wait noticed the cancellation after %v", d)
	}
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := solver.Wait(short, c); err == nil || !strings.Contains(err.Error(), "ns2.example.com (192.0.2.12): NXDOMAIN") {
		t.Errorf("Wait with less time than the options give: %v, want what the server said", err)
	}
	if err := solver.CleanUp(ctx, c); err != nil {
		t.Error(err)
	}
	if got := s.world.values("_acme-challenge.www.example.com", "TXT"); len(got) > 0 {
		t.Errorf("TXT = %q, want none", got)
	}
}

// falters does what it is asked, and then says that it did not.
type falters struct{ dns01.Provider }

func (f falters) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	_, _ = f.Provider.AppendRecords(ctx, zone, recs)
	return nil, errors.New("the connection broke")
}

func TestSolver_CleansUpWhatMayHaveBeenPutIn(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	solver := s.solver(t, dns01.Options{Provider: falters{s.provider}})
	c := challenge("www.example.com", "token")
	if err := solver.Present(t.Context(), c); err == nil {
		t.Fatal("no error")
	}
	if err := solver.CleanUp(t.Context(), c); err != nil {
		t.Error(err)
	}
	if got := s.world.values("_acme-challenge.www.example.com", "TXT"); len(got) > 0 {
		t.Errorf("TXT = %q, want none", got)
	}
}

// moody is a provider that takes nothing out while it sulks.
type moody struct {
	dns01.Provider
	sulks atomic.Bool
}

func (m *moody) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	if m.sulks.Load() {
		return nil, errors.New("not now")
	}
	return m.Provider.DeleteRecords(ctx, zone, recs)
}

func TestSolver_TakesOutLaterWhatItHadToLeave(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := &moody{Provider: s.provider}
	solver := s.solver(t, dns01.Options{Provider: p})
	p.sulks.Store(true)
	for i := range 3 {
		c := challenge("www.example.com", fmt.Sprint("token", i))
		if err := solver.Present(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if err := solver.CleanUp(t.Context(), c); err == nil || !strings.Contains(err.Error(), c.DNS01KeyAuthorization()) {
			t.Errorf("CleanUp: %v, want what is left behind", err)
		}
	}
	p.sulks.Store(false)
	c := challenge("example.com", "token")
	if err := errors.Join(solver.Present(t.Context(), c), solver.CleanUp(t.Context(), c)); err != nil {
		t.Error(err)
	}
	if got := s.world.values("_acme-challenge.www.example.com", "TXT"); len(got) > 0 {
		t.Errorf("TXT = %q, want none", got)
	}
}

func TestSolver_CleansUpWithoutPresent(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	c := challenge("www.example.com", "token")
	if err := s.solver(t, dns01.Options{}).Present(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	other := s.solver(t, dns01.Options{}) // another node, or another life
	for range 2 {
		if err := other.CleanUp(t.Context(), c); err != nil {
			t.Error(err)
		}
	}
	if got := s.world.values("_acme-challenge.www.example.com", "TXT"); len(got) > 0 {
		t.Errorf("TXT = %q, want none", got)
	}
	// What Present could not do needs no clean-up, and no look-up either.
	solver := s.solver(t, dns01.Options{Provider: onlyRecords{s.provider}})
	s.resolver.setFault(func(dns.Question, bool) (*dns.Msg, bool) {
		return &dns.Msg{MsgHdr: dns.MsgHdr{Rcode: dns.RcodeServerFailure}}, true
	})
	if err := solver.Present(t.Context(), c); err == nil {
		t.Fatal("no error")
	}
	if err := solver.CleanUp(t.Context(), c); err != nil {
		t.Errorf("CleanUp of nothing: %v", err)
	}
}

func TestSolver_DoesNotLookIfToldSo(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	solver := s.solver(t, dns01.Options{PropagationTimeout: -1})
	c := challenge("www.example.com", "token")
	if err := solver.Present(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	before := s.resolver.asked.Load() + s.primary.asked.Load()
	if err := solver.Wait(t.Context(), c); err != nil {
		t.Error(err)
	}
	if after := s.resolver.asked.Load() + s.primary.asked.Load(); after != before {
		t.Errorf("%d questions were asked", after-before)
	}
}

func TestSolver_ReadsResolvConf(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for content, want := range map[string]string{
		"":                             "none in",
		"# nothing\nsearch lan\n":      "none in",
		"nameserver not-an-address\n":  "none in",
		"nameserver 127.0.0.1\n":       "", // whoever is there, or nobody
		"nameserver 2001:db8::1%lo0\n": "",
	} {
		path := filepath.Join(t.TempDir(), "resolv.conf")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		solver := s.solver(t, dns01.Options{Provider: onlyRecords{s.provider}, Resolvers: []string{}})
		dns01.ResolvConf(solver, path)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		err := solver.Present(ctx, challenge("example.invalid", "token"))
		cancel()
		if want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "dns: {resolvers")) {
			t.Errorf("%q: error %v, want %q and a hint in it", content, err, want)
		}
	}
	solver := s.solver(t, dns01.Options{Provider: onlyRecords{s.provider}, Resolvers: []string{}})
	dns01.ResolvConf(solver, filepath.Join(t.TempDir(), "missing"))
	if err := solver.Present(t.Context(), challenge("example.com", "token")); err == nil || !strings.Contains(err.Error(), "find resolvers") {
		t.Errorf("without a file: error %v", err)
	}
}

func TestNewSolver_RefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	p := openACMEDNS(t, newWorld())
	for name, o := range map[string]dns01.Options{
		"no provider":  {},
		"resolver":     {Provider: p, Resolvers: []string{"1.1.1.1:port:2"}},
		"empty":        {Provider: p, Resolvers: []string{""}},
		"override":     {Provider: p, OverrideDomain: "bücher.example"},
		"negative TTL": {Provider: p, TTL: -1},
		"delay":        {Provider: p, PropagationDelay: -1},
	} {
		if _, err := dns01.NewSolver(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for _, r := range []string{"1.1.1.1", "1.1.1.1:53", "::1", "[::1]:5353", "dns.example", "dns.example:53"} {
		if _, err := dns01.NewSolver(dns01.Options{Provider: p, Resolvers: []string{r}}); err != nil {
			t.Errorf("%s: %v", r, err)
		}
	}
	solver, err := dns01.NewSolver(dns01.Options{Provider: p})
	if err != nil {
		t.Fatal(err)
	}
	if err := solver.Present(t.Context(), challenge("bücher.example", "t")); err == nil || !strings.Contains(err.Error(), "punycode") {
		t.Errorf("unicode: %v", err)
	}
}
