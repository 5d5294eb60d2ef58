package certstest_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/libdns/libdns"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
	"github.com/miekg/dns"

	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/certs/storage"
)

func TestMemoryStore(t *testing.T) {
	t.Parallel()
	certstest.TestStore(t, func(*testing.T) (a, b storage.Store) {
		var m certstest.MemoryStore
		return m.Node(), m.Node()
	})
}

func TestMemoryStore_FailsAsTold(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	var m certstest.MemoryStore
	a, b := m.Node(), m.Node()

	a.Full()
	if err := a.Put(ctx, "k", nil, 0); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Put on a full disk = %v", err)
	}
	a.Down()
	if _, err := a.Get(ctx, "k"); !errors.Is(err, certstest.ErrDown) {
		t.Errorf("Get while down = %v", err)
	}
	a.Patience = 10 * time.Millisecond
	a.Hang()
	if err := a.Put(ctx, "k", nil, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Put while it hangs = %v", err)
	}
	if err := b.Put(ctx, "k", nil, 0); err != nil {
		t.Errorf("Put by a node that is well = %v", err)
	}
	a.Up()
	a.FailWrite(2)
	if err := a.Put(ctx, "first", nil, 0); err != nil {
		t.Error(err)
	}
	for _, key := range []string{"second", "third"} {
		if err := a.Put(ctx, key, nil, 0); !errors.Is(err, certstest.ErrKilled) {
			t.Errorf("Put of %s = %v, want killed", key, err)
		}
	}
	a.Up()
	a.LoseAnswer(1)
	if err := a.Put(ctx, "lost", nil, 0); err == nil {
		t.Error("the answer was not lost")
	}
	if got, want := m.Keys(""), []string{"first", "k", "lost"}; !slices.Equal(got, want) {
		t.Errorf("keys = %q, want %q", got, want)
	}
}

func TestMemoryStore_ExpiresLocks(t *testing.T) {
	t.Parallel()
	for _, told := range []bool{true, false} {
		var m certstest.MemoryStore
		a, b := m.Node(), m.Node()
		l, err := a.Lock(t.Context(), "l")
		if err != nil {
			t.Fatal(err)
		}
		m.Expire("l", told)
		if _, err := b.TryLock(t.Context(), "l"); err != nil {
			t.Errorf("the lock is not free: %v", err)
		}
		select {
		case <-l.Lost():
			if !told {
				t.Error("the holder knows already")
			}
		default:
			if told {
				t.Error("the holder was not told")
			}
		}
		if err := l.Put(t.Context(), "k", nil, 0); !errors.Is(err, storage.ErrLost) {
			t.Errorf("Put = %v, want ErrLost", err)
		}
		<-l.Lost()
		if err := l.Unlock(t.Context()); err != nil || !m.Held("l") {
			t.Errorf("Unlock = %v, and the other's lock is held: %v", err, m.Held("l"))
		}
	}
}

// order obtains a certificate by dns-01 with acmez alone.
func order(t *testing.T, ca *certstest.CA, names ...string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	client := acmez.Client{
		Client:           &acme.Client{Directory: ca.Directory, HTTPClient: ca.Client()},
		ChallengeSolvers: map[string]acmez.Solver{acme.ChallengeTypeDNS01: txtSolver{ca.DNS}},
	}
	account, err := client.NewAccount(t.Context(), acme.Account{TermsOfServiceAgreed: true, PrivateKey: key})
	if err != nil {
		return nil, nil, err
	}
	certKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	chains, err := client.ObtainCertificateForSANs(t.Context(), account, certKey, names)
	if err != nil {
		return nil, nil, err
	}
	block, _ := pem.Decode(chains[0].ChainPEM)
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return leaf, certKey, nil
}

type txtSolver struct{ dns *certstest.DNS }

func (s txtSolver) Present(_ context.Context, c acme.Challenge) error {
	s.dns.AddTXT(c.DNS01TXTRecordName(), c.DNS01KeyAuthorization())
	return nil
}

func (s txtSolver) CleanUp(_ context.Context, c acme.Challenge) error {
	s.dns.RemoveTXT(c.DNS01TXTRecordName(), c.DNS01KeyAuthorization())
	return nil
}

