package certs_test

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/certs"
	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/certs/issuer"
	"github.com/weirproxy/weir/certs/storage"
)

// Every kind of name by every kind of challenge, as clients see it.
func TestScenario01_EveryChallenge(t *testing.T) {
	t.Parallel()
	ca := certstest.StartCA(t, certstest.Options{Strict: true})
	s := newSite(t, ca, new(certstest.MemoryStore))
	web, tlsalpn, dns := s.issuer(by(issuer.HTTP01)), s.issuer(by(issuer.TLSALPN01)), s.issuer(s.viaDNS)
	p := &certs.Plan{Names: map[string]*certs.Policy{}}
	for _, c := range []struct {
		name, ask, kind string
		from            *issuer.Issuer
	}{
		{"web.example.com", "", issuer.HTTP01, web},
		{"tls.example.com", "", issuer.TLSALPN01, tlsalpn},
		{"dns.example.com", "", issuer.DNS01, dns},
		{"*.wild.example.com", "any.wild.example.com", issuer.DNS01, dns},
		{"127.0.0.1", "", issuer.HTTP01, web},
		{"::1", "", issuer.TLSALPN01, tlsalpn},
	} {
		if c.ask == "" {
			c.ask = c.name
		}
		before := ca.Validations(c.kind)
		next := &certs.Plan{Names: map[string]*certs.Policy{c.name: {Issuers: []certs.Issuer{c.from}}}}
		maps.Copy(next.Names, p.Names)
		p = next
		began := time.Now()
		s.Apply(p)
		s.until(5*time.Second*slow, "certificate for "+c.name, func() bool { _, err := s.shake(c.ask); return err == nil })
		t.Logf("%s by %s: %v", c.name, c.kind, time.Since(began).Round(time.Millisecond))
		if got := ca.Validations(c.kind) - before; got != 1 {
			t.Errorf("%s: %d validations by %s, want 1", c.name, got, c.kind)
		}
	}
	if ca.Accounts() != 1 || len(ca.Orders()) != 6 {
		t.Errorf("%d accounts and %d orders, want 1 and 6", ca.Accounts(), len(ca.Orders()))
	}
}

// An authority that refuses three good nonces of ten.
func TestScenario03_NoncesRefused(t *testing.T) {
	t.Parallel()
	ca := certstest.StartCA(t, certstest.Options{NonceReject: 30})
	s := newSite(t, ca, new(certstest.MemoryStore), func(o *certs.ManagerOptions) { o.Retry = []time.Duration{time.Hour} })
	var names []string
	for i := range 10 {
		names = append(names, fmt.Sprintf("n%d.example.com", i))
	}
	s.Apply(plan(s.issuer(), names...))
	s.until(30*time.Second*slow, "10 of 10 certificates", func() bool { ok, _ := s.Ready(); return ok })
	for _, name := range names {
		s.served(name)
	}
	if got := s.Stats().Failures; got != 0 {
		t.Errorf("%d orders failed", got)
	}
}

// The authority changes its mind about when to renew, and is heard at the next check.
func TestScenario12_RenewalWindowMovesToThePast(t *testing.T) {
	t.Parallel()
	ca := certstest.StartCA(t, certstest.Options{})
	ca.RenewalRetryAfter("2")
	s := newSite(t, ca, new(certstest.MemoryStore))
	s.Apply(plan(s.issuer(), "www.example.com"))
	s.until(5*time.Second*slow, "a certificate", func() bool { ok, _ := s.Ready(); return ok })
	old := s.served("www.example.com")
	s.until(10*time.Second*slow, "a second question for renewal information", func() bool { return ca.Asked("ari") >= 2 })
	if got := ca.OrdersFor("www.example.com"); got != 1 {
		t.Fatalf("%d orders while the window is two months off, want 1", got)
	}
	ca.SetRenewalInfo(old, time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour))
	took := s.untilNew(4*time.Second*slow, "www.example.com", old) // two checks
	t.Logf("renewed %v after the window had moved", took.Round(time.Millisecond))
	if ca.Replaces() != 1 {
		t.Errorf("%d orders said what they replace, want 1", ca.Replaces())
	}
	// The new one is not renewed as well.
	asked := ca.Asked("ari")
	s.until(10*time.Second*slow, "two more questions", func() bool { return ca.Asked("ari") >= asked+2 })
	if got := ca.OrdersFor("www.example.com"); got != 2 {
		t.Errorf("%d orders, want 2", got)
	}
}

