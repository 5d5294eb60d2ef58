package certs_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/weirproxy/weir/certs"
	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/certs/storage"
)

// importable is a certificate for name that somebody else has made, good for d.
func importable(t *testing.T, name string, d time.Duration) *storage.Cert {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(int64(d)), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(d).Truncate(time.Second)}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return &storage.Cert{
		Names: []string{name}, NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter, Serial: leaf.SerialNumber.Text(16), Obtained: time.Now(),
		Chain: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}
}

func TestImport_KeepsWhatLastsLonger(t *testing.T) {
	t.Parallel()
	m := new(certstest.MemoryStore)
	s := m.Node()
	if err := s.Put(t.Context(), certs.FailureKey("a.example"), []byte("{}"), 0); err != nil {
		t.Fatal(err)
	}
	longer, shorter := importable(t, "a.example", 48*time.Hour), importable(t, "a.example", 24*time.Hour)
	for _, tt := range []struct {
		name    string
		c       *storage.Cert
		replace bool
		kept    *storage.Cert
		serial  string
	}{
		{"the first", longer, false, nil, longer.Serial},
		{"the same again", longer, false, longer, longer.Serial},
		{"a shorter one", shorter, false, longer, longer.Serial},
		{"a shorter one by force", shorter, true, nil, shorter.Serial},
		{"a longer one", longer, false, nil, longer.Serial},
	} {
		kept, err := certs.Import(t.Context(), s, tt.c, tt.replace)
		if err != nil || (kept == nil) != (tt.kept == nil) || kept != nil && kept.Serial != tt.kept.Serial {
			t.Errorf("%s: kept %+v, %v", tt.name, kept, err)
		}
		got, err := storage.DecodeCert(m.Snapshot()[storage.CertKey("a.example")])
		if err != nil || got.Serial != tt.serial || got.Issuer != certs.Imported {
			t.Errorf("%s: the store has %+v, %v", tt.name, got, err)
		}
	}
	if keys := m.Keys(certs.FailureKey("")); len(keys) != 0 || m.Held("issue/a.example") {
		t.Errorf("left over: %v, lock held: %v", keys, m.Held("issue/a.example"))
	}
	wrong := *longer
	wrong.Key = shorter.Key
	other := *longer
	other.Names = []string{"b.example"}
	for name, c := range map[string]*storage.Cert{"another's key": &wrong, "another's name": &other} {
		if _, err := certs.Import(t.Context(), s, c, true); err == nil {
			t.Errorf("%s is imported", name)
		}
	}
}