func TestCA_IssuesAndCounts(t *testing.T) {
	t.Parallel()
	ca := certstest.StartCA(t, certstest.Options{Strict: true, Blocked: []string{"blocked.test"}})
	leaf, key, err := order(t, ca, "example.com", "*.example.com")
	if err != nil {
		t.Fatal(err)
	}
	if got := len(ca.Orders()); got != 1 || ca.OrdersFor("*.example.com") != 1 || ca.Accounts() != 1 {
		t.Errorf("orders %d, for the wildcard %d, accounts %d; want 1 each", got, ca.OrdersFor("*.example.com"), ca.Accounts())
	}
	if got := ca.Validations("dns-01"); got != 2 {
		t.Errorf("validations = %d, want 2", got)
	}
	if v := ca.DNS.TXT("_acme-challenge.example.com"); len(v) != 0 {
		t.Errorf("records left over: %q", v)
	}
	if ca.Revoked(leaf) {
		t.Error("a new certificate is revoked")
	}
	ca.Revoke(leaf, key)
	if !ca.Revoked(leaf) {
		t.Error("a certificate was not revoked")
	}
	start := time.Now().Add(time.Hour).Truncate(time.Second)
	ca.SetRenewalInfo(leaf, start, start.Add(time.Hour))
	ca.RenewalRetryAfter("2")
	client := &acme.Client{Directory: ca.Directory, HTTPClient: ca.Client()}
	info, err := client.GetRenewalInfo(t.Context(), leaf)
	if err != nil || !info.SuggestedWindow.Start.Equal(start) || time.Until(*info.RetryAfter) > 3*time.Second {
		t.Errorf("renewal info = %+v, %v", info, err)
	}
	if _, _, err := order(t, ca, "www.blocked.test"); err == nil || !strings.Contains(err.Error(), "rejectedIdentifier") {
		t.Errorf("order of a blocked name = %v", err)
	}
}

func TestCA_FailsAsTold(t *testing.T) {
	t.Parallel()
	ca := certstest.StartCA(t, certstest.Options{})
	client := ca.Client()
	get := func() (*http.Response, error) {
		resp, err := client.Get(ca.Directory)
		if err == nil {
			resp.Body.Close()
		}
		return resp, err
	}
	ca.Down()
	if _, err := get(); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("while down: %v, want refused", err)
	}
	ca.Up()
	ca.ShiftClock(time.Hour)
	ca.FailNext(1, "directory", certstest.Fault{Status: 503, RetryAfter: "17", Type: "rateLimited", Detail: "too many"})
	resp, err := get()
	if err != nil || resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "17" {
		t.Errorf("answer = %v, %v", resp, err)
	}
	if resp, err = get(); err != nil || resp.StatusCode != 200 {
		t.Fatalf("afterwards = %v, %v", resp, err)
	}
	if at, err := http.ParseTime(resp.Header.Get("Date")); err != nil || time.Until(at) < 50*time.Minute {
		t.Errorf("Date = %v, %v; want an hour from now", at, err)
	}
	ca.Edit(func(_ *http.Request, a *certstest.Answer) { a.Body = []byte("lies") })
	if resp, err = get(); err != nil || resp.ContentLength != 4 {
		t.Errorf("edited answer = %v, %v", resp, err)
	}
}

func TestDNS(t *testing.T) {
	t.Parallel()
	d := certstest.StartDNS(t)
	ask := func(name string, kind uint16) *dns.Msg {
		t.Helper()
		m := new(dns.Msg)
		m.SetQuestion(dns.Fqdn(name), kind)
		for _, network := range []string{"udp", "tcp"} {
			in, _, err := (&dns.Client{Net: network}).Exchange(m, d.Resolver)
			if err != nil {
				t.Fatal(err)
			}
			if network == "tcp" {
				return in
			}
		}
		return nil
	}
	if in := ask("www.example.com", dns.TypeA); len(in.Answer) != 1 || in.Answer[0].(*dns.A).A.String() != "127.0.0.1" {
		t.Errorf("A of a name of which nothing was said: %v", in)
	}
	if in := ask("www.example.com", dns.TypeAAAA); len(in.Answer) != 0 || in.Rcode != dns.RcodeSuccess {
		t.Errorf("AAAA of a name of which nothing was said: %v", in)
	}
	d.SetAAAA("www.example.com", "::1")
	if in := ask("WWW.example.com", dns.TypeAAAA); len(in.Answer) != 1 {
		t.Errorf("AAAA: %v", in)
	}
	if in := ask("www.example.com", dns.TypeA); len(in.Answer) != 1 {
		t.Errorf("A beside AAAA: %v", in)
	}
	d.SetA("www.example.com")
	if in := ask("www.example.com", dns.TypeA); len(in.Answer) != 0 {
		t.Errorf("A after it was taken away: %v", in)
	}
	if in := ask("_acme-challenge.www.example.com", dns.TypeSOA); len(in.Answer) != 0 || in.Ns[0].Header().Name != "example.com." {
		t.Errorf("SOA below the apex: %v", in)
	}
	if in := ask("example.com", dns.TypeSOA); len(in.Answer) != 1 {
		t.Errorf("SOA of the apex: %v", in)
	}
	d.Zone("deep.zone.example.com")
	if in := ask("deep.zone.example.com", dns.TypeSOA); len(in.Answer) != 1 {
		t.Errorf("SOA of a zone below: %v", in)
	}
	d.SetCNAME("_acme-challenge.example.com", "x.acme.test")
	d.AddTXT("x.acme.test", "one")
	d.AddTXT("x.acme.test", strings.Repeat("two", 100))
	if in := ask("_acme-challenge.example.com", dns.TypeTXT); len(in.Answer) != 3 {
		t.Errorf("TXT behind an alias: %v", in)
	}
	d.RemoveTXT("x.acme.test", "one")
	if v := d.TXT("x.acme.test"); len(v) != 1 || len(v[0]) != 300 {
		t.Errorf("TXT = %q", v)
	}
	d.SetRcode("gone.test", dns.RcodeNameError)
	if in := ask("gone.test", dns.TypeA); in.Rcode != dns.RcodeNameError {
		t.Errorf("A of a name that is not there: %v", in)
	}
}