// What an authority does with a certificate that was revoked. Finding 8: Pebble itself
// then answers with a window of one second in the past, which other clients take for
// malformed; here that is enough.
func TestScenario13_Revoked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		set  bool
	}{{"window set by hand", true}, {"the authority's own window", false}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ca := certstest.StartCA(t, certstest.Options{})
			ca.RenewalRetryAfter("1")
			s := newSite(t, ca, new(certstest.MemoryStore))
			s.Apply(plan(s.issuer(), "www.example.com"))
			s.until(5*time.Second*slow, "a certificate", func() bool { ok, _ := s.Ready(); return ok })
			old := s.served("www.example.com")
			ca.Revoke(old, s.keyOf("www.example.com"))
			if !ca.Revoked(old) {
				t.Fatal("it is not revoked")
			}
			if c.set {
				ca.SetRenewalInfo(old, time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour))
			}
			took := s.untilNew(5*time.Second*slow, "www.example.com", old)
			t.Logf("replaced after %v", took.Round(time.Millisecond))
			if ca.Revoked(s.served("www.example.com")) {
				t.Error("the new one is revoked as well")
			}
		})
	}
}

// keyOf is the key of a stored certificate.
func (s *site) keyOf(name string) crypto.Signer {
	s.t.Helper()
	value, err := s.store.Get(s.t.Context(), storage.CertKey(name))
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := storage.DecodeCert(value)
	if err != nil {
		s.t.Fatal(err)
	}
	pair, err := c.TLS()
	if err != nil {
		s.t.Fatal(err)
	}
	return pair.PrivateKey.(crypto.Signer)
}

// The authority is away from before a certificate ends until after it: there is an
// alarm while there is time, and a new certificate soon after the authority is back.
func TestScenario15_AuthorityDownAcrossTheEnd(t *testing.T) {
	t.Parallel()
	const life = 15 * time.Second
	ca := certstest.StartCA(t, certstest.Options{Profiles: map[string]time.Duration{"default": life}})
	ca.Fail(noRenewalInfo)
	retry := []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second}
	s := newSite(t, ca, new(certstest.MemoryStore), func(o *certs.ManagerOptions) { o.Every, o.Retry = 500*time.Millisecond, retry })
	s.Apply(plan(s.issuer(), "www.example.com"))
	s.until(5*time.Second*slow, "a certificate", func() bool { ok, _ := s.Ready(); return ok })
	old := s.served("www.example.com")
	ca.Down()
	s.until(life, "an alarm", func() bool { return s.log.has("a certificate runs out and has not been renewed") })
	if left := time.Until(old.NotAfter); left <= 0 {
		t.Errorf("the alarm came %v after the end", -left)
	} else {
		t.Logf("alarm with %v of %v left", left.Round(100*time.Millisecond), life)
	}
	s.until(2*life, "the end", func() bool { return time.Now().After(old.NotAfter.Add(time.Second)) })
	if ok, missing := s.Ready(); ok {
		t.Error("ready with a certificate that has run out")
	} else {
		t.Logf("not ready: %v", missing)
	}
	// Whether to go on with one that has run out is up to the client.
	if c := s.get(t, "www.example.com"); c != old.SerialNumber.Text(16) {
		t.Errorf("served %s, want the one that has run out", c)
	}
	ca.Up()
	slot := retry[len(retry)-1] + retry[len(retry)-1]/10
	took := s.untilNew(slot+3*time.Second*slow, "www.example.com", old)
	t.Logf("renewed %v after the authority was back", took.Round(time.Millisecond))
	s.until(5*time.Second, "the end of the alarm", func() bool { return len(s.Stats().Alarms) == 0 })
}

