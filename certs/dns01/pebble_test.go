package dns01_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"

	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/certs/dns01"
)

// obtain orders one certificate for all names and checks it.
func obtain(t *testing.T, ca *certstest.CA, solver acmez.Solver, names ...string) error {
	t.Helper()
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := acmez.Client{
		Client:           &acme.Client{Directory: ca.Directory, HTTPClient: ca.Client()},
		ChallengeSolvers: map[string]acmez.Solver{acme.ChallengeTypeDNS01: solver},
	}
	account, err := c.NewAccount(ctx, acme.Account{TermsOfServiceAgreed: true, PrivateKey: key()})
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.ObtainCertificateForSANs(ctx, account, key(), names)
	if err != nil {
		return err
	}
	block, rest := pem.Decode(got[0].ChainPEM)
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	between := x509.NewCertPool()
	between.AppendCertsFromPEM(rest)
	for _, name := range names {
		if _, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: ca.IssuingRoots, Intermediates: between}); err != nil {
			t.Errorf("certificate for %s: %v", name, err)
		}
	}
	return nil
}

func TestSolver_ObtainsCertificates(t *testing.T) {
	t.Parallel()
	ca := certstest.StartCA(t, certstest.Options{Strict: true})
	p := ca.DNS.Provider()
	solver, err := dns01.NewSolver(dns01.Options{Provider: p, Resolvers: []string{ca.DNS.Resolver}})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := obtain(t, ca, solver, "example.com", "*.example.com", "a.b.c.example.com"); err != nil {
		t.Fatal(err)
	}
	t.Logf("three names in %v", time.Since(start))
	if p.Calls() != 6 {
		t.Errorf("%d calls to the provider, want 3 to put in and 3 to take out", p.Calls())
	}
}

// BIND holds the zone, Pebble looks there, and weir writes it.
func TestSolver_ObtainsCertificatesThroughBIND(t *testing.T) {
	t.Parallel()
	addr := startBIND(t)
	ca := certstest.StartCA(t, certstest.Options{DNS: &certstest.DNS{Resolver: addr}})
	p := openRFC2136(t, map[string]string{"server": addr, "key": tsigKey, "secret": tsigSecret})
	solver, err := dns01.NewSolver(dns01.Options{Provider: p, Resolvers: []string{addr}})
	if err != nil {
		t.Fatal(err)
	}
	dns01.AskAt(solver, func(string) string { return addr })
	start := time.Now()
	if err := obtain(t, ca, solver, "example.com", "*.example.com", "www.example.com"); err != nil {
		t.Fatal(err)
	}
	t.Logf("three names in %v", time.Since(start))
}

// example.com is nobody's to write; its challenges lead to acme-dns.
func TestSolver_ObtainsCertificatesByDelegation(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.addZones("auth.example.org")
	w.put("_acme-challenge.example.com", "CNAME", acmeFull+".", 60)
	resolver := startDNS(t, w)
	resolver.recurse.Store(true)
	ca := certstest.StartCA(t, certstest.Options{DNS: &certstest.DNS{Resolver: resolver.addr}})
	solver, err := dns01.NewSolver(dns01.Options{Provider: openACMEDNS(t, w), Resolvers: []string{resolver.addr}})
	if err != nil {
		t.Fatal(err)
	}
	if err := obtain(t, ca, solver, "example.com", "*.example.com"); err != nil {
		t.Fatal(err)
	}
}