func TestProvider_KeepsValuesApart(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	d := certstest.StartDNS(t)
	p := d.Provider()
	one := []libdns.Record{libdns.TXT{Name: "_acme-challenge", Text: "one"}}
	two := []libdns.Record{libdns.TXT{Name: "_acme-challenge", Text: "two"}}
	for _, r := range [][]libdns.Record{one, two} {
		if _, err := p.AppendRecords(ctx, "example.com.", r); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.DeleteRecords(ctx, "example.com.", one); err != nil {
		t.Fatal(err)
	}
	if got := d.TXT("_acme-challenge.example.com"); !slices.Equal(got, []string{"two"}) {
		t.Errorf("values = %q, want the one that was not deleted", got)
	}
	d.Hold()
	if _, err := p.SetRecords(ctx, "example.com.", one); err != nil {
		t.Fatal(err)
	}
	if got := d.TXT("_acme-challenge.example.com"); !slices.Equal(got, []string{"two"}) {
		t.Errorf("values while changes are held = %q", got)
	}
	d.Release()
	recs, err := p.GetRecords(ctx, "example.com.")
	if err != nil || len(recs) != 1 || recs[0].RR().Data != "one" || recs[0].RR().Name != "_acme-challenge" {
		t.Errorf("records = %v, %v", recs, err)
	}
}

func TestSplit_WritesSmallSegments(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	reads := make(chan []int, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		var sizes []int
		for buf := make([]byte, 1<<16); ; {
			n, err := conn.Read(buf)
			if err != nil {
				break
			}
			sizes = append(sizes, n)
		}
		reads <- sizes
	}()
	conn, err := certstest.SplitDialer(10, 100)(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Write(make([]byte, 1000)); n != 1000 || err != nil {
		t.Errorf("Write = %d, %v", n, err)
	}
	conn.Close()
	if sizes := <-reads; len(sizes) < 3 || sizes[0] > 100 {
		t.Errorf("reads = %v, want many small ones first", sizes)
	}
}

func TestProcess_IsStrictPebble(t *testing.T) {
	t.Parallel()
	d := certstest.StartDNS(t)
	p := certstest.StartProcess(t, 1, 1, d.Resolver)
	client := &acme.Client{Directory: p.Directory, HTTPClient: certstest.Client(t, p.Roots)}
	dir, err := client.GetDirectory(t.Context())
	if err != nil || dir.NewOrder == "" {
		t.Errorf("directory = %+v, %v", dir, err)
	}
}

func TestCA_ShiftsCertificates(t *testing.T) {
	t.Parallel()
	ca := certstest.StartCA(t, certstest.Options{})
	ca.ShiftCertificates(time.Hour)
	leaf, key, err := order(t, ca, "example.com")
	if err != nil {
		t.Fatal(err)
	}
	if ahead := time.Until(leaf.NotBefore); ahead < 55*time.Minute || ahead > time.Hour {
		t.Errorf("it begins in %v, want an hour", ahead)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: ca.IssuingRoots, DNSName: "example.com", CurrentTime: leaf.NotBefore.Add(time.Minute)}); err != nil {
		t.Error(err)
	}
	if !key.PublicKey.Equal(leaf.PublicKey) {
		t.Error("it is for another key")
	}
}