// noRenewalInfo leaves it to the age of a certificate when it is renewed: windows of
// Pebble's are four days wide, also for certificates of seconds.
func noRenewalInfo(r *http.Request) *certstest.Fault {
	if certstest.Kind(r) == "ari" {
		return &certstest.Fault{Status: http.StatusNotFound}
	}
	return nil
}

// An authority that asks to be left alone for an hour is. Another one stands in for it,
// where there is one.
func TestScenario16_RetryAfterIsKept(t *testing.T) {
	t.Parallel()
	ca, second := certstest.StartCA(t, certstest.Options{}), certstest.StartCA(t, certstest.Options{})
	var asked atomic.Int64
	ca.Fail(func(r *http.Request) *certstest.Fault {
		if certstest.Kind(r) != "order" {
			return nil
		}
		asked.Add(1)
		return &certstest.Fault{Status: http.StatusTooManyRequests, Type: "rateLimited", Detail: "too many orders", RetryAfter: "3600"}
	})
	s := newSite(t, ca, new(certstest.MemoryStore), func(o *certs.ManagerOptions) { o.Retry, o.Every = []time.Duration{50 * time.Millisecond}, time.Second })
	second.Serve(s.plain, s.secure)
	one, two := s.issuer(), s.issuerOf(second)
	p := plan(one, "www.example.com")
	p.Names["both.example.com"] = &certs.Policy{Issuers: []certs.Issuer{one, two}}
	s.Apply(p)
	s.until(10*time.Second*slow, "a certificate of the second authority", func() bool {
		st, _ := s.Status("both.example.com")
		return st.Issuer == two.ID()
	})
	s.until(10*time.Second*slow, "a refusal", func() bool { st, _ := s.Status("www.example.com"); return st.Failed != nil })
	failed, _ := s.Status("www.example.com")
	for range 100 { // many pauses
		if _, err := s.shake("www.example.com"); err == nil {
			t.Fatal("there is a certificate from nowhere")
		}
		s.Apply(p)
		time.Sleep(20 * time.Millisecond)
	}
	st, _ := s.Status("www.example.com")
	if left := time.Until(st.Failed.Next); left < 59*time.Minute || left > time.Hour+time.Minute {
		t.Errorf("next attempt in %v, want an hour", left)
	}
	if !strings.Contains(st.Failed.Saw, "too many orders") {
		t.Errorf("the failure does not say what the authority did: %+v", st.Failed)
	}
	if !st.Failed.At.Equal(failed.Failed.At) || st.Failed.Attempts != 1 {
		t.Errorf("tried %d times, last at %v, want once at %v", st.Failed.Attempts, st.Failed.At, failed.Failed.At)
	}
	if got := asked.Load(); got != 2 { // one for each name
		t.Errorf("%d orders reached the authority, want one for each of two names", got)
	}
}

