package storage_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/certs/storage"
)

var day = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// newCert makes a certificate for names that begins a day before day, and lives for d.
func newCert(t testing.TB, d time.Duration, names ...string) *storage.Cert {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	from := day.Add(-24 * time.Hour)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(77), Subject: pkix.Name{CommonName: names[0]}, NotBefore: from, NotAfter: from.Add(d)}
	for _, name := range names {
		if ip, err := netip.ParseAddr(name); err == nil {
			leaf.IPAddresses = append(leaf.IPAddresses, ip.AsSlice())
		} else {
			leaf.DNSNames = append(leaf.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return &storage.Cert{
		Names: names, Issuer: "test", URL: "https://ca.example/cert/1", Obtained: day, Serial: "4d", Node: "n1",
		Chain:     pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:       pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter,
	}
}

func TestCert_ReadsBackWhatItWrote(t *testing.T) {
	t.Parallel()
	c := newCert(t, 90*24*time.Hour, "*.example.com", "example.com", "192.0.2.1", "2001:db8::1")
	for _, renewal := range []storage.Renewal{{}, {Start: day, End: day.Add(time.Hour), Selected: day.Add(time.Minute), CheckAgain: day, Explanation: "https://ca.example/why"}} {
		c.Renewal = renewal
		if err := c.Valid(); err != nil {
			t.Fatal(err)
		}
		got, err := storage.DecodeCert(c.Encode())
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("got %+v, %v; want %+v", got, err, c)
		}
	}
	pair, err := c.TLS()
	if err != nil || pair.Leaf == nil || pair.Leaf.SerialNumber.Int64() != 77 {
		t.Errorf("TLS: %v, %v", pair, err)
	}
}

func TestCert_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	good := string(newCert(t, time.Hour, "a.example").Encode())
	for _, tt := range []struct {
		name, record string
		want         error
	}{
		{"empty", "", storage.ErrDamaged},
		{"cut", good[:len(good)-1], storage.ErrDamaged},
		{"more", good + "{}", storage.ErrDamaged},
		{"no number", `{"names":["a"]}`, storage.ErrDamaged},
		{"negative number", `{"version":-1}`, storage.ErrDamaged},
		{"a later form", `{"version":2,"names":"a"}`, storage.ErrNewer},
		{"sealed", "\x00weir sealed\x01........................", storage.ErrSealed},
		{"no names", strings.Replace(good, `["a.example"]`, `[]`, 1), storage.ErrDamaged},
		{"a path", strings.Replace(good, `["a.example"]`, `["../a"]`, 1), storage.ErrDamaged},
		{"an upper-case name", strings.Replace(good, `["a.example"]`, `["A.example"]`, 1), storage.ErrDamaged},
		{"a long name", strings.Replace(good, `a.example`, strings.Repeat("a", 254), 1), storage.ErrDamaged},
		{"many names", strings.Replace(good, `"a.example"`, strings.Repeat(`"a",`, 100)+`"a"`, 1), storage.ErrDamaged},
		{"no key", strings.Replace(good, `PRIVATE KEY`, ``, 2), storage.ErrDamaged},
		{"no chain", strings.Replace(good, `CERTIFICATE`, ``, 2), storage.ErrDamaged},
		{"another type", strings.Replace(good, `"issuer":"test"`, `"issuer":1`, 1), storage.ErrDamaged},
		{"long text", strings.Replace(good, `"issuer":"test"`, `"issuer":"`+strings.Repeat("x", 3000)+`"`, 1), storage.ErrDamaged},
		{"too much", strings.Replace(good, `"issuer":"test"`, `"x":"`+strings.Repeat("x", 1<<20)+`"`, 1), storage.ErrDamaged},
	} {
		if _, err := storage.DecodeCert([]byte(tt.record)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v; want %v", tt.name, err, tt.want)
		}
	}
	if _, err := storage.DecodeCert([]byte(strings.Replace(good, `{"version":1`, `{"version":1,"later":[1]`, 1))); err != nil {
		t.Errorf("a field of a later weir: %v", err)
	}
}

func TestCert_ValidRefusesWhatCouldNotBeReadAgain(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(c *storage.Cert){
		"no name":  func(c *storage.Cert) { c.Names = nil },
		"no chain": func(c *storage.Cert) { c.Chain = nil },
		"no key":   func(c *storage.Cert) { c.Key = nil },
		"too big":  func(c *storage.Cert) { c.Chain = bytes.Repeat(c.Chain, 2000) },
	} {
		c := newCert(t, time.Hour, "a.example")
		change(c)
		if err := c.Valid(); err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := storage.DecodeCert(c.Encode()); err == nil {
			t.Errorf("%s: is read", name)
		}
	}
	c := newCert(t, time.Hour, "a.example")
	c.Renewal.Selected = time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)
	if got, err := storage.DecodeCert(c.Encode()); err != nil || !got.Renewal.Selected.IsZero() {
		t.Errorf("a time out of bounds: %v, %v", got, err)
	}
}

