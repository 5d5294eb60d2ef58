package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/certs/certstest"
)

// signed is a certificate with its key, as other programs leave them.
type signed struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// sign makes a certificate that by vouches for; nobody else does if that is nil.
func sign(t *testing.T, by *signed, c *x509.Certificate) *signed {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber, c.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: rand.Text()}
	c.BasicConstraintsValid = true
	if c.NotAfter.IsZero() {
		c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	}
	parent, signer := c, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &signed{made, key}
}

func certPEM(all ...*signed) (b []byte) {
	for _, s := range all {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.cert.Raw})...)
	}
	return b
}

func (s *signed) keyPEM(t *testing.T) []byte {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(s.key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
}

func TestImport_ChecksWhatItTakes(t *testing.T) {
	t.Parallel()
	root := sign(t, nil, &x509.Certificate{IsCA: true})
	middle := sign(t, root, &x509.Certificate{IsCA: true})
	leaf := sign(t, middle, &x509.Certificate{DNSNames: []string{"Www.example.com", "*.example.com"}})
	own := sign(t, nil, &x509.Certificate{DNSNames: []string{"own.example.com"}, IsCA: true})
	old := sign(t, middle, &x509.Certificate{DNSNames: []string{"old.example.com"}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-24 * time.Hour)})
	early := sign(t, middle, &x509.Certificate{DNSNames: []string{"early.example.com"}, NotBefore: time.Now().Add(24 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour)})
	nameless := sign(t, middle, &x509.Certificate{})
	for _, tt := range []struct {
		name      string
		chain     []byte
		key       *signed
		want      []*signed // the chain that is kept
		note, err string
	}{
		{"in order", certPEM(leaf, middle, root), leaf, []*signed{leaf, middle, root}, "", ""},
		{"issuers in disorder", certPEM(leaf, root, middle), leaf, []*signed{leaf, middle, root}, "", ""},
		{"a stranger among them", certPEM(leaf, own, middle), leaf, []*signed{leaf, middle}, "left out", ""},
		{"leaf alone", certPEM(leaf), leaf, []*signed{leaf}, "no issuer is in the file", ""},
		{"vouches for itself", certPEM(own), own, []*signed{own}, "", ""},
		{"no issuer of it", certPEM(leaf, own), leaf, nil, "", "no certificate of the file vouches for the first one"},
		{"leaf last", certPEM(middle, leaf), leaf, nil, "", "put that one first"},
		{"another's key", certPEM(leaf, middle), own, nil, "", "do not belong together"},
		{"over", certPEM(old, middle), old, nil, "", "it expired on"},
		{"not yet", certPEM(early, middle), early, nil, "", "is this machine's clock right?"},
		{"for nobody", certPEM(nameless, middle), nameless, nil, "", "names no host"},
	} {
		dir := t.TempDir()
		write(t, dir, "cert.pem", string(tt.chain))
		write(t, dir, "key.pem", string(tt.key.keyPEM(t)))
		c, note, err := readImport(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), time.Now())
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: %v, want %q", tt.name, err, tt.err)
			}
			continue
		}
		if err != nil || string(c.Chain) != string(certPEM(tt.want...)) || tt.note == "" && note != "" || !strings.Contains(note, tt.note) {
			t.Errorf("%s: note %q, %v", tt.name, note, err)
		}
		if tt.key == leaf && !slices.Equal(c.Names, []string{"www.example.com", "*.example.com"}) {
			t.Errorf("%s: for %v", tt.name, c.Names)
		}
	}
}

func TestImport_TakesEachNameThatCanBeServed(t *testing.T) {
	t.Parallel()
	root := sign(t, nil, &x509.Certificate{IsCA: true})
	leaf := sign(t, root, &x509.Certificate{DNSNames: []string{"*.example.com", "../../etc/passwd", "b.example.com"}})
	dir := t.TempDir()
	write(t, dir, "cert.pem", string(certPEM(leaf, root)))
	write(t, dir, "key.pem", string(leaf.keyPEM(t)))
	m := new(certstest.MemoryStore)
	s := &shelf{certs: m.Node()}
	f := found{cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"), from: "x"}
	got, err := new(certImportCmd).take(t.Context(), s, f)
	if err != nil || len(got) != 3 || !got[0].Done || got[1].Done || !got[2].Done {
		t.Errorf("%+v, %v", got, err)
	}
	if keys := m.Keys("cert/"); !slices.Equal(keys, []string{"cert/*.example.com", "cert/b.example.com"}) {
		t.Errorf("the store has %q", keys)
	}
	m.Each((*certstest.Node).Down)
	if _, err := new(certImportCmd).take(t.Context(), s, f); err == nil {
		t.Error("the store is down, and nobody says so")
	}
}

// A directory that is not what it is taken for has nothing to be listed one by one.
func TestImport_RefusesDirectoriesOfOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "live", "www.example.com"), "README", "nothing else")
	for name, find := range map[string]func(string) ([]found, error){"certbot": certbotPairs, "Caddy": caddyPairs} {
		if all, err := find(dir); err == nil || !strings.Contains(err.Error(), "no certificates of "+name) {
			t.Errorf("%s: %+v, %v", name, all, err)
		}
	}
	write(t, filepath.Join(dir, "live", "other.example.com"), "fullchain.pem", "")
	if all, err := certbotPairs(dir); err != nil || len(all) != 2 || all[1].skip == "" {
		t.Errorf("one without a certificate among others: %+v, %v", all, err)
	}
}
