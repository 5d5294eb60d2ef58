package main

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/certs"
	"github.com/weirproxy/weir/certs/storage"
	"github.com/weirproxy/weir/cmd/weir/config"
)

// TestCert_LsSaysHowEachNameStands has a row for every state, and what people read.
func TestCert_LsSaysHowEachNameStands(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.Local)
	day := 24 * time.Hour
	good := func(name string, from, until time.Duration) *certRow {
		r := &certRow{Name: name, From: "acme", Issuer: "Let's Encrypt"}
		r.take(&storage.Cert{NotBefore: now.Add(from), NotAfter: now.Add(until), Obtained: now.Add(from)}, now.Add(until-30*day))
		return r
	}
	failed := func(r *certRow, ago time.Duration, f certs.Failure) *certRow {
		f.At, f.Next = now.Add(-ago), now.Add(12*time.Minute)
		r.fail(&f)
		return r
	}
	busy := good("busy.example.com", -70*day, 20*day)
	busy.hear(&certs.Status{Busy: true})
	live := good("due.example.com", -61*day, 29*day)
	live.hear(&certs.Status{Next: now.Add(5 * time.Minute), RenewAt: now.Add(-day)})
	unsaved := good("unsaved.example.com", -90*day, -day)
	unsaved.hear(&certs.Status{Serial: "2", NotBefore: now, NotAfter: now.Add(90 * day), Obtained: now, RenewAt: now.Add(60 * day), Unsaved: true})
	refused := certs.Failure{CA: "Let's Encrypt", Challenge: "http-01", Saw: "192.0.2.1: Connection refused", Hint: "open port 80"}
	rows := []*certRow{
		good("ok.example.com", -day, 89*day), good("old.example.com", -61*day, 29*day), live, busy, unsaved,
		good("expiring.example.com", -82*day, 8*day), good("gone.example.com", -100*day, -10*day),
		failed(good("failing.example.com", -61*day, 29*day), time.Hour, refused),
		failed(good("recovered.example.com", -day, 89*day), 2*day, refused),
		failed(&certRow{Name: "new.example.com", From: "acme"}, time.Minute, certs.Failure{Error: "the authority\x1b[2J\nis away"}),
		{Name: "none.example.com", From: "acme"}, {Name: "*.shop.example.com", From: "acme", OnDemand: true},
		{Name: "app.lan", From: "internal", Issuer: "internal CA"},
		{Name: "file.example.com", From: "file", Issuer: "file", File: "c.pem", NotBefore: now.Add(-day), NotAfter: now.Add(364 * day)},
		{Name: "left.example.com", From: "store", Issuer: "imported", NotBefore: now.Add(-day), NotAfter: now.Add(36 * time.Hour)},
	}
	for _, r := range rows {
		r.settle(now)
	}
	slices.SortFunc(rows, compareRows)
	var b strings.Builder
	if err := printRows(&b, rows, now, false); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	golden := filepath.Join("testdata", "cert_ls.txt")
	if *updateGolden {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || got != string(want) {
		t.Errorf("got (%v)\n%s\nwant\n%s", err, got, want)
	}
}

func TestIssuerName_IsThatOfTheSameHost(t *testing.T) {
	t.Parallel()
	c := &config.Config{ACME: []config.Issuer{{CA: "https://CA.example:14000/dir"}, {CA: "https://acme.example.org/a"}}}
	all := caNamesOf(c)
	for id, want := range map[string]string{
		"acme-v02.api.letsencrypt.org-directory":         "Let's Encrypt",
		"acme-staging-v02.api.letsencrypt.org-directory": "Let's Encrypt staging",
		"acme.zerossl.com-v2-DV90":                       "ZeroSSL",
		"ca.example-14000-dir":                           "CA.example:14000",
		"acme.example.org-a":                             "acme.example.org",
		"acme.example.organic-a":                         "acme.example.organic-a",
		certs.Imported:                                   "imported",
		"":                                               "",
	} {
		if got := issuerName(all, id); got != want {
			t.Errorf("%q: %q, want %q", id, got, want)
		}
	}
}

func TestDemanded_IsAsTheTableOfSitesHasIt(t *testing.T) {
	t.Parallel()
	shop, rest := new(config.Site), new(config.Site)
	v := &inventory{rows: map[string]*certRow{"own.shop.example": {From: "file"}}, demand: map[string]*config.Site{"*.shop.example": shop, "default": rest}}
	for name, want := range map[string]*config.Site{
		"a.shop.example": shop, "a.b.shop.example": rest, "other.example": rest, "own.shop.example": nil, "localhost": rest,
	} {
		if got := v.demanded(name); got != want {
			t.Errorf("%s: %p, want %p", name, got, want)
		}
	}
}

// FuzzChain has whatever a store or a file holds read as a chain, and shown.
func FuzzChain(f *testing.F) {
	for _, name := range []string{"", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"} {
		f.Add([]byte(name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		facts := &certFacts{certRow: certRow{Name: "a.example", State: "ok"}}
		facts.chain(b)
		var out strings.Builder
		if err := facts.print(&out, time.Now()); err != nil {
			t.Fatal(err)
		}
		if s := out.String(); strings.ContainsFunc(s, func(c rune) bool { return c < ' ' && c != '\n' }) {
			t.Errorf("moves the cursor: %q", s)
		}
		var ders [][]byte
		for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
			if _, err := x509.ParseCertificate(block.Bytes); err == nil {
				ders = append(ders, block.Bytes)
			}
		}
		if len(ders) == 0 {
			return
		}
		if chain, _, err := orderedChain(ders); err == nil && !strings.HasPrefix(string(chain), "-----BEGIN") {
			t.Errorf("%q becomes %q", b, chain)
		}
	})
}