// An authority whose clock is ahead by an hour, and whose certificates so are not good
// yet: there is an alarm, and clients get what they had as long as it is good.
func TestScenario22_ClockOfTheAuthorityIsAhead(t *testing.T) {
	t.Parallel()
	ca := certstest.StartCA(t, certstest.Options{Profiles: map[string]time.Duration{"default": 30 * time.Second}})
	s := newSite(t, ca, new(certstest.MemoryStore), func(o *certs.ManagerOptions) { o.RenewAt, o.Every = 0.8, time.Second })
	ca.Fail(noRenewalInfo)
	s.Apply(plan(s.issuer(), "www.example.com"))
	s.until(5*time.Second*slow, "a certificate", func() bool { ok, _ := s.Ready(); return ok })
	old := s.served("www.example.com")
	ca.ShiftClock(time.Hour)
	ca.Edit(aheadBy(t, 50*time.Minute))
	s.until(20*time.Second*slow, "a second order", func() bool { return ca.Asked("cert") >= 2 })
	s.until(5*time.Second*slow, "an alarm", func() bool { return s.log.has("clock differs from that of the authority") })
	for time.Now().Before(old.NotAfter.Add(-2 * time.Second)) {
		if leaf, err := s.shake("www.example.com"); err != nil {
			t.Fatalf("%v before the old one ends: %v", time.Until(old.NotAfter), err)
		} else if leaf.SerialNumber.Cmp(old.SerialNumber) != 0 {
			t.Fatalf("served %s, which begins at %v", leaf.SerialNumber, leaf.NotBefore)
		}
		time.Sleep(100 * time.Millisecond)
	}
	ca.ShiftClock(0)
	ca.Edit(nil)
	s.untilNew(10*time.Second*slow, "www.example.com", old)
	s.until(5*time.Second*slow, "the end of the alarm", func() bool { return len(s.Stats().Alarms) == 0 })
}

// aheadBy has an authority hand out certificates that begin in the future, for the key
// that was asked for.
func aheadBy(t *testing.T, d time.Duration) func(*http.Request, *certstest.Answer) {
	root := issue(t, nil, "ahead", isCA)
	var mu sync.Mutex
	var csr *x509.CertificateRequest
	return func(r *http.Request, a *certstest.Answer) {
		mu.Lock()
		defer mu.Unlock()
		switch certstest.Kind(r) {
		case "finalize":
			csr = requestIn(t, r)
		case "cert":
			leaf := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: csr.DNSNames, NotBefore: time.Now().Add(d), NotAfter: time.Now().Add(d + time.Hour)}
			der, err := x509.CreateCertificate(rand.Reader, leaf, root.cert, csr.PublicKey, root.key)
			if err != nil {
				t.Error(err)
			}
			a.Body = append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), root.certPEM()...)
		}
	}
}

// requestIn is the request for a certificate in the body of an order that is finalized.
func requestIn(t *testing.T, r *http.Request) *x509.CertificateRequest {
	body, err := io.ReadAll(r.Body)
	var jws struct{ Payload string }
	var final struct{ CSR string }
	if err == nil {
		err = json.Unmarshal(body, &jws)
	}
	payload, err2 := base64.RawURLEncoding.DecodeString(jws.Payload)
	if err == nil && err2 == nil {
		err = json.Unmarshal(payload, &final)
	}
	der, _ := base64.RawURLEncoding.DecodeString(final.CSR)
	csr, err2 := x509.ParseCertificateRequest(der)
	if err != nil || err2 != nil {
		t.Errorf("no request in %q: %v, %v", body, err, err2)
		return &x509.CertificateRequest{}
	}
	return csr
}

// Certificates of weir's own authority that live for seconds: always good, and never
// more of them than three for each life.
func TestScenario26_InternalCertificatesOfSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const life, length = 10 * time.Second, 2 * time.Minute
		ca, err := certs.OpenInternal(t.TempDir(), certs.InternalOptions{Leaf: life, Intermediate: time.Minute, Backdate: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer ca.Close()
		names := []string{"localhost", "127.0.0.1", "::1"}
		issued := map[string]bool{}
		for began := time.Now(); time.Since(began) < length; time.Sleep(100 * time.Millisecond) {
			for _, name := range names {
				c, err := ca.Issue(name)
				if err != nil {
					t.Fatal(err)
				}
				if err := verify(ca, c, name); err != nil {
					t.Fatalf("%s after %v: %v", name, time.Since(began), err)
				}
				issued[name+" "+c.Leaf.SerialNumber.Text(16)] = true
			}
		}
		if most := len(names) * int(length/life) * 3; len(issued) > most || len(issued) < len(names)*int(length/life) {
			t.Errorf("%d certificates for %d names in %v, want %d at most", len(issued), len(names), length, most)
		} else {
			t.Logf("%d certificates for %d names in %v", len(issued), len(names), length)
		}
	})
}
