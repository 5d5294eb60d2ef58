package certs_test

import (
	"bytes"
	"crypto/x509"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirproxy/weir/certs"
)

func TestSecurity_P8_ClientCAsNeverFailOpen(t *testing.T) {
	t.Parallel()
	ca, other := issue(t, nil, "ca", isCA), issue(t, nil, "other", isCA)
	old := issue(t, nil, "old", func(c *x509.Certificate) { isCA(c); expired(c) })
	client, pinned := issue(t, ca, "client", nil), issue(t, nil, "pinned", nil)
	good := temp(t, ca.certPEM())
	for _, c := range []struct {
		name  string
		paths []string
		err   string
	}{
		{"one", []string{good}, ""},
		{"several, one expired", []string{temp(t, ca.certPEM(), []byte("# comment\n"), old.certPEM()), good}, ""},
		{"a self-signed client", []string{temp(t, pinned.certPEM())}, ""},
		{"none named", nil, "no file is named"},
		{"missing", []string{good, filepath.Join(t.TempDir(), "gone")}, "no such file"},
		{"empty", []string{good, temp(t)}, "empty"},
		{"text", []string{temp(t, []byte("no certificates here"))}, "not in PEM form"},
		{"a directory", []string{t.TempDir()}, "is a directory"},
		{"damaged second", []string{temp(t, ca.certPEM(), bytes.Replace(other.certPEM(), []byte("\nM"), []byte("\n*"), 1))}, "damaged"},
		{"cut second", []string{temp(t, ca.certPEM(), other.certPEM()[:300])}, "damaged"},
		{"a key", []string{temp(t, ca.certPEM(), ca.keyPEM(t))}, "only certificates belong here"},
		{"a client's certificate", []string{temp(t, ca.certPEM(), client.certPEM())}, "certificate 2 (CN=client) is not one of an authority"},
		{"all expired", []string{temp(t, old.certPEM())}, "nobody could get in"},
	} {
		pool, print, err := certs.ClientCAs(c.paths...)
		if c.err == "" && (err != nil || pool == nil || len(print) != 64) {
			t.Errorf("%s: %v, %q, %v; want a pool and its fingerprint", c.name, pool, print, err)
		}
		if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err) || pool != nil || print != "") {
			t.Errorf("%s: %v, %q, %v; want nothing but an error with %q", c.name, pool, print, err, c.err)
		}
	}
}

func TestClientCAs_FingerprintNamesTheSet(t *testing.T) {
	t.Parallel()
	a, b := issue(t, nil, "a", isCA), issue(t, nil, "b", isCA)
	pa, pb, ab, ba := temp(t, a.certPEM()), temp(t, b.certPEM()), temp(t, a.certPEM(), b.certPEM()), temp(t, b.certPEM(), a.certPEM())
	print := func(paths ...string) string {
		_, p, err := certs.ClientCAs(paths...)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	want := print(ab)
	for _, paths := range [][]string{{ba}, {pa, pb}, {pb, pa}, {ab, pa}} {
		if got := print(paths...); got != want {
			t.Errorf("fingerprint of the same set from %d files = %s; want %s", len(paths), got, want)
		}
	}
	if print(pa) == want || print(pb) == want || print(pa) == print(pb) {
		t.Error("other sets have the same fingerprint")
	}
}

func TestClientCAs_PoolHoldsThem(t *testing.T) {
	t.Parallel()
	ca, stranger := issue(t, nil, "ca", isCA), issue(t, nil, "stranger", isCA)
	pool, _, err := certs.ClientCAs(temp(t, ca.certPEM()))
	if err != nil {
		t.Fatal(err)
	}
	verify := func(m *maker) error {
		_, err := m.cert.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		return err
	}
	if err := verify(issue(t, ca, "friend", nil)); err != nil {
		t.Errorf("a client of the authority: %v; want it accepted", err)
	}
	if err := verify(issue(t, stranger, "foe", nil)); err == nil {
		t.Error("a client of a stranger is accepted")
	}
}

func FuzzClientCAs(f *testing.F) {
	ca := issue(f, nil, "ca", isCA)
	f.Add(ca.certPEM())
	f.Add(append(ca.certPEM(), ca.certPEM()[:100]...))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		pool, print, err := certs.ClientCAs(temp(t, b))
		if err == nil && (pool == nil || print == "" || pool.Equal(x509.NewCertPool())) {
			t.Errorf("%q gives an empty pool without an error", b)
		}
	})
}