func TestCheck_FindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	inner := new(certstest.MemoryStore).Node()
	s := seal(t, inner, secret(1))
	save := func(to storage.Store, key string, c *storage.Cert) { put(t, to, key, string(c.Encode())) }
	month := 30 * 24 * time.Hour
	for i := range 150 { // more than a page
		put(t, s, "cert/"+strings.Repeat("g", 1+i%50)+strings.Repeat("h", i/50), "")
	}
	s.Delete(t.Context(), "cert/g")
	for _, r := range must(s.List(t.Context(), "cert/", "", 1000)) {
		save(s, r.Key, newCert(t, month, strings.TrimPrefix(r.Key, "cert/")))
	}
	mismatch := newCert(t, month, "mismatch.example")
	mismatch.Key = newCert(t, month, "mismatch.example").Key
	save(s, "cert/mismatch.example", mismatch)
	other := newCert(t, month, "other.example")
	save(s, "cert/moved.example", other)
	short := newCert(t, month, "names.example")
	short.Names = []string{"names.example", "more.example"}
	save(s, "cert/names.example", short)
	lie := newCert(t, month, "lie.example")
	lie.NotAfter = lie.NotAfter.Add(time.Hour)
	save(s, "cert/lie.example", lie)
	save(s, "cert/expired.example", newCert(t, time.Hour, "expired.example"))
	put(t, s, "cert/junk.example", "junk")
	put(t, s, "cert/newer.example", `{"version":99}`)
	save(seal(t, inner, secret(2)), "cert/foreign.example", newCert(t, month, "foreign.example"))
	save(s, "account/x", lie)

	found, err := storage.Check(t.Context(), s, day)
	if err != nil {
		t.Fatal(err)
	}
	wants := map[string]error{
		"cert/mismatch.example": storage.ErrDamaged, "cert/moved.example": storage.ErrDamaged,
		"cert/names.example": storage.ErrDamaged, "cert/lie.example": storage.ErrDamaged,
		"cert/expired.example": storage.ErrExpired, "cert/junk.example": storage.ErrDamaged,
		"cert/newer.example": storage.ErrNewer, "cert/foreign.example": storage.ErrOtherKey,
	}
	for _, p := range found {
		if w := wants[p.Key]; w == nil || !errors.Is(p.Err, w) {
			t.Errorf("%v; want %v", p, w)
		}
		delete(wants, p.Key)
	}
	if len(wants) > 0 {
		t.Errorf("not found: %v", wants)
	}
	inner.Down()
	if _, err := storage.Check(t.Context(), s, day); !errors.Is(err, certstest.ErrDown) {
		t.Errorf("store down: %v", err)
	}
}

func TestCerts_GoesThroughAllOnce(t *testing.T) {
	t.Parallel()
	s := new(certstest.MemoryStore).Node()
	put(t, s, "cert/a", "{}")
	for i := range 125 { // a page ends between a key and one that begins with it
		put(t, s, fmt.Sprintf("cert/n%03d", i), "{}")
		put(t, s, fmt.Sprintf("cert/n%03da", i), "{}")
	}
	put(t, s, "certs", "{}")
	seen := map[string]int{}
	err := storage.Certs(t.Context(), s, func(key string, c *storage.Cert, err error) error {
		if c != nil || !errors.Is(err, storage.ErrDamaged) {
			t.Errorf("%s: %v, %v", key, c, err)
		}
		seen[key]++
		return nil
	})
	if err != nil || len(seen) != 251 {
		t.Errorf("%d keys, %v; want 251", len(seen), err)
	}
	stop := errors.New("enough")
	if err := storage.Certs(t.Context(), s, func(string, *storage.Cert, error) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("stopped: %v", err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func FuzzDecodeCert(f *testing.F) {
	c := newCert(f, time.Hour, "a.example", "*.a.example")
	c.Renewal = storage.Renewal{Start: day, Explanation: "x"}
	f.Add(c.Encode())
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := storage.DecodeCert(b)
		if err != nil {
			return
		}
		if err := c.Valid(); err != nil && len(b) < 100<<10 {
			t.Errorf("%q is read, and not valid: %v", b, err)
		}
		again, err := storage.DecodeCert(c.Encode())
		if err != nil || !bytes.Equal(again.Encode(), c.Encode()) {
			t.Errorf("%q: %+v, then %+v, %v", b, c, again, err)
		}
		c.TLS()
	})
}

func BenchmarkDecodeCert(b *testing.B) {
	record := newCert(b, time.Hour, "a.example").Encode()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := storage.DecodeCert(record); err != nil {
			b.Fatal(err)
		}
	}
}
